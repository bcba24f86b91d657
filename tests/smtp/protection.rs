//! TLS and logins: what is refused, and what the refusal tells a person to do.

use outreachd::config::Relay;
use outreachd::demo::mail_server::{Answer, MailServer, Options, Protection, Stage};
use outreachd::transport::Verdict;
use outreachd::transport::smtp::{ConnectError, Connector, SetupError};

use crate::support::*;

const PASSWORD: &str = "ljus i lagret";

async fn server(protection: Protection, mechanisms: &'static str) -> MailServer {
    let login = Some(("ut".to_owned(), PASSWORD.to_owned()));
    MailServer::start(|_| Answer::Accept, Options { protection, login, mechanisms, ..Options::default() })
        .await
        .unwrap()
}

/// A relay with a login; `tls` is `implicit` or `starttls`.
fn relay_with(server: &MailServer, tls: &str, authority: &Authority, password: &std::path::Path) -> Relay {
    let text = format!(
        "tls = \"{tls}\"\nca_file = {:?}\nusername = \"ut\"\npassword = {{ file = {password:?} }}\ntimeouts = 20",
        authority.path()
    );
    relay(server.addr(), &text)
}

#[tokio::test]
async fn logs_in_under_tls_in_each_way() {
    let authority = Authority::new();
    let config = authority.server("127.0.0.1", 2999);
    let ways = [("implicit", Protection::Implicit(config.clone())), ("starttls", Protection::Starttls(config))];
    for (tls, protection) in ways {
        for mechanisms in ["PLAIN LOGIN", "LOGIN"] {
            let server = server(protection.clone(), mechanisms).await;
            let password = secret(&format!("{PASSWORD}\n"));
            let connector = Connector::new(&relay_with(&server, tls, &authority, &password)).unwrap();
            // The secret was read once: rotating the file away must not break a running daemon.
            drop(password);
            let mut session = connector.connect().await.unwrap();
            assert!(matches!(send(&mut session, "anna@granvik.example", LETTER).await, Verdict::Accepted(_)));
            assert!(server.wait_for(1).await[0].tls);
        }
    }
}

#[tokio::test]
async fn says_that_the_password_is_wrong_and_waits_for_a_person() {
    let authority = Authority::new();
    let server = server(Protection::Implicit(authority.server("127.0.0.1", 2999)), "PLAIN LOGIN").await;
    let password = secret("gissning");
    let error = connect_error(&relay_with(&server, "implicit", &authority, &password)).await;
    assert_eq!(
        error.to_string(),
        format!("the relay {} refused the login (535 5.7.8); check `username` and `password`", server.addr())
    );
    assert!(error.is_permanent());
    assert_eq!(error.reply().unwrap().text, "535 5.7.8 wrong name or password");
}

#[tokio::test]
async fn never_logs_in_where_starttls_is_missing() {
    let authority = Authority::new();
    let server = server(Protection::None, "PLAIN LOGIN").await;
    let password = secret(PASSWORD);
    let error = connect_error(&relay_with(&server, "starttls", &authority, &password)).await;
    assert!(matches!(error, ConnectError::NoStarttls { .. }) && error.is_permanent(), "{error}");
    assert_eq!(server.commands(), ["EHLO"]);
}

#[tokio::test]
async fn never_goes_in_the_clear_beyond_this_machine() {
    let mut relay = clear(([127, 0, 0, 1], 25).into());
    relay.host = "mx.relay.example".to_owned();
    assert!(matches!(Connector::new(&relay), Err(SetupError::ClearRemote { .. })));
}

#[tokio::test]
async fn says_that_the_certificate_has_expired() {
    let authority = Authority::new();
    let server = server(Protection::Implicit(authority.server("127.0.0.1", 2020)), "PLAIN").await;
    let password = secret(PASSWORD);
    let error = connect_error(&relay_with(&server, "implicit", &authority, &password)).await;
    assert!(error.is_permanent());
    assert_eq!(
        error.to_string(),
        format!(
            "the certificate of the relay {} has expired; whoever runs the relay must renew it (or this machine's clock is wrong)",
            server.addr()
        )
    );
    assert!(server.commands().is_empty());
}

#[tokio::test]
async fn says_that_the_certificate_is_for_another_name() {
    let authority = Authority::new();
    let server = server(Protection::Starttls(authority.server("mx.relay.example", 2999)), "PLAIN").await;
    let password = secret(PASSWORD);
    let error = connect_error(&relay_with(&server, "starttls", &authority, &password)).await;
    let text = error.to_string();
    assert!(text.contains("mx.relay.example") && text.contains("not for `127.0.0.1`"), "{text}");
    assert!(error.is_permanent());
    assert_eq!(server.commands(), ["EHLO", "STARTTLS"]);
}

#[tokio::test]
async fn says_that_the_authority_is_unknown() {
    // One of another name, and one of the same name with another key (a CA made anew).
    for other in [Authority::named("Fyr"), Authority::new()] {
        let config = Authority::new().server("127.0.0.1", 2999);
        let server = server(Protection::Implicit(config), "PLAIN").await;
        let password = secret(PASSWORD);
        let error = connect_error(&relay_with(&server, "implicit", &other, &password)).await;
        assert!(matches!(error, ConnectError::CertificateIssuer { .. }) && error.is_permanent(), "{error}");
    }
}

#[tokio::test]
async fn tells_the_two_kinds_of_ports_apart() {
    let authority = Authority::new();
    let config = authority.server("127.0.0.1", 2999);
    let ca = format!("ca_file = {:?}\ntimeouts = 1", authority.path());

    let submission = server(Protection::Starttls(config.clone()), "PLAIN").await;
    let error = connect_error(&relay(submission.addr(), &format!("tls = \"implicit\"\n{ca}"))).await;
    assert!(error.to_string().ends_with("port 587 expects starttls; set tls = \"starttls\""), "{error}");
    assert!(error.is_permanent());

    let submissions = server(Protection::Implicit(config), "PLAIN").await;
    let error = connect_error(&relay(submissions.addr(), &ca)).await;
    assert!(error.to_string().ends_with("if this port expects tls, set tls = \"implicit\""), "{error}");
}

#[tokio::test]
async fn trusts_nothing_that_was_said_before_tls() {
    let authority = Authority::new();
    let lines = &["220 hi", "250-hi\r\n250 STARTTLS", "220 go\r\n250 injected"];
    let peer = Peer::saying(lines, false).await;
    let error = connect_error(&relay(peer.addr, &format!("ca_file = {:?}", authority.path()))).await;
    assert!(matches!(error, ConnectError::Injected { .. }) && error.is_permanent(), "{error}");
    assert_eq!(peer.heard.await.unwrap(), "EHLO ut.fyrljus.example\r\nSTARTTLS\r\n");
}

#[tokio::test]
async fn a_relay_that_is_busy_or_down_may_come_back() {
    let busy = server_that(Stage::Greeting, Answer::Reply("421 4.7.0 too many sessions".to_owned())).await;
    let error = connect_error(&clear(busy.addr())).await;
    assert!(error.to_string().ends_with("refused the connection (421 4.7.0)") && !error.is_permanent(), "{error}");

    let addr = busy.addr();
    busy.shutdown().await;
    let error = connect_error(&clear(addr)).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }) && !error.is_permanent(), "{error}");
}

#[tokio::test]
async fn says_that_there_is_no_way_to_log_in() {
    let authority = Authority::new();
    let server = server(Protection::Implicit(authority.server("127.0.0.1", 2999)), "XOAUTH2").await;
    let password = secret(PASSWORD);
    let error = connect_error(&relay_with(&server, "implicit", &authority, &password)).await;
    assert!(error.to_string().contains("it offers XOAUTH2") && error.is_permanent(), "{error}");
}
