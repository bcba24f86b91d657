//! `why`: the story of one contact from rows made by hand, from rows that the stages made,
//! and the audience's conditions held against the store's own judgement.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use outreachd::campaign;
use outreachd::client::import::{Request, run};
use outreachd::client::why::{self, Facts, Subject, explain, tell};
use outreachd::client::{card, record};
use outreachd::config::{self, Config};
use outreachd::model::account::{Account, PersonType};
use outreachd::model::act::Act;
use outreachd::model::address::{Channel, EmailAddress};
use outreachd::model::campaign::{Campaign, Condition, Rule};
use outreachd::model::contact::{Contact, ZoneSource};
use outreachd::model::delivery::{DeliveryState, Outcome, Purpose};
use outreachd::model::id::*;
use outreachd::model::language::Language;
use outreachd::model::plan::{LeftOut, PlanState, StopReason};
use outreachd::model::response::{HumanIntent, OptOut, ResponseKind};
use outreachd::model::suppression::{Reason, Scope};
use outreachd::model::task::TaskKind;
use outreachd::model::text::Line;
use outreachd::model::touchpoint::Direction;
use outreachd::model::user::{Role, User};
use outreachd::policy::enrolment::{Draw, NotBefore};
use outreachd::schedule;
use outreachd::store::*;
use support::databases::databases;

fn at(text: &str) -> Timestamp {
    format!("{text}+01:00").parse().unwrap()
}

fn line(text: &str) -> Line {
    Line::parse(text).unwrap()
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn campaign() -> Campaign {
    let source = include_str!("../config/campaigns/led-i-lagret.toml");
    let (campaign, mistakes, _) = campaign::read(Path::new("led-i-lagret.toml"), source, |_| Ok(()));
    assert_eq!(mistakes, []);
    campaign.unwrap()
}

fn config() -> Config {
    config::parse(Path::new("config/outreachd.toml"), include_str!("../config/outreachd.toml"), &[]).unwrap()
}

fn user(id: i64, name: &str, address: &str) -> User {
    User {
        id: UserId(id),
        name: line(name),
        email: email(address),
        phone: None,
        title: None,
        role: Role::Manager,
        language: Language::Sv,
        zone: "Europe/Stockholm".into(),
        digest_at: jiff::civil::time(7, 30, 0, 0),
        active: true,
    }
}

fn anna() -> Client {
    let karin = user(1, "Karin Ek", "karin.ek@fyrljus.example");
    Client {
        contact: Contact {
            id: ContactId(7),
            account: AccountId(5),
            name: line("Anna Lind"),
            given_name: Some(line("Anna")),
            title: Some(line("lagerchef")),
            language: Some(Language::Sv),
            zone: "Europe/Stockholm".into(),
            zone_source: ZoneSource::Country,
            email: Some(email("anna.lind@granvik.example")),
            fax: None,
            phone: None,
        },
        account: Account {
            id: AccountId(5),
            name: line("Granvik Verkstad AB"),
            org_number: Some("5599800017".into()),
            country: Some("SE".into()),
            city: Some(line("Borås")),
            tier: Some(line("B")),
            person_type: Some(PersonType::Company),
            owner: Some(karin.id),
            needs: vec!["charging".into(), "lighting".into()],
            tags: vec![],
        },
        owner: Some(karin),
        last_touch: Some(at("2027-03-01T14:12:00")),
    }
}

fn revision() -> AppliedRevision {
    AppliedRevision {
        id: RevisionId(20),
        version: 1,
        campaign: campaign(),
        source: String::new(),
        templates: BTreeMap::new(),
        actor: "mira.holm@fyrljus.example".into(),
        applied_at: at("2027-02-24T10:12:00"),
        next_run_at: None,
    }
}

fn membership(left_out: Option<LeftOut>) -> MembershipRow {
    MembershipRow {
        contact: ContactId(7),
        campaign: "led-i-lagret".into(),
        run: String::new(),
        revision: RevisionId(20),
        left_out,
        facts: serde_json::json!({
            "country": "SE", "last_touch": at("2026-12-22T00:00:00"), "bucket": 37, "holdout_percent": 4, "colleagues": 0,
            "law": "SE, company, e-mail: opt-out suffices (policy 2027-01)",
        }),
        at: at("2027-02-24T10:12:00"),
    }
}

fn facts() -> Facts {
    Facts {
        now: at("2027-03-01T15:00:00"),
        client: anna(),
        users: vec![user(1, "Karin Ek", "karin.ek@fyrljus.example"), user(2, "Mira Holm", "mira.holm@fyrljus.example")],
        memberships: vec![],
        plans: vec![],
        revisions: [(RevisionId(20), revision())].into(),
        running: vec![revision()],
        deliveries: vec![],
        attempts: BTreeMap::new(),
        resolved: BTreeMap::new(),
        responses: vec![],
        tasks: vec![],
        suppressions: vec![],
        pauses: vec![],
        changes: vec![],
    }
}

/// Anna's story up to her answer.
fn story() -> Facts {
    let plan = PlanRow {
        id: PlanId(30),
        campaign: "led-i-lagret".into(),
        run: String::new(),
        revision: RevisionId(20),
        contact: ContactId(7),
        account: AccountId(5),
        state: PlanState::Stopped,
        step: Some("referens".into()),
        next_at: None,
        closes_at: None,
        delivery: None,
        stop_reason: Some(StopReason::Reply),
        started_at: at("2027-02-24T10:12:00"),
        ended_at: Some(at("2027-03-01T14:12:30")),
    };
    let delivery = DeliveryRow {
        id: DeliveryId(40),
        key: "plan/30/intro/7/email".into(),
        purpose: Purpose::Campaign,
        channel: Channel::Email,
        address: "anna.lind@granvik.example".into(),
        contact: Some(ContactId(7)),
        user: None,
        plan: Some(PlanId(30)),
        campaign: Some("led-i-lagret".into()),
        step: Some("intro".into()),
        variant: Some("besok".into()),
        revision: Some(RevisionId(20)),
        fallback: None,
        state: DeliveryState::Accepted,
        reason: None,
        due_at: at("2027-03-01T08:34:00"),
        not_after: Some(at("2027-03-01T11:30:00")),
        tries: 1,
        gateway_id: None,
        message_id: None,
        outcome: Some(Outcome::Replied),
        outcome_at: Some(at("2027-03-01T14:12:30")),
        finished_at: Some(at("2027-03-01T08:34:10")),
        frozen: None,
    };
    let attempt = AttemptRow {
        id: AttemptId(50),
        delivery: DeliveryId(40),
        number: 1,
        relay: "main".into(),
        state: AttemptState::Accepted,
        code: Some(250),
        enhanced: Some("2.0.0".into()),
        reply: Some("250 2.0.0 queued as 4Zk1Xb".into()),
        started_at: at("2027-03-01T08:34:09"),
        ended_at: Some(at("2027-03-01T08:34:10")),
    };
    let response = ResponseRow {
        id: ResponseId(60),
        source: "mail".into(),
        kind: ResponseKind::Human(HumanIntent::Interested),
        delivery: Some(DeliveryId(40)),
        contact: Some(ContactId(7)),
        recipient: None,
        tie: Some("reply_to".into()),
        confidence: 0.96,
        enhanced: None,
        reason: None,
        evidence: serde_json::json!({ "part": "body", "line": 1, "rule": "sv.interested.visit", "text": "titta förbi" }),
        new_text: Some("Det låter intressant. Kan ni titta förbi på torsdag?".into()),
        until: None,
        raw_hash: None,
        review: false,
        received_at: at("2027-03-01T14:12:00"),
        logged_at: at("2027-03-01T14:12:30"),
    };
    let task = TaskRow {
        id: TaskId(70),
        kind: TaskKind::Answer,
        user: Some(UserId(1)),
        contact: Some(ContactId(7)),
        plan: Some(PlanId(30)),
        response: Some(ResponseId(60)),
        note: "Ring Anna Lind".into(),
        due_on: "2027-03-02".parse().unwrap(),
        created_at: at("2027-03-01T14:12:30"),
        done_at: None,
    };
    Facts {
        memberships: vec![membership(None)],
        plans: vec![plan],
        deliveries: vec![delivery],
        attempts: [(DeliveryId(40), vec![attempt])].into(),
        responses: vec![response],
        tasks: vec![task],
        ..facts()
    }
}

#[test]
fn tells_the_story_as_it_is_drawn() {
    insta::assert_snapshot!(tell(&story()), @r#"
    Anna Lind, Granvik Verkstad AB. Owner Karin Ek. Zone Europe/Stockholm (country SE)

    led-i-lagret, version 1, applied by Mira Holm Wed 24 Feb 10:12
      in      audience   SE, needs lighting, tier B, last touch Tue 22 Dec
      pass    law        SE, company, e-mail: opt-out suffices (policy 2027-01)
      pass    holdout    bucket 37 of 100; 0-3 are left in peace
      pass    cap        no colleague at Granvik Verkstad AB is being written to
      choose  variant    besok, from the contact's id
      due     window     Mon 1 Mar 08:34; Mon-Thu 08:30-11:30, no holiday
      pass    handoff    08:34:09 suppression, consent, pauses, window looked at again
      sent    e-mail     08:34:10 intro: "250 2.0.0 queued as 4Zk1Xb"
      reply   tied       14:12 by In-Reply-To, no conflict
      read    human      interested 0.96, rule sv.interested.visit, "titta förbi"
      stop    plan       4 steps cancelled: referens, matning, samtal, avslut
      task    Karin Ek   "Ring Anna Lind", due Tue 2 Mar

    Next: nothing planned; not suppressed.
    "#);
}

#[test]
fn names_the_rule_that_left_a_contact_out() {
    let out = |left_out, known: serde_json::Value| {
        let mut one = membership(Some(left_out));
        for (key, value) in known.as_object().unwrap() {
            one.facts[key] = value.clone();
        }
        let why = tell(&Facts { memberships: vec![one], ..facts() });
        let line = why.sections[0].lines.last().unwrap();
        format!("{} {}: {}", line.word, line.rule, line.text)
    };
    let told = [
        out(LeftOut::Holdout, serde_json::json!({ "bucket": 2 })),
        out(LeftOut::Colleague, serde_json::json!({ "colleagues": 1 })),
        out(
            LeftOut::NoConsent,
            serde_json::json!({ "law": "DE, company, e-mail: no consent on file (policy 2027-01)" }),
        ),
        out(LeftOut::NoOwner, serde_json::json!({})),
        out(LeftOut::Suppressed, serde_json::json!({})),
        out(LeftOut::NoAddress, serde_json::json!({})),
    ];
    insta::assert_snapshot!(told.join("\n"), @r"
    out holdout: bucket 2 of 100; 0-3 are left in peace
    out cap: 1 colleague at Granvik Verkstad AB is being written to
    out law: DE, company, e-mail: no consent on file (policy 2027-01)
    out owner: the company has no active account manager whose name the letter could carry
    out suppressed: the person, the address or the domain
    out address: none that the first step could go to
    ");
}

#[test]
fn says_which_conditions_fail_where_no_campaign_matches() {
    let mut facts = facts();
    facts.client.account.tier = None;
    facts.client.account.needs = vec!["charging".into()];
    facts.client.account.tags = vec!["competitor".into()];
    insta::assert_snapshot!(tell(&facts), @r"
    Anna Lind, Granvik Verkstad AB. Owner Karin Ek. Zone Europe/Stockholm (country SE)

    led-i-lagret, version 1, applied by Mira Holm Wed 24 Feb 10:12
      out     audience   needs charging, not lighting
      out     audience   tier unknown, not A or B
      out     audience   last touch Mon 1 Mar, less than 30 days before Mon 1 Mar
      out     audience   tagged competitor, which this campaign leaves out

    Next: nothing planned; not suppressed.
    ");
}

#[test]
fn an_answer_from_outside_stays_on_its_line() {
    let mut facts = story();
    facts.attempts.get_mut(&DeliveryId(40)).unwrap()[0].reply = Some("250 ok\r\n\u{1b}[2J\u{202e}done".into());
    let text = tell(&facts).to_string();
    assert!(text.contains("\"250 ok  [2Jdone\""), "{text}");
}

#[test]
fn says_what_is_next_and_what_keeps_it_back() {
    let mut facts = story();
    let plan = &mut facts.plans[0];
    (plan.state, plan.stop_reason, plan.ended_at) = (PlanState::Active, None, None);
    plan.next_at = Some(at("2027-03-04T08:41:00"));
    assert_eq!(tell(&facts).next, "referens by e-mail, Thu 4 Mar 08:41 (led-i-lagret)");
    let contact = PauseScope::Contact(ContactId(7));
    let pause = |scope, until| PauseRow {
        scope,
        reason: "away".into(),
        actor: "respond".into(),
        at: at("2027-03-01T10:00:00"),
        until: Some(until),
        ended_at: None,
    };
    facts.pauses = vec![pause(PauseScope::All, at("2027-03-01T11:00:00")), pause(contact, at("2027-03-16T00:00:00"))];
    facts.suppressions = vec![SuppressionRow {
        scope: Scope::Contact,
        value: "7".into(),
        reason: Reason::OptOut,
        actor: "web".into(),
        at: at("2027-03-01T10:05:00"),
        lifted_at: None,
    }];
    assert_eq!(
        tell(&facts).next,
        "referens by e-mail, Thu 4 Mar 08:41 (led-i-lagret); suppressed since Mon 1 Mar 10:05, opted out; \
         paused: the person until Tue 16 Mar 00:00: away"
    );
}

async fn world(store: &Store) {
    let act = Act::person("mira.holm@fyrljus.example", at("2027-02-24T10:12:00"));
    for (name, address) in [
        ("Karin Ek", "karin.ek@fyrljus.example"),
        ("Jonas Berg", "jonas.berg@fyrljus.example"),
        ("Mira Holm", "mira.holm@fyrljus.example"),
    ] {
        store.appoint(&act, &user(0, name, address), "hired").await.unwrap();
    }
    let clients = include_bytes!("../src/demo/world/clients.csv");
    let report = run(store, &config(), &act, Path::new("clients.csv"), clients, Request::default(), |_, _| {}).await;
    assert_eq!(report.unwrap().created, 120);
}

/// The campaign applied, and everybody's first letter scheduled.
async fn applied(store: &Store) {
    world(store).await;
    let now = at("2027-02-24T10:12:00");
    let act = Act::person("mira.holm@fyrljus.example", now);
    // Nobody is drawn into the hold-out: who would be follows from the ids of this database.
    let campaign = Campaign { holdout_percent: 0, ..campaign() };
    let new = NewRevision {
        campaign: campaign.clone(),
        source: String::new(),
        templates: BTreeMap::new(),
        next_run_at: None,
    };
    let revision = store.apply(&act, &new).await.unwrap();
    let start = "2027-03-01".parse().unwrap();
    let reference = at("2027-03-01T00:00:00");
    let people =
        store.candidates(&campaign.audience, &campaign.id, "", reference, Default::default(), 500).await.unwrap();
    let mut draw = Draw::new(&campaign, NotBefore::Day(start), now, 1);
    let enrolments: Vec<_> = people.iter().map(|person| draw.decide(person)).collect();
    store.enrol(&act, &revision, "", &enrolments).await.unwrap();
    schedule::turn(store, &config(), at("2027-02-28T12:00:00")).await.unwrap();
}

async fn about(store: &Store, query: &str, now: Timestamp) -> String {
    let found = record::find(store, "SE", query, 2).await.unwrap();
    assert_eq!(found.len(), 1, "{query}");
    tell(&why::load(store, found[0], now).await.unwrap()).to_string()
}

/// Holds a text against its snapshot, but for what follows from a contact's id alone.
fn assert_told(name: &str, text: &str) {
    let filters = vec![(r"bucket \d+", "bucket N"), (r"08:[3-5]\d\b", "08:MM"), ("fraga|besok", "VARIANT")];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(name, text) });
}

#[tokio::test]
async fn tells_what_the_stages_wrote() {
    for database in databases("why_stages").await {
        let store = &database.store;
        applied(store).await;
        let sara = record::find(store, "SE", "sara.wik@almby.example", 2).await.unwrap()[0];
        let now = at("2027-03-01T10:10:00");
        let daemon = store.register_daemon(now).await.unwrap();
        let act = Act::stage("deliver", at("2027-03-01T10:03:09"));
        let claimed = store.claim(daemon, "email/main/fyrljus/led-i-lagret/other", act.at, 100).await.unwrap();
        let hers = claimed.iter().find(|one| one.row.contact == Some(sara)).unwrap();
        let handoff = Handoff {
            delivery: hers.row.id,
            relay: "main".into(),
            frozen: r#"{"subject":"Hej"}"#.into(),
            sha256: "00".into(),
            message_id: "one@fyrljus.example".into(),
        };
        let begun = store.exchange(&act, daemon, &[], &[handoff]).await.unwrap();
        let finish = Finish {
            delivery: hers.row.id,
            attempt: Some(begun.begun[&hers.row.id]),
            relay: "main".into(),
            state: AttemptState::Accepted,
            code: Some(250),
            enhanced: None,
            reply: Some("250 2.0.0 queued".into()),
            reason: None,
            due_at: None,
            not_after: None,
            gateway_id: None,
            consequences: vec![Consequence::Touch {
                contact: sara,
                direction: Direction::Out,
                channel: Channel::Email,
                kind: "accepted".into(),
                summary: "intro".into(),
                delivery: Some(hers.row.id),
                response: None,
            }],
        };
        let later = Act::stage("deliver", at("2027-03-01T10:03:10"));
        store.exchange(&later, daemon, &[finish], &[]).await.unwrap();
        schedule::turn(store, &config(), at("2027-03-01T10:04:00")).await.unwrap();
        assert_told("sent", &about(store, "sara.wik@almby.example", now).await);

        let response = LoggedResponse {
            id: store.new_response_id().await.unwrap(),
            source: "web",
            source_key: "web/1".into(),
            kind: ResponseKind::OptOut(OptOut::OneClick),
            delivery: Some(hers.row.id),
            plan: hers.row.plan,
            contact: Some(sara),
            recipient: None,
            tie: Some("token".into()),
            confidence: 1.0,
            enhanced: None,
            reason: None,
            evidence: serde_json::json!({ "rule": "rfc8058" }),
            new_text: None,
            until: None,
            raw: None,
            review: false,
            received_at: at("2027-03-01T10:05:00"),
            consequences: vec![
                Consequence::Suppress {
                    scope: Scope::Contact,
                    value: sara.to_string(),
                    reason: Reason::OptOut,
                    response: None,
                },
                Consequence::StopPlans { contact: sara, reason: StopReason::OptOut },
                Consequence::Touch {
                    contact: sara,
                    direction: Direction::In,
                    channel: Channel::Email,
                    kind: "opt_out.one_click".into(),
                    summary: "opted out by one click".into(),
                    delivery: Some(hers.row.id),
                    response: None,
                },
            ],
        };
        let respond = Act::stage("respond", at("2027-03-01T10:05:00"));
        store.log_responses(&respond, None, &[response]).await.unwrap();
        assert_told("opted-out", &about(store, "sara.wik@almby.example", now).await);
        let shown = card::text(&record::load(store, sara).await.unwrap(), now);
        assert_told("record", &shown.replace(&sara.to_string(), "N"));
        let export = serde_json::to_value(record::export(store, sara, now).await.unwrap()).unwrap();
        for part in [
            "contact",
            "account",
            "points",
            "consents",
            "suppressions",
            "plans",
            "deliveries",
            "responses",
            "tasks",
            "timeline",
            "changes",
            "memberships",
        ] {
            assert!(export.get(part).is_some(), "{part}");
        }
        assert_eq!(export["deliveries"][0]["letter"]["subject"], "Hej");
        assert_eq!(export["deliveries"][0]["attempts"][0]["code"], 250);
    }
}

#[tokio::test]
async fn left_out_ones_have_their_rule_and_the_others_their_conditions() {
    for database in databases("why_left_out").await {
        let store = &database.store;
        applied(store).await;
        let now = at("2027-03-01T07:00:00");
        let left = store.memberships(None, Some("led-i-lagret")).await.unwrap();
        let started = left.iter().filter(|row| row.left_out.is_none()).count();
        assert!(started > 0 && started < left.len());
        for row in &left {
            let why = tell(&why::load(store, row.contact, now).await.unwrap());
            let outs = why.sections[0].lines.iter().filter(|line| line.word == "out").count();
            assert_eq!(outs, usize::from(row.left_out.is_some()), "{:?} {}", row.left_out, why);
            assert_eq!(why.next.starts_with("nothing planned"), row.left_out.is_some(), "{why}");
        }
        let inside: Vec<_> = left.iter().map(|row| row.contact).collect();
        for contact in store.contact_page(ContactId(0), 500).await.unwrap() {
            if !inside.contains(&contact) {
                let why = tell(&why::load(store, contact, at("2027-02-24T10:12:00")).await.unwrap());
                let lines = &why.sections[0].lines;
                assert!(!lines.is_empty() && lines.iter().all(|line| line.word == "out"), "{why}");
            }
        }
    }
}

#[tokio::test]
async fn judges_each_condition_as_the_store_does() {
    for database in databases("why_conditions").await {
        let store = &database.store;
        world(store).await;
        let ids = store.contact_page(ContactId(0), 500).await.unwrap();
        let clients = store.clients(&ids).await.unwrap();
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let conditions = [
            Condition::Country(words(&["SE", "NO"])),
            Condition::Needs(words(&["lighting"])),
            Condition::Tier(words(&["A", "C"])),
            Condition::Tags(words(&["competitor"])),
            Condition::City(words(&["Borås", "Falköping"])),
            Condition::Language(vec![Language::Sv]),
            Condition::Owner(words(&["JONAS.BERG@fyrljus.example"])),
            Condition::NoTouch { days: 30 },
            Condition::NoTouch { days: 90 },
        ];
        let not = conditions.clone().map(|condition| Condition::Not(Rule(vec![condition])));
        let both = Condition::Not(Rule(conditions[1..3].to_vec()));
        let reference = at("2027-03-01T00:00:00");
        for condition in conditions.into_iter().chain(not).chain([both, Condition::Not(Rule::default())]) {
            let rule = Rule(vec![condition]);
            let found = store.candidates(&rule, "led", "", reference, Default::default(), 500).await.unwrap();
            let mut by_store: Vec<_> = found.iter().map(|person| person.contact).collect();
            // They come company by company.
            by_store.sort_unstable();
            let holds =
                |client: &&Client| explain(&rule, Subject { client, last_touch: client.last_touch, reference })[0].1;
            let by_us: Vec<_> = clients.iter().filter(holds).map(|client| client.contact.id).collect();
            assert_eq!(by_us, by_store, "{rule:?}");
        }
    }
}
