//! Campaign files through the public face: checked, planned, applied, shown.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

#[path = "campaigns/files.rs"]
mod files;
#[path = "campaigns/preview.rs"]
mod preview;
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use outreachd::campaign::apply::{Applied, apply_all};
use outreachd::campaign::check::{self, Check};
use outreachd::campaign::plan::{self, PlanReport};
use outreachd::campaign::preview::{Wanted, letter};
use outreachd::campaign::{CampaignError, report};
use outreachd::config::{self, Config};
use outreachd::model::act::Act;
use outreachd::model::address::EmailAddress;
use outreachd::model::id::UserId;
use outreachd::model::language::Language;
use outreachd::model::mistake::Mistake;
use outreachd::model::plan::LeftOut;
use outreachd::model::text::Line;
use outreachd::model::user::{Role, User};
use outreachd::render::TemplateSet;
use outreachd::store::{ClientRecord, ConsentRecord, Migration, PauseScope, PlanMove, Store};
use support::databases::databases;

/// The campaign of the example, without its hold-out, so that ids decide nothing here.
const NO_HOLDOUT: (&str, &str) = ("\"4 %\"", "\"0 %\"");

/// Wednesday before the campaign begins.
fn before() -> Timestamp {
    "2027-02-24T09:12:00Z".parse().unwrap()
}

fn act(at: Timestamp) -> Act {
    Act::person("mira.holm@fyrljus.example", at)
}

/// The files of the invented company in a folder of their own.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// The example's files, its campaign changed by replacements.
    fn new(changes: &[(&str, &str)]) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&root.join("config/outreachd.toml"), &world.path("config/outreachd.toml"));
        copy(&root.join("config/campaigns/led-i-lagret.toml"), &world.path(CAMPAIGN));
        for name in ["intro", "referens", "matning", "avslut"] {
            let file = format!("templates/led/{name}.md");
            copy(&root.join(&file), &world.path(&file));
        }
        world.edit(CAMPAIGN, changes);
        world
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(file)
    }

    fn edit(&self, file: &str, changes: &[(&str, &str)]) {
        let mut text = std::fs::read_to_string(self.path(file)).unwrap();
        for (written, replacement) in changes {
            assert!(text.contains(written), "{file} has no {written}");
            text = text.replacen(written, replacement, 1);
        }
        std::fs::write(self.path(file), text).unwrap();
    }

    fn config(&self) -> Config {
        config::load(&self.path("config/outreachd.toml"), &[]).unwrap()
    }

    async fn check(&self, store: &Store, now: Timestamp) -> Check {
        check::check(Some(store), &self.config(), now, &|_| ()).await.unwrap()
    }

    async fn plan(&self, store: &Store, now: Timestamp) -> PlanReport {
        let check = self.check(store, now).await;
        assert_eq!(described(&check.mistakes), [""; 0]);
        plan::preview(store, &self.config(), &check, now, true, &|_| ()).await.unwrap().remove(0)
    }

    async fn apply(&self, store: &Store, now: Timestamp) -> Applied {
        let check = self.check(store, now).await;
        apply_all(store, &self.config(), &check, &act(now), &|_| ()).await.unwrap().remove(0)
    }

    /// The program itself, run where this folder is.
    fn outreachd(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::cargo_bin("outreachd").unwrap();
        command.current_dir(self.path("")).env_clear().args(arguments).output().unwrap()
    }
}

const CAMPAIGN: &str = "config/campaigns/led-i-lagret.toml";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(from, to).unwrap();
}

fn described(mistakes: &[Mistake]) -> Vec<String> {
    let file = |mistake: &Mistake| mistake.file.file_name().unwrap().to_string_lossy().into_owned();
    mistakes.iter().map(|m| format!("{}:{}:{}: {}", file(m), m.line, m.column, m.message)).collect()
}

async fn karin(store: &Store) -> i64 {
    let user = User {
        id: UserId(0),
        name: Line::parse("Karin Ek").unwrap(),
        email: EmailAddress::parse("karin.ek@fyrljus.example").unwrap(),
        phone: None,
        title: Some(Line::parse("Kundansvarig").unwrap()),
        role: Role::Manager,
        language: Language::Sv,
        zone: "Europe/Stockholm".into(),
        digest_at: jiff::civil::time(7, 30, 0, 0),
        active: true,
    };
    store.appoint(&act(before()), &user, "hired").await.unwrap().0
}

/// A client whom the law lets us write to.
fn client(company: &str, owner: i64) -> ClientRecord {
    ClientRecord {
        company: company.into(),
        name: format!("Anna av {company}"),
        given_name: Some("Anna".into()),
        email: Some(format!("anna@{}.example", company.to_lowercase().replace(' ', "-").replace('ä', "a"))),
        country: Some("SE".into()),
        city: Some("Borås".into()),
        tier: Some("A".into()),
        person_type: Some("company".into()),
        owner: Some(owner),
        needs: Some(vec!["lighting".into()]),
        tags: Some(vec![]),
        zone: "Europe/Stockholm".into(),
        zone_source: "country".into(),
        ..Default::default()
    }
}

async fn import(store: &Store, records: &[ClientRecord]) {
    let batch = store.begin_batch(&act(before()), "clients.csv").await.unwrap();
    let saved = store.save_clients(&act(before()), batch, records).await.unwrap();
    store.publish_batch(&act(before()), batch, saved, 0).await.unwrap();
}

/// Forty-eight clients, three of whom have no town.
async fn forty_eight(store: &Store) {
    let owner = karin(store).await;
    let townless = ["Vikarby Plast AB", "Ekhult Glas AB", "Norrmo Bygg AB"];
    let mut records: Vec<_> =
        townless.map(|company| ClientRecord { city: None, ..client(company, owner) }).into_iter().collect();
    records.extend((0..45).map(|n| client(&format!("Bolag {n} AB"), owner)));
    import(store, &records).await;
}

/// Twelve clients: six start, six are left out for six reasons.
async fn twelve(store: &Store) {
    let owner = karin(store).await;
    let mut records: Vec<_> = (0..6).map(|n| client(&format!("Bolag {n} AB"), owner)).collect();
    let other = |company: &str| client(company, owner);
    let consent =
        ConsentRecord { channel: "fax".into(), basis: "consent".into(), evidence: "fair 2026".into(), given_at: 0 };
    records[0].fax = Some("+46701740698".into());
    records[0].consents = vec![consent];
    records.push(ClientRecord { country: Some("DE".into()), zone: "Europe/Berlin".into(), ..other("Licht GmbH") });
    records.push(ClientRecord { person_type: Some("sole_trader".into()), ..other("Egon Ek Eftr") });
    records.push(ClientRecord { person_type: None, ..other("Okänd") });
    records.push(ClientRecord { suppressed: true, ..other("Nej tack AB") });
    records.push(ClientRecord { email: None, ..other("Brevlös AB") });
    records.push(ClientRecord { name: "Bo Bo".into(), email: Some("bo@bolag.example".into()), ..other("Bolag 1 AB") });
    // And two who do not match at all.
    records.push(ClientRecord { tier: Some("C".into()), ..other("Liten AB") });
    records.push(ClientRecord { tags: Some(vec!["competitor".into()]), ..other("Rival AB") });
    import(store, &records).await;
}

#[tokio::test]
async fn check_prints_every_mistake_as_it_is_drawn() {
    let world = World::new(&[NO_HOLDOUT, ("template = \"led/matning\"", "tempalte = \"led/matning\"")]);
    let url = format!("sqlite:{}", world.path("outreachd.db").display());
    let store = Store::open(&url, Migration::Apply).await.unwrap();
    forty_eight(&store).await;
    store.close().await;
    let output = world.outreachd(&["check"]);
    assert_eq!(output.status.code(), Some(1));
    let drawn = "\
config/campaigns/led-i-lagret.toml:43:1: unknown key `tempalte`
   43 | tempalte = \"led/matning\"
      | ^^^^^^^^ did you mean `template`?
templates/led/intro.md:3:40: `account.city` is empty for 3 of 48 contacts
    3 | Jag mäter gärna ljuset i ert lager i {{account.city}}, utan kostnad.
      |                                        ^^^^^^^^^^^^
      = fill it in for Vikarby Plast AB, Ekhult Glas AB, Norrmo Bygg AB,
        or write {{or account.city \"er ort\"}}
2 mistakes in 2 files. Nothing was changed or sent.
";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), drawn);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    world.edit("templates/led/intro.md", &[("{{account.city}}", "{{or account.city \"er ort\"}}")]);
    world.edit(CAMPAIGN, &[("tempalte", "template")]);
    let output = world.outreachd(&["check"]);
    let well = "led-i-lagret: 5 steps, each letter rendered for 48 contacts, no mistakes\n";
    assert_eq!((String::from_utf8(output.stdout).unwrap().as_str(), output.status.code()), (well, Some(0)));
}

#[test]
fn check_needs_no_database_for_the_files() {
    let world = World::new(&[]);
    let output = world.outreachd(&["check"]);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    led-i-lagret: 5 steps, no mistakes
    The letters were only parsed, for there are no clients yet: outreachd import clients.csv
    ");
    assert!(!world.path("outreachd.db").exists(), "check makes no database");
}

#[test]
fn check_tells_the_mistakes_of_configuration_and_campaigns_at_once() {
    let world = World::new(&[("title ", "titel ")]);
    world.edit("config/outreachd.toml", &[("legal_name ", "legal_nmae ")]);
    let output = String::from_utf8(world.outreachd(&["check"]).stderr).unwrap();
    assert!(output.contains("unknown key `legal_nmae`") && output.contains("unknown key `titel`"), "{output}");
    assert!(output.ends_with("2 mistakes in 2 files. Nothing was changed or sent.\n"), "{output}");
}

#[test]
fn finds_without_clients_what_nobody_could_get() {
    let world = World::new(&[
        ("template = \"led/avslut\"", "template = \"led/avslud\""),
        ("from     = \"owner\"", "from     = \"fyrjlus\""),
        ("hos {{account.name}}", "hos {{account.nmae}}"),
        ("note     = \"Ring {{contact.name}}", "note     = \"Ring {{contact.city}}"),
    ]);
    world.edit("templates/led/referens.md", &[("{{account.name}}", "{{account.mame}}")]);
    insta::assert_debug_snapshot!(described(&check_files(&world).mistakes), @r#"
    [
        "led-i-lagret.toml:7:12: there is no sender `fyrjlus`",
        "led-i-lagret.toml:30:51: there is no variable `account.nmae`",
        "led-i-lagret.toml:50:18: a note has no `{{contact.city}}`",
        "led-i-lagret.toml:56:12: there is no template `led/avslud`",
        "referens.md:10:6: there is no variable `account.mame`",
    ]
    "#);
}

fn check_files(world: &World) -> check::Files {
    let config = world.config();
    check::files(&config.files.campaigns, &config.files.templates, Some(&config))
}

#[tokio::test]
async fn plan_reconciles_and_changes_nothing() {
    for database in databases("plan_reconciles").await {
        let (world, store) = (World::new(&[NO_HOLDOUT]), &database.store);
        twelve(store).await;
        let plan = world.plan(store, before()).await;
        assert_eq!((plan.matched, plan.starts, plan.people.len()), (12, 6, 12));
        let one_each = [
            LeftOut::NoConsent,
            LeftOut::SoleTrader,
            LeftOut::PersonTypeUnknown,
            LeftOut::Suppressed,
            LeftOut::NoAddress,
            LeftOut::Colleague,
        ];
        assert_eq!(plan.left_out, one_each.map(|reason| (reason, 1)).into_iter().collect());
        assert_eq!(reckoned(&plan), plan.matched);
        insta::allow_duplicates! {
            insta::assert_snapshot!(report::text(&plan, &stockholm(), before()), @r#"
            led-i-lagret: new, version 1 once it is applied

            Clients: 12 match
            +  6 start       version 1, Mon 1 Mar 2027 08:30
            -  6 left out    1 Germany, no express consent   1 sole trader, no consent
                             1 person type unknown   1 suppressed   1 no address
                             1 colleague

            Letters, if nobody answers
              Mon  1 Mar    6 intro
              Thu  4 Mar    6 referens
              Wed 10 Mar    6 matning
              Tue 30 Mar    6 avslut             the last
            "#);
        }
        assert!(store.running().await.unwrap().is_empty() && store.plans_in("led-i-lagret").await.unwrap().is_empty());
    }
}

fn stockholm() -> TimeZone {
    TimeZone::get("Europe/Stockholm").unwrap()
}

/// Start, under way, ended and left out.
fn reckoned(plan: &PlanReport) -> u64 {
    plan.starts
        + plan.under_way.values().sum::<u64>()
        + plan.ended.values().sum::<u64>()
        + plan.left_out.values().sum::<u64>()
}

#[tokio::test]
async fn apply_does_what_plan_promised_and_again_nothing() {
    for database in databases("apply_keeps").await {
        let (world, store) = (World::new(&[NO_HOLDOUT]), &database.store);
        twelve(store).await;
        let promised = world.plan(store, before()).await;
        let applied = world.apply(store, before()).await;
        assert_eq!((applied.version, applied.is_new, applied.started), (1, true, promised.starts));
        assert_eq!(applied.left_out, promised.left_out);
        assert_eq!(report::instant(applied.first.unwrap(), &stockholm()), "Mon 1 Mar 2027 08:30");
        let plans = store.plans_in("led-i-lagret").await.unwrap();
        let mut dates: BTreeMap<_, u64> = BTreeMap::new();
        plans
            .iter()
            .for_each(|plan| *dates.entry(stockholm().to_datetime(plan.next_at.unwrap()).date()).or_default() += 1);
        assert_eq!(dates, BTreeMap::from([(jiff::civil::date(2027, 3, 1), 6)]));
        let again = world.apply(store, before()).await;
        assert_eq!((again.version, again.is_new, again.started, again.kept), (1, false, 0, 6));
        let texts = store.template_texts(&store.running().await.unwrap()[0]).await.unwrap();
        let names: Vec<_> = texts.keys().map(String::as_str).filter(|name| name.starts_with("led/")).collect();
        assert_eq!(names, ["led/avslut.md", "led/intro.md", "led/matning.md", "led/referens.md"]);
    }
}

#[tokio::test]
async fn apply_refuses_while_there_are_mistakes() {
    for database in databases("apply_refuses").await {
        let (world, store) = (World::new(&[NO_HOLDOUT]), &database.store);
        forty_eight(store).await;
        let check = world.check(store, before()).await;
        assert_eq!(described(&check.mistakes), ["intro.md:3:40: `account.city` is empty for 3 of 48 contacts"]);
        let refused = apply_all(store, &world.config(), &check, &act(before()), &|_| ()).await;
        assert!(matches!(refused, Err(CampaignError::Mistakes(1))));
        assert!(store.running().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn later_edit_starts_the_new_ones_and_leaves_the_others_on_their_version() {
    for database in databases("later_edit").await {
        let (world, store) = (World::new(&[NO_HOLDOUT]), &database.store);
        twelve(store).await;
        world.apply(store, before()).await;
        let plans = store.plans_in("led-i-lagret").await.unwrap();
        let tuesday: Timestamp = "2027-03-02T12:00:00Z".parse().unwrap();
        let ended = [PlanMove::Stop(plans[1].id, outreachd::model::plan::StopReason::Reply)];
        store.move_plans(&act(tuesday), &ended, &[]).await.unwrap();
        world.edit(
            CAMPAIGN,
            &[("[\"A\", \"B\"]", "[\"A\", \"B\", \"C\"]"), ("wait     = \"4 business", "wait     = \"5 business")],
        );
        world.edit("templates/led/avslut.md", &[("sista brev", "allra sista brev")]);
        let plan = world.plan(store, tuesday).await;
        assert_eq!((plan.matched, plan.matched_before, plan.version), (13, Some(12), 2));
        assert_eq!(reckoned(&plan), plan.matched);
        insta::allow_duplicates! {
            insta::assert_snapshot!(report::text(&plan, &stockholm(), tuesday), @r#"
            led-i-lagret: your file against version 1, running since Wed 24 Feb

            ~ audience.tier          ["A", "B"] -> ["A", "B", "C"]
            ~ step matning.wait      "4 business days" -> "5 business days"
            ~ template led/avslut.md changed

            Clients: 13 match (+1)
            +  2 start       version 2, Wed 3 Mar 2027 08:30
            =  5 under way   version 1
            =  1 ended       1 replied
            -  5 left out    1 Germany, no express consent   1 sole trader, no consent
                             1 person type unknown   1 suppressed   1 no address

            Letters, if nobody answers
                           version 1            version 2
              Wed  3 Mar    5 intro               2 intro
              Mon  8 Mar    5 referens            2 referens
              Mon 15 Mar    5 matning             2 matning
              Mon  5 Apr    5 avslut              2 avslut             the last
            "#);
        }
        let applied = world.apply(store, tuesday).await;
        assert_eq!((applied.version, applied.is_new, applied.started), (2, true, plan.starts));
        let after = store.plans_in("led-i-lagret").await.unwrap();
        let first = plans[0].revision;
        assert_eq!(after.iter().filter(|plan| plan.revision == first).count(), plans.len());
        assert_eq!(after.len() as u64, plans.len() as u64 + plan.starts);
    }
}

#[tokio::test]
async fn plan_dates_the_letters_of_who_is_away_and_not_those_of_who_is_refused() {
    for database in databases("plan_dates").await {
        let (world, store) = (World::new(&[NO_HOLDOUT]), &database.store);
        twelve(store).await;
        world.apply(store, before()).await;
        let plans = store.plans_in("led-i-lagret").await.unwrap();
        let back: Timestamp = "2027-03-15T23:00:00Z".parse().unwrap();
        let away = PauseScope::Contact(plans[0].contact);
        store.pause(&act(before()), &away, "away", Some(back)).await.unwrap();
        let refused = PauseScope::Domain("bolag-3-ab.example".into());
        store.pause(&act(before()), &refused, "550 5.7.1", None).await.unwrap();
        let plan = world.plan(store, before()).await;
        assert_eq!(reckoned(&plan), plan.matched);
        insta::allow_duplicates! {
            insta::assert_snapshot!(report::text(&plan, &stockholm(), before()), @r#"
            led-i-lagret: as version 1, running since Wed 24 Feb

            Clients: 12 match
            =  6 under way   version 1
            -  6 left out    1 Germany, no express consent   1 sole trader, no consent
                             1 person type unknown   1 suppressed   1 no address
                             1 colleague

            Letters, if nobody answers
              Mon  1 Mar    4 intro
              Thu  4 Mar    4 referens
              Wed 10 Mar    4 matning
              Tue 16 Mar    1 intro (held)
              Mon 22 Mar    1 referens (held)
              Tue 30 Mar    1 matning (held), 4 avslut
              Thu 15 Apr    1 avslut (held)      the last
            Not dated: 1 letter waits for bolag-3-ab.example.
            "#);
        }
    }
}

#[tokio::test]
async fn cron_campaign_waits_for_its_first_run() {
    for database in databases("cron_waits").await {
        let world = World::new(&[NO_HOLDOUT, ("start    = 2027-03-01", "start    = \"0 9 1 * *\"")]);
        let store = &database.store;
        twelve(store).await;
        let plan = world.plan(store, before()).await;
        assert_eq!(report::instant(plan.next_run_at.unwrap(), &stockholm()), "Mon 1 Mar 2027 09:00");
        assert_eq!((plan.starts, reckoned(&plan)), (6, plan.matched));
        let applied = world.apply(store, before()).await;
        assert_eq!((applied.started, applied.next_run_at), (0, plan.next_run_at));
        assert_eq!(store.running().await.unwrap()[0].next_run_at, plan.next_run_at);
    }
}
