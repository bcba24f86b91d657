//! A small outreachd for one test: a database, a relay that answers by a script, a clock
//! that stands still, and one campaign of two letters to as many clients as the test names.

use std::sync::Arc;

use jiff::Timestamp;
use outreachd::clock::{Clock, ManualClock};
use outreachd::config::Config;
use outreachd::deliver::Deliver;
use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options};
use outreachd::model::act::Act;
use outreachd::model::campaign::{Campaign, Start};
use outreachd::model::token::TokenKeys;
use outreachd::model::turn::Turn;
use outreachd::model::user::{Role, User};
use outreachd::policy::enrolment::{Draw, NotBefore};
use outreachd::render::TemplateSet;
use outreachd::schedule;
use outreachd::store::{ClientRecord, ConsentRecord, DeliveryFilter, DeliveryRow, NewRevision, Store};
use tokio_util::sync::CancellationToken;

use super::house;

/// Monday 1 March 2027, 08:00 in Stockholm: half an hour before the window opens.
pub const BEFORE: &str = "2027-03-01T07:00:00Z";
/// The same day, 10:00: every first letter is due.
pub const DURING: &str = "2027-03-01T09:00:00Z";
/// The same day, 13:00: the window is closed.
pub const AFTER: &str = "2027-03-01T12:00:00Z";

/// Short, so that a test which hangs ends.
const TIMEOUTS: &str = "greeting_s = 5, command_s = 5, mail_s = 5, recipient_s = 5, data_s = 5, block_s = 5, dot_s = 5";

/// The parts.
pub struct TestApp {
    pub store: Store,
    pub config: Arc<Config>,
    pub keys: TokenKeys,
    pub clock: ManualClock,
    pub relay: MailServer,
    pub deliver: Arc<Deliver>,
    pub daemon: outreachd::model::id::DaemonId,
    database: std::sync::Mutex<Option<super::databases::Database>>,
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A client of Granvik's kind: a Swedish company with a mail address.
pub fn client(name: &str) -> ClientRecord {
    let slug = name.to_lowercase().replace(' ', "-");
    ClientRecord {
        company: format!("{name} AB"),
        country: Some("SE".into()),
        city: Some("Falun".into()),
        person_type: Some("company".into()),
        name: name.into(),
        given_name: name.split(' ').next().map(str::to_owned),
        zone: "Europe/Stockholm".into(),
        zone_source: "country".into(),
        email: Some(format!("info@{slug}.example")),
        ..Default::default()
    }
}

/// The same with a fax machine and the consent to use it.
pub fn faxed(name: &str, number: &str) -> ClientRecord {
    let consent =
        ConsentRecord { channel: "fax".into(), basis: "consent".into(), evidence: "fair 2026".into(), given_at: 0 };
    ClientRecord { fax: Some(number.into()), consents: vec![consent], ..client(name) }
}

/// The configuration of a test: one sender, one relay without TLS on loopback, and `more`
/// keys of that relay or sections.
pub fn config(relay_port: u16, more: &str) -> Config {
    let relay = format!("host = \"127.0.0.1\"\nport = {relay_port}\ntls = \"none\"\ntimeouts = {{ {TIMEOUTS} }}");
    house::config(&relay, more)
}

impl TestApp {
    /// An outreachd over `store` whose relay answers by `script`.
    pub async fn new(store: Store, script: impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self::with(store, script, "", ManualClock::new(at(BEFORE))).await
    }

    /// The same with more lines of configuration, on a clock that others read too.
    pub async fn with(
        store: Store,
        script: impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static,
        more: &str,
        clock: ManualClock,
    ) -> Self {
        let relay = MailServer::start(script, Options::default()).await.unwrap();
        let config = Arc::new(config(relay.addr().port(), more));
        let keys = TokenKeys::new(vec![(1, vec![7; 32])]);
        let daemon = store.register_daemon(clock.now()).await.unwrap();
        let deliver = Deliver::new(
            store.clone(),
            Arc::clone(&config),
            keys.clone(),
            Clock::Manual(clock.clone()),
            daemon,
            CancellationToken::new(),
        );
        Self { store, config, keys, clock, relay, deliver: deliver.unwrap(), daemon, database: Default::default() }
    }

    /// The same with another configuration: another relay.
    pub fn configured(self, config: Config) -> Self {
        let config = Arc::new(config);
        let clock = Clock::Manual(self.clock.clone());
        let (store, keys, stop) = (self.store.clone(), self.keys.clone(), CancellationToken::new());
        let deliver = Deliver::new(store, Arc::clone(&config), keys, clock, self.daemon, stop);
        Self { config, deliver: deliver.unwrap(), ..self }
    }

    /// Keeps a database for as long as this lives.
    pub fn keep(&self, database: super::databases::Database) {
        *self.database.lock().unwrap() = Some(database);
    }

    pub fn act(&self) -> Act {
        Act::stage("test", self.clock.now())
    }

    /// Appoints Karin Ek, who owns every client that is imported with [`TestApp::import`].
    pub async fn appoint_karin(&self) -> outreachd::model::id::UserId {
        let karin = User {
            id: outreachd::model::id::UserId(0),
            name: "Karin Ek".to_owned().try_into().unwrap(),
            email: "karin.ek@fyrljus.example".to_owned().try_into().unwrap(),
            phone: Some("+46701740610".to_owned().try_into().unwrap()),
            title: None,
            role: Role::Manager,
            language: outreachd::model::language::Language::Sv,
            zone: "Europe/Stockholm".into(),
            digest_at: jiff::civil::time(7, 30, 0, 0),
            active: true,
        };
        self.store.appoint(&self.act(), &karin, "hired").await.unwrap()
    }

    pub async fn import(&self, clients: &[ClientRecord]) {
        let owner = Some(self.appoint_karin().await.0);
        let owned: Vec<_> = clients.iter().cloned().map(|client| ClientRecord { owner, ..client }).collect();
        let batch = self.store.begin_batch(&self.act(), "test").await.unwrap();
        let mut all = outreachd::store::SavedClients::default();
        for chunk in owned.chunks(500) {
            all.created += self.store.save_clients(&self.act(), batch, chunk).await.unwrap().created;
        }
        self.store.publish_batch(&self.act(), batch, all, 0).await.unwrap();
    }

    /// Applies a campaign and starts a plan for everyone it may write to; says for how many.
    pub async fn apply(&self, campaign: Campaign) -> u64 {
        let templates = TemplateSet::starter().iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        self.enrol_all(&NewRevision { campaign, source: String::new(), templates, next_run_at: None }).await
    }

    /// Applies a revision as it is and starts its plans.
    pub async fn enrol_all(&self, new: &NewRevision) -> u64 {
        let revision = self.store.apply(&self.act(), new).await.unwrap();
        let Start::Date(date) = new.campaign.start else { panic!("a test campaign starts on a date") };
        let mut draw = Draw::new(&new.campaign, NotBefore::Day(date), self.clock.now(), 1);
        let people = self
            .store
            .candidates(&new.campaign.audience, &new.campaign.id, "", self.clock.now(), Default::default(), 100_000)
            .await
            .unwrap();
        let decisions: Vec<_> = people.iter().map(|person| draw.decide(person)).collect();
        self.store.enrol(&self.act(), &revision, "", &decisions).await.unwrap()
    }

    /// Turns schedule and deliver at `now` until neither has anything to do.
    pub async fn run_until_quiet(&self, now: &str) -> Turn {
        self.clock.set(at(now));
        for _ in 0..100 {
            let turn = schedule::turn(&self.store, &self.config, self.clock.now()).await.unwrap();
            let turn = turn.and(self.deliver.turn(self.clock.now()).await.unwrap());
            if turn.done == 0 {
                return turn;
            }
        }
        panic!("it never comes to rest");
    }

    pub async fn deliveries(&self) -> Vec<DeliveryRow> {
        let mut rows = self.store.deliveries(&DeliveryFilter::default(), 100_000).await.unwrap();
        rows.sort_by_key(|row| row.id);
        rows
    }
}
