//! The manager's digest: what it says, what it refuses to carry, and that it comes once a day.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

#[path = "digest/face.rs"]
mod face;
mod support;
#[path = "digest/world.rs"]
mod world;

use jiff::ToSpan;
use outreachd::digest::{Digest, collect, compose, turn};
use outreachd::model::language::Language;
use outreachd::model::response::{HumanIntent, ResponseKind};
use outreachd::model::token::TokenPurpose;
use outreachd::model::user::Role;
use outreachd::store::{Migration, Store};
use support::databases::{databases, sqlite};
use world::{World, at, config, keys};

const LINK: &str = "https://ut.fyrljus.example/d/qm3vt8kwx2rz7hplc9nfya";

#[test]
fn tells_tuesday_in_swedish() {
    let digest = compose(&face::tuesday(Language::Sv), LINK);
    insta::assert_snapshot!("tuesday_sv.txt", format!("Ämne: {}\n\n{}", digest.subject, digest.text));
    insta::assert_snapshot!("tuesday_sv.html", digest.html);
}

#[test]
fn tells_tuesday_in_english() {
    let digest = compose(&face::tuesday(Language::En), LINK);
    insta::assert_snapshot!("tuesday_en.txt", format!("Subject: {}\n\n{}", digest.subject, digest.text));
    insta::assert_snapshot!("tuesday_en.html", digest.html);
}

#[test]
fn tells_everything_else_that_can_happen() {
    for language in [Language::Sv, Language::En] {
        let digest = compose(&face::everything(language), LINK);
        insta::assert_snapshot!(
            format!("everything_{}.txt", language.code()),
            format!("{}\n\n{}", digest.subject, digest.text)
        );
    }
}

#[test]
fn counts_one_and_none_in_good_grammar() {
    for language in [Language::Sv, Language::En] {
        let digest = compose(&face::one_of_each(language), LINK);
        insta::assert_snapshot!(
            format!("one_{}.txt", language.code()),
            format!("{}\n\n{}", digest.subject, digest.text)
        );
    }
}

#[test]
fn says_in_one_line_that_all_is_well() {
    let digest = compose(&face::silence(Language::Sv), LINK);
    insta::assert_snapshot!(format!("{}\n\n{}", digest.subject, digest.text), @r"
    Allt väl

    God morgon Karin. Allt väl: inget nytt sedan måndag 1 mars.
    ");
    let digest = compose(&face::silence(Language::En), LINK);
    insta::assert_snapshot!(format!("{}\n\n{}", digest.subject, digest.text), @r"
    All is well

    Good morning Karin. All is well: nothing new since Monday
    1 March.
    ");
}

#[test]
fn keeps_every_line_within_sixty_columns() {
    for data in [face::tuesday(Language::Sv), face::everything(Language::Sv), face::everything(Language::En)] {
        for line in compose(&data, LINK).text.lines() {
            assert!(line.chars().count() <= 60, "{line}");
        }
    }
}

#[test]
fn caps_a_flood_and_says_how_much_is_beyond() {
    let mut data = face::tuesday(Language::En);
    data.fixes = vec![data.fixes[0].clone(); 130];
    let digest = compose(&data, LINK);
    assert!(digest.subject.starts_with("1 to call, 130 to fix"), "{}", digest.subject);
    assert!(digest.text.contains("And 100 more in today's list."));
    assert_eq!(digest.text.matches("Oskar Nyman").count(), 30);
}

#[tokio::test]
async fn hostile_reply_stays_escaped_and_short() {
    let database = sqlite().await;
    let world = World::new(&database.store).await;
    let hostile = format!(
        "<script>alert(1)</script><img src=x onerror=y>\u{202e}gnirts\r\nBcc: all@granvik.example\r\n\0\u{200b}{}",
        "<b>&amp; ".repeat(1_200)
    );
    world.reply("anna@granvik.example", HumanIntent::Interested, &hostile, at("2027-03-01T13:12:00Z")).await;
    let digest = world.compose(at("2027-03-01T06:30:00Z"), at("2027-03-02T06:30:00Z")).await;
    let Digest { subject, text, html } = &digest;
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b>"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=y&gt;"));
    for part in [subject, text, html] {
        assert!(!part.contains(['\u{202e}', '\0', '\u{200b}']));
    }
    assert!(!text.lines().any(|line| line.starts_with("Bcc:")));
    assert!(text.len() < 1_000 && html.len() < 6_000, "{} {}", text.len(), html.len());
}

#[tokio::test]
async fn reads_tuesday_from_the_rows_of_monday() {
    for database in databases("digest_monday").await {
        let world = World::new(&database.store).await;
        world.monday().await;
        let digest = world.compose(at("2027-03-01T06:30:00Z"), at("2027-03-02T06:30:00Z")).await;
        insta::assert_snapshot!("monday_rows.txt", format!("{}\n\n{}", digest.subject, digest.text));
    }
}

#[tokio::test]
async fn comes_once_a_day_at_its_hour_through_restarts() {
    for database in databases("digest_once").await {
        let world = World::new(&database.store).await;
        world.reply("anna@granvik.example", HumanIntent::Interested, "Ja tack", at("2027-03-01T13:12:00Z")).await;
        let half_past_seven = at("2027-03-02T06:30:00Z");
        let early = turn(&database.store, &config(), &keys(), half_past_seven - 1.second()).await.unwrap();
        assert_eq!((early.done, early.next_at), (0, Some(half_past_seven)));
        let first = turn(&database.store, &config(), &keys(), half_past_seven).await.unwrap();
        assert_eq!((first.done, first.next_at), (1, Some(at("2027-03-03T06:30:00Z"))));
        let again = turn(&database.store, &config(), &keys(), half_past_seven + 1.minute()).await.unwrap();
        assert_eq!(again.done, 0);

        let restarted = Store::open(&database.url, Migration::Refuse).await.unwrap();
        for minutes in [2, 60, 600] {
            let done = turn(&restarted, &config(), &keys(), half_past_seven + minutes.minutes()).await.unwrap().done;
            assert_eq!(done, 0, "after {minutes} minutes");
        }
        let digests = world.digests(half_past_seven).await;
        assert_eq!(digests.len(), 1);
        assert_eq!(digests[0].row.key, format!("digest/{}/2027-03-02", world.karin));
        assert_eq!((digests[0].sender.as_str(), digests[0].row.user), ("fyrljus", Some(world.karin)));
        let text = world::text_of(&digests[0]);
        assert!(text.contains("\"Ja tack\""), "{text}");
        let token = text.trim_end().rsplit_once("/d/").unwrap().1;
        assert_eq!(keys().verify(TokenPurpose::Digest, token), Some(world.karin.0));
        restarted.close().await;
    }
}

#[tokio::test]
async fn mondays_covers_the_weekend() {
    for database in databases("digest_weekend").await {
        let world = World::new(&database.store).await;
        world.reply("anna@granvik.example", HumanIntent::Question, "På fredag kväll", at("2027-03-05T20:00:00Z")).await;
        world.reply("bo@granvik.example", HumanIntent::Question, "På söndag", at("2027-03-07T20:00:00Z")).await;
        for weekend in ["2027-03-06T06:30:00Z", "2027-03-07T12:00:00Z"] {
            assert_eq!(turn(&database.store, &config(), &keys(), at(weekend)).await.unwrap().done, 0);
        }
        assert_eq!(turn(&database.store, &config(), &keys(), at("2027-03-08T06:30:00Z")).await.unwrap().done, 1);
        let text = world::text_of(&world.digests(at("2027-03-08T06:30:00Z")).await[0]);
        assert!(text.contains("Sedan i fredags: inga mejl."), "{text}");
        assert!(text.contains("På fredag kväll") && text.contains("På söndag"), "{text}");
    }
}

#[tokio::test]
async fn after_an_outage_begins_where_the_last_one_ended() {
    for database in databases("digest_outage").await {
        let world = World::new(&database.store).await;
        world.reply("anna@granvik.example", HumanIntent::Question, "Ett", at("2027-03-01T13:00:00Z")).await;
        assert_eq!(turn(&database.store, &config(), &keys(), at("2027-03-02T06:31:00Z")).await.unwrap().done, 1);
        world.reply("bo@granvik.example", HumanIntent::Question, "Två", at("2027-03-02T13:00:00Z")).await;
        // The daemon stands still until Friday, and comes back after the digest's hour.
        let friday = at("2027-03-05T09:00:00Z");
        assert_eq!(turn(&database.store, &config(), &keys(), friday).await.unwrap().done, 1);
        let digests = world.digests(friday).await;
        let text = world::text_of(&digests[1]);
        assert!(text.contains("Två") && !text.contains("Ett"), "{text}");
        assert!(text.contains("Sedan i tisdags"), "{text}");
    }
}

#[tokio::test]
async fn silent_days_bring_none_and_a_silent_week_one_line() {
    for database in databases("digest_silence").await {
        let world = World::new(&database.store).await;
        let mut came = vec![];
        for day in 0..14 {
            let morning = at("2027-03-08T06:30:00Z") + (24 * day).hours();
            if turn(&database.store, &config(), &keys(), morning).await.unwrap().done > 0 {
                came.push(morning.to_string());
            }
        }
        assert_eq!(came, ["2027-03-08T06:30:00Z", "2027-03-15T06:30:00Z"]);
        let digests = world.digests(at("2027-03-21T06:30:00Z")).await;
        let text = world::text_of(&digests[1]);
        assert_eq!(text, "God morgon Karin. Allt väl: inget nytt sedan måndag 8 mars.\n");
    }
}

#[tokio::test]
async fn a_monday_after_a_busy_week_needs_no_all_is_well() {
    let database = sqlite().await;
    let world = World::new(&database.store).await;
    world.reply("anna@granvik.example", HumanIntent::NotInterested, "Nej tack", at("2027-03-09T13:00:00Z")).await;
    assert_eq!(turn(&database.store, &config(), &keys(), at("2027-03-10T06:30:00Z")).await.unwrap().done, 1);
    assert_eq!(turn(&database.store, &config(), &keys(), at("2027-03-15T06:30:00Z")).await.unwrap().done, 0);
    assert_eq!(turn(&database.store, &config(), &keys(), at("2027-03-22T06:30:00Z")).await.unwrap().done, 1);
}

#[tokio::test]
async fn dismissed_manager_gets_none_and_the_successor_does() {
    for database in databases("digest_dismissed").await {
        let store = &database.store;
        let world = World::new(store).await;
        let jonas = world.appoint("Jonas Berg", "jonas@fyrljus.example", Role::Manager, "2027-02-01T08:00:00Z").await;
        world.reply("anna@granvik.example", HumanIntent::Question, "Hur?", at("2027-03-01T13:12:00Z")).await;
        store.dismiss(&world::act(at("2027-03-01T15:00:00Z")), world.karin, Some(jonas), "moved on").await.unwrap();
        let now = at("2027-03-02T06:30:00Z");
        assert_eq!(turn(store, &config(), &keys(), now).await.unwrap().done, 1);
        let digests = world.digests(now).await;
        assert_eq!(digests.iter().map(|one| one.row.user).collect::<Vec<_>>(), [Some(jonas)]);
        assert!(world::text_of(&digests[0]).contains("Hur?"));
    }
}

#[tokio::test]
async fn tells_a_new_manager_nothing_about_the_time_before() {
    for database in databases("digest_new").await {
        let store = &database.store;
        let world = World::new(store).await;
        world.reply("anna@granvik.example", HumanIntent::Question, "Före", at("2027-03-01T12:00:00Z")).await;
        let jonas = world.appoint("Jonas Berg", "jonas@fyrljus.example", Role::Manager, "2027-03-01T13:00:00Z").await;
        store.dismiss(&world::act(at("2027-03-01T13:00:01Z")), world.karin, Some(jonas), "moved on").await.unwrap();
        let now = at("2027-03-02T06:30:00Z");
        assert_eq!(turn(store, &config(), &keys(), now).await.unwrap().done, 0, "nothing happened since");
        world.reply("bo@granvik.example", HumanIntent::Question, "Efter", at("2027-03-02T12:00:00Z")).await;
        assert_eq!(turn(store, &config(), &keys(), now + 24.hours()).await.unwrap().done, 1);
        let text = world::text_of(&world.digests(now + 24.hours()).await[0]);
        assert!(text.contains("Efter") && !text.contains("Före"), "{text}");
        let vera = world.appoint("Vera Ny", "vera.ny@fyrljus.example", Role::Manager, "2027-03-03T08:00:00Z").await;
        turn(store, &config(), &keys(), at("2027-03-03T09:00:00Z")).await.unwrap();
        assert_eq!(store.last_digest(vera).await.unwrap(), None, "appointed after the hour");
    }
}

#[tokio::test]
async fn head_gets_one_only_with_clients_of_their_own() {
    for database in databases("digest_head").await {
        let store = &database.store;
        let world = World::new(store).await;
        world.reply("anna@granvik.example", HumanIntent::Question, "Hur?", at("2027-03-01T13:12:00Z")).await;
        let now = at("2027-03-02T06:30:00Z");
        assert_eq!(turn(store, &config(), &keys(), now).await.unwrap().done, 1);
        assert_eq!(store.last_digest(world.head).await.unwrap(), None);
        store.dismiss(&world::act(now), world.karin, Some(world.head), "moved on").await.unwrap();
        world.reply("bo@granvik.example", HumanIntent::Question, "När?", at("2027-03-02T13:12:00Z")).await;
        assert_eq!(turn(store, &config(), &keys(), now + 24.hours()).await.unwrap().done, 1);
        assert!(store.last_digest(world.head).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn done_task_is_said_to_be_done_and_an_open_one_returns() {
    let database = sqlite().await;
    let world = World::new(&database.store).await;
    let task = world.interested_with_task("anna@granvik.example", at("2027-03-01T13:12:00Z")).await;
    let monday = at("2027-03-01T06:30:00Z");
    let digest = world.compose(monday, monday + 24.hours()).await;
    assert!(digest.text.contains("Ring i dag: 070-174 06 12."), "{}", digest.text);
    assert!(!digest.text.contains("ATT GÖRA"), "the reply says it: {}", digest.text);
    let next = world.compose(monday + 24.hours(), monday + 48.hours()).await;
    assert!(next.text.contains("Ring Anna Lind: 070-174 06 12. Skulle ha gjorts"), "{}", next.text);
    database.store.finish_task(&world::act(monday + 30.hours()), task).await.unwrap();
    let digest = world.compose(monday, monday + 24.hours()).await;
    assert!(digest.text.contains("Klart.") && !digest.subject.contains("ringa"), "{}", digest.text);
}

#[tokio::test]
async fn ignores_machines_that_say_nothing_new() {
    let database = sqlite().await;
    let world = World::new(&database.store).await;
    for kind in ["auto.ack", "delayed", "delivered", "other"] {
        let kind = ResponseKind::find(kind).unwrap();
        world.respond("anna@granvik.example", kind, "Tack", at("2027-03-01T13:12:00Z"), |_| ()).await;
    }
    let (from, until) = (at("2027-03-01T06:30:00Z"), at("2027-03-02T06:30:00Z"));
    let data = collect(&database.store, &config(), &world.user().await, from, until, until).await.unwrap();
    assert!(!data.has_news(), "{data:?}");
}

#[tokio::test]
async fn says_what_to_write_where_nobody_sends_it() {
    let database = sqlite().await;
    let world = World::new(&database.store).await;
    world.reply("anna@granvik.example", HumanIntent::Question, "Hur?", at("2027-03-01T13:12:00Z")).await;
    let mut config = config();
    config.relays.clear();
    let error = turn(&database.store, &config, &keys(), at("2027-03-02T06:30:00Z")).await.unwrap_err();
    assert!(error.to_string().contains("write a [[relay]]"), "{error}");
}
