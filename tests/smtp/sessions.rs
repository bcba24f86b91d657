//! B6 to B9 by their names: what a session says, and what it does not say.

use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options, Protection, Stage};
use outreachd::transport::Verdict;
use outreachd::transport::smtp::ConnectError;

use crate::support::*;

#[tokio::test]
async fn b6_groups_commands_only_where_offered_and_resets_only_when_needed() {
    for pipelining in [true, false] {
        let script = |facts: &Facts<'_>| match (facts.stage, facts.to) {
            (Stage::Recipient, "oskar@bergtorp.example") => Answer::no_such_user(),
            _ => Answer::Accept,
        };
        let server = MailServer::start(script, Options { pipelining, ..Options::default() }).await.unwrap();
        let mut session = session(&clear(server.addr())).await;
        for to in ["anna@granvik.example", "lars@dalkarra.example", "oskar@bergtorp.example", "eva@ekhult.example"] {
            let verdict = send(&mut session, to, LETTER).await;
            assert_eq!(matches!(verdict, Verdict::Accepted(_)), !to.starts_with("oskar"), "{verdict:?}");
        }
        let received = server.wait_for(3).await;
        assert!(received.iter().all(|letter| letter.pipelined == pipelining && letter.to.len() == 1));
        let resets = server.commands().iter().filter(|verb| *verb == "RSET").count();
        assert_eq!(resets, 1, "after the refused one alone");
    }
}

#[tokio::test]
async fn b7_refuses_a_letter_larger_than_the_relay_takes_before_mail() {
    let options = Options { max_size_bytes: Some(LETTER.len() - 1), ..Options::default() };
    let server = MailServer::start(|_| Answer::Accept, options).await.unwrap();
    let mut session = session(&clear(server.addr())).await;
    let Verdict::Rejected(reply) = send(&mut session, "anna@granvik.example", LETTER).await else { panic!() };
    assert_eq!(reply.enhanced.as_deref(), Some("5.3.4"));
    assert!(session.is_usable(), "the next letter may be smaller");
    assert_eq!(server.commands(), ["EHLO"]);
}

#[tokio::test]
async fn b8_asks_for_reports_only_where_dsn_is_offered() {
    for dsn in [true, false] {
        let server = MailServer::start(|_| Answer::Accept, Options { dsn, ..Options::default() }).await.unwrap();
        let mut session = session(&clear(server.addr())).await;
        send(&mut session, "anna@granvik.example", LETTER).await;
        let letter = &server.wait_for(1).await[0];
        let said = (letter.from_parameters.as_str(), letter.to_parameters.as_str());
        match dsn {
            true => assert_eq!(
                said,
                ("RET=HDRS ENVID=attempt-42", "NOTIFY=FAILURE,DELAY ORCPT=rfc822;anna@granvik.example")
            ),
            false => assert_eq!(said, ("", "")),
        }
    }
}

#[tokio::test]
async fn b9_says_nothing_secret_before_the_connection_is_protected_and_the_name_is_right() {
    let authority = Authority::new();
    let password = secret("ljus i lagret");
    let login = Some(("ut".to_owned(), "ljus i lagret".to_owned()));
    let other_name = authority.server("mx.relay.example", 2999);
    for protection in [Protection::None, Protection::Starttls(other_name.clone()), Protection::Implicit(other_name)] {
        let tls = if matches!(protection, Protection::Implicit(_)) { "implicit" } else { "starttls" };
        let options = Options { protection, login: login.clone(), ..Options::default() };
        let server = MailServer::start(|_| Answer::Accept, options).await.unwrap();
        let keys = format!(
            "tls = \"{tls}\"\nca_file = {:?}\nusername = \"ut\"\npassword = {{ file = {:?} }}\ntimeouts = 20",
            authority.path(),
            &*password
        );
        let error = connect_error(&relay(server.addr(), &keys)).await;
        let expected = matches!(error, ConnectError::NoStarttls { .. } | ConnectError::CertificateName { .. });
        assert!(expected && error.is_permanent(), "{error}");
        assert!(!server.commands().contains(&"AUTH".to_owned()));
    }
}

#[tokio::test]
async fn takes_an_address_beyond_ascii_only_where_the_relay_does() {
    for smtputf8 in [true, false] {
        let server = MailServer::start(|_| Answer::Accept, Options { smtputf8, ..Options::default() }).await.unwrap();
        let mut session = session(&clear(server.addr())).await;
        let verdict = send(&mut session, "åsa@blåbär.example", LETTER).await;
        match verdict {
            Verdict::Accepted(_) => {
                assert!(smtputf8);
                let letter = &server.received()[0];
                assert_eq!(letter.to, ["åsa@xn--blbr-noae.example"]);
                assert!(letter.from_parameters.contains("SMTPUTF8"), "{}", letter.from_parameters);
            }
            Verdict::Rejected(reply) => {
                assert!(!smtputf8 && server.commands() == ["EHLO"]);
                assert_eq!(reply.enhanced.as_deref(), Some("5.6.7"));
            }
            other => panic!("{other:?}"),
        }
    }
}
