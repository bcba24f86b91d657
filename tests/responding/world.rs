//! A small world: Karin's two clients, Anna and Bo, each with a plan and one letter
//! that was accepted, and a mailbox in memory.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{Timestamp, ToSpan};
use outreachd::config::{Config, parse};
use outreachd::inbox::{Inbox, MemoryInbox};
use outreachd::model::act::Act;
use outreachd::model::address::{Address, Channel, EmailAddress};
use outreachd::model::campaign::{Campaign, Reaction, Rule, Wait};
use outreachd::model::delivery::Purpose;
use outreachd::model::id::{ContactId, DaemonId, DeliveryId, PlanId, UserId};
use outreachd::model::language::Language;
use outreachd::model::plan::{Enrolment, PlanState, StopReason};
use outreachd::model::response::HumanIntent;
use outreachd::model::text::Line;
use outreachd::model::token::{TokenKeys, TokenPurpose};
use outreachd::model::user::{Role, User};
use outreachd::respond::{Respond, Source};
use outreachd::store::{
    AttemptState, Claimed, ClientRecord, ConsentRecord, Handoff, NewDelivery, NewRevision, ResponseRow, Store,
};

use crate::support::house;
use crate::support::ledger::finish;

/// Monday 1 March 2027, 14:12 in Stockholm.
pub fn now() -> Timestamp {
    "2027-03-01T13:12:00Z".parse().unwrap()
}

pub fn act() -> Act {
    Act::stage("test", now() - 6.hours())
}

/// One client with the letter that went to them.
pub struct Sent {
    pub contact: ContactId,
    pub plan: PlanId,
    pub delivery: DeliveryId,
    pub address: &'static str,
}

pub struct World {
    pub store: Store,
    pub config: Config,
    pub keys: TokenKeys,
    pub inbox: MemoryInbox,
    pub respond: Respond,
    pub karin: UserId,
    pub anna: Sent,
    pub bo: Sent,
    pub daemon: DaemonId,
}

pub fn config() -> Config {
    let text = r#"
        [company]
        name = "Fyrljus AB"
        head = "mira.holm@fyrljus.example"
        language = "sv"
        [database]
        url = "sqlite:x.db"
        [[sender]]
        id = "fyrljus"
        legal_name = "Fyrljus AB"
        postal_address = "Lyktgatan 4, 120 30 Stockholm"
        from = "hej@fyrljus.example"
        reply_to = "svar@fyrljus.example"
        bounces = "studs@fyrljus.example"
        [[relay]]
        id = "main"
        host = "127.0.0.1"
        port = 25
        tls = "none"
        [[mailbox]]
        id = "svar"
        maildir = "/nowhere"
    "#;
    parse(Path::new("outreachd.toml"), text, &[]).unwrap()
}

fn campaign() -> Campaign {
    let reaction =
        Reaction { note: "Ring {{contact.name}} på {{ account.name }}, {{x}}".into(), within: Wait::BusinessDays(1) };
    let mut campaign = Campaign {
        audience: Rule(vec![]),
        on: BTreeMap::from([(HumanIntent::Interested, reaction)]),
        ..house::campaign("send")
    };
    campaign.steps.truncate(1);
    campaign.steps[0].fallback = None;
    campaign
}

fn client(company: &str, name: &str, email: &str, owner: UserId) -> ClientRecord {
    ClientRecord {
        company: company.into(),
        name: name.into(),
        email: Some(email.into()),
        country: Some("SE".into()),
        person_type: Some("company".into()),
        owner: Some(owner.0),
        zone: "Europe/Stockholm".into(),
        zone_source: "country".into(),
        consents: vec![ConsentRecord {
            channel: "fax".into(),
            basis: "consent".into(),
            evidence: "fair".into(),
            given_at: 0,
        }],
        ..Default::default()
    }
}

fn karin() -> User {
    User {
        id: UserId(0),
        name: Line::parse("Karin Ek").unwrap(),
        email: EmailAddress::parse("karin.ek@fyrljus.example").unwrap(),
        phone: None,
        title: None,
        role: Role::Manager,
        language: Language::Sv,
        zone: "Europe/Stockholm".into(),
        digest_at: jiff::civil::time(7, 30, 0, 0),
        active: true,
    }
}

async fn plans(store: &Store) -> Vec<(ContactId, PlanId)> {
    let new = NewRevision {
        campaign: campaign(),
        source: "id = 'led'".into(),
        templates: BTreeMap::new(),
        next_run_at: None,
    };
    let revision = store.apply(&act(), &new).await.unwrap();
    let people = store.candidates(&campaign().audience, "led", "", now(), Default::default(), 10).await.unwrap();
    let start = |person: &outreachd::model::plan::Candidate| Enrolment {
        contact: person.contact,
        account: person.account,
        left_out: None,
        facts: serde_json::json!({}),
        step: "intro".into(),
        next_at: Some(now() - 6.hours()),
        closes_at: Some(now()),
    };
    let enrolments: Vec<_> = people.iter().map(start).collect();
    store.enrol(&act(), &revision, "", &enrolments).await.unwrap();
    let due = store.due_plans(now(), now(), 10).await.unwrap();
    due.iter().map(|plan| (plan.contact, plan.id)).collect()
}

pub fn letter(to: &str, purpose: Purpose, sent: Option<(ContactId, PlanId)>, user: Option<UserId>) -> NewDelivery {
    NewDelivery {
        key: format!("{to}/{purpose:?}"),
        purpose,
        address: Address::parse(Channel::Email, to).unwrap(),
        contact: sent.map(|(contact, _)| contact),
        user,
        plan: sent.map(|(_, plan)| plan),
        campaign: sent.map(|_| "led".into()),
        step: sent.map(|_| "intro".into()),
        variant: None,
        revision: None,
        fallback: None,
        needs_consent: false,
        sender: "fyrljus".into(),
        lane: "email/main".into(),
        payload: None,
        due_at: now() - 6.hours(),
        not_after: None,
    }
}

impl World {
    pub async fn new(store: Store) -> Self {
        let karin = store.appoint(&act(), &karin(), "hired").await.unwrap();
        let batch = store.begin_batch(&act(), "clients.csv").await.unwrap();
        let people = [
            client("Granvik Verkstad AB", "Anna Lind", "anna.lind@granvik.example", karin),
            client("Dalkärra Bygg AB", "Bo Ek", "bo.ek@dalkarra.example", karin),
        ];
        let saved = store.save_clients(&act(), batch, &people).await.unwrap();
        store.publish_batch(&act(), batch, saved, 0).await.unwrap();
        let plans = plans(&store).await;
        let revision = store.find_running("led").await.unwrap().unwrap().id;
        let inbox = MemoryInbox::new();
        let mut world = Self {
            respond: Respond::new("svar", Source::Open(Inbox::Memory(inbox.clone()))),
            daemon: store.register_daemon(now()).await.unwrap(),
            keys: TokenKeys::new(vec![(1, vec![7; 32])]),
            config: config(),
            inbox,
            karin,
            anna: Sent { contact: plans[0].0, plan: plans[0].1, delivery: DeliveryId(0), address: people_address(0) },
            bo: Sent { contact: plans[1].0, plan: plans[1].1, delivery: DeliveryId(0), address: people_address(1) },
            store,
        };
        let letters = [&world.anna, &world.bo].map(|sent| NewDelivery {
            revision: Some(revision),
            ..letter(sent.address, Purpose::Campaign, Some((sent.contact, sent.plan)), None)
        });
        let sent = world.send(&letters, AttemptState::Accepted).await;
        (world.anna.delivery, world.bo.delivery) = (sent[0], sent[1]);
        world
    }

    /// Sends letters, up to an attempt in this state; their ids, by address.
    pub async fn send(&self, letters: &[NewDelivery], state: AttemptState) -> Vec<DeliveryId> {
        self.store.create_deliveries(&act(), letters).await.unwrap();
        let claimed = self.store.claim(self.daemon, "email/main", now(), 10).await.unwrap();
        let handoffs: Vec<_> = claimed.iter().map(|one| self.handoff(one)).collect();
        let begun = self.store.exchange(&act(), self.daemon, &[], &handoffs).await.unwrap().begun;
        let results: Vec<_> = claimed.iter().map(|one| finish(one.row.id, begun[&one.row.id], state)).collect();
        self.store.exchange(&act(), self.daemon, &results, &[]).await.unwrap();
        let by_address = |new: &NewDelivery| claimed.iter().find(|one| one.row.key == new.key).unwrap().row.id;
        letters.iter().map(by_address).collect()
    }

    fn handoff(&self, claimed: &Claimed) -> Handoff {
        Handoff {
            delivery: claimed.row.id,
            relay: "main".into(),
            frozen: "{}".into(),
            sha256: "00".into(),
            message_id: self.message_id(claimed.row.id),
        }
    }

    pub fn token(&self, delivery: DeliveryId) -> String {
        self.keys.sign(TokenPurpose::Delivery, delivery.0)
    }

    pub fn message_id(&self, delivery: DeliveryId) -> String {
        format!("{}@fyrljus.example", self.token(delivery))
    }

    /// A mail comes in and is taken.
    pub async fn receive(&mut self, mail: impl Into<Vec<u8>>) {
        self.inbox.push(mail);
        self.turn(now()).await;
    }

    pub async fn turn(&mut self, at: Timestamp) -> usize {
        self.respond.turn(&self.store, &self.config, &self.keys, at).await.unwrap().done
    }

    /// Everything logged, oldest first.
    pub async fn responses(&self) -> Vec<ResponseRow> {
        self.store.responses(None, None, 100).await.unwrap()
    }

    /// The only response.
    pub async fn response(&self) -> ResponseRow {
        let mut all = self.responses().await;
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }

    pub async fn plan(&self, sent: &Sent) -> (PlanState, Option<StopReason>) {
        let plan = self.store.plans_of(sent.contact).await.unwrap().remove(0);
        (plan.state, plan.stop_reason)
    }

    /// The kinds and notes of a client's tasks.
    pub async fn tasks(&self, sent: &Sent) -> Vec<outreachd::store::TaskRow> {
        self.store.tasks(None, Some(sent.contact)).await.unwrap()
    }

    pub async fn is_untouched(&self, sent: &Sent) -> bool {
        self.store.suppressions(sent.contact).await.unwrap().is_empty()
            && self.store.points(sent.contact).await.unwrap().iter().all(|point| point.valid)
            && self.plan(sent).await.0 == PlanState::Active
    }
}

fn people_address(at: usize) -> &'static str {
    ["anna.lind@granvik.example", "bo.ek@dalkarra.example"][at]
}

/// A person's mail; `head` holds further header lines.
pub fn reply(from: &str, head: &str, text: &str) -> String {
    let id = text.len();
    format!(
        "From: <{from}>\r\nTo: svar@fyrljus.example\r\nSubject: SV: Hej\r\nDate: Mon, 1 Mar 2027 14:11:00 +0100\r\n\
         Message-ID: <r{id}@granvik.example>\r\nContent-Type: text/plain; charset=utf-8\r\n{head}\r\n{text}\r\n"
    )
}

/// A report that a letter failed: who it came to, fields of the recipient, headers of the letter.
pub fn report(to: &str, status: &str, recipient: &str, returned: &str) -> String {
    format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nTo: {to}\r\nSubject: Undelivered Mail\r\n\
         Message-ID: <dsn{status}@mx.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nIt failed.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n{recipient}\
         \r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: Hej\r\n{returned}\r\n--b--\r\n"
    )
}

/// A recipient's block of a report.
pub fn failed(original: Option<&str>, last: &str, status: &str, text: &str) -> String {
    let original = original.map(|address| format!("Original-Recipient: rfc822; {address}\r\n")).unwrap_or_default();
    format!(
        "{original}Final-Recipient: rfc822; {last}\r\nAction: failed\r\nStatus: {status}\r\n\
         Diagnostic-Code: smtp; {text}\r\n"
    )
}

/// A report that the mailbox does not exist.
pub fn no_mailbox(original: Option<&str>, last: &str) -> String {
    failed(original, last, "5.1.1", "550 5.1.1 no such user")
}
