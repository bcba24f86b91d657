//! From a mailbox to the client's record, on both engines: what a mail is tied to
//! and what it changes.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

#[path = "support/mod.rs"]
mod support;
#[path = "responding/world.rs"]
mod world;

use jiff::civil::date;
use jiff::{Timestamp, ToSpan};
use outreachd::config::Mailbox;
use outreachd::inbox::{Inbox, MaildirInbox};
use outreachd::model::delivery::{DeliveryState, Outcome, Purpose};
use outreachd::model::plan::{PlanState, StopReason};
use outreachd::model::suppression::{Reason, Scope};
use outreachd::model::task::TaskKind;
use outreachd::model::token::TokenPurpose;
use outreachd::respond::{Respond, RespondError, Source};
use outreachd::store::{AttemptState, NewDelivery, PauseScope};
use sqlx::Connection;
use support::databases::{databases, sqlite};
use world::{World, failed, letter, no_mailbox, now, reply, report};

async fn worlds(test: &str) -> Vec<(World, support::databases::Database)> {
    let mut worlds = Vec::new();
    for database in databases(&format!("respond_{test}")).await {
        worlds.push((World::new(database.store.clone()).await, database));
    }
    worlds
}

#[tokio::test]
async fn a_reply_stops_the_plan_and_gives_the_owner_a_task() {
    for (mut world, _database) in worlds("reply").await {
        let thread = format!("In-Reply-To: <{}>\r\n", world.message_id(world.anna.delivery));
        let text = "Det låter intressant. Kan ni titta förbi på torsdag?";
        world.receive(reply("anna@privat.example", &thread, text)).await;
        let response = world.response().await;
        assert_eq!((response.kind.name().as_str(), response.tie.as_deref()), ("human.interested", Some("reply_to")));
        assert_eq!((response.contact, response.review), (Some(world.anna.contact), false));
        assert_eq!(world.plan(&world.anna).await, (PlanState::Stopped, Some(StopReason::Reply)));
        assert_eq!(world.plan(&world.bo).await, (PlanState::Active, None));
        let task = world.tasks(&world.anna).await.remove(0);
        assert_eq!((task.kind, task.user, task.due_on), (TaskKind::Answer, Some(world.karin), date(2027, 3, 2)));
        assert_eq!(task.note, "Ring Anna Lind på Granvik Verkstad AB, {{x}}");
        let touch = world.store.timeline(world.anna.contact).await.unwrap().remove(0);
        assert_eq!((touch.kind.as_str(), touch.summary.as_str()), ("human.interested", text));
        let row = world.store.get_delivery(world.anna.delivery).await.unwrap();
        assert_eq!(row.outcome, Some(Outcome::Replied));
        let raw = world.store.find_raw_mail(response.raw_hash.as_deref().unwrap()).await.unwrap().unwrap();
        assert!(String::from_utf8(raw).unwrap().contains(text));
    }
}

#[tokio::test]
async fn a_reply_from_the_address_alone_is_tied_to_the_recent_letter() {
    for (mut world, _database) in worlds("sender").await {
        world.receive(reply("Anna.Lind@granvik.example", "", "Vi bygger om. Hör av er vecka 34.")).await;
        let response = world.response().await;
        assert_eq!((response.kind.name().as_str(), response.tie.as_deref()), ("human.not_now", Some("sender")));
        let task = world.tasks(&world.anna).await.remove(0);
        assert_eq!((task.kind, task.due_on), (TaskKind::Remind, date(2027, 8, 23)));
        assert_eq!(task.note, "Svara Anna Lind, Granvik Verkstad AB: inte nu");
        assert_eq!(world.plan(&world.anna).await.0, PlanState::Stopped);
    }
}

#[tokio::test]
async fn a_dead_address_is_suppressed_by_each_strong_tie() {
    let ways = ["verp", "header", "message_id", "envid", "original_recipient"];
    for way in ways {
        for (mut world, _database) in worlds(&format!("dead_{way}")).await {
            let token = world.token(world.anna.delivery);
            let (mut to, mut block, mut head) = ("studs@fyrljus.example".to_owned(), String::new(), String::new());
            let mut original = None;
            match way {
                "verp" => to = format!("studs+{}@fyrljus.example", token.to_uppercase()),
                "header" => head = format!("X-Outreachd-Delivery: {token}\r\n"),
                "message_id" => head = format!("Message-ID: <{token}@fyrljus.example>\r\n"),
                "envid" => block = format!("Original-Envelope-Id: d{token}\r\n\r\n"),
                _ => original = Some(world.anna.address),
            }
            block.push_str(&no_mailbox(original, world.anna.address));
            world.receive(report(&to, way, &block, &head)).await;
            let response = world.response().await;
            assert_eq!((response.kind.name().as_str(), response.tie.as_deref()), ("bounce.no_mailbox", Some(way)));
            let suppressions = world.store.suppressions(world.anna.contact).await.unwrap();
            assert_eq!((suppressions[0].scope, suppressions[0].reason), (Scope::Address, Reason::Invalid));
            let points = world.store.points(world.anna.contact).await.unwrap();
            assert!(points.iter().any(|point| !point.valid), "{points:?}");
            let task = world.tasks(&world.anna).await.remove(0);
            assert_eq!((task.kind, task.user), (TaskKind::Fix, Some(world.karin)));
            assert_eq!(task.note, "Anna Lind, Granvik Verkstad AB: adressen finns inte");
            let row = world.store.get_delivery(world.anna.delivery).await.unwrap();
            assert_eq!(row.outcome, Some(Outcome::Bounced));
            assert!(world.is_untouched(&world.bo).await);
        }
    }
}

#[tokio::test]
async fn a_report_that_names_the_final_recipient_alone_suppresses_nobody() {
    for (mut world, _database) in worlds("final").await {
        world.receive(report("studs@fyrljus.example", "x", &no_mailbox(None, world.anna.address), "")).await;
        let response = world.response().await;
        assert_eq!((response.tie.as_deref(), response.review), (Some("final_recipient"), true));
        assert_eq!(world.store.get_delivery(world.anna.delivery).await.unwrap().outcome, None);
        assert!(world.is_untouched(&world.anna).await);
    }
}

#[tokio::test]
async fn a_forwarded_letters_bounce_belongs_to_the_address_we_wrote_to() {
    for (mut world, _database) in worlds("forward").await {
        let block = no_mailbox(Some(world.anna.address), "gone@elsewhere.example");
        world.receive(report("studs@fyrljus.example", "x", &block, "")).await;
        assert_eq!(world.response().await.tie.as_deref(), Some("original_recipient"));
        assert!(!world.is_untouched(&world.anna).await);
    }
}

#[tokio::test]
async fn a_bounce_of_someone_elses_address_never_suppresses_ours() {
    for (mut world, _database) in worlds("elsewhere").await {
        let to = format!("studs+{}@fyrljus.example", world.token(world.anna.delivery));
        world.receive(report(&to, "x", &no_mailbox(None, "gone@elsewhere.example"), "")).await;
        let response = world.response().await;
        assert_eq!((response.tie.as_deref(), response.review), (Some("verp"), true));
        assert!(world.is_untouched(&world.anna).await);
        world.receive(report("studs@fyrljus.example", "y", &no_mailbox(Some("x@y.example"), "x@y.example"), "")).await;
        let stranger = world.responses().await.remove(1);
        assert_eq!((stranger.tie, stranger.review), (None, true));
        assert!(world.is_untouched(&world.anna).await && world.is_untouched(&world.bo).await);
    }
}

#[tokio::test]
async fn a_conflict_goes_to_review_and_suppresses_nobody() {
    for (mut world, _database) in worlds("conflict").await {
        let to = format!("studs+{}@fyrljus.example", world.token(world.anna.delivery));
        let returned = format!("Message-ID: <{}>\r\n", world.message_id(world.bo.delivery));
        world.receive(report(&to, "x", &no_mailbox(None, world.anna.address), &returned)).await;
        let response = world.response().await;
        assert_eq!((response.review, response.contact, response.delivery), (true, None, None));
        assert_eq!(response.evidence["conflict"]["message_id"], world.bo.delivery.0);
        assert!(world.is_untouched(&world.anna).await && world.is_untouched(&world.bo).await);

        let thread = format!("Delivered-To: {to}\r\nIn-Reply-To: <{}>\r\n", world.message_id(world.bo.delivery));
        world.receive(reply("x@y.example", &thread, "Ta bort mig från er lista, tack.")).await;
        for sent in [&world.anna, &world.bo] {
            assert_eq!(world.store.suppressions(sent.contact).await.unwrap(), []);
            assert_eq!(
                world.plan(sent).await,
                (PlanState::Stopped, Some(StopReason::OptOut)),
                "until a person decides"
            );
        }
    }
}

#[tokio::test]
async fn a_poisonous_mail_does_not_keep_the_next_one_waiting() {
    for (mut world, _database) in worlds("poison").await {
        world.inbox.push([0u8, 255, 13, 10, 0, 1, 2, 128]);
        world.inbox.push(reply(
            "x@y.example",
            "Content-Transfer-Encoding: quoted-printable\r\n",
            "Hej =00=1B[2J hopp?",
        ));
        let thread = format!("In-Reply-To: <{}>\r\n", world.message_id(world.anna.delivery));
        world.receive(reply("anna@privat.example", &thread, "Ring mig gärna.")).await;
        let responses = world.responses().await;
        assert_eq!(responses.len(), 3);
        assert_eq!(responses.iter().filter(|response| response.review).count(), 2);
        assert!(responses.iter().filter_map(|response| response.new_text.as_deref()).all(|text| !text.contains('\0')));
        assert_eq!(world.plan(&world.anna).await.0, PlanState::Stopped);
    }
}

#[tokio::test]
async fn the_same_mail_seen_twice_is_logged_once() {
    for (mut world, _database) in worlds("twice").await {
        let thread = format!("In-Reply-To: <{}>\r\n", world.message_id(world.anna.delivery));
        let mail = reply("anna@privat.example", &thread, "Ring mig gärna.");
        world.inbox.push(mail.clone());
        world.receive(mail).await;
        world.response().await;
        assert_eq!(world.tasks(&world.anna).await.len(), 1);
    }
}

#[tokio::test]
async fn someone_away_is_left_in_peace_until_the_day_after_they_are_back() {
    for (mut world, _database) in worlds("away").await {
        let thread =
            format!("Auto-Submitted: auto-replied\r\nIn-Reply-To: <{}>\r\n", world.message_id(world.anna.delivery));
        let away = "Jag är på semester och åter den 15 mars.";
        world.receive(reply(world.anna.address, &thread, away)).await;
        assert_eq!(world.response().await.kind.name(), "auto.out_of_office");
        let pauses = world.store.pauses(now()).await.unwrap();
        assert_eq!(pauses[0].scope, PauseScope::Contact(world.anna.contact));
        assert_eq!(pauses[0].until, Some("2027-03-15T23:00:00Z".parse::<Timestamp>().unwrap()), "16 March, 00:00");
        assert_eq!(world.plan(&world.anna).await.0, PlanState::Active);

        world.receive(reply(world.anna.address, &thread, "Jag är inte på kontoret.")).await;
        assert_eq!(world.store.pauses(now()).await.unwrap(), pauses, "a shorter absence ends no longer one");
    }
}

#[tokio::test]
async fn an_opt_out_by_mail_suppresses_the_client() {
    for (mut world, _database) in worlds("mailto").await {
        let token = world.keys.sign(TokenPurpose::OptOut, world.anna.delivery.0);
        let mail = format!("From: x@y.example\r\nTo: svar+{token}@fyrljus.example\r\nSubject: unsubscribe\r\n\r\n");
        world.receive(mail).await;
        let response = world.response().await;
        assert_eq!((response.kind.name().as_str(), response.tie.as_deref()), ("opt_out.mailto", Some("verp")));
        let suppressions = world.store.suppressions(world.anna.contact).await.unwrap();
        assert_eq!((suppressions[0].scope, suppressions[0].reason), (Scope::Contact, Reason::OptOut));
        assert_eq!(world.plan(&world.anna).await, (PlanState::Stopped, Some(StopReason::OptOut)));
        let consents = world.store.consents(world.anna.contact).await.unwrap();
        assert!(consents.iter().all(|consent| consent.withdrawn_at.is_some()));
        assert_eq!(world.store.timeline(world.anna.contact).await.unwrap().len(), 1);
        assert!(world.is_untouched(&world.bo).await);
    }
}

#[tokio::test]
async fn an_opt_out_in_words_suppresses_first_and_is_read_afterwards() {
    for (mut world, _database) in worlds("words").await {
        let thread = format!("In-Reply-To: <{}>\r\n", world.message_id(world.anna.delivery));
        world.receive(reply(world.anna.address, &thread, "Ta bort mig från er lista, tack.")).await;
        assert_eq!(world.response().await.kind.name(), "opt_out.in_reply");
        assert_eq!(world.store.suppressions(world.anna.contact).await.unwrap().len(), 2, "the person and the address");
        assert_eq!(world.tasks(&world.anna).await[0].kind, TaskKind::Answer);
    }
}

#[tokio::test]
async fn an_objection_that_nothing_ties_counts_for_its_address() {
    for (mut world, _database) in worlds("stranger").await {
        world.inbox.push("From: sara@almby.example\r\nTo: svar@fyrljus.example\r\nSubject: Avregistrera\r\n\r\n");
        let late = now() + 1500.hours();
        world.turn(late).await;
        let response = world.response().await;
        assert_eq!((response.contact, response.review), (None, true));
        let task = world.store.tasks(None, None).await.unwrap().remove(0);
        assert_eq!((task.kind, task.user), (TaskKind::Operate, None));
        let new = letter("sara@almby.example", Purpose::Campaign, Some((world.anna.contact, world.anna.plan)), None);
        world.store.create_deliveries(&world::act(), &[new]).await.unwrap();
        let claimed = world.store.claim(world.daemon, "email/main", now(), 1).await.unwrap();
        assert_eq!(claimed[0].blocked.as_deref(), Some("suppressed"));
    }
}

#[tokio::test]
async fn an_objection_from_a_name_beyond_ascii_counts_however_it_is_spelled() {
    for (mut world, _database) in worlds("beyond_ascii").await {
        // RFC 6532: as it is, and by macOS in two characters a letter.
        world
            .inbox
            .push("From: A\u{30a}sa.Ek@Almby.example\r\nTo: svar@fyrljus.example\r\nSubject: Avregistrera\r\n\r\n");
        world.turn(now() + 1500.hours()).await;
        let new = letter("Åsa.Ek@almby.example", Purpose::Campaign, Some((world.anna.contact, world.anna.plan)), None);
        world.store.create_deliveries(&world::act(), &[new]).await.unwrap();
        let claimed = world.store.claim(world.daemon, "email/main", now(), 1).await.unwrap();
        assert_eq!(claimed[0].row.address, "Åsa.Ek@almby.example");
        assert_eq!(claimed[0].blocked.as_deref(), Some("suppressed"));
    }
}

#[tokio::test]
async fn a_complaint_ends_everything() {
    for (mut world, _database) in worlds("complaint").await {
        let mail = format!(
            "From: loop@brev.example\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\
             Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n--b\r\n\
             Content-Type: message/rfc822\r\n\r\nMessage-ID: <{}>\r\n\r\nHej\r\n--b--\r\n",
            world.message_id(world.anna.delivery)
        );
        world.receive(mail).await;
        assert_eq!(world.response().await.kind.name(), "complaint");
        assert_eq!(world.store.suppressions(world.anna.contact).await.unwrap()[0].reason, Reason::Complaint);
        assert_eq!(world.plan(&world.anna).await, (PlanState::Stopped, Some(StopReason::OptOut)));
        let row = world.store.get_delivery(world.anna.delivery).await.unwrap();
        assert_eq!(row.outcome, Some(Outcome::Complained));
    }
}

#[tokio::test]
async fn a_domain_that_refuses_us_waits_and_the_operator_hears_of_it_once() {
    for (mut world, _database) in worlds("policy").await {
        let to = format!("studs+{}@fyrljus.example", world.token(world.anna.delivery));
        for text in ["554 5.7.1 rejected due to policy", "554 5.7.1 blocked due to policy reasons"] {
            let block = failed(None, world.anna.address, "5.7.1", text);
            world.receive(report(&to, &text.len().to_string(), &block, "")).await;
        }
        let responses = world.responses().await;
        assert!(responses.iter().all(|response| response.kind.name() == "bounce.policy"), "{responses:#?}");
        let pauses = world.store.pauses(now()).await.unwrap();
        assert_eq!(
            pauses.iter().map(|pause| &pause.scope).collect::<Vec<_>>(),
            [&PauseScope::Domain("granvik.example".into())]
        );
        let tasks = world.tasks(&world.anna).await;
        assert_eq!(tasks.iter().map(|task| (task.kind, task.user)).collect::<Vec<_>>(), [(TaskKind::Operate, None)]);
        assert_eq!(tasks[0].note, "granvik.example nekar våra mejl (5.7.1); mejl dit väntar");
        assert!(world.is_untouched(&world.anna).await);
    }
}

#[tokio::test]
async fn a_report_about_two_clients_is_two_responses() {
    for (mut world, _database) in worlds("two").await {
        let both = [&world.anna, &world.bo].map(|sent| no_mailbox(Some(sent.address), sent.address)).join("\r\n");
        world.receive(report("studs@fyrljus.example", "x", &both, "")).await;
        let contacts: Vec<_> = world.responses().await.iter().map(|response| response.contact).collect();
        assert_eq!(contacts, [Some(world.anna.contact), Some(world.bo.contact)]);
        assert!(!world.is_untouched(&world.anna).await && !world.is_untouched(&world.bo).await);
    }
}

#[tokio::test]
async fn an_answer_to_an_uncertain_letter_proves_that_it_left() {
    for (mut world, _database) in worlds("uncertain").await {
        let again = NewDelivery {
            key: "again".into(),
            ..letter(world.anna.address, Purpose::Campaign, Some((world.anna.contact, world.anna.plan)), None)
        };
        let uncertain = world.send(&[again], AttemptState::Uncertain).await[0];
        assert_eq!(world.store.get_delivery(uncertain).await.unwrap().state, DeliveryState::Uncertain);
        let thread = format!("References: <{}>\r\n", world.message_id(uncertain));
        world.receive(reply(world.anna.address, &thread, "Ring mig gärna.")).await;
        assert_eq!(world.store.get_delivery(uncertain).await.unwrap().state, DeliveryState::Accepted);
    }
}

#[tokio::test]
async fn a_report_about_an_uncertain_letter_proves_that_the_relay_took_it() {
    for (mut world, _database) in worlds("uncertain_bounce").await {
        let again = NewDelivery {
            key: "again".into(),
            ..letter(world.anna.address, Purpose::Campaign, Some((world.anna.contact, world.anna.plan)), None)
        };
        let uncertain = world.send(&[again], AttemptState::Uncertain).await[0];
        let to = format!("studs+{}@fyrljus.example", world.token(uncertain));
        world.receive(report(&to, "x", &no_mailbox(Some(world.anna.address), world.anna.address), "")).await;
        let row = world.store.get_delivery(uncertain).await.unwrap();
        assert_eq!((row.state, row.outcome), (DeliveryState::Accepted, Some(Outcome::Bounced)));
        let change = world.store.changes("delivery", &uncertain.to_string()).await.unwrap().pop().unwrap();
        assert_eq!(change.actor, "respond");
    }
}

#[tokio::test]
async fn a_policy_report_of_googles_pauses_the_campaign_and_is_told_once() {
    for (mut world, _database) in worlds("google").await {
        for sent in [world.anna.delivery, world.bo.delivery] {
            let to = format!("studs+{}@fyrljus.example", world.token(sent));
            let text = "550-5.7.26 blocked because the sender is unauthenticated. x1-20020a17 - gsmtp";
            let address = if sent == world.anna.delivery { world.anna.address } else { world.bo.address };
            world.receive(report(&to, &sent.to_string(), &failed(None, address, "5.7.26", text), "")).await;
        }
        let pauses = world.store.pauses(now()).await.unwrap();
        assert_eq!(pauses.iter().map(|pause| &pause.scope).collect::<Vec<_>>(), [&PauseScope::Campaign("led".into())]);
        let tasks = world.store.tasks(None, None).await.unwrap();
        assert_eq!(tasks.len(), 1, "{tasks:?}");
        assert_eq!(tasks[0].note, "Google nekar breven i led (5.7.26); kampanjen väntar. Sedan: outreachd resume led");
        assert!(world.is_untouched(&world.anna).await && world.is_untouched(&world.bo).await);
    }
}

#[tokio::test]
async fn a_digest_that_comes_back_is_the_operators() {
    for (mut world, _database) in worlds("digest").await {
        let digest = letter("karin.ek@fyrljus.example", Purpose::Digest, None, Some(world.karin));
        let digest = world.send(&[digest], AttemptState::Accepted).await[0];
        let to = format!("studs+{}@fyrljus.example", world.token(digest));
        world.receive(report(&to, "x", &no_mailbox(None, "karin.ek@fyrljus.example"), "")).await;
        let thread = format!("In-Reply-To: <{}>\r\n", world.message_id(digest));
        world.receive(reply("karin.ek@fyrljus.example", &thread, "1 klar")).await;
        let reviews: Vec<_> = world.responses().await.iter().map(|response| response.review).collect();
        assert_eq!(reviews, [true, false], "the reply's Date is a minute earlier");
        let tasks = world.store.tasks(None, None).await.unwrap();
        assert!(tasks.iter().all(|task| (task.kind, task.user) == (TaskKind::Operate, None)), "{tasks:?}");
        assert_eq!(tasks.len(), 2);
    }
}

#[tokio::test]
async fn our_own_mail_is_no_answer() {
    for (mut world, _database) in worlds("own").await {
        let thread = format!("In-Reply-To: <{}>\r\n", world.message_id(world.anna.delivery));
        world.inbox.push(reply("svar@fyrljus.example", &thread, "Tack för ditt mejl!"));
        let copy = format!("Message-ID: <{}>\r\n", world.message_id(world.anna.delivery));
        world.receive(format!("From: karin@elsewhere.example\r\n{copy}\r\nHej Anna")).await;
        assert_eq!(world.responses().await, []);
        world.receive(reply("karin.ek@fyrljus.example", &thread, "Jag ringer dig, Anna. Intressant!")).await;
        let response = world.response().await;
        assert_eq!((response.kind.name().as_str(), response.review), ("other", true), "a colleague in the thread");
        assert!(world.is_untouched(&world.anna).await);
        assert_eq!(world.store.mailbox_cursor("svar").await.unwrap().as_deref(), Some("3"));
    }
}

#[tokio::test]
async fn a_strangers_mail_is_for_review_and_an_old_one_for_nobody() {
    for (mut world, _database) in worlds("review").await {
        world.receive(reply("nils@vikarby.example", "", "Hej, vad kostar en lampa?")).await;
        let response = world.response().await;
        assert_eq!((response.tie, response.review, response.raw_hash), (None, true, None));
        let old = reply("nils@vikarby.example", "", "Hej hej, minns du mig?").replace("2027", "2026");
        world.receive(old).await;
        world.response().await;
    }
}

#[tokio::test]
async fn a_maildirs_cursor_survives_a_restart() {
    for (world, _database) in worlds("maildir").await {
        let folder = tempfile::tempdir().unwrap();
        for part in ["new", "cur", "tmp"] {
            std::fs::create_dir(folder.path().join(part)).unwrap();
        }
        let thread = format!("In-Reply-To: <{}>\r\n", world.message_id(world.anna.delivery));
        for (name, text) in [("1.a", "Ring mig gärna."), ("2.b", "Eller mejla mig hellre.")] {
            std::fs::write(folder.path().join("new").join(name), reply(world.anna.address, &thread, text)).unwrap();
            let inbox = MaildirInbox::open("svar", folder.path()).unwrap();
            let mut restarted = Respond::new("svar", Source::Open(Inbox::Maildir(inbox)));
            restarted.turn(&world.store, &world.config, &world.keys, now()).await.unwrap();
        }
        let texts: Vec<_> = world.responses().await.into_iter().filter_map(|response| response.new_text).collect();
        assert_eq!(texts, ["Ring mig gärna.", "Eller mejla mig hellre."]);
    }
}

#[tokio::test]
async fn waits_longer_after_each_failure_and_then_opens_the_mailbox_again() {
    let database = sqlite().await;
    let world = World::new(database.store.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let maildir = folder.path().join("svar");
    let section = Mailbox { maildir: Some(maildir.clone()), poll_s: 30, ..world.config.mailboxes[0].clone() };
    let mut respond = Respond::new("svar", Source::Configured(Box::new(section)));
    let (store, config, keys) = (&world.store, &world.config, &world.keys);
    let mut at = now();
    for wait_s in [15, 30, 60] {
        assert!(matches!(respond.turn(store, config, keys, at).await, Err(RespondError::Inbox(_))));
        let waiting = respond.turn(store, config, keys, at + 1.second()).await.unwrap();
        assert_eq!(waiting.next_at, Some(at + wait_s.seconds()));
        at += wait_s.seconds();
    }
    for part in ["new", "cur"] {
        std::fs::create_dir_all(maildir.join(part)).unwrap();
    }
    let turn = respond.turn(store, config, keys, at).await.unwrap();
    assert_eq!((turn.done, turn.next_at), (0, Some(at + 30.seconds())));
}

#[tokio::test]
async fn a_mail_that_cannot_be_logged_is_kept_after_three_tries() {
    let database = sqlite().await;
    let mut world = World::new(database.store.clone()).await;
    let mut connection = sqlx::SqliteConnection::connect(&database.url).await.unwrap();
    sqlx::query("UPDATE revision SET compiled = 'broken'").execute(&mut connection).await.unwrap();
    let thread = format!("In-Reply-To: <{}>\r\n", world.message_id(world.anna.delivery));
    world.inbox.push(reply(world.anna.address, &thread, "Ring mig gärna."));
    world.inbox.push(reply("nils@vikarby.example", "", "Hej, vad kostar en lampa?"));
    let mut at = now();
    for _ in 0..2 {
        let failed = world.respond.turn(&world.store, &world.config, &world.keys, at).await;
        assert!(matches!(failed, Err(RespondError::Store { .. })), "{failed:?}");
        assert_eq!(world.responses().await, []);
        at += 15.minutes();
    }
    assert_eq!(world.turn(at).await, 2);
    let mut rules: Vec<_> =
        world.responses().await.into_iter().map(|r| (r.evidence["rule"].clone(), r.review)).collect();
    rules.sort_by_key(|(rule, _)| rule.to_string());
    assert_eq!(rules, [("sv.question.what".into(), true), ("unreadable".into(), true)]);
}
