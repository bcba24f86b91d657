//! Relays, certificates and a peer that says exactly what it is told.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use outreachd::config::{Relay, SecretRef, Timeouts, Tls};
use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options, Stage};
use outreachd::transport::Verdict;
use outreachd::transport::smtp::{ConnectError, Connector, Envelope, Message, Session};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::ServerConfig;
use tempfile::{NamedTempFile, TempPath};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub const LETTER: &[u8] = b"Subject: Ljuset i lagret\r\n\r\nHej Anna!\r\n";

/// More than the system's buffers take, so that a peer that does not read is noticed.
pub fn large_letter() -> Vec<u8> {
    b"En rad som inte tar slut forran kollegan svarar, och det gor hon nog.\r\n".repeat(400_000)
}

pub fn envelope<'a>(to: &'a str, message: &[u8]) -> Envelope<'a> {
    Envelope {
        from: "ut+42@fyrljus.example",
        to,
        size: message.len(),
        eight_bit: !message.is_ascii(),
        envid: Some("attempt-42"),
    }
}

pub fn relay(addr: SocketAddr, more: &str) -> Relay {
    let mut relay = Relay::new("main", "127.0.0.1", addr.port(), Tls::Starttls);
    relay.hello = Some("ut.fyrljus.example".into());
    set(&mut relay, more);
    relay
}

/// Sets the keys that `more` names, as a configuration file would.
fn set(relay: &mut Relay, more: &str) {
    for (key, value) in more.parse::<toml::Table>().unwrap() {
        let text = value.as_str().unwrap_or_default().to_owned();
        let number = u64::try_from(value.as_integer().unwrap_or_default()).unwrap();
        match key.as_str() {
            "host" => relay.host = text,
            "tls" => relay.tls = tls(&text),
            "ca_file" => relay.ca_file = Some(text.into()),
            "username" => relay.username = Some(text),
            "password" => relay.password = Some(SecretRef::File(value["file"].as_str().unwrap().into())),
            "timeouts" => relay.timeouts = Timeouts::all(number),
            other => panic!("no test sets {other}"),
        }
    }
}

fn tls(word: &str) -> Tls {
    match word {
        "none" => Tls::None,
        "implicit" => Tls::Implicit,
        _ => Tls::Starttls,
    }
}

pub fn clear(addr: SocketAddr) -> Relay {
    relay(addr, "tls = \"none\"\ntimeouts = 20")
}

pub fn hasty(addr: SocketAddr) -> Relay {
    relay(addr, "tls = \"none\"\ntimeouts = 1")
}

pub async fn session(relay: &Relay) -> Session {
    Connector::new(relay).unwrap().connect().await.unwrap()
}

pub async fn connect_error(relay: &Relay) -> ConnectError {
    match Connector::new(relay).unwrap().connect().await {
        Ok(_) => panic!("it connected"),
        Err(error) => error,
    }
}

/// A server that does `answer` at one stage and accepts everywhere else.
pub async fn server_that(stage: Stage, answer: Answer) -> MailServer {
    let script = move |facts: &Facts<'_>| if facts.stage == stage { answer.clone() } else { Answer::Accept };
    MailServer::start(script, Options::default()).await.unwrap()
}

/// One whole transaction.
pub async fn send(session: &mut Session, to: &str, message: &[u8]) -> Verdict {
    let checked = match Message::check(message) {
        Ok(checked) => checked,
        Err(verdict) => return verdict,
    };
    match session.begin(&envelope(to, message)).await {
        Ok(()) => session.body(&checked).await,
        Err(verdict) => verdict,
    }
}

/// A secret in a file that only we can read.
pub fn secret(text: &str) -> TempPath {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.into_temp_path()
}

/// An authority, in a file for `ca_file`.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: TempPath,
}

impl Authority {
    pub fn new() -> Self {
        Self::named("Lykta")
    }

    pub fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let file = secret(&params.self_signed(&key).unwrap().pem());
        Self { issuer: Issuer::new(params, key), file }
    }

    pub fn path(&self) -> PathBuf {
        self.file.to_path_buf()
    }

    /// A server with a certificate for `name`, good to the end of `last_year`.
    pub fn server(&self, name: &str, last_year: i32) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        Arc::new(config)
    }
}

/// A peer that says a line for each line it hears.
pub struct Peer {
    pub addr: SocketAddr,
    /// Everything it heard, once the other side has closed.
    pub heard: tokio::task::JoinHandle<String>,
}

impl Peer {
    /// `lines` are said one by one, each but the first after something was heard.
    /// Where `deaf`, the peer then reads no more, and does not close either.
    pub async fn saying(lines: &'static [&'static str], deaf: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut heard = Vec::with_capacity(16 * 1024);
            for (index, line) in lines.iter().enumerate() {
                if index > 0 {
                    tcp.read_buf(&mut heard).await.unwrap();
                }
                tcp.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
            }
            if deaf {
                std::future::pending::<()>().await;
            }
            // What was heard before a reset counts too.
            let _end = tcp.read_to_end(&mut heard).await;
            String::from_utf8(heard).unwrap()
        });
        Self { addr, heard }
    }
}
