//! T6: clocks that jump, days without an hour or with one twice, new zone data: no step
//! twice, none left out.
//!
//! The instants are random, the campaign sends what is late in the next window, and at
//! the end each client has each letter once, each of them within its hours.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use outreachd::demo::mail_server::Answer;
use outreachd::model::campaign::{Campaign, Day, Start, Wait};
use outreachd::model::delivery::DeliveryState;
use outreachd::model::plan::PlanState;
use outreachd::policy::calendar::Calendar;
use outreachd::policy::window;
use outreachd::store::ClientRecord;
use proptest::prelude::*;

use crate::support::app::{TestApp, client};
use crate::support::databases::sqlite;
use crate::support::house::campaign;
use crate::t3_memory::alone_with;

/// Zones whose clocks change by an hour, by half an hour, at midnight, and never.
const ZONES: [&str; 6] =
    ["Europe/Stockholm", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo", "Asia/Kolkata"];

/// Days around changes of those clocks.
const DAYS: [&str; 7] =
    ["2027-03-13", "2027-03-27", "2027-04-03", "2027-04-29", "2027-10-02", "2027-10-30", "2027-11-06"];

#[derive(Clone, Debug)]
struct Story {
    zone: &'static str,
    start: Date,
    from: Time,
    until: Time,
    /// Minutes by which the clock is moved between two turns, also back.
    jumps: Vec<i64>,
}

fn story() -> impl Strategy<Value = Story> {
    let jump = prop_oneof![
        4 => 1i64..600,
        2 => Just(1440),
        2 => Just(-1440),
        1 => -600i64..0,
        1 => 1440i64..4320,
    ];
    let hours = (0i8..24, 1i8..8);
    (0..ZONES.len(), 0..DAYS.len(), hours, prop::collection::vec(jump, 5..25)).prop_map(
        |(zone, day, (hour, length), jumps)| Story {
            zone: ZONES[zone],
            start: DAYS[day].parse().unwrap(),
            from: Time::constant(hour, 30, 0, 0),
            until: Time::constant((hour + length) % 24, 30, 0, 0),
            jumps,
        },
    )
}

/// Three letters, a day and some hours apart, on any day of the week.
fn three_letters(story: &Story) -> Campaign {
    let mut campaign = campaign("send");
    let mut third = campaign.steps[1].clone();
    campaign.steps[0].fallback = None;
    campaign.steps[1].wait = Wait::Days(1);
    third.id = "matning".into();
    third.template = Some("led/matning".into());
    third.wait = Wait::Hours(7);
    campaign.steps.push(third);
    campaign.from = outreachd::model::campaign::From::Sender("fyrljus".into());
    campaign.start = Start::Date(story.start);
    campaign.send.days =
        story.start.series(jiff::Span::new().days(1)).take(7).map(|day| Day::from(day.weekday())).collect();
    campaign.send.from = story.from;
    campaign.send.until = story.until;
    campaign
}

struct World {
    app: TestApp,
    campaign: Campaign,
    zone: &'static str,
}

impl World {
    async fn new(story: &Story) -> Self {
        let database = sqlite().await;
        let app = TestApp::new(database.store.clone(), |_| Answer::Accept).await;
        app.keep(database);
        let begin = format!("{}T00:00:00Z", story.start.yesterday().unwrap()).parse().unwrap();
        app.clock.set(begin);
        let in_zone = |name| ClientRecord { zone: story.zone.into(), ..client(name) };
        app.import(&[in_zone("Anna Lind"), in_zone("Bo Ek")]).await;
        let campaign = three_letters(story);
        assert_eq!(app.apply(campaign.clone()).await, 2);
        Self { app, campaign, zone: story.zone }
    }

    /// Turns the stages until they rest; when they want to turn next.
    async fn turn(&self, now: Timestamp) -> Option<Timestamp> {
        self.app.run_until_quiet(&now.to_string()).await.next_at
    }

    /// Lets the clock go on until every plan has ended.
    async fn to_the_end(&self) {
        for _ in 0..500 {
            let now = self.app.clock.now();
            let next = self.turn(now).await;
            if self.app.store.plans_in("led").await.unwrap().iter().all(|plan| plan.state != PlanState::Active) {
                return;
            }
            let least = now + SignedDuration::from_secs(1);
            self.app.clock.set(next.unwrap_or(now + SignedDuration::from_hours(6)).max(least));
        }
        panic!("it never ends: {:?}", self.app.deliveries().await);
    }

    async fn each_letter_once(&self) {
        let plans = self.app.store.plans_in("led").await.unwrap();
        assert!(plans.iter().all(|plan| plan.state == PlanState::Done), "{plans:?}");
        let rows = self.app.deliveries().await;
        let mut letters: BTreeMap<_, usize> = BTreeMap::new();
        for row in &rows {
            assert_eq!((row.state, row.tries), (DeliveryState::Accepted, 1), "{row:?}");
            *letters.entry((row.contact, row.step.clone())).or_default() += 1;
        }
        assert_eq!(letters.len(), 6, "none is left out: {letters:?}");
        assert!(letters.values().all(|count| *count == 1), "{letters:?}");
        let received = self.app.relay.received();
        for to in ["info@anna-lind.example", "info@bo-ek.example"] {
            assert_eq!(received.iter().filter(|mail| mail.to == [to]).count(), 3, "{to}");
        }
    }

    /// Each letter left within its hours, by the client's clock.
    async fn within_hours(&self) {
        let (zone, calendar) = (TimeZone::get(self.zone).unwrap(), Calendar::of(Some("SE")));
        for row in self.app.deliveries().await {
            let left = self.app.store.attempts(row.id).await.unwrap()[0].started_at;
            let local = zone.to_datetime(left);
            assert!(window::is_open(&self.campaign.send, &zone, &calendar, left), "{local} is outside: {row:?}");
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t6_no_step_twice_and_none_left_out_however_the_clock_jumps(story in story()) {
        block_on(async {
            let world = World::new(&story).await;
            for jump in &story.jumps {
                world.turn(world.app.clock.now() + SignedDuration::from_mins(*jump)).await;
            }
            world.to_the_end().await;
            world.each_letter_once().await;
            world.within_hours().await;
        });
    }
}

/// Hours that fall into the hour that is left out, or comes twice.
fn night(start: &str) -> Story {
    Story {
        zone: "Europe/Stockholm",
        start: start.parse().unwrap(),
        from: Time::constant(2, 10, 0, 0),
        until: Time::constant(2, 50, 0, 0),
        jumps: Vec::new(),
    }
}

#[test]
fn t6_a_window_inside_the_hour_that_is_left_out_or_comes_twice() {
    for start in ["2027-03-27", "2027-10-30"] {
        block_on(async {
            let world = World::new(&night(start)).await;
            world.to_the_end().await;
            world.each_letter_once().await;
        });
    }
}

#[test]
fn t6_the_clock_goes_a_day_back_after_a_letter_and_a_day_ahead_before_one() {
    block_on(async {
        let story =
            Story { from: Time::constant(8, 30, 0, 0), until: Time::constant(11, 30, 0, 0), ..night("2027-03-01") };
        let world = World::new(&story).await;
        let sent = || world.app.relay.received().len();
        world.turn("2027-03-01T09:30:00Z".parse().unwrap()).await;
        assert_eq!(sent(), 2);
        world.turn("2027-02-28T09:30:00Z".parse().unwrap()).await;
        assert_eq!(sent(), 2, "a day back: nothing again");
        world.turn("2027-03-03T09:30:00Z".parse().unwrap()).await;
        world.turn("2027-03-01T09:45:00Z".parse().unwrap()).await;
        world.to_the_end().await;
        world.each_letter_once().await;
        world.within_hours().await;
    });
}

/// A zone's file with one rule and no history (RFC 9636, version 2).
fn write_zone(folder: &Path, rule: &str) {
    let block = || {
        let mut bytes = b"TZif2".to_vec();
        bytes.extend([0; 15]);
        for count in [0u32, 0, 0, 0, 1, 4] {
            bytes.extend(count.to_be_bytes());
        }
        bytes.extend(3600i32.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(b"CET\0");
        bytes
    };
    let file = [block(), block(), format!("\n{rule}\n").into_bytes()].concat();
    std::fs::create_dir_all(folder.join("Europe")).unwrap();
    let fresh = folder.join("Europe/fresh");
    std::fs::write(&fresh, file).unwrap();
    std::fs::rename(fresh, folder.join("Europe/Stockholm")).unwrap();
    jiff::tz::db().reset();
}

#[test]
fn t6_new_zone_data_moves_the_hours_and_sends_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let test = "t6_clock::t6_new_zone_data_moves_the_hours_and_sends_nothing_twice";
    if !alone_with(test, &[("TZDIR", folder.path().to_str().unwrap())]) {
        return;
    }
    let folder = std::env::var("TZDIR").unwrap();
    let summer_time = "CET-1CEST,M3.5.0,M10.5.0/3";
    // Summer time is abolished, or the country moves to another ocean.
    for (law, hour) in [("CET-1", 13), ("JST-9", 21), ("HST10", 2)] {
        block_on(async {
            write_zone(folder.as_ref(), summer_time);
            let story =
                Story { from: Time::constant(8, 30, 0, 0), until: Time::constant(11, 30, 0, 0), ..night("2027-03-30") };
            let world = World::new(&story).await;
            world.turn("2027-03-29T06:00:00Z".parse().unwrap()).await;
            assert_eq!(world.app.deliveries().await.len(), 2, "its first letters are dated by the old law");
            write_zone(folder.as_ref(), law);
            let noon = TimeZone::get("Europe/Stockholm").unwrap().to_datetime("2027-06-01T12:00:00Z".parse().unwrap());
            assert_eq!(noon.hour(), hour, "{law} is in force");
            world.to_the_end().await;
            world.each_letter_once().await;
        });
    }
}
