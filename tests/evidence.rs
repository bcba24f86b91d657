//! Uncertain letters, settled by the relay's log, by the folder of sent mail, by the
//! company's own word and by a person.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use jiff::{Timestamp, ToSpan};
use outreachd::clock::ManualClock;
use outreachd::demo::mail_server::{Answer, Facts, Stage};
use outreachd::evidence::Evidence;
use outreachd::model::act::Act;
use outreachd::model::delivery::DeliveryState;
use outreachd::model::id::DeliveryId;
use outreachd::model::token::TokenPurpose;
use outreachd::store::{AttemptState, DeliveryRow, Finish, Handoff, Store, Witness};
use support::app::{BEFORE, DURING, TestApp, at, client};
use support::databases::databases;
use support::house::campaign;
use tempfile::TempDir;

/// A letter came to the relay, and its 250 was lost.
async fn uncertain(store: Store, more: &str) -> (TestApp, DeliveryId) {
    let lost = |facts: &Facts<'_>| if facts.stage == Stage::Dot { Answer::KeepAndDrop } else { Answer::Accept };
    let app = TestApp::with(store, lost, more, ManualClock::new(at(BEFORE))).await;
    app.import(&[client("Anna Lind")]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    let row = only(&app).await;
    assert_eq!(row.state, DeliveryState::Uncertain);
    (app, row.id)
}

async fn only(app: &TestApp) -> DeliveryRow {
    app.deliveries().await.remove(0)
}

async fn turn(app: &TestApp, evidence: &mut Evidence, now: Timestamp) -> usize {
    app.clock.set(now);
    evidence.turn(&app.store, &app.config, &app.keys, now).await.unwrap().done
}

/// What Postfix writes of a letter of ours that it has in its queue.
fn queued(return_path: &str) -> String {
    format!(
        "Mar  1 10:00:01 mail postfix/cleanup[7]: 4Zk1Xb0: message-id=<other@fyrljus.example>\n\
         Mar  1 10:00:02 mail postfix/qmgr[8]: 4Zk1Xb0: from=<{return_path}>, size=900, nrcpt=1 (queue active)\n"
    )
}

#[tokio::test]
async fn the_relays_log_settles_a_letter_whose_answer_was_lost() {
    for database in databases("evidence_log").await {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("mail.log");
        let (app, id) = uncertain(database.store.clone(), &format!("log = {log:?}")).await;
        let mut evidence = Evidence::new(&app.config);
        assert_eq!(turn(&app, &mut evidence, at(DURING)).await, 0);
        assert!(evidence.ways()[0].1.is_some(), "a log that is not there is told of: {:?}", evidence.ways());

        let forged = format!("ut+{}@fyrljus.example", "a".repeat(39));
        std::fs::write(&log, queued(&forged)).unwrap();
        assert_eq!(turn(&app, &mut evidence, at(DURING) + 1.minute()).await, 0);
        assert_eq!(evidence.ways(), [("log/main".to_owned(), None)]);
        assert_eq!(only(&app).await.state, DeliveryState::Uncertain, "absence proves nothing");

        let path = app.relay.received()[0].from.clone();
        std::fs::write(&log, queued(&forged) + &queued(&path)).unwrap();
        assert_eq!(turn(&app, &mut evidence, at(DURING) + 2.minutes()).await, 1);
        let row = only(&app).await;
        assert_eq!(row.state, DeliveryState::Accepted);
        assert_eq!(row.reason.as_deref(), Some("queued as 4Zk1Xb0, Mar  1 10:00:02 in log/main"));
        let changes = app.store.changes("delivery", &id.to_string()).await.unwrap();
        assert_eq!(changes.last().unwrap().actor, "evidence");
        assert_eq!(changes.last().unwrap().diff["state"], serde_json::json!(["uncertain", "accepted"]));
        let timeline = app.store.timeline(row.contact.unwrap()).await.unwrap();
        assert_eq!(timeline.iter().map(|line| line.kind.as_str()).collect::<Vec<_>>(), ["accepted"]);
        app.run_until_quiet("2027-03-01T10:00:00Z").await;
        assert_eq!(app.relay.received().len(), 1, "it is not sent a second time");
        assert_eq!(turn(&app, &mut evidence, at(DURING) + 3.minutes()).await, 0, "the log is read once");
    }
}

/// One letter of the campaign, handed over and not answered yet.
async fn under_way(app: &TestApp) -> (DeliveryId, Finish) {
    app.import(&[client("Anna Lind")]).await;
    app.apply(campaign("send")).await;
    app.clock.set(at(DURING));
    outreachd::schedule::turn(&app.store, &app.config, at(DURING)).await.unwrap();
    let (lane, _) = app.store.waiting_lanes().await.unwrap().remove(0);
    let claimed = app.store.claim(app.daemon, &lane, at(DURING), 1).await.unwrap().remove(0);
    let handoff = Handoff {
        delivery: claimed.row.id,
        relay: "main".into(),
        frozen: "{}".into(),
        sha256: "00".into(),
        message_id: "x@fyrljus.example".into(),
    };
    let begun = app.store.exchange(&app.act(), app.daemon, &[], &[handoff]).await.unwrap().begun;
    let lost = Finish {
        delivery: claimed.row.id,
        attempt: Some(begun[&claimed.row.id]),
        relay: "main".into(),
        state: AttemptState::Uncertain,
        code: None,
        enhanced: None,
        reply: None,
        reason: Some("no_answer".into()),
        due_at: None,
        not_after: None,
        gateway_id: None,
        consequences: vec![],
    };
    (claimed.row.id, lost)
}

#[tokio::test]
async fn what_was_seen_before_the_doubt_settles_it_too() {
    for database in databases("evidence_early").await {
        let app = TestApp::new(database.store.clone(), |_: &Facts<'_>| Answer::Accept).await;
        let (id, lost) = under_way(&app).await;
        let seen = Witness { delivery: id, source: "log/main".into(), words: "queued as A1".into() };
        let act = Act::stage("evidence", at(DURING));
        assert_eq!(app.store.witness(&act, Some(("log/main", "1:2:x")), &[seen]).await.unwrap(), []);
        assert_eq!(app.store.mailbox_cursor("log/main").await.unwrap().as_deref(), Some("1:2:x"));
        assert_eq!(only(&app).await.state, DeliveryState::Handoff, "its answer may yet come");
        app.store.exchange(&act, app.daemon, &[lost], &[]).await.unwrap();
        assert_eq!(only(&app).await.state, DeliveryState::Uncertain);
        assert_eq!(app.store.witness(&act, None, &[]).await.unwrap(), [id]);
        assert_eq!(only(&app).await.state, DeliveryState::Accepted);
    }
}

#[tokio::test]
async fn evidence_of_a_letter_that_ended_is_forgotten() {
    for database in databases("evidence_ended").await {
        let app = TestApp::new(database.store.clone(), |_: &Facts<'_>| Answer::Accept).await;
        let (id, lost) = under_way(&app).await;
        let act = Act::stage("evidence", at(DURING));
        let seen = [Witness { delivery: id, source: "log/main".into(), words: "queued as A1".into() }];
        app.store.witness(&act, None, &seen).await.unwrap();
        let taken = Finish { state: AttemptState::Rejected, ..lost };
        app.store.exchange(&act, app.daemon, &[taken], &[]).await.unwrap();
        assert_eq!(app.store.witness(&act, None, &seen).await.unwrap(), []);
        assert_eq!(only(&app).await.state, DeliveryState::Rejected);
    }
}

#[tokio::test]
async fn sends_once_more_in_its_window_where_the_company_wrote_so_and_never_a_third_time() {
    for database in databases("evidence_resend").await {
        let (app, id) = uncertain(database.store.clone(), "[limits]\nuncertain = \"resend\"").await;
        let mut evidence = Evidence::new(&app.config);
        assert_eq!(turn(&app, &mut evidence, at(DURING) + 23.hours()).await, 0, "evidence has its time");
        assert_eq!(turn(&app, &mut evidence, at("2027-03-02T12:00:00Z")).await, 1);
        let changes = app.store.changes("delivery", &id.to_string()).await.unwrap();
        assert_eq!(changes.last().unwrap().actor, "policy");
        assert_eq!(changes.last().unwrap().diff["reason"], "uncertain = \"resend\"");
        app.run_until_quiet("2027-03-02T12:01:00Z").await;
        assert_eq!(app.relay.received().len(), 1, "its window is closed");
        app.run_until_quiet("2027-03-03T10:29:00Z").await;
        let received = app.relay.received();
        assert_eq!(received.len(), 2);
        assert_eq!(received[0].message, received[1].message, "the same letter, byte by byte");
        assert_eq!(only(&app).await.state, DeliveryState::Uncertain);
        assert_eq!(turn(&app, &mut evidence, at("2027-03-20T12:00:00Z")).await, 0);
        assert_eq!(only(&app).await.state, DeliveryState::Uncertain, "a person decides now");
    }
}

#[tokio::test]
async fn gives_up_or_holds_as_the_company_wrote() {
    for (word, state) in [("abandon", DeliveryState::Rejected), ("hold", DeliveryState::Uncertain)] {
        for database in databases(&format!("evidence_{word}")).await {
            let (app, _) = uncertain(database.store.clone(), &format!("[limits]\nuncertain = \"{word}\"")).await;
            let mut evidence = Evidence::new(&app.config);
            turn(&app, &mut evidence, at(DURING) + 25.hours()).await;
            assert_eq!(only(&app).await.state, state, "{word}");
            app.run_until_quiet("2027-03-03T10:00:00Z").await;
            assert_eq!(app.relay.received().iter().filter(|mail| mail.to[0] == only_address()).count(), 1);
        }
    }
}

fn only_address() -> &'static str {
    "info@anna-lind.example"
}

#[tokio::test]
async fn a_persons_decision_is_kept_with_who_and_why() {
    for database in databases("evidence_person").await {
        let (app, id) = uncertain(database.store.clone(), "").await;
        let person = Act::person("op@fyrljus.example", at(DURING));
        app.store.resolve_delivery(&person, id, DeliveryState::Accepted, "250 in the log").await.unwrap();
        let change = app.store.changes("delivery", &id.to_string()).await.unwrap().pop().unwrap();
        assert_eq!(change.actor, "op@fyrljus.example");
        assert_eq!(change.diff, serde_json::json!({ "state": ["uncertain", "accepted"], "reason": "250 in the log" }));
    }
}

/// A server whose folder `Sent` holds the mails with these tokens; it hears what is asked.
fn imap_server(holds: Vec<String>, heard: Arc<Mutex<Vec<String>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            stream.write_all(b"* OK ready\r\n").unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for line in lines.map_while(Result::ok) {
                let (tag, command) = line.split_once(' ').unwrap();
                heard.lock().unwrap().push(command.to_owned());
                let found = holds.iter().any(|token| command.contains(token.as_str()));
                let said = match command.split(' ').take(2).collect::<Vec<_>>()[..] {
                    ["EXAMINE", _] => "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n",
                    ["UID", "SEARCH"] if found => "* SEARCH 2\r\n",
                    ["UID", "SEARCH"] => "* SEARCH\r\n",
                    _ => "",
                };
                stream.write_all(format!("{said}{tag} OK done\r\n").as_bytes()).unwrap();
            }
        }
    });
    port
}

#[tokio::test]
async fn a_copy_in_the_folder_of_sent_mail_settles_it_and_its_absence_nothing() {
    for is_there in [true, false] {
        for database in databases(&format!("evidence_sent_{is_there}")).await {
            let (probe, id) = uncertain(database.store.clone(), "").await;
            let token = probe.keys.sign(TokenPurpose::Delivery, id.0);
            let heard = Arc::new(Mutex::new(Vec::new()));
            let port = imap_server(if is_there { vec![token.clone()] } else { vec![] }, Arc::clone(&heard));
            let secret = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(secret.path(), "hemligt").unwrap();
            let more = format!(
                "[[mailbox]]\nid = \"svar\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nusername = \"svar\"\n\
                 password = {{ file = {:?} }}\nsent = \"Sent\"",
                secret.path()
            );
            let config = support::app::config(1, &more);
            let mut evidence = Evidence::new(&config);
            for now in [at(DURING), at(DURING) + 1.minute(), at(DURING) + 6.minutes()] {
                evidence.turn(&probe.store, &config, &probe.keys, now).await.unwrap();
            }
            assert_eq!(evidence.ways(), [("sent/svar".to_owned(), None)]);
            let state = if is_there { DeliveryState::Accepted } else { DeliveryState::Uncertain };
            let row = only(&probe).await;
            assert_eq!(row.state, state);
            let heard = heard.lock().unwrap();
            let searches: Vec<_> = heard.iter().filter(|line| line.starts_with("UID SEARCH")).collect();
            assert_eq!(searches.len(), if is_there { 1 } else { 2 }, "every five minutes, as long as there is a doubt");
            let message_id = row.message_id.unwrap();
            let query = format!(
                "SENTSINCE 28-Feb-2027 OR HEADER Message-ID \"{message_id}\" HEADER X-Outreachd-Delivery \"{token}\""
            );
            assert_eq!(*searches[0], format!("UID SEARCH {query}"));
            assert!(heard.iter().any(|line| line.starts_with("EXAMINE") && line.contains("Sent")), "{heard:?}");
        }
    }
}
