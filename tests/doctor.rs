//! `doctor` against servers on this machine: what it says of each, and that it sends nothing.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

#[path = "doctor/dkim.rs"]
mod dkim;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{MX, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use jiff::{Timestamp, ToSpan};
use outreachd::clock::{Clock, ManualClock};
use outreachd::config::{self, Config};
use outreachd::demo::fax_gateway::{Ending, FaxGateway, KEY, SECRET};
use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options, Protection, Stage};
use outreachd::doctor::{Check, Situation, State, Tally, examine};
use outreachd::store::{Migration, Store};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;
use tokio::net::UdpSocket;

fn now() -> Timestamp {
    "2027-03-01T07:30:00Z".parse().unwrap()
}

/// The configuration of a company whose servers are all on this machine.
struct World {
    folder: TempDir,
    relay: String,
    fax: String,
    mailbox: String,
}

impl World {
    fn new(relay: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for inner in ["new", "cur", "tmp"] {
            std::fs::create_dir_all(folder.path().join("mail").join(inner)).unwrap();
        }
        let relay = format!("host = \"127.0.0.1\"\nport = {}\ntls = \"none\"", relay.port());
        Self { folder, relay, fax: String::new(), mailbox: "maildir = \"mail\"".to_owned() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that only its owner can read.
    fn secret(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        self.chmod(name, 0o600);
    }

    fn chmod(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn config(&self) -> Config {
        config::parse(&self.path("outreachd.toml"), &self.source(), &[]).unwrap()
    }

    fn source(&self) -> String {
        format!(
            r#"
[company]
name = "Fyrljus AB"
head = "mira.holm@fyrljus.example"
[database]
url = "sqlite:outreachd.db"
[[sender]]
id = "fyrljus"
legal_name = "Fyrljus AB"
postal_address = "Lyktgatan 4, 120 30 Stockholm"
from = "hej@fyrljus.example"
bounces = "studs@fyrljus.example"
[[relay]]
id = "main"
{}
[[mailbox]]
id = "svar"
{}
{}
[web]
listen = "127.0.0.1:1"
public_url = "https://ut.fyrljus.example"
"#,
            self.relay, self.mailbox, self.fax
        )
    }

    /// Runs the program itself, without a DNS server to ask.
    fn run(&self, source: &str) -> std::process::Output {
        std::fs::write(self.path("outreachd.toml"), source).unwrap();
        let mut command = assert_cmd::Command::cargo_bin("outreachd").unwrap();
        command.args(["--json", "doctor", "--resolver", "127.0.0.1:1", "--config"]).arg(self.path("outreachd.toml"));
        command.output().unwrap()
    }

    async fn with_database(self) -> Self {
        let url = format!("sqlite:{}", self.path("outreachd.db").display());
        Store::open(&url, Migration::Apply).await.unwrap().close().await;
        self.chmod("outreachd.db", 0o600);
        self
    }

    async fn examine(&self, resolver: SocketAddr) -> Vec<Check> {
        examine(&self.config(), &Situation { now: now(), resolver: Some(resolver) }).await
    }
}

/// A DNS server that knows the records of one company.
async fn name_server(records: &'static [(&'static str, RecordType, &'static str)]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let answer = answer(&Message::from_vec(&buffer[..length]).unwrap(), records);
            socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    addr
}

fn answer(question: &Message, records: &[(&str, RecordType, &str)]) -> Message {
    let query = question.queries[0].clone();
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.metadata.recursion_available = true;
    for (name, kind, text) in records {
        let name = Name::from_ascii(name).unwrap();
        if name == *query.name() && *kind == query.query_type() {
            let data = match kind {
                RecordType::MX => RData::MX(MX::new(10, Name::from_ascii(text).unwrap())),
                _ => {
                    let texts = text.as_bytes().chunks(255).map(|part| String::from_utf8_lossy(part).into_owned());
                    RData::TXT(TXT::new(texts.collect()))
                }
            };
            message.add_answer(Record::from_rdata(name, 60, data));
        }
    }
    if message.answers.is_empty() {
        message.metadata.response_code = ResponseCode::NXDomain;
    }
    message.add_query(query);
    message
}

const COMPLETE: &[(&str, RecordType, &str)] = &[
    ("fyrljus.example.", RecordType::MX, "mx.fyrljus.example."),
    ("fyrljus.example.", RecordType::TXT, "v=spf1 include:relay.example ~all"),
    ("_dmarc.fyrljus.example.", RecordType::TXT, "v=DMARC1; p=quarantine"),
];

/// An authority in a file, and a server's side of TLS that it vouches for.
fn protection(ca_file: &Path, ends: Timestamp) -> Arc<rustls::ServerConfig> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    std::fs::write(ca_file, authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, key);
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let day = jiff::tz::TimeZone::UTC.to_datetime(ends).date();
    params.not_after = rcgen::date_time_ymd(day.year().into(), day.month() as u8, day.day() as u8);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    Arc::new(config)
}

fn find<'c>(checks: &'c [Check], name: &str) -> &'c Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check `{name}` in {checks:#?}"))
}

fn state(checks: &[Check], name: &str) -> State {
    find(checks, name).finding.state
}

#[tokio::test]
async fn finds_nothing_wrong_where_nothing_is() {
    let relay = MailServer::accepting().await.unwrap();
    let world = World::new(relay.addr()).with_database().await;
    let checks = world.examine(name_server(COMPLETE).await).await;
    for name in ["configuration", "database", "relay main", "mailbox svar"] {
        assert_eq!(state(&checks, name), State::Ok, "{:?}", find(&checks, name));
    }
    for name in ["MX of fyrljus.example", "SPF of fyrljus.example", "DMARC of fyrljus.example"] {
        assert_eq!(state(&checks, name), State::Ok, "{:?}", find(&checks, name));
    }
    for name in ["fax gateway", "DKIM of fyrljus.example", "clock", "way back", "pages"] {
        assert_eq!(state(&checks, name), State::Skipped, "{:?}", find(&checks, name));
    }
    assert_eq!(Tally::of(&checks).failed, 0);
}

#[tokio::test]
async fn sends_nothing_and_says_goodbye() {
    let relay = MailServer::accepting().await.unwrap();
    let world = World::new(relay.addr());
    world.examine(name_server(COMPLETE).await).await;
    assert_eq!(relay.received().len(), 0);
    let commands = relay.commands();
    assert!(!commands.iter().any(|command| command.starts_with("MAIL")), "{commands:?}");
    assert_eq!(commands.last().map(String::as_str), Some("QUIT"), "{commands:?}");
}

#[tokio::test]
async fn runs_every_check_though_all_servers_are_gone() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = World::new(gone);
    world.mailbox = "maildir = \"no-such\"".to_owned();
    world.secret("fax", "secret");
    world.fax = format!("[fax]\nbase_url = \"http://{gone}/v3\"\nkey = \"k\"\nsecret = {{ file = \"fax\" }}");
    // Nobody listens there either: the system answers with "port unreachable".
    let checks = world.examine(gone).await;
    for name in ["relay main", "mailbox svar", "fax gateway"] {
        let finding = &find(&checks, name).finding;
        assert_eq!(finding.state, State::Failed, "{finding:?}");
        assert!(finding.advice.is_some(), "{finding:?}");
    }
    let mx = find(&checks, "MX of fyrljus.example");
    assert_eq!((mx.finding.state, mx.finding.line.as_str()), (State::Skipped, "no answer from the resolver"));
    assert_eq!(state(&checks, "database"), State::Skipped);
}

#[tokio::test]
async fn looks_at_a_certificate_and_a_login() {
    let mut world = World::new("127.0.0.1:1".parse().unwrap());
    let tls = protection(&world.path("ca.pem"), now() + 480.hours());
    let options = Options {
        protection: Protection::Starttls(tls),
        login: Some(("ut".to_owned(), "hemligt".to_owned())),
        ..Options::default()
    };
    let relay = MailServer::start(|_: &Facts<'_>| Answer::Accept, options).await.unwrap();
    let login = "username = \"ut\"\npassword = { file = \"relay\" }\nca_file = \"ca.pem\"";
    world.relay = format!("host = \"localhost\"\nport = {}\n{login}", relay.addr().port());
    world.secret("relay", "hemligt\n");
    let resolver = name_server(COMPLETE).await;

    let checks = world.examine(resolver).await;
    assert_eq!(state(&checks, "relay main"), State::Ok, "{:?}", find(&checks, "relay main"));
    let certificate = find(&checks, "certificate of relay main");
    assert_eq!((certificate.finding.state, certificate.finding.line.as_str()), (State::Warning, "good for 19 days"));

    world.secret("relay", "fel");
    let refused = world.examine(resolver).await;
    let finding = &find(&refused, "relay main").finding;
    assert_eq!(finding.advice.as_deref(), Some("check `username` and `password`"));
}

#[tokio::test]
async fn waits_for_a_silent_relay_for_seconds_only() {
    let stall = |facts: &Facts<'_>| if facts.stage == Stage::Greeting { Answer::Stall } else { Answer::Accept };
    let relay = MailServer::start(stall, Options::default()).await.unwrap();
    let checks = World::new(relay.addr()).examine(name_server(COMPLETE).await).await;
    let finding = &find(&checks, "relay main").finding;
    assert!(finding.line.contains("nothing moved within 5 s"), "{finding:?}");
}

#[tokio::test]
async fn asks_the_gateway_with_the_key_and_for_its_clock() {
    let gateway = FaxGateway::start(Clock::Manual(ManualClock::new(now())), |_, _| Ending::Delivered).await.unwrap();
    let relay = MailServer::accepting().await.unwrap();
    let mut world = World::new(relay.addr());
    world.secret("fax", SECRET);
    world.fax = format!("[fax]\nbase_url = \"{}\"\nkey = \"{KEY}\"\nsecret = {{ file = \"fax\" }}", gateway.base_url());
    let checks = world.examine(name_server(COMPLETE).await).await;
    assert_eq!(state(&checks, "fax gateway"), State::Ok, "{:?}", find(&checks, "fax gateway"));
    assert_eq!(gateway.faxes().len(), 0);
    // The gateway's server has the real clock, which is not 1 March 2027.
    assert_eq!(state(&checks, "clock"), State::Failed, "{:?}", find(&checks, "clock"));
}

#[tokio::test]
async fn names_each_record_that_is_missing() {
    let relay = MailServer::accepting().await.unwrap();
    let checks = World::new(relay.addr()).examine(name_server(&[]).await).await;
    for name in ["MX of fyrljus.example", "SPF of fyrljus.example", "DMARC of fyrljus.example"] {
        let finding = &find(&checks, name).finding;
        assert!(finding.state == State::Failed && finding.advice.is_some(), "{finding:?}");
    }
}

#[tokio::test]
async fn tells_a_damaged_database_from_a_whole_one() {
    let relay = MailServer::accepting().await.unwrap();
    let world = World::new(relay.addr());
    std::fs::write(world.path("outreachd.db"), "not a database at all, though as long as one might be").unwrap();
    let checks = world.examine(name_server(COMPLETE).await).await;
    let finding = &find(&checks, "database").finding;
    assert_eq!(finding.state, State::Failed);
    assert!(finding.line.contains("no SQLite database"), "{finding:?}");
}

#[tokio::test]
async fn says_whose_secret_everyone_can_read() {
    let relay = MailServer::accepting().await.unwrap();
    let mut world = World::new(relay.addr());
    world.secret("relay", "hemligt");
    world.relay.push_str("\nusername = \"ut\"\npassword = { file = \"relay\" }");
    world.chmod("relay", 0o644);
    let checks = world.examine(name_server(COMPLETE).await).await;
    let finding = &find(&checks, "configuration").finding;
    assert!(finding.state == State::Failed && finding.line.contains("readable by everyone"), "{finding:?}");
}

#[test]
fn fails_as_a_program_where_a_check_failed() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::new(gone);
    let output = world.run(&world.source());
    assert_eq!(output.status.code(), Some(1));
    let checks: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let relay = checks.iter().find(|check| check["name"] == "relay main").unwrap();
    assert_eq!(relay["state"], "failed");
    assert!(relay["line"].is_string() && relay["advice"].is_string(), "{relay}");
}

#[test]
fn tells_each_mistake_of_a_configuration_at_its_place() {
    let world = World::new("127.0.0.1:25".parse().unwrap());
    let output = world.run(&world.source().replace("listen =", "lisen ="));
    assert_eq!(output.status.code(), Some(1));
    let checks: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((checks.len(), &checks[0]["state"]), (1, &"failed".into()));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("unknown key `lisen`"), "{told}");
}
