//! A company's folder to run the real program in, and rows to run it on.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::{Timestamp, ToSpan};
use outreachd::model::act::Act;
use outreachd::model::address::{Address, EmailAddress};
use outreachd::model::campaign::Campaign;
use outreachd::model::delivery::{DeliveryState, Purpose};
use outreachd::model::id::{DeliveryId, UserId};
use outreachd::model::plan::{Enrolment, LeftOut};
use outreachd::store::{AttemptState, ClientRecord, Migration, NewDelivery, NewRevision, Release, Store};

use crate::support::house;
use crate::support::ledger::{finish, handoff};

/// The head of the company by the configuration.
pub const HEAD: &str = "mira.holm@fyrljus.example";

const RELAY: &str = "host = \"smtp.fyrljus.example\"\nport = 587\ntls = \"starttls\"";

/// What a run of the program printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// It went well; what it printed.
    pub fn well(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// It failed with one line, which is given back.
    pub fn refused(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "one clear line: {}", self.err);
        self.err.trim_end().to_owned()
    }

    /// It failed as wrong usage; what it said.
    pub fn misused(self) -> String {
        assert_eq!(self.code, 2, "{} {}", self.out, self.err);
        self.err
    }
}

/// A folder with a configuration.
pub struct Office {
    folder: tempfile::TempDir,
    url: Option<String>,
}

impl Office {
    /// One whose database will be a file in it.
    pub fn new() -> Self {
        Self::with(None)
    }

    /// One over a database that is there.
    pub fn over(url: &str) -> Self {
        Self::with(Some(url.to_owned()))
    }

    fn with(url: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = house::configuration(RELAY, "").replace("test.db", "outreachd.db");
        std::fs::write(folder.path().join("outreachd.toml"), text).unwrap();
        Self { folder, url }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn database(&self) -> PathBuf {
        self.path("outreachd.db")
    }

    /// The names in the folder, without the configuration, and without what stands beside
    /// the database: the daemon's lock, and the log that a failed command leaves to the next.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let beside = ["outreachd.toml", "outreachd.db.lock", "outreachd.db-wal", "outreachd.db-shm"];
        names.retain(|name| !beside.contains(&name.as_str()));
        names.sort();
        names
    }

    /// The program with this folder's configuration.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OUTREACHD_")) {
            command.env_remove(name);
        }
        command.current_dir(self.folder.path()).env("OUTREACHD_CONFIG", "outreachd.toml");
        if let Some(url) = &self.url {
            command.env("OUTREACHD_DATABASE__URL", url);
        }
        command.stdin(std::process::Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        ran(self.command(program()).args(args))
    }

    pub fn run_as(&self, actor: &str, args: &[&str]) -> Ran {
        self.run(&[&["--as", actor], args].concat())
    }

    pub async fn store(&self) -> Store {
        let file = format!("sqlite:{}", self.database().display());
        Store::open(self.url.as_ref().unwrap_or(&file), Migration::Apply).await.unwrap()
    }
}

/// The program under test.
pub fn program() -> &'static Path {
    assert_cmd::cargo::cargo_bin!("outreachd")
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

pub fn now() -> Timestamp {
    "2027-03-01T07:30:00Z".parse().unwrap()
}

pub fn act() -> Act {
    Act::stage("test", now())
}

fn campaign() -> Campaign {
    let mut campaign = Campaign { id: "led-i-lagret".into(), ..house::campaign("send") };
    campaign.steps.truncate(1);
    campaign.steps[0].fallback = None;
    campaign
}

/// Imports clients, owned by `owner`.
pub async fn import(store: &Store, names: &[&str], owner: Option<UserId>) {
    let record = |name: &&str| ClientRecord {
        company: format!("{name} AB"),
        name: (*name).into(),
        email: Some(format!("{}@granvik.example", name.to_lowercase())),
        country: Some("SE".into()),
        person_type: Some("company".into()),
        owner: owner.map(|id| id.0),
        zone: "Europe/Stockholm".into(),
        zone_source: "country".into(),
        ..Default::default()
    };
    let records: Vec<_> = names.iter().map(record).collect();
    let batch = store.begin_batch(&act(), "clients.csv").await.unwrap();
    let saved = store.save_clients(&act(), batch, &records).await.unwrap();
    store.publish_batch(&act(), batch, saved, 0).await.unwrap();
}

/// Applies the campaign, with nobody in it.
pub async fn apply(store: &Store) -> outreachd::store::AppliedRevision {
    let new = NewRevision {
        campaign: campaign(),
        source: "id = 'led-i-lagret'".into(),
        templates: [("led/intro.md".to_owned(), "Hej".to_owned())].into(),
        next_run_at: None,
    };
    store.apply(&act(), &new).await.unwrap()
}

/// Five clients in the campaign: one left out, and a delivery each that is accepted,
/// rejected, uncertain and held, in this order.
pub async fn one_of_each(store: &Store) -> [DeliveryId; 4] {
    import(store, &["Anna", "Bo", "Cia", "Dag", "Eva"], None).await;
    let revision = apply(store).await;
    let rule = campaign().audience;
    let people = store.candidates(&rule, "led-i-lagret", "", now(), Default::default(), 10).await.unwrap();
    let enrolments: Vec<_> = people
        .iter()
        .enumerate()
        .map(|(number, person)| Enrolment {
            contact: person.contact,
            account: person.account,
            left_out: (number == 4).then_some(LeftOut::Holdout),
            facts: serde_json::json!({}),
            step: "intro".into(),
            next_at: Some(now()),
            closes_at: None,
        })
        .collect();
    assert_eq!(store.enrol(&act(), &revision, "", &enrolments).await.unwrap(), 4);
    let plans = store.plans_in("led-i-lagret").await.unwrap();
    let new: Vec<_> = plans
        .iter()
        .enumerate()
        .map(|(number, plan)| NewDelivery {
            key: format!("plan/{}/intro", plan.id),
            purpose: Purpose::Campaign,
            address: Address::Email(EmailAddress::parse(&format!("client{number}@granvik.example")).unwrap()),
            contact: Some(plan.contact),
            user: None,
            plan: Some(plan.id),
            campaign: Some("led-i-lagret".into()),
            step: Some("intro".into()),
            variant: None,
            revision: Some(revision.id),
            fallback: None,
            needs_consent: false,
            sender: "fyrljus".into(),
            lane: "email/main".into(),
            payload: None,
            due_at: now(),
            not_after: None,
        })
        .collect();
    store.create_deliveries(&act(), &new).await.unwrap();
    end_each(store).await
}

async fn end_each(store: &Store) -> [DeliveryId; 4] {
    let daemon = store.register_daemon(now()).await.unwrap();
    let claimed = store.claim(daemon, "email/main", now(), 10).await.unwrap();
    let ids: [DeliveryId; 4] = claimed.iter().map(|claimed| claimed.row.id).collect::<Vec<_>>().try_into().unwrap();
    let handoffs: Vec<_> = ids[..3].iter().map(|id| handoff(*id)).collect();
    let begun = store.exchange(&act(), daemon, &[], &handoffs).await.unwrap().begun;
    let finish = |id: DeliveryId, state| finish(id, begun[&id], state);
    let finishes = [
        finish(ids[0], AttemptState::Accepted),
        finish(ids[1], AttemptState::Rejected),
        finish(ids[2], AttemptState::Uncertain),
    ];
    store.exchange(&act(), daemon, &finishes, &[]).await.unwrap();
    let held = Release {
        delivery: ids[3],
        to: DeliveryState::Held,
        reason: Some("late".into()),
        due_at: None,
        not_after: None,
    };
    store.release(&act(), daemon, &[held]).await.unwrap();
    store.end_daemon(daemon, now() + 1.minute()).await.unwrap();
    ids
}
