//! A relay that takes nothing: the daemon runs on, says so once, and loses nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use outreachd::demo::mail_server::{Answer, MailServer, Options, Protection};
use outreachd::model::delivery::DeliveryState;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustix::process::Signal;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};

use crate::support::daemon::{ANY_PORT, Daemon, Site, configuration, deliveries, errors, notices, soon};

/// What the log must say, and that no try was used up for it.
async fn waits_and_says(site: &Site, daemon: &mut Daemon, why: &str) {
    let line = daemon.says("no mail leaves by relay main for now: ").await;
    assert!(line.contains(why), "{why}\n{line}");
    let store = site.store().await;
    for row in deliveries(&store).await {
        assert_eq!(row.tries, 0, "no try is used up: {row:?}");
        assert!(matches!(row.state, DeliveryState::Scheduled | DeliveryState::Claimed), "{row:?}");
    }
    store.close().await;
}

/// Listens where nobody did, and passes everything on.
async fn pass_on(from: SocketAddr, to: SocketAddr) {
    let listener = TcpListener::bind(from).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_unreachable_relay_is_waited_for() {
    let relay = MailServer::accepting().await.unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::with(&configuration(nobody.port(), ANY_PORT, "tls = \"none\"", ""));
    notices(&site.store().await, &["a", "b", "c"]).await;
    let mut daemon = site.run();
    let why = format!("cannot reach the relay {nobody}: Connection refused (os error 111); check `host`, `port`");
    waits_and_says(&site, &mut daemon, &why).await;
    pass_on(nobody, relay.addr()).await;
    daemon.says("mail leaves by relay main again").await;
    soon("all that had waited", relay.wait_for(3)).await;
    assert_eq!(errors(&daemon.stop().await).len(), 1, "it is said once");
    assert_eq!(relay.received().len(), 3, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_password_uses_up_no_try() {
    let options = Options { login: Some(("outreachd".into(), "right".into())), ..Options::default() };
    let relay = MailServer::start(|_| Answer::Accept, options).await.unwrap();
    let login = "tls = \"none\"\nusername = \"outreachd\"\npassword = { env = \"RELAY_PASSWORD\" }";
    let site = Site::with(&configuration(relay.addr().port(), ANY_PORT, login, ""));
    notices(&site.store().await, &["a"]).await;
    let mut daemon = site.run_with(&[("RELAY_PASSWORD", "wrong")]);
    waits_and_says(&site, &mut daemon, "refused the login (535").await;
    let said = daemon.stop().await;
    assert_eq!(errors(&said).len(), 1, "it is said once");
    assert!(errors(&said)[0].contains("check `username` and `password`"), "{said:?}");
    assert!(!said.join("\n").contains("wrong"), "the password stays out of the log");
    let daemon = site.run_with(&[("RELAY_PASSWORD", "right")]);
    soon("the mail with the right password", relay.wait_for(1)).await;
    daemon.stop().await;
}

/// A server's side of TLS, good until the end of `last_year`, and its authority as PEM.
fn certificate(last_year: i32) -> (Arc<ServerConfig>, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let mut own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    own.not_after = date_time_ymd(last_year, 12, 31);
    let key = KeyPair::generate().unwrap();
    let own = own.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key.into())
        .unwrap();
    (Arc::new(config), pem)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_expired_certificate_is_no_reason_to_send_in_the_clear() {
    let (server, authority) = certificate(2020);
    let options = Options { protection: Protection::Starttls(server), ..Options::default() };
    let relay = MailServer::start(|_| Answer::Accept, options).await.unwrap();
    let tls = "tls = \"starttls\"\nca_file = \"authority.pem\"";
    let site = Site::with(&configuration(relay.addr().port(), ANY_PORT, tls, ""));
    std::fs::write(site.path("authority.pem"), authority).unwrap();
    notices(&site.store().await, &["a"]).await;
    let mut daemon = site.run();
    waits_and_says(&site, &mut daemon, "has expired; whoever runs the relay must renew it").await;

    // A relay with a good one takes its place, and the operator says so.
    let (server, authority) = certificate(2100);
    let options = Options { protection: Protection::Starttls(server), ..Options::default() };
    let renewed = MailServer::start(|_| Answer::Accept, options).await.unwrap();
    std::fs::write(site.path("authority.pem"), authority).unwrap();
    site.configure(&configuration(renewed.addr().port(), ANY_PORT, tls, ""));
    daemon.signal(Signal::HUP);
    soon("the mail under tls", renewed.wait_for(1)).await;
    assert!(renewed.received()[0].tls && relay.received().is_empty());
    daemon.stop().await;
}
