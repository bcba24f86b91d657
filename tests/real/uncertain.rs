//! A real Postfix takes a letter, and its 250 is lost on the way: its log, or a copy in a
//! folder of a real Dovecot, settles the doubt.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{Timestamp, ToSpan};
use outreachd::clock::ManualClock;
use outreachd::demo::mail_server::{Answer, Facts, Stage};
use outreachd::evidence::Evidence;
use outreachd::model::delivery::DeliveryState;
use outreachd::store::{ClientRecord, DeliveryRow, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::Talk;
use crate::support::app::{BEFORE, DURING, TestApp, at, client, config};
use crate::support::databases::sqlite;
use crate::support::house::campaign;
use crate::support::services::{RealMail, delivered_to, real_mail};

/// A way to Postfix that swallows the answer to a letter's end and hangs up; its port, and
/// how many answers it has swallowed.
async fn lossy_way(mail: &RealMail) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    let (host, to, lost) = (mail.host.clone(), mail.smtp_port, Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&lost);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect((host.as_str(), to)).await.expect("Postfix listens");
            tokio::spawn(carry(near.into_split(), far.into_split(), Arc::clone(&count)));
        }
    });
    (port, lost)
}

async fn carry(
    (mut asks, mut hears): (OwnedReadHalf, OwnedWriteHalf),
    (mut answers, mut told): (OwnedReadHalf, OwnedWriteHalf),
    lost: Arc<AtomicUsize>,
) {
    let (mut up, mut down, mut tail) = (vec![0; 65_536], vec![0; 65_536], Vec::new());
    let mut is_over = false;
    loop {
        tokio::select! {
            read = asks.read(&mut up) => {
                let Ok(1..) = read else { return };
                let bytes = &up[..read.unwrap_or(0)];
                tail.extend_from_slice(bytes);
                is_over |= tail.ends_with(b"\r\n.\r\n");
                tail.drain(..tail.len().saturating_sub(8));
                if told.write_all(bytes).await.is_err() { return }
            }
            read = answers.read(&mut down) => {
                let Ok(1..) = read else { return };
                let bytes = &down[..read.unwrap_or(0)];
                if is_over && bytes.starts_with(b"250 ") {
                    lost.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if hears.write_all(bytes).await.is_err() { return }
            }
        }
    }
}

/// A letter to `address` is uncertain, and Postfix has it.
async fn uncertain(store: Store, mail: &RealMail, address: &str, more: &str) -> TestApp {
    let accept = |_: &Facts<'_>| Answer::Accept;
    let (port, lost) = lossy_way(mail).await;
    let app = TestApp::with(store, accept, "", ManualClock::new(at(BEFORE))).await.configured(config(port, more));
    app.import(&[ClientRecord { email: Some(address.to_owned()), ..client("Anna Lind") }]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    assert_eq!(lost.load(Ordering::SeqCst), 1, "the letter came to Postfix once");
    assert_eq!(only(&app).await.state, DeliveryState::Uncertain);
    app
}

async fn only(app: &TestApp) -> DeliveryRow {
    app.deliveries().await.remove(0)
}

/// Looks until the letter is uncertain no more. Postfix writes its log a moment after its
/// answer and tells nobody, so the only signal is the log itself.
async fn settled(app: &TestApp, evidence: &mut Evidence) -> DeliveryRow {
    let mut now: Timestamp = at(DURING);
    for _ in 0..5_000 {
        now += 1.minute();
        evidence.turn(&app.store, &app.config, &app.keys, now).await.expect("the database answers");
        let row = only(app).await;
        if row.state != DeliveryState::Uncertain {
            return row;
        }
    }
    panic!("nothing settled it: {:?}", evidence.ways());
}

#[tokio::test]
async fn postfixs_log_settles_a_letter_whose_250_was_lost() {
    let Some(mail) = real_mail() else { return };
    let database = sqlite().await;
    let address = format!("osaker{}@clients.example", std::process::id());
    let app = uncertain(database.store.clone(), &mail, &address, &format!("log = {:?}", mail.postfix_log)).await;
    let mut evidence = Evidence::new(&app.config);
    let row = settled(&app, &mut evidence).await;
    assert_eq!(row.state, DeliveryState::Accepted);
    assert!(row.reason.as_deref().is_some_and(|reason| reason.starts_with("queued as ")), "{row:?}");
    app.run_until_quiet("2027-03-01T10:20:00Z").await;
    let letters = RealMail::mails(&mail.clients_maildir);
    let ours = letters.iter().filter(|letter| delivered_to(letter).as_ref() == Some(&address)).count();
    assert!(ours <= 1, "it was sent twice");
}

#[tokio::test]
async fn a_copy_in_dovecots_folder_settles_a_letter_whose_250_was_lost() {
    let Some(mail) = real_mail() else { return };
    let database = sqlite().await;
    let secret = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    std::fs::write(secret.path(), &mail.clients.password).expect("it can be written");
    let folder = format!("Skickat{}", std::process::id());
    let more = format!(
        "[[mailbox]]\nid = \"svar\"\nhost = \"{}\"\nport = {}\ntls = \"implicit\"\nca_file = {:?}\nusername = \"{}\"\n\
         password = {{ file = {:?} }}\nsent = \"{folder}\"",
        mail.host,
        mail.imaps_port,
        mail.ca_file,
        mail.clients.user,
        secret.path()
    );
    let lost = |facts: &Facts<'_>| if facts.stage == Stage::Dot { Answer::KeepAndDrop } else { Answer::Accept };
    let app = TestApp::with(database.store.clone(), lost, &more, ManualClock::new(at(BEFORE))).await;
    app.import(&[client("Anna Lind")]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    let letter = String::from_utf8(app.relay.received()[0].message.clone()).expect("letters are ASCII");
    let mut evidence = Evidence::new(&app.config);
    let mut look = async |now: Timestamp| {
        evidence.turn(&app.store, &app.config, &app.keys, now).await.expect("the database answers");
        (evidence.ways(), only(&app).await)
    };

    let (ways, row) = look(at(DURING)).await;
    assert!(ways[0].1.as_deref().is_some_and(|trouble| trouble.contains(&folder)), "there is no folder yet: {ways:?}");
    assert_eq!(row.state, DeliveryState::Uncertain);
    let mut imap = Talk::open(&mail.host, mail.imap_port);
    imap.hear("* OK");
    imap.say(&format!("a LOGIN {} {}", mail.clients.user, mail.clients.password));
    imap.hear("a OK");
    imap.say(&format!("b CREATE {folder}"));
    imap.hear("b OK");
    let (ways, row) = look(at(DURING) + 6.minutes()).await;
    assert_eq!((ways, row.state), (vec![("sent/svar".to_owned(), None)], DeliveryState::Uncertain));
    imap.say(&format!("c APPEND {folder} (\\Seen) \" 1-Mar-2027 09:00:02 +0000\" {{{}}}", letter.len()));
    imap.hear("+ ");
    imap.say(&letter);
    imap.hear("c OK");
    let (_, row) = look(at(DURING) + 12.minutes()).await;
    assert_eq!(row.state, DeliveryState::Accepted);
    assert_eq!(row.reason, Some(format!("a copy lies in folder {folder} (sent/svar)")));
}
