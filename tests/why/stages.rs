//! The story told from what the stages wrote.

use super::*;

async fn world(store: &Store) {
    let act = Act::person("mira.holm@fyrljus.example", at("2027-02-24T10:12:00"));
    for (name, address) in [
        ("Karin Ek", "karin.ek@fyrljus.example"),
        ("Jonas Berg", "jonas.berg@fyrljus.example"),
        ("Mira Holm", "mira.holm@fyrljus.example"),
    ] {
        store.appoint(&act, &user(0, name, address), "hired").await.unwrap();
    }
    let clients = include_bytes!("../../src/demo/world/clients.csv");
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
