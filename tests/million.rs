//! What a million needs, held with some hundreds more than one page: pages that fit
//! together, an apply that goes on where it was cut off, a schedule that passes over what
//! is paused and lets go what has ended.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use outreachd::campaign::apply::{Applied, apply_all};
use outreachd::campaign::check::{self, Check};
use outreachd::campaign::plan::{PlanReport, preview};
use outreachd::config::Config;
use outreachd::demo::mail_server::{Answer, Facts};
use outreachd::model::act::Act;
use outreachd::model::plan::{LeftOut, PlanState};
use outreachd::model::suppression::{Reason, Scope};
use outreachd::schedule;
use outreachd::store::{ClientRecord, Consequence, DeliveryFilter, PauseScope, Store};
use support::app::{BEFORE, DURING, TestApp, at, client};
use support::databases::{databases, sqlite};
use support::house::campaign;
use tokio::sync::Notify;

/// More than two pages, and no multiple of a company's three contacts.
const CONTACTS: usize = 1_100;

fn accept(_: &Facts<'_>) -> Answer {
    Answer::Accept
}

/// `number` of a crowd in which three follow one another at each company.
fn one_of_three(number: usize) -> ClientRecord {
    ClientRecord {
        company: format!("Verkstad {} AB", number / 3),
        email: Some(format!("anna.{number}@v{}.example", number / 3)),
        ..client(&format!("Anna Lind {number}"))
    }
}

fn one_alone(number: usize) -> ClientRecord {
    client(&format!("Anna Lind {number}"))
}

/// A folder with one campaign file, and a configuration that points there.
struct Files {
    folder: tempfile::TempDir,
    config: Config,
}

impl Files {
    fn new(per_account: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("campaigns")).unwrap();
        let text = r#"
            [campaign]
            id = "led"
            title = "LED i lagret"
            language = "sv"
            from = "fyrljus"
            start = 2027-03-01
            [audience]
            country = ["SE"]
            [send]
            days = "Mon-Thu"
            hours = "08:30-11:30"
            late = "send"
            [[step]]
            id = "intro"
            channel = "email"
            template = "led/intro"
            subject = "Ljuset hos {{account.name}}"
            "#;
        std::fs::write(root.join("campaigns/led.toml"), text).unwrap();
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let more = format!(
            "[files]\ncampaigns = \"{}\"\ntemplates = \"{}\"\n[limits]\ncontacts_per_account = {per_account}\n",
            root.join("campaigns").display(),
            templates.display()
        );
        Self { folder, config: support::app::config(25, &more) }
    }

    fn check(&self) -> Check {
        assert!(self.folder.path().exists());
        let files = check::files(&self.config.files.campaigns, &self.config.files.templates, Some(&self.config));
        assert!(files.mistakes.is_empty(), "{:?}", files.mistakes);
        Check { files, campaigns: Vec::new(), mistakes: Vec::new(), clients: 0 }
    }

    async fn plan(&self, store: &Store, now: Timestamp) -> PlanReport {
        preview(store, &self.config, &self.check(), now, false, &|_| ()).await.unwrap().remove(0)
    }

    async fn apply(&self, store: &Store, now: Timestamp) -> Applied {
        apply_all(store, &self.config, &self.check(), &act(now), &|_| ()).await.unwrap().remove(0)
    }
}

fn act(now: Timestamp) -> Act {
    Act::person("mira.holm@fyrljus.example", now)
}

async fn imported(store: &Store, name: &str, records: &[ClientRecord]) {
    let batch = store.begin_batch(&act(at(BEFORE)), name).await.unwrap();
    let mut saved = outreachd::store::SavedClients::default();
    for chunk in records.chunks(500) {
        saved.created += store.save_clients(&act(at(BEFORE)), batch, chunk).await.unwrap().created;
    }
    store.publish_batch(&act(at(BEFORE)), batch, saved, 0).await.unwrap();
}

#[tokio::test]
async fn colleagues_are_left_out_alike_by_plan_and_apply_over_the_ends_of_pages() {
    for database in databases("colleagues").await {
        let (store, files) = (&database.store, Files::new(1));
        imported(store, "crowd.csv", &(0..CONTACTS).map(one_of_three).collect::<Vec<_>>()).await;
        let planned = files.plan(store, at(BEFORE)).await;
        assert_eq!((planned.matched, planned.starts), (1_100, 367));
        assert_eq!(planned.left_out.get(&LeftOut::Colleague), Some(&733));
        let applied = files.apply(store, at(BEFORE)).await;
        assert_eq!((applied.started, applied.left_out), (planned.starts, planned.left_out));
        let accounts: BTreeSet<_> = store.plans_in("led").await.unwrap().iter().map(|plan| plan.account).collect();
        assert_eq!(accounts.len(), 367, "one of each company");
        let again = files.plan(store, at(BEFORE)).await;
        assert_eq!((again.matched, again.starts, again.matched_before), (1_100, 0, Some(1_100)));
        assert_eq!(again.under_way.get(&1), Some(&367));
        assert_eq!(again.letters.iter().map(|letters| letters.count).sum::<u64>(), 367);
    }
}

#[tokio::test]
async fn apply_that_was_cut_off_goes_on_and_starts_nobody_twice() {
    for database in databases("cut_off").await {
        let (store, files) = (&database.store, Files::new(2));
        imported(store, "crowd.csv", &(0..CONTACTS).map(one_of_three).collect::<Vec<_>>()).await;
        let whole = files.plan(store, at(BEFORE)).await;
        let first_page = Notify::new();
        let (check, act) = (files.check(), act(at(BEFORE)));
        let told = |_: u64| first_page.notify_one();
        tokio::select! {
            _ = apply_all(store, &files.config, &check, &act, &told) => panic!("it was not cut off"),
            () = first_page.notified() => {}
        }
        let begun = store.plans_in("led").await.unwrap();
        assert!(!begun.is_empty() && (begun.len() as u64) < whole.starts, "{} of {}", begun.len(), whole.starts);
        let rest = files.apply(store, at(BEFORE)).await;
        assert!(!rest.is_new, "the version was there already");
        let plans = store.plans_in("led").await.unwrap();
        assert_eq!(plans.len() as u64, whole.starts);
        assert_eq!(plans.iter().map(|plan| plan.contact).collect::<BTreeSet<_>>().len(), plans.len());
        assert_eq!(begun, plans[..begun.len()], "what had begun is as it was");
    }
}

#[tokio::test]
async fn a_suppressed_domain_leaves_out_its_own_addresses_alone() {
    for database in databases("domains").await {
        let (store, files) = (&database.store, Files::new(1));
        let at_domain =
            |name: &str, domain: &str| ClientRecord { email: Some(format!("anna@{domain}")), ..client(name) };
        let clients = [
            at_domain("Anna Lind", "granvik.example"),
            at_domain("Bo Ek", "ut.granvik.example"),
            at_domain("Cia Al", "xgranvik.example"),
        ];
        imported(store, "three.csv", &clients).await;
        let suppress = Consequence::Suppress {
            scope: Scope::Domain,
            value: "granvik.example".into(),
            reason: Reason::OptOut,
            response: None,
        };
        store.carry_out(&act(at(BEFORE)), &[suppress]).await.unwrap();
        let planned = files.plan(store, at(BEFORE)).await;
        assert_eq!((planned.starts, planned.left_out.get(&LeftOut::Suppressed)), (2, Some(&1)));
    }
}

#[tokio::test]
async fn more_than_a_page_that_is_due_is_scheduled_in_one_turn_and_once() {
    for database in databases("sweep").await {
        let app = TestApp::new(database.store.clone(), accept).await;
        app.import(&(0..CONTACTS).map(one_alone).collect::<Vec<_>>()).await;
        assert_eq!(app.apply(campaign("send")).await, 1_100);
        let turn = schedule::turn(&app.store, &app.config, at(BEFORE)).await.unwrap();
        assert_eq!(turn.done, 1_100);
        let deliveries = app.deliveries().await;
        assert_eq!(deliveries.len(), 1_100);
        let plans = app.store.plans_in("led").await.unwrap();
        assert!(plans.iter().all(|plan| plan.delivery.is_some()), "each plan has its delivery");
        assert_eq!(schedule::turn(&app.store, &app.config, at(BEFORE)).await.unwrap().done, 0);
    }
}

#[tokio::test]
async fn a_paused_campaign_is_passed_over_and_does_not_block_another() {
    for database in databases("passed_over").await {
        let app = TestApp::new(database.store.clone(), accept).await;
        app.import(&(0..600).map(one_alone).collect::<Vec<_>>()).await;
        let mut other = campaign("send");
        other.id = "sensorer".into();
        // A second campaign takes those whom the first one leaves out.
        let mut paused = campaign("send");
        paused.holdout_percent = 50;
        let begun = app.apply(paused).await;
        app.store.pause(&app.act(), &PauseScope::Campaign("led".into()), "a wrong price", None).await.unwrap();
        let mine = app.apply(other).await;
        assert!(begun > 0 && mine > 0);
        let turn = schedule::turn(&app.store, &app.config, at(BEFORE)).await.unwrap();
        assert_eq!(turn.done as u64, mine);
        let filter = DeliveryFilter { campaign: Some("led".into()), ..Default::default() };
        assert_eq!(app.store.deliveries(&filter, 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn an_ended_letter_is_heard_of_once_and_one_of_a_stopped_plan_is_let_go() {
    for database in databases("heard").await {
        let app = TestApp::new(database.store.clone(), accept).await;
        app.import(&[client("Anna Lind"), client("Bo Ek")]).await;
        app.apply(campaign("send")).await;
        schedule::turn(&app.store, &app.config, at(BEFORE)).await.unwrap();
        let stopped = app.store.plans_in("led").await.unwrap()[0].contact;
        let stop = Consequence::StopPlans { contact: stopped, reason: outreachd::model::plan::StopReason::Reply };
        app.store.carry_out(&app.act(), &[stop]).await.unwrap();
        app.run_until_quiet(DURING).await;
        assert_eq!(app.store.ended_steps(10).await.unwrap(), []);
        let plans = app.store.plans_in("led").await.unwrap();
        let of = |is_stopped: bool| plans.iter().find(|plan| (plan.contact == stopped) == is_stopped).unwrap();
        assert_eq!((of(true).state, of(false).state), (PlanState::Stopped, PlanState::Active));
        assert_eq!(of(false).step.as_deref(), Some("referens"), "the other one went on");
    }
}

#[tokio::test]
async fn check_counts_all_who_lack_a_field_and_renders_some() {
    let (database, files) = (sqlite().await, Files::new(1));
    let crowd: Vec<_> = (0..CONTACTS).map(|number| ClientRecord { city: None, ..one_alone(number) }).collect();
    imported(&database.store, "crowd.csv", &crowd).await;
    let check = check::check(Some(&database.store), &files.config, at(BEFORE), &|_| ()).await.unwrap();
    assert_eq!(check.campaigns[0].contacts, 1_100);
    let said: Vec<_> = check.mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
    assert!(said.iter().any(|said| said.contains("for 1100 of 1100 contacts")), "{said:?}");
}
