//! Logins by OAuth: a person's consent by code and by browser, the program by itself,
//! a mailbox read by token, and what `outreachd login` says.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use outreachd::config::{self, Mailbox, OAuthFlow, OAuthProvider, SecretRef, Tls};
use outreachd::http::{HttpClient, Limits};
use outreachd::inbox::Inbox;
use outreachd::model::limit::{Limit, Scope};
use outreachd::oauth::{Consent, OAuthError, Tokens};
use secrecy::ExposeSecret;
use support::house;
use support::identity::{Identity, keep_refresh_token};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

fn kept(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("oauth-relay-main.json")).unwrap()
}

#[tokio::test]
async fn waits_for_the_person_who_enters_the_code_and_keeps_the_token() {
    let (identity, folder) = (Identity::start().await, TempDir::new().unwrap());
    identity.book().pending = 2;
    let consent = Consent::new(&identity.account(OAuthFlow::Device, folder.path())).unwrap();
    let code = consent.ask_for_code().await.unwrap();
    assert_eq!(code.user_code, "LJUS-2027");
    assert_eq!(code.page, "https://login.fyrljus.example/device[2J", "a terminal obeys what it is shown");
    consent.wait_for_code(&code).await.unwrap();
    assert!(kept(folder.path()).contains("refresh-1"));
    assert_eq!(identity.book().asked.len(), 4, "the code, twice not yet, and the token");
}

#[tokio::test]
async fn says_that_the_person_refused() {
    let (identity, folder) = (Identity::start().await, TempDir::new().unwrap());
    let consent = Consent::new(&identity.account(OAuthFlow::Device, folder.path())).unwrap();
    let code = consent.ask_for_code().await.unwrap();
    identity.book().refusal = Some((400, "access_denied"));
    assert!(matches!(consent.wait_for_code(&code).await, Err(OAuthError::Denied)));
    identity.book().refusal = Some((400, "expired_token"));
    assert!(matches!(consent.wait_for_code(&code).await, Err(OAuthError::TooLate { .. })));
    assert!(!folder.path().join("oauth-relay-main.json").exists());
}

#[tokio::test]
async fn takes_the_browser_back_only_with_what_it_was_sent_with() {
    let (identity, folder) = (Identity::start().await, TempDir::new().unwrap());
    let consent = Consent::new(&identity.account(OAuthFlow::Browser, folder.path())).unwrap();
    let browser = consent.open_browser(0).await.unwrap();
    let back = identity.consent(&browser.address);
    let client = HttpClient::new(&back, Limits::default()).unwrap();
    let visit = async {
        let stranger = back.as_str().replace("state=", "state=x");
        assert_eq!(client.get(stranger.parse().unwrap()).await.unwrap().status, 404);
        let done = client.get(back.clone()).await.unwrap();
        assert_eq!(done.body, b"Done. You can close this page.\n");
    };
    let (waited, ()) = tokio::join!(consent.wait_for_browser(browser), visit);
    waited.unwrap();
    assert!(kept(folder.path()).contains("refresh-1"));
}

#[tokio::test]
async fn a_program_signs_in_by_itself_with_its_secret() {
    let (identity, folder) = (Identity::start().await, TempDir::new().unwrap());
    let mut account = identity.account(OAuthFlow::Application, folder.path());
    for (secret, right) in [("hemligt", true), ("gammalt", false)] {
        let file = folder.path().join("secret");
        std::fs::write(&file, secret).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        account.client_secret = Some(SecretRef::File(file));
        match Tokens::new(&account).unwrap().access().await {
            Ok(token) => assert!(right && token.expose_secret() == "access-1"),
            Err(error) => {
                assert!(!right);
                assert!(error.to_string().contains("(invalid_client, AADSTS1); check `client_id`"), "{error}");
            }
        }
    }
    assert!(!folder.path().join("oauth-relay-main.json").exists());
}

#[tokio::test]
async fn reads_the_token_that_another_process_has_kept_meanwhile() {
    let (identity, folder) = (Identity::start().await, TempDir::new().unwrap());
    let account = identity.account(OAuthFlow::Device, folder.path());
    keep_refresh_token(&account, "refresh-0");
    identity.book().life_s = 0;
    let (daemon, doctor) = (Tokens::new(&account).unwrap(), Tokens::new(&account).unwrap());
    for tokens in [&daemon, &doctor, &daemon, &doctor] {
        tokens.access().await.unwrap();
    }
    assert!(kept(folder.path()).contains("refresh-4"));
}

/// An IMAP server that takes one token alone.
async fn imap(token: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let book = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let mut lines = BufReader::new(tcp);
            lines.write_all(b"* OK ready\r\n").await.unwrap();
            let mut line = String::new();
            lines.read_line(&mut line).await.unwrap();
            let tag = line.split(' ').next().unwrap().to_owned();
            assert!(line.trim().ends_with("AUTHENTICATE XOAUTH2"), "{line}");
            lines.write_all(b"+ \r\n").await.unwrap();
            line.clear();
            lines.read_line(&mut line).await.unwrap();
            let shown = String::from_utf8(BASE64.decode(line.trim().as_bytes()).unwrap()).unwrap();
            book.lock().unwrap().push(shown.clone());
            if shown == format!("user=svar@fyrljus.example\u{1}auth=Bearer {token}\u{1}\u{1}") {
                lines.write_all(format!("{tag} OK in\r\n").as_bytes()).await.unwrap();
                // Held open, for the inbox keeps its session.
                line.clear();
                lines.read_line(&mut line).await.unwrap();
                continue;
            }
            lines.write_all(format!("+ {}\r\n", BASE64.encode(b"{\"status\":\"401\"}")).as_bytes()).await.unwrap();
            line.clear();
            lines.read_line(&mut line).await.unwrap();
            lines.write_all(format!("{tag} NO AUTHENTICATE failed.\r\n").as_bytes()).await.unwrap();
        }
    });
    (port, heard)
}

#[tokio::test]
async fn a_mailbox_is_opened_by_token_and_by_another_where_the_first_is_refused() {
    let (identity, folder) = (Identity::start().await, TempDir::new().unwrap());
    let account = identity.account(OAuthFlow::Device, folder.path());
    let mailbox = |port| Mailbox {
        id: "svar".into(),
        maildir: None,
        host: Some("127.0.0.1".into()),
        port,
        tls: Tls::None,
        ca_file: None,
        username: Some("svar@fyrljus.example".into()),
        password: None,
        oauth: Some(account.clone()),
        folder: "INBOX".into(),
        sent: None,
        poll_s: 30,
    };
    keep_refresh_token(&account, "refresh-0");
    let (port, heard) = imap("access-2").await;
    Inbox::open(&mailbox(port)).await.map(drop).unwrap();
    assert_eq!(heard.lock().unwrap().len(), 2);

    let (port, heard) = imap("access-99").await;
    let error = Inbox::open(&mailbox(port)).await.err().unwrap().to_string();
    assert!(error.starts_with("mailbox `svar`: 127.0.0.1 refused the token (AUTHENTICATE failed"), "{error}");
    assert_eq!(heard.lock().unwrap().len(), 2, "not again and again");
}

fn configuration(relay: &str) -> Result<config::Config, String> {
    let parsed = config::parse("/etc/o/outreachd.toml".as_ref(), &house::configuration(relay, ""), &[]);
    parsed.map_err(|error| match error {
        config::ConfigError::Mistakes(mistakes) => {
            let lines: Vec<_> = mistakes.iter().map(|mistake| mistake.message.clone()).collect();
            lines.join("\n")
        }
        other => other.to_string(),
    })
}

#[test]
fn a_preset_gives_host_protection_and_limits_and_what_is_written_goes_before_it() {
    let microsoft = "preset = \"microsoft365\"\nusername = \"ut@fyrljus.example\"\n\
                     oauth = { provider = \"microsoft\", client_id = \"c-1\", tenant = \"fyrljus.example\" }\n";
    let relay = &configuration(microsoft).unwrap().relays[0];
    assert_eq!((relay.host.as_str(), relay.port, relay.tls), ("smtp.office365.com", 587, Tls::Starttls));
    let allowance = relay.allowance;
    assert_eq!((relay.sessions, allowance.rate, allowance.per_day), (3, "30/minute".parse().ok(), Some(10_000)));
    let oauth = relay.oauth.as_ref().unwrap();
    assert_eq!((oauth.provider, oauth.flow), (OAuthProvider::Microsoft, OAuthFlow::Device));
    assert_eq!(oauth.token_url, "https://login.microsoftonline.com/fyrljus.example/oauth2/v2.0/token");
    assert_eq!(oauth.scope, "https://outlook.office.com/SMTP.Send offline_access");
    assert_eq!(oauth.token_file, Path::new("/etc/o/oauth-relay-main.json"));

    let config = configuration(microsoft).unwrap();
    let scope = Scope::Relay(config.relays[0].id.clone());
    assert_eq!(config.pace.limits[&scope], config.relays[0].allowance);

    let changed = format!("{microsoft}sessions = 1\ntls = \"implicit\"\n[[limit]]\nrelay = \"main\"\nper_day = 500");
    let config = configuration(&changed).unwrap();
    assert_eq!((config.relays[0].sessions, config.relays[0].port), (1, 465));
    assert_eq!(config.pace.limits[&scope], Limit { per_day: Some(500), ..Limit::default() });

    let relay = &configuration("preset = \"ses\"\nregion = \"eu-north-1\"").unwrap().relays[0];
    assert_eq!(relay.host, "email-smtp.eu-north-1.amazonaws.com");
    let relay = &configuration("preset = \"postfix\"").unwrap().relays[0];
    assert_eq!(
        (relay.host.as_str(), relay.port, relay.tls, relay.allowance),
        ("127.0.0.1", 25, Tls::None, Limit::default())
    );
    let relay = &configuration("preset = \"postfix\"\nhost = \"mx.fyrljus.example\"").unwrap().relays[0];
    assert_eq!((relay.port, relay.tls), (587, Tls::Starttls));
}

#[test]
fn says_what_is_wrong_with_a_preset_or_a_login() {
    let google = "preset = \"google\"\nusername = \"ut@fyrljus.example\"\n";
    let cases = [
        ("preset = \"gogle\"".to_owned(), "`preset` cannot be `gogle`"),
        ("preset = \"ses\"".to_owned(), "missing key `region` in `[[relay]]`"),
        (google.to_owned(), "missing key `oauth` in `[[relay]]`"),
        (format!("{google}oauth = {{ provider = \"google\" }}"), "missing key `client_id` in `oauth`"),
        (
            format!("{google}oauth = {{ provider = \"google\", client_id = \"c\", flow = \"device\" }}"),
            "google gives no mail by a code on another device; set flow = \"browser\"",
        ),
        (
            format!(
                "{google}oauth = {{ provider = \"other\", client_id = \"c\", token_url = \"http://x.example/\", authorize_url = \"https://x.example/\", scope = \"m\" }}"
            ),
            "the url must begin with https://",
        ),
        (
            format!("{google}password = {{ env = \"P\" }}\noauth = {{ provider = \"google\", client_id = \"c\" }}"),
            "`password` stands beside `oauth`; keep one of the two",
        ),
        (
            format!("{google}oauth = {{ provider = \"microsoft\", client_id = \"c\", flow = \"application\" }}"),
            "flow = \"application\" signs in by `client_secret`, which is missing",
        ),
    ];
    for (keys, expected) in cases {
        let said = configuration(&keys).unwrap_err();
        assert!(said.lines().next().unwrap().starts_with(expected), "{keys}\n{said}");
        assert!(said.lines().count() <= 2, "one mistake, one message: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_walks_a_person_through() {
    let (identity, folder) = (Identity::start().await, TempDir::new().unwrap());
    let (token, device) = (identity.url.join("token").unwrap(), identity.url.join("device").unwrap());
    let relay = format!(
        "host = \"127.0.0.1\"\nport = 25\ntls = \"none\"\nusername = \"ut@fyrljus.example\"\n\
         oauth = {{ provider = \"other\", client_id = \"fyrljus\", scope = \"mail\", token_url = \"{token}\", device_url = \"{device}\" }}"
    );
    let file = folder.path().join("outreachd.toml");
    std::fs::write(&file, house::configuration(&relay, "")).unwrap();
    let run = move |name: &'static str| {
        let file = file.clone();
        tokio::task::spawn_blocking(move || {
            let command = std::process::Command::new(env!("CARGO_BIN_EXE_outreachd"))
                .args(["--config", file.to_str().unwrap(), "login", name])
                .output();
            let output = command.unwrap();
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
        })
    };
    let (said, complained) = run("main").await.unwrap();
    let said = said.replace(folder.path().to_str().unwrap(), "FOLDER");
    insta::assert_snapshot!(said, @r"
    Open https://login.fyrljus.example/device[2J on any device, enter the code

        LJUS-2027

    and sign in as ut@fyrljus.example. The code is good for 15 minutes; waiting.
    relay/main: logged in; the token is in FOLDER/oauth-relay-main.json. Try it: outreachd doctor
    ");
    assert_eq!(complained, "");
    assert!(kept(folder.path()).contains("refresh-1"));
    let (_, complained) = run("mian").await.unwrap();
    assert_eq!(complained, "outreachd: nothing with `oauth` is called `mian`; there is relay/main\n");
}
