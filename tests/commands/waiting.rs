//! `status`, `deliveries` and `responses`: what waits for a person.

use outreachd::model::delivery::DeliveryState;
use outreachd::model::id::DeliveryId;
use outreachd::model::response::{Bounce, HumanIntent, ResponseKind};
use outreachd::store::{LoggedResponse, Store};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::office::{Office, Ran, act, now, one_of_each};
use crate::support::databases::databases;

fn masked(text: &str, ids: &[DeliveryId]) -> String {
    let numbered = ids.iter().enumerate();
    numbered.fold(text.to_owned(), |text, (number, id)| text.replace(&id.to_string(), &format!("ID{number}")))
}

fn within_80_columns(text: &str) {
    for line in text.lines() {
        assert!(line.width() <= 80, "{} columns: {line}", line.width());
    }
}

#[tokio::test]
async fn status_adds_up_and_names_what_resolves_each() {
    for database in databases("commands_status").await {
        let office = Office::over(&database.url);
        let ids = one_of_each(&database.store).await;
        let said = office.run(&["status"]).well();
        within_80_columns(&said);
        insta::allow_duplicates! {
            insta::assert_snapshot!(masked(&said, &ids), @r#"
            led-i-lagret
              5 matched = 4 started + 1 left out
              4 started = 4 active + 0 done + 0 stopped
              4 e-mails = 1 accepted + 1 rejected + 1 uncertain + 1 open
              open: 1 held

            Waits for you: 1 uncertain, 1 held
              ID3  held (late)  e-mail led-i-lagret/intro
                to client3@granvik.example
                outreachd deliveries retry ID3 --reason "..."
                (sends it; to drop it: `deliveries resolve ID3 rejected`)
              ID2  uncertain  e-mail led-i-lagret/intro
                to client2@granvik.example
                outreachd deliveries resolve ID2 accepted --reason "..."
                (or `rejected`; to send it again: `deliveries retry ID2`)

            Oldest due    nothing is due
            To review     0 responses
            Open tasks    0
            Pauses        none
            "#);
        }
        let json: Value = serde_json::from_str(&office.run(&["status", "--json"]).well()).unwrap();
        let campaign = &json["campaigns"][0];
        assert_eq!(
            (&campaign["matched"], &campaign["started"], &campaign["left_out"]),
            (&5.into(), &4.into(), &1.into())
        );
        assert_eq!(json["waiting"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn status_names_pauses_and_how_to_end_them() {
    for database in databases("commands_status_pauses").await {
        let office = Office::over(&database.url);
        one_of_each(&database.store).await;
        office.run_as("mira.holm@fyrljus.example", &["pause", "--reason", &"a long story ".repeat(20)]).well();
        let said = office.run(&["status"]).well();
        within_80_columns(&said);
        assert!(said.contains("everything since") && said.contains("\n    outreachd resume\n"), "{said}");
    }
}

#[test]
fn status_without_a_database_says_what_makes_one() {
    let refused = Office::new().run(&["status"]).refused();
    assert!(refused.ends_with("it does not exist yet; `outreachd apply` or `outreachd import` makes it"), "{refused}");
}

#[tokio::test]
async fn lists_deliveries_by_state_and_campaign() {
    for database in databases("commands_deliveries").await {
        let office = Office::over(&database.url);
        let ids = one_of_each(&database.store).await;
        let listed = |args: &[&str]| -> Vec<i64> {
            let all = [&["deliveries", "list", "--json"], args].concat();
            let rows: Vec<Value> = serde_json::from_str(&office.run(&all).well()).unwrap();
            rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
        };
        assert_eq!(listed(&[]), [ids[3].0, ids[2].0, ids[1].0], "what waits for a person");
        assert_eq!(listed(&["--state", "uncertain,accepted"]), [ids[2].0, ids[0].0]);
        assert_eq!(listed(&["--state", "held", "--campaign", "led-i-lagret"]), [ids[3].0]);
        assert_eq!(listed(&["--limit", "1"]), [ids[3].0]);
        let said = office.run(&["deliveries", "list", "--limit", "2"]).well();
        within_80_columns(&said);
        assert!(said.contains("client2@granvik.example"), "the operator sees whom: {said}");
        assert!(said.ends_with("There are more; ask for them with --limit.\n"), "{said}");
        assert!(
            office.run(&["deliveries", "list", "--state", "uncertan"]).misused().contains("did you mean `uncertain`?")
        );
        let unknown = office.run(&["deliveries", "list", "--campaign", "x"]).refused();
        assert_eq!(unknown, "outreachd: there is no campaign `x`; there is led-i-lagret");
    }
}

#[tokio::test]
async fn resolves_what_is_uncertain_and_drops_what_is_held() {
    for database in databases("commands_resolve").await {
        let (office, store) = (Office::over(&database.url), &database.store);
        let [accepted, _, uncertain, held] = one_of_each(store).await;
        let resolve = |id: DeliveryId, how: &str| -> Ran {
            office.run_as("op@fyrljus.example", &["deliveries", "resolve", &id.to_string(), how, "--reason", "its log"])
        };
        assert_eq!(resolve(uncertain, "accepted").well(), format!("{uncertain}: uncertain -> accepted\n"));
        assert_eq!(resolve(held, "rejected").well(), format!("{held}: held -> skipped\n"));
        let ended = resolve(accepted, "rejected").refused();
        assert_eq!(ended, format!("outreachd: delivery {accepted}: it is accepted and waits for no decision"));
        let absent = resolve(DeliveryId(7), "accepted").refused();
        assert_eq!(absent, "outreachd: there is no delivery `7`");
        let change = &store.changes("delivery", &uncertain.to_string()).await.unwrap()[0];
        assert_eq!((change.actor.as_str(), &change.diff["reason"]), ("op@fyrljus.example", &"its log".into()));
    }
}

#[tokio::test]
async fn sends_an_uncertain_one_again_only_by_a_yes() {
    for database in databases("commands_retry").await {
        let (office, store) = (Office::over(&database.url), &database.store);
        let [_, rejected, uncertain, _] = one_of_each(store).await;
        let id = uncertain.to_string();
        let retry = ["deliveries", "retry", id.as_str(), "--reason", "not in its log"];
        let asked = office.run(&retry).refused();
        assert_eq!(
            asked,
            "outreachd: it is not known whether this one left: sent again, it may arrive twice; say --yes if that is meant"
        );
        assert_eq!(store.get_delivery(uncertain).await.unwrap().state, DeliveryState::Uncertain);
        office.run(&[&retry[..], &["--yes"]].concat()).well();
        assert_eq!(store.get_delivery(uncertain).await.unwrap().state, DeliveryState::Retry);
        // Nothing of this one can have arrived.
        office.run(&["deliveries", "retry", &rejected.to_string(), "--reason", "server mended"]).well();
        assert_eq!(store.get_delivery(rejected).await.unwrap().state, DeliveryState::Retry);
    }
}

async fn log(store: &Store, key: &str, kind: ResponseKind, text: &str, review: bool) {
    let response = LoggedResponse {
        id: store.new_response_id().await.unwrap(),
        source: "mail",
        source_key: key.into(),
        kind,
        delivery: None,
        plan: None,
        contact: None,
        recipient: Some("anna@granvik.example".into()),
        tie: None,
        confidence: 0.9,
        enhanced: None,
        reason: None,
        evidence: serde_json::json!({}),
        new_text: Some(text.into()),
        until: None,
        raw: None,
        review,
        received_at: now(),
        consequences: vec![],
    };
    store.log_responses(&act(), None, &[response]).await.unwrap();
}

#[tokio::test]
async fn lists_responses_and_what_a_person_must_look_at() {
    for database in databases("commands_responses").await {
        let office = Office::over(&database.url);
        assert_eq!(office.run(&["responses", "list"]).well(), "There is none.\n");
        log(&database.store, "a", ResponseKind::Human(HumanIntent::Interested), "Gärna\u{1b}[2J\r\ntorsdag", false)
            .await;
        log(&database.store, "b", ResponseKind::Bounce(Bounce::NoMailbox), "", true).await;
        let said = office.run(&["responses", "list"]).well();
        within_80_columns(&said);
        assert!(said.contains("human.interested  anna@granvik.example\n  \"Gärna[2J  torsdag\""), "{said}");
        let review: Value =
            serde_json::from_str(&office.run(&["responses", "list", "--review", "--json"]).well()).unwrap();
        assert_eq!(review.as_array().unwrap().len(), 1);
        assert_eq!(review[0]["review"], true);
    }
}

#[test]
fn reads_a_mail_and_says_by_which_rule() {
    let office = Office::new();
    let mail = "From: Anna Lind <anna.lind@granvik.example>\r\nSubject: Sv: Vad kostar ljuset?\r\n\
        Date: Mon, 01 Mar 2027 14:12:00 +0100\r\nIn-Reply-To: <77@ut.fyrljus.example>\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\r\n\
        Det låter intressant. Kan ni titta förbi på torsdag?\r\n\r\n> Jag mäter gärna ljuset\r\n";
    std::fs::write(office.path("reply.eml"), mail).unwrap();
    let said = office.run(&["responses", "read", "reply.eml"]).well();
    within_80_columns(&said);
    insta::assert_snapshot!(said, @r#"
    From        Anna Lind <anna.lind@granvik.example>
    Subject     Sv: Vad kostar ljuset?
    Answers     77@ut.fyrljus.example

    human.interested, 0.96 sure
      Rule      sv.interested.visit
      Found in  body, line 1: "titta förbi"
      Newly written
      | Det låter intressant. Kan ni titta förbi på torsdag?
    "#);
    let lines = office.run(&["responses", "read", "reply.eml", "reply.eml", "--json"]).well();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "a line for each file");
    assert_eq!(lines[0]["path"], "reply.eml");
    assert_eq!(lines[0]["responses"][0]["kind"], "human.interested");
    assert_eq!(lines[0]["responses"][0]["hard"], false);
    assert_eq!(lines[0]["new_text"], "Det låter intressant. Kan ni titta förbi på torsdag?");
    assert_eq!(office.files(), ["reply.eml"], "reading touches no database");
    let absent = office.run(&["responses", "read", "absent.eml"]).refused();
    assert!(absent.starts_with("outreachd: cannot read `absent.eml`: No such file"), "{absent}");
}
