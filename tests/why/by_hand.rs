//! The story told from rows made by hand.

use super::*;

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
        letter_gap: None,
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

#[test]
fn says_since_when_a_due_letter_waits() {
    let mut facts = story();
    let delivery = &mut facts.deliveries[0];
    (delivery.state, delivery.due_at) = (DeliveryState::Scheduled, at("2027-03-01T08:34:00"));
    let plan = &mut facts.plans[0];
    (plan.state, plan.stop_reason, plan.ended_at) = (PlanState::Active, None, None);
    (plan.step, plan.delivery) = (Some("intro".into()), Some(delivery.id));
    facts.now = at("2027-03-01T08:30:00");
    assert_eq!(tell(&facts).next, "intro by e-mail, Mon 1 Mar 08:34 (led-i-lagret)");
    facts.now = at("2027-03-01T08:50:00");
    assert_eq!(tell(&facts).next, "intro by e-mail, due since Mon 1 Mar 08:34 (led-i-lagret)");
}
