//! A small company in a store: Karin Ek and her clients, and what they do.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{Timestamp, ToSpan};
use outreachd::config::{self, Config};
use outreachd::digest::{Digest, collect, compose};
use outreachd::model::act::Act;
use outreachd::model::address::{Address, Channel, EmailAddress};
use outreachd::model::campaign::{Campaign, Condition, Rule, Wait};
use outreachd::model::delivery::{Outcome, Purpose};
use outreachd::model::id::{AttemptId, ContactId, DaemonId, DeliveryId, TaskId, UserId};
use outreachd::model::language::Language;
use outreachd::model::plan::{Enrolment, LeftOut, StopReason};
use outreachd::model::response::{AutoReply, Bounce, HumanIntent, OptOut, ResponseKind};
use outreachd::model::suppression::{Reason, Scope};
use outreachd::model::task::TaskKind;
use outreachd::model::text::Line;
use outreachd::model::token::TokenKeys;
use outreachd::model::user::{Role, User};
use outreachd::store::{
    AttemptState, Claimed, ClientRecord, Consequence, Finish, LoggedResponse, NewDelivery, NewRevision, PauseScope,
    PlanMove, PlanRow, Store,
};

use crate::support::house;
use crate::support::ledger::{finish, handoff};

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn act(at: Timestamp) -> Act {
    Act::stage("test", at)
}

pub fn keys() -> TokenKeys {
    TokenKeys::new(vec![(1, vec![7; 32])])
}

pub fn config() -> Config {
    let source = r#"
[company]
name = "Fyrljus AB"
head = "mira@fyrljus.example"

[database]
url = "sqlite:outreachd.db"

[[sender]]
id = "fyrljus"
legal_name = "Fyrljus AB"
postal_address = "Lyktgatan 4, 111 11 Ljusby"
from = "hej@fyrljus.example"

[[relay]]
id = "main"
host = "mail.fyrljus.example"
port = 587

[web]
public_url = "https://ut.fyrljus.example/"
"#;
    config::parse(Path::new("outreachd.toml"), source, &[]).unwrap()
}

pub fn text_of(claimed: &Claimed) -> String {
    let payload: serde_json::Value = serde_json::from_str(claimed.payload.as_ref().unwrap()).unwrap();
    payload["text"].as_str().unwrap().to_owned()
}

pub struct World<'a> {
    store: &'a Store,
    pub head: UserId,
    pub karin: UserId,
}

impl<'a> World<'a> {
    /// Karin Ek and the head, appointed in January; two colleagues at Granvik are hers.
    pub async fn new(store: &'a Store) -> Self {
        let mut world = Self { store, head: UserId(0), karin: UserId(0) };
        let january = "2027-01-11T08:00:00Z";
        world.head = world.appoint("Mira Holm", "mira@fyrljus.example", Role::Head, january).await;
        world.karin = world.appoint("Karin Ek", "karin@fyrljus.example", Role::Manager, january).await;
        world.import("Granvik Verkstad AB", "Anna Lind", "anna@granvik.example", "SE").await;
        world.import("Granvik Verkstad AB", "Bo Ek", "bo@granvik.example", "SE").await;
        world
    }

    pub async fn appoint(&self, name: &str, email: &str, role: Role, since: &str) -> UserId {
        let user = User {
            id: UserId(0),
            name: Line::parse(name).unwrap(),
            email: EmailAddress::parse(email).unwrap(),
            phone: None,
            title: None,
            role,
            language: Language::Sv,
            zone: "Europe/Stockholm".into(),
            digest_at: jiff::civil::time(7, 30, 0, 0),
            active: true,
        };
        self.store.appoint(&act(at(since)), &user, "hired").await.unwrap()
    }

    pub async fn user(&self) -> User {
        self.store.users().await.unwrap().into_iter().find(|user| user.id == self.karin).unwrap()
    }

    async fn import(&self, company: &str, name: &str, email: &str, country: &str) {
        let record = ClientRecord {
            company: company.into(),
            name: name.into(),
            email: Some(email.into()),
            phone: Some("+46701740612".into()),
            country: Some(country.into()),
            owner: Some(self.karin.0),
            zone: "Europe/Stockholm".into(),
            zone_source: "country".into(),
            ..Default::default()
        };
        let act = act(at("2027-02-01T08:00:00Z"));
        let batch = self.store.begin_batch(&act, "clients.csv").await.unwrap();
        let saved = self.store.save_clients(&act, batch, &[record]).await.unwrap();
        self.store.publish_batch(&act, batch, saved, 0).await.unwrap();
    }

    async fn contact(&self, email: &str) -> ContactId {
        self.store.search_contacts(email, 1).await.unwrap()[0]
    }

    /// Logs a response of the contact with this address; `more` says what else it holds.
    pub async fn respond(
        &self,
        email: &str,
        kind: ResponseKind,
        text: &str,
        logged: Timestamp,
        more: impl FnOnce(&mut LoggedResponse),
    ) {
        let id = self.store.new_response_id().await.unwrap();
        let mut response = LoggedResponse {
            id,
            source: "mail",
            source_key: format!("inbox/{id}"),
            kind,
            delivery: None,
            plan: None,
            contact: Some(self.contact(email).await),
            recipient: None,
            tie: None,
            confidence: 1.0,
            enhanced: None,
            reason: None,
            evidence: serde_json::json!({}),
            new_text: Some(text.to_owned()),
            until: None,
            raw: None,
            review: false,
            received_at: logged,
            consequences: vec![],
        };
        more(&mut response);
        assert_eq!(self.store.log_responses(&act(logged), None, &[response]).await.unwrap(), [true]);
    }

    pub async fn reply(&self, email: &str, intent: HumanIntent, text: &str, logged: Timestamp) {
        self.respond(email, ResponseKind::Human(intent), text, logged, |_| ()).await;
    }

    /// Someone is interested, and Karin has the task to call by the next day.
    pub async fn interested_with_task(&self, email: &str, logged: Timestamp) -> TaskId {
        let contact = self.contact(email).await;
        let task = |response: &mut LoggedResponse| {
            response.consequences =
                vec![self.task(TaskKind::Answer, contact, response, "Ring Anna Lind", "2027-03-02")];
        };
        self.respond(email, ResponseKind::Human(HumanIntent::Interested), "Ja tack", logged, task).await;
        self.store.tasks(Some(self.karin), None).await.unwrap()[0].id
    }

    fn task(&self, kind: TaskKind, contact: ContactId, from: &LoggedResponse, note: &str, due: &str) -> Consequence {
        Consequence::Task {
            kind,
            user: Some(self.karin),
            contact: Some(contact),
            plan: None,
            response: Some(from.id),
            note: note.into(),
            due_on: due.parse().unwrap(),
        }
    }

    /// The digest over a span, as Karin would get it.
    pub async fn compose(&self, from: Timestamp, until: Timestamp) -> Digest {
        let data = collect(self.store, &config(), &self.user().await, from, until, until).await.unwrap();
        compose(&data, "https://ut.fyrljus.example/d/token")
    }

    /// Every digest that waits in the default sender's lane, claimed.
    pub async fn digests(&self, now: Timestamp) -> Vec<Claimed> {
        let daemon = self.store.register_daemon(now).await.unwrap();
        let claimed = self.store.claim(daemon, "email/main/fyrljus/@digest/other", now, 100).await.unwrap();
        assert!(claimed.iter().all(|one| one.row.purpose == Purpose::Digest && one.blocked.is_none()));
        claimed
    }

    /// The first day of led-i-lagret: six letters and what came of them.
    pub async fn monday(&self) {
        for (company, name, email, country) in [
            ("Bergtorp Logistik AB", "Oskar Nyman", "oskar@bergtorp.example", "SE"),
            ("Hedlunda Plåt AB", "Maria Falk", "maria@hedlunda.example", "SE"),
            ("Söderholm Kyl AB", "Per Åberg", "per@soderholm.example", "SE"),
            ("Almby Trä AB", "Sara Wik", "sara@almby.example", "SE"),
            ("Norrmo Bygg AB", "Eva Rask", "eva@norrmo.example", "SE"),
            ("Lichtwerk GmbH", "Uwe Kern", "uwe@lichtwerk.example", "DE"),
        ] {
            self.import(company, name, email, country).await;
        }
        self.enrol().await;
        self.send_intros().await;
        self.oskar_gets_a_fax().await;
        self.people_answer().await;
    }

    /// Applied on Wednesday: Uwe gave no consent, and Bo's colleague Anna is written to.
    async fn enrol(&self) {
        let applied = act(at("2027-02-24T09:12:00Z"));
        let new =
            NewRevision { campaign: campaign(), source: String::new(), templates: BTreeMap::new(), next_run_at: None };
        let revision = self.store.apply(&applied, &new).await.unwrap();
        let (everyone, begin) = (campaign().audience, applied.at);
        let people = self.store.candidates(&everyone, "led-i-lagret", "", begin, Default::default(), 20).await.unwrap();
        let monday = at("2027-03-01T07:34:00Z");
        let enrolments: Vec<_> = people
            .iter()
            .map(|person| {
                let left_out = match person.name.as_str() {
                    "Uwe Kern" => Some(LeftOut::NoConsent),
                    "Bo Ek" => Some(LeftOut::Colleague),
                    _ => None,
                };
                let going = left_out.is_none();
                Enrolment {
                    contact: person.contact,
                    account: person.account,
                    left_out,
                    facts: serde_json::json!({}),
                    step: "intro".into(),
                    next_at: going.then_some(monday),
                    closes_at: going.then_some(monday + 3.hours()),
                }
            })
            .collect();
        assert_eq!(enrolments.len(), 8);
        self.store.enrol(&applied, &revision, "", &enrolments).await.unwrap();
    }

    /// All are taken but Maria's, which her server refuses.
    async fn send_intros(&self) {
        let eight = at("2027-03-01T07:34:00Z");
        let plans = self.store.due_plans(eight, eight, 20).await.unwrap();
        assert_eq!(plans.len(), 6);
        let mut letters = vec![];
        for plan in &plans {
            let email = self.store.get_client(plan.contact).await.unwrap().contact.email.unwrap();
            letters.push(delivery(plan, Address::Email(email), eight));
        }
        let sent = self.hand_off("email/main", &letters, eight).await;
        for claimed in &sent.claimed {
            let maria = claimed.row.address == "maria@hedlunda.example";
            let state = if maria { AttemptState::Rejected } else { AttemptState::Accepted };
            let wait = Consequence::Pause {
                scope: PauseScope::Domain("hedlunda.example".into()),
                reason: "5.7.1".into(),
                until: None,
            };
            let finish = Finish {
                enhanced: maria.then(|| "5.7.1".to_owned()),
                consequences: if maria { vec![wait] } else { vec![] },
                ..sent.finish(claimed, state)
            };
            self.end(&sent, &[finish], eight).await;
        }
        let thursday = at("2027-03-04T07:31:00Z");
        let next = |plan: &PlanRow| PlanMove::Next {
            plan: plan.id,
            step: "referens".into(),
            next_at: thursday,
            closes_at: Some(thursday + 3.hours()),
        };
        self.store.move_plans(&act(eight), &plans.iter().map(next).collect::<Vec<_>>(), &[]).await.unwrap();
    }

    async fn oskar_gets_a_fax(&self) {
        let bounced = at("2027-03-01T07:42:00Z");
        let contact = self.contact("oskar@bergtorp.example").await;
        let filter = outreachd::store::DeliveryFilter { contact: Some(contact), ..Default::default() };
        let mail = self.store.deliveries(&filter, 1).await.unwrap().remove(0);
        self.respond("oskar@bergtorp.example", ResponseKind::Bounce(Bounce::NoMailbox), "", bounced, |bounce| {
            bounce.delivery = Some(mail.id);
            bounce.enhanced = Some("5.1.1".into());
            bounce.consequences = vec![
                Consequence::Outcome { delivery: mail.id, outcome: Outcome::Bounced },
                Consequence::InvalidatePoint {
                    channel: Channel::Email,
                    folded: mail.address.clone(),
                    reason: "5.1.1".into(),
                },
            ];
        })
        .await;
        let plan = self.store.plans_of(contact).await.unwrap().remove(0);
        let number = Address::parse(Channel::Fax, "+46701740613").unwrap();
        let fax = NewDelivery { step: Some("intro".into()), lane: "fax".into(), ..delivery(&plan, number, bounced) };
        let arrived = at("2027-03-01T07:55:00Z");
        let sent = self.hand_off("fax", &[fax], bounced).await;
        self.end(&sent, &[sent.finish(&sent.claimed[0], AttemptState::Accepted)], arrived).await;
    }

    async fn people_answer(&self) {
        let afternoon = at("2027-03-01T13:12:00Z");
        let anna = self.contact("anna@granvik.example").await;
        let interested = ResponseKind::Human(HumanIntent::Interested);
        let words = "Det låter intressant. Kan ni titta förbi på torsdag?";
        self.respond("anna@granvik.example", interested, words, afternoon, |reply| {
            let stop = Consequence::StopPlans { contact: anna, reason: StopReason::Reply };
            reply.consequences = vec![stop, self.task(TaskKind::Answer, anna, reply, "Ring Anna Lind", "2027-03-02")];
        })
        .await;
        let per = self.contact("per@soderholm.example").await;
        let away = ResponseKind::Auto(AutoReply::OutOfOffice);
        self.respond("per@soderholm.example", away, "Åter 15 mars", afternoon, |reply| {
            reply.until = Some("2027-03-15".parse().unwrap());
            reply.consequences = vec![Consequence::Pause {
                scope: PauseScope::Contact(per),
                reason: "away".into(),
                until: Some(at("2027-03-15T23:00:00Z")),
            }];
        })
        .await;
        let sara = self.contact("sara@almby.example").await;
        self.respond("sara@almby.example", ResponseKind::OptOut(OptOut::OneClick), "", afternoon, |reply| {
            reply.consequences = vec![
                Consequence::StopPlans { contact: sara, reason: StopReason::OptOut },
                Consequence::Suppress {
                    scope: Scope::Contact,
                    value: sara.to_string(),
                    reason: Reason::OptOut,
                    response: None,
                },
            ];
        })
        .await;
    }

    /// Creates letters, claims them and lets their bodies leave.
    async fn hand_off(&self, lane: &str, letters: &[NewDelivery], now: Timestamp) -> Sent {
        self.store.create_deliveries(&act(now), letters).await.unwrap();
        let daemon = self.store.register_daemon(now).await.unwrap();
        let claimed = self.store.claim(daemon, lane, now, 50).await.unwrap();
        assert_eq!(claimed.len(), letters.len());
        let handoffs: Vec<_> = claimed.iter().map(|claimed| handoff(claimed.row.id)).collect();
        let begun = self.store.exchange(&act(now), daemon, &[], &handoffs).await.unwrap().begun;
        Sent { daemon, begun, claimed }
    }

    /// Ends letters that were handed off.
    async fn end(&self, sent: &Sent, finishes: &[Finish], now: Timestamp) {
        self.store.exchange(&act(now), sent.daemon, finishes, &[]).await.unwrap();
    }
}

struct Sent {
    daemon: DaemonId,
    begun: BTreeMap<DeliveryId, AttemptId>,
    claimed: Vec<Claimed>,
}

impl Sent {
    fn finish(&self, claimed: &Claimed, state: AttemptState) -> Finish {
        let code = Some(if state == AttemptState::Rejected { 550 } else { 250 });
        Finish { code, ..finish(claimed.row.id, self.begun[&claimed.row.id], state) }
    }
}

fn campaign() -> Campaign {
    let mut campaign = Campaign {
        id: "led-i-lagret".into(),
        title: "LED i lagret, våren 2027".into(),
        audience: Rule(vec![Condition::Country(vec!["SE".into(), "DE".into()])]),
        ..house::campaign("send")
    };
    for step in &mut campaign.steps {
        step.wait = Wait::BusinessDays(3);
        step.fallback = Some(Channel::Fax);
    }
    campaign
}

fn delivery(plan: &PlanRow, address: Address, due_at: Timestamp) -> NewDelivery {
    NewDelivery {
        key: format!("plan/{}/{:?}", plan.id, address.channel()),
        purpose: Purpose::Campaign,
        address,
        contact: Some(plan.contact),
        user: None,
        plan: Some(plan.id),
        campaign: Some(plan.campaign.clone()),
        step: plan.step.clone(),
        variant: None,
        revision: Some(plan.revision),
        fallback: None,
        needs_consent: false,
        sender: "fyrljus".into(),
        lane: "email/main".into(),
        payload: None,
        due_at,
        not_after: None,
    }
}
