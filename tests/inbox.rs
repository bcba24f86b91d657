//! Mailboxes through the public face: an IMAP server that speaks from a script,
//! a Maildir, and the one in memory.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, like the test")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use outreachd::config::{Mailbox, SecretRef, Tls};
use outreachd::inbox::{Inbox, InboxError, MemoryInbox};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

fn mailbox(host: Option<&str>, maildir: Option<&Path>, folder: &TempDir) -> Mailbox {
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hemligt\n").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    Mailbox {
        id: "svar".into(),
        maildir: maildir.map(Into::into),
        host: host.map(Into::into),
        port: 0,
        tls: Tls::None,
        ca_file: None,
        username: Some("svar".into()),
        password: Some(SecretRef::File(secret)),
        oauth: None,
        folder: "INBOX".into(),
        sent: None,
        poll_s: 30,
    }
}

/// What the scripted server holds, and what it was told.
#[derive(Default)]
struct Imap {
    validity: u32,
    mails: Vec<(u32, Vec<u8>)>,
    /// A size to claim instead of the real one.
    claimed_size: Option<u64>,
    refuse_login: bool,
    heard: Vec<String>,
}

type Shared = Arc<Mutex<Imap>>;

async fn serve(listener: TcpListener, imap: Shared, tls: Option<tokio_rustls::TlsAcceptor>, starttls: bool) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (imap, tls) = (Arc::clone(&imap), tls.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) if starttls => upgrade(tcp, &imap, tls).await,
                Some(tls) => {
                    // A client that doubts the certificate ends here.
                    let Ok(stream) = tls.accept(tcp).await else { return };
                    converse(stream, &imap, true).await;
                }
                None => converse(tcp, &imap, true).await,
            }
        });
    }
}

async fn upgrade(tcp: TcpStream, imap: &Shared, tls: tokio_rustls::TlsAcceptor) {
    let mut tcp = BufReader::new(tcp);
    tcp.write_all(b"* OK ready\r\n").await.unwrap();
    let mut line = String::new();
    tcp.read_line(&mut line).await.unwrap();
    assert!(line.trim().ends_with("STARTTLS"), "{line}");
    let tag = line.split(' ').next().unwrap().to_owned();
    // A line behind the answer, in clear: it must not count as said under TLS.
    tcp.write_all(format!("{tag} OK go\r\n* OK injected\r\n").as_bytes()).await.unwrap();
    converse(tls.accept(tcp.into_inner()).await.unwrap(), imap, false).await;
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, imap: &Shared, greet: bool) {
    let mut stream = BufReader::new(stream);
    if greet {
        stream.write_all(b"* OK ready\r\n").await.unwrap();
    }
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let answer = answer(&mut imap.lock().unwrap(), line.trim());
        line.clear();
        stream.write_all(&answer).await.unwrap();
        stream.flush().await.unwrap();
    }
}

fn answer(imap: &mut Imap, line: &str) -> Vec<u8> {
    let (tag, command) = line.split_once(' ').unwrap();
    imap.heard.push(command.to_owned());
    let mut said = Vec::new();
    let words: Vec<&str> = command.split(' ').collect();
    match words.as_slice() {
        ["LOGIN", ..] if imap.refuse_login => return format!("{tag} NO wrong\r\n").into_bytes(),
        ["EXAMINE", folder] if folder.contains("Saknas") => return format!("{tag} NO no such folder\r\n").into_bytes(),
        ["EXAMINE", ..] => {
            let text = format!("* {} EXISTS\r\n* OK [UIDVALIDITY {}] x\r\n", imap.mails.len(), imap.validity);
            said.extend_from_slice(text.as_bytes());
        }
        ["UID", "SEARCH", ..] => {
            let first: u32 = words[3].split(':').next().unwrap().parse().unwrap();
            let last = imap.mails.last().map_or(0, |(uid, _)| *uid);
            let found = imap.mails.iter().map(|(uid, _)| *uid).filter(|uid| *uid >= first || *uid == last);
            let found: Vec<String> = found.map(|uid| uid.to_string()).collect();
            said.extend_from_slice(format!("* SEARCH {}\r\n", found.join(" ")).as_bytes());
        }
        ["UID", "FETCH", uid, ..] => {
            let uid: u32 = uid.parse().unwrap();
            let (_, bytes) = imap.mails.iter().find(|(known, _)| *known == uid).unwrap();
            let size = imap.claimed_size.unwrap_or(bytes.len() as u64);
            if command.contains("RFC822.SIZE") {
                said.extend_from_slice(format!("* 1 FETCH (UID {uid} RFC822.SIZE {size})\r\n").as_bytes());
            } else {
                let section = if command.contains("HEADER") { "BODY[HEADER]" } else { "BODY[]" };
                let head = format!("* 1 FETCH (UID {uid} {section} {{{}}}\r\n", bytes.len());
                said.extend_from_slice(head.as_bytes());
                said.extend_from_slice(bytes);
                said.extend_from_slice(b")\r\n");
            }
        }
        _ => {}
    }
    said.extend_from_slice(format!("{tag} OK done\r\n").as_bytes());
    said
}

async fn server(imap: Imap) -> (Shared, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (imap, port) = (Arc::new(Mutex::new(imap)), listener.local_addr().unwrap().port());
    tokio::spawn(serve(listener, Arc::clone(&imap), None, false));
    (imap, port)
}

fn three_mails() -> Imap {
    let mails = [3, 5, 9].map(|uid| (uid, format!("Subject: {uid}\r\n\r\nHej\r\n").into_bytes())).to_vec();
    Imap { validity: 7, mails, ..Imap::default() }
}

#[tokio::test]
async fn fetches_what_is_behind_the_cursor_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let (imap, port) = server(three_mails()).await;
    let mut inbox = Inbox::open(&Mailbox { port, ..mailbox(Some("127.0.0.1"), None, &folder) }).await.unwrap();
    let first = inbox.fetch(None, 2).await.unwrap();
    assert_eq!(first.iter().map(|mail| mail.key.as_str()).collect::<Vec<_>>(), ["imap:7:3", "imap:7:5"]);
    assert_eq!(first[0].bytes, b"Subject: 3\r\n\r\nHej\r\n");
    let rest = inbox.fetch(Some(&first[1].cursor), 10).await.unwrap();
    assert_eq!(rest.iter().map(|mail| mail.cursor.as_str()).collect::<Vec<_>>(), ["7:9"]);
    assert!(inbox.fetch(Some("7:9"), 10).await.unwrap().is_empty(), "the last message is found again by n:*");
    let heard = imap.lock().unwrap().heard.clone();
    let changing = |command: &String| {
        ["SELECT", "STORE", "EXPUNGE", "MOVE", "COPY"].iter().any(|word| command.contains(word))
            || command.contains("BODY[")
    };
    assert!(!heard.iter().any(changing), "{heard:?}");
    assert!(heard.iter().any(|command| command.contains("BODY.PEEK[]")));
}

#[tokio::test]
async fn begins_again_when_the_server_numbers_anew() {
    let folder = TempDir::new().unwrap();
    let (_imap, port) = server(three_mails()).await;
    let mut inbox = Inbox::open(&Mailbox { port, ..mailbox(Some("127.0.0.1"), None, &folder) }).await.unwrap();
    assert_eq!(inbox.fetch(Some("6:9"), 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn takes_the_headers_alone_of_a_message_too_large() {
    let folder = TempDir::new().unwrap();
    let mut imap = three_mails();
    imap.claimed_size = Some(26 << 20);
    let (_imap, port) = server(imap).await;
    let mut inbox = Inbox::open(&Mailbox { port, ..mailbox(Some("127.0.0.1"), None, &folder) }).await.unwrap();
    let mails = inbox.fetch(None, 1).await.unwrap();
    let text = String::from_utf8(mails[0].bytes.clone()).unwrap();
    assert_eq!(text, "Subject: 3\r\n\r\n[message of 27262976 bytes: too large, not read]\r\n");
}

#[tokio::test]
async fn opens_a_new_session_after_the_old_one_broke() {
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let imap = Arc::new(Mutex::new(three_mails()));
    let held = Arc::clone(&imap);
    tokio::spawn(async move {
        // The first connection ends after the login.
        let (tcp, _) = listener.accept().await.unwrap();
        let mut tcp = BufReader::new(tcp);
        tcp.write_all(b"* OK ready\r\n").await.unwrap();
        let mut line = String::new();
        tcp.read_line(&mut line).await.unwrap();
        let tag = line.split(' ').next().unwrap();
        tcp.write_all(format!("{tag} OK in\r\n").as_bytes()).await.unwrap();
        drop(tcp);
        serve(listener, held, None, false).await;
    });
    let mut inbox = Inbox::open(&Mailbox { port, ..mailbox(Some("127.0.0.1"), None, &folder) }).await.unwrap();
    assert!(inbox.fetch(None, 10).await.is_err());
    assert_eq!(inbox.fetch(None, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn says_what_to_do_about_a_refused_login_and_a_missing_folder() {
    let folder = TempDir::new().unwrap();
    let (_imap, port) = server(Imap { refuse_login: true, ..three_mails() }).await;
    let refused = Inbox::open(&Mailbox { port, ..mailbox(Some("127.0.0.1"), None, &folder) }).await;
    let text = refused.err().unwrap().to_string();
    assert!(text.contains("check username and password") && !text.contains("hemligt"), "{text}");

    let (_imap, port) = server(three_mails()).await;
    let missing = Mailbox { port, folder: "Saknas".into(), ..mailbox(Some("127.0.0.1"), None, &folder) };
    let error = Inbox::open(&missing).await.unwrap().fetch(None, 1).await.unwrap_err();
    assert!(matches!(error, InboxError::Folder { .. }), "{error}");
}

/// A certificate for `localhost` and the file that trusts it.
fn certificate(folder: &TempDir) -> (tokio_rustls::TlsAcceptor, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (tokio_rustls::TlsAcceptor::from(Arc::new(config)), file)
}

#[tokio::test]
async fn reads_over_tls_and_after_starttls_with_the_operators_authority() {
    for (tls, starttls) in [(Tls::Implicit, false), (Tls::Starttls, true)] {
        let folder = TempDir::new().unwrap();
        let (acceptor, ca_file) = certificate(&folder);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener, Arc::new(Mutex::new(three_mails())), Some(acceptor), starttls));
        let trusting = Mailbox { port, tls, ca_file: Some(ca_file), ..mailbox(Some("localhost"), None, &folder) };
        let mut inbox = Inbox::open(&trusting).await.unwrap_or_else(|error| panic!("{tls:?}: {error}"));
        assert_eq!(inbox.fetch(None, 10).await.unwrap().len(), 3);

        let doubting = Mailbox { ca_file: None, ..trusting };
        let error = Inbox::open(&doubting).await.err().unwrap();
        assert!(matches!(error, InboxError::Tls { .. }), "{error}");
    }
}

fn deliver(maildir: &Path, place: &str, name: &str) {
    std::fs::write(maildir.join(place).join(name), format!("Subject: {name}\n\nHej\n")).unwrap();
}

fn maildir() -> TempDir {
    let folder = TempDir::new().unwrap();
    for place in ["new", "cur", "tmp"] {
        std::fs::create_dir(folder.path().join(place)).unwrap();
    }
    folder
}

#[tokio::test]
async fn reads_a_maildir_once_and_leaves_it_as_it_was() {
    let folder = maildir();
    deliver(folder.path(), "new", "1.a");
    deliver(folder.path(), "cur", "2.b:2,S");
    deliver(folder.path(), "tmp", "3.c");
    let mut inbox = Inbox::open(&mailbox(None, Some(folder.path()), &folder)).await.unwrap();
    let first = inbox.fetch(None, 10).await.unwrap();
    let mut keys: Vec<_> = first.iter().map(|mail| mail.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["maildir:1.a", "maildir:2.b"]);
    let cursor = &first[1].cursor;
    assert!(inbox.fetch(Some(cursor), 10).await.unwrap().is_empty());
    assert!(folder.path().join("new/1.a").exists());

    // A mail program shows one: it moves, and is no new message.
    std::fs::rename(folder.path().join("new/1.a"), folder.path().join("cur/1.a:2,S")).unwrap();
    assert!(inbox.fetch(Some(cursor), 10).await.unwrap().is_empty());

    // A slow delivery with an older name comes late.
    deliver(folder.path(), "new", "0.late");
    let late = inbox.fetch(Some(cursor), 10).await.unwrap();
    assert_eq!(late.iter().map(|mail| mail.key.as_str()).collect::<Vec<_>>(), ["maildir:0.late"]);
}

#[tokio::test]
async fn gives_again_what_the_caller_could_not_store() {
    let folder = maildir();
    for name in ["1.a", "2.b", "3.c"] {
        deliver(folder.path(), "new", name);
    }
    let mut inbox = Inbox::open(&mailbox(None, Some(folder.path()), &folder)).await.unwrap();
    let given = inbox.fetch(None, 10).await.unwrap();
    let again = inbox.fetch(Some(&given[0].cursor), 10).await.unwrap();
    assert_eq!(again.len(), 2, "one was stored, two were not");
    assert_eq!(again[0].key, given[1].key);
}

#[tokio::test]
async fn gives_the_recent_ones_again_under_the_same_keys_after_a_restart() {
    let folder = maildir();
    for name in ["1.a", "2.b", "3.c", "4.d"] {
        deliver(folder.path(), "new", name);
    }
    let described = mailbox(None, Some(folder.path()), &folder);
    let before = Inbox::open(&described).await.unwrap().fetch(None, 10).await.unwrap();
    let mut inbox = Inbox::open(&described).await.unwrap();
    let mut cursor = before.last().unwrap().cursor.clone();
    let mut keys = Vec::new();
    loop {
        let mails = inbox.fetch(Some(&cursor), 2).await.unwrap();
        let Some(last) = mails.last() else { break };
        cursor = last.cursor.clone();
        keys.extend(mails.into_iter().map(|mail| mail.key));
    }
    assert_eq!(keys, before.into_iter().map(|mail| mail.key).collect::<Vec<_>>());
}

#[tokio::test]
async fn refuses_a_section_that_names_no_mailbox_or_a_folder_that_is_none() {
    let folder = TempDir::new().unwrap();
    assert!(matches!(Inbox::open(&mailbox(None, None, &folder)).await, Err(InboxError::Kind(_))));
    let error = Inbox::open(&mailbox(None, Some(folder.path()), &folder)).await.err().unwrap();
    assert!(error.to_string().contains("must be a Maildir"), "{error}");
}

#[tokio::test]
async fn hands_on_what_is_pushed_into_memory() {
    let queue = MemoryInbox::new();
    let mut inbox = Inbox::Memory(queue.clone());
    queue.push("Subject: 1\r\n\r\n");
    queue.push("Subject: 2\r\n\r\n");
    let first = inbox.fetch(None, 1).await.unwrap();
    let second = inbox.fetch(Some(&first[0].cursor), 10).await.unwrap();
    assert_eq!(second[0].bytes, b"Subject: 2\r\n\r\n");
    assert!(inbox.fetch(Some(&second[0].cursor), 10).await.unwrap().is_empty());
}
