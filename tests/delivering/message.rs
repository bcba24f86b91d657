//! What a message is between two tries and between two letters: the same bytes, signed
//! by the same keys, in the right thread, with its files.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use outreachd::config::dkim::Algorithm;
use outreachd::config::{Config, Dkim};
use outreachd::deliver::Deliver;
use outreachd::model::campaign::{Campaign, Step};
use outreachd::render::{File, TemplateSet};
use outreachd::store::{NewRevision, Store};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::support::{app, signing};

fn key(folder: &Path, selector: &str, algorithm: Algorithm) -> Dkim {
    signing::key(folder, "fyrljus.example", selector, algorithm)
}

fn sign_with(app: &mut TestApp, keys: Vec<Dkim>) {
    let mut config = Config::clone(&app.config);
    config.senders[0].dkim = keys;
    app.config = Arc::new(config);
    let (clock, stop) = (Clock::Manual(app.clock.clone()), CancellationToken::new());
    let made = Deliver::new(app.store.clone(), Arc::clone(&app.config), app.keys.clone(), clock, app.daemon, stop);
    app.deliver = made.unwrap();
}

/// A relay that takes the first letter and hangs up before it says so.
fn forgetful() -> impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static {
    let hung_up = AtomicBool::new(false);
    move |facts| {
        let first = facts.stage == Stage::Dot && !hung_up.swap(true, Ordering::SeqCst);
        if first { Answer::KeepAndDrop } else { Answer::Accept }
    }
}

/// A letter that left once, uncertain, and that a person wants sent again.
async fn sent_once(store: Store, keys: Vec<Dkim>) -> TestApp {
    let mut app = TestApp::new(store, forgetful()).await;
    sign_with(&mut app, keys);
    app.import(&[client("Anna Lind")]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    let row = &app.deliveries().await[0];
    assert_eq!(row.state, DeliveryState::Uncertain);
    app.store.resolve_delivery(&app.act(), row.id, DeliveryState::Retry, "not in the relay's log").await.unwrap();
    app
}

/// The same instant of the next day's window.
const NEXT_DAY: &str = "2027-03-02T09:00:00Z";

#[tokio::test]
async fn signs_each_letter_and_sends_the_same_bytes_again() {
    for database in databases("message_signed").await {
        let folder = tempfile::tempdir().unwrap();
        let keys = [("2027a", Algorithm::Rsa), ("2027e", Algorithm::Ed25519)];
        let keys = keys.map(|(selector, algorithm)| key(folder.path(), selector, algorithm));
        let mut app = sent_once(database.store.clone(), keys.to_vec()).await;
        // A key that was changed meanwhile, and a client who was: the letter stays what it was.
        let retired = keys.map(|key| Dkim { retired: true, ..key });
        let fresh = key(folder.path(), "2027b", Algorithm::Rsa);
        sign_with(&mut app, [retired.to_vec(), vec![fresh]].concat());
        app.run_until_quiet(NEXT_DAY).await;
        let received = app.relay.received();
        assert_eq!(received.len(), 2);
        assert_eq!(text(&received[0].message), text(&received[1].message));
        let mail = text(&received[0].message).replace("\r\n ", " ");
        assert_eq!(mail.matches("DKIM-Signature:").count(), 2);
        let stamp = format!("t={};", at(DURING).as_second());
        assert!(mail.contains("s=2027a;") && mail.contains("s=2027e;") && mail.matches(&stamp).count() == 2, "{mail}");
        assert_eq!(header(&mail, "Feedback-ID"), "led:intro:campaign:fyrljus");
        app.run_until_quiet("2027-03-08T09:00:00Z").await;
        let follow_up = text(&app.relay.received()[2].message).replace("\r\n ", " ");
        assert!(follow_up.contains("s=2027b;") && follow_up.matches("DKIM-Signature:").count() == 1, "{follow_up}");
    }
}

#[tokio::test]
async fn holds_a_letter_whose_key_was_taken_away_between_two_tries() {
    let database = sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let mut app = sent_once(database.store.clone(), vec![key(folder.path(), "2027a", Algorithm::Ed25519)]).await;
    sign_with(&mut app, Vec::new());
    app.run_until_quiet(NEXT_DAY).await;
    let row = &app.deliveries().await[0];
    assert_eq!(row.state, DeliveryState::Held);
    let reason = row.reason.as_deref().unwrap();
    assert!(reason.contains("`2027a` of fyrljus.example") && reason.contains("`retired = true`"), "{reason}");
}

#[tokio::test]
async fn refuses_to_start_with_two_keys_of_a_kind() {
    let database = sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let app = TestApp::new(database.store.clone(), accept).await;
    let mut config = Config::clone(&app.config);
    config.senders[0].dkim = ["a", "b"].map(|selector| key(folder.path(), selector, Algorithm::Ed25519)).to_vec();
    let (clock, stop) = (Clock::Manual(app.clock.clone()), CancellationToken::new());
    let made = Deliver::new(app.store.clone(), Arc::new(config), app.keys.clone(), clock, app.daemon, stop);
    let said = made.unwrap_err().to_string();
    assert!(said.contains("has two ed25519 DKIM keys; set `retired = true`"), "{said}");
}

/// Four letters: two threads of two.
fn two_threads() -> Campaign {
    let mut campaign = campaign("send");
    let [first, follow_up] = <[Step; 2]>::try_from(campaign.steps.clone()).unwrap();
    let step = |id: &str, step: &Step, subject: Option<&str>| Step {
        id: id.into(),
        subject: subject.map(str::to_owned),
        wait: follow_up.wait,
        fallback: None,
        ..step.clone()
    };
    campaign.steps = vec![
        first.clone(),
        follow_up.clone(),
        step("nytt", &first, Some("Något nytt")),
        step("sist", &follow_up, None),
    ];
    campaign
}

#[tokio::test]
async fn continues_the_thread_of_the_last_letter_that_began_one() {
    for database in databases("message_threads").await {
        let app = TestApp::new(database.store.clone(), accept).await;
        app.import(&[client("Anna Lind")]).await;
        app.apply(two_threads()).await;
        for day in ["2027-03-01", "2027-03-04", "2027-03-09", "2027-03-15"] {
            app.run_until_quiet(&format!("{day}T09:00:00Z")).await;
        }
        let mails: Vec<_> = app.relay.received().iter().map(|mail| text(&mail.message).replace("\r\n ", " ")).collect();
        assert_eq!(mails.len(), 4);
        let id = |at: usize| header(&mails[at], "Message-ID");
        assert_eq!(header(&mails[1], "References"), id(0));
        assert!(!mails[2].contains("In-Reply-To:"), "{}", mails[2]);
        assert_eq!((header(&mails[3], "In-Reply-To"), header(&mails[3], "References")), (id(2), id(2)));
        let read = mail_parser::MessageParser::default().parse(mails[3].as_bytes()).unwrap();
        assert_eq!(read.subject(), Some("Re: Något nytt"));
    }
}

#[tokio::test]
async fn sends_the_files_of_the_version_that_a_client_is_on() {
    for database in databases("message_files").await {
        let app = TestApp::new(database.store.clone(), accept).await;
        app.import(&[client("Anna Lind")]).await;
        let mut set = TemplateSet::starter();
        set.insert("led/intro.md", "![Lampan](bilder/lampa.png)\n\nHej\n");
        let png = File::new("bilder/lampa.png", b"\x89PNG\r\n\x1a\nlampa".to_vec()).unwrap();
        let pdf = File::new("files/prislista våren.pdf", b"%PDF-1.4 pris".to_vec()).unwrap();
        let files = [&png, &pdf];
        let stored: Vec<_> = files.iter().map(|file| (file.hash(), file.bytes())).collect();
        app.store.put_files(&stored).await.unwrap();
        app.store.put_files(&stored).await.unwrap();
        let texts = set.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let mut campaign = campaign("send");
        campaign.steps[0].attachments = vec!["files/prislista våren.pdf".to_owned()];
        let templates = TemplateSet::with_manifest(texts, &files);
        let new = NewRevision { campaign, source: String::new(), templates, next_run_at: None };
        app.enrol_all(&new).await;
        app.run_until_quiet(DURING).await;
        let received = app.relay.received();
        let read = mail_parser::MessageParser::default().parse(&received[0].message).unwrap();
        let kinds: Vec<_> = read.parts.iter().map(|part| kind(part)).collect();
        assert_eq!(
            kinds,
            [
                "multipart/mixed",
                "multipart/related",
                "multipart/alternative",
                "text/plain",
                "text/html",
                "image/png",
                "application/pdf",
            ]
        );
        assert_eq!(read.parts[5].contents(), png.bytes());
        assert_eq!(read.parts[6].contents(), pdf.bytes());
        let cid = mail_parser::MimeHeaders::content_id(&read.parts[5]).unwrap();
        assert!(read.body_html(0).unwrap().contains(&format!("src=\"cid:{cid}\" alt=\"Lampan\"")));
        assert!(read.body_text(0).unwrap().starts_with("[Lampan]"));
        assert_eq!(mail_parser::MimeHeaders::attachment_name(&read.parts[6]), Some("prislista våren.pdf"));
    }
}

fn kind(part: &mail_parser::MessagePart<'_>) -> String {
    let kind = mail_parser::MimeHeaders::content_type(part).unwrap();
    format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default())
}

#[tokio::test]
async fn writes_in_the_name_of_the_clients_owner_and_answers_come_back_to_us() {
    let database = sqlite().await;
    let mut app = TestApp::new(database.store.clone(), accept).await;
    let mut config = app::config(app.relay.addr().port(), "");
    config.senders[0].reply_to = Some("svar@fyrljus.example".to_owned().try_into().unwrap());
    config.senders[0].auto_submitted = true;
    app.config = Arc::new(config);
    sign_with(&mut app, Vec::new());
    app.import(&[client("Anna Lind")]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    let mail = text(&app.relay.received()[0].message);
    assert_eq!(header(&mail, "From"), "\"Karin Ek\" <hej@fyrljus.example>");
    assert_eq!(header(&mail, "Reply-To"), "\"Karin Ek\" <svar@fyrljus.example>");
    assert_eq!(header(&mail, "Auto-Submitted"), "auto-generated");
    let read = mail_parser::MessageParser::default().parse(mail.as_bytes()).unwrap();
    assert!(read.body_text(0).unwrap().contains("Karin Ek\r\n"), "{:?}", read.body_text(0));
}
