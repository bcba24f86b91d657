//! The people of one digest: what each wrote, what failed to reach them, who is away.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::DigestError;
use super::data::{Answer, Away, FaxInstead, Fix, OptedOut, Person, Phone, Todo, Trouble};
use super::quote::shorten;
use crate::config::Config;
use crate::model::address::{Channel, PhoneNumber};
use crate::model::delivery::DeliveryState;
use crate::model::id::{ContactId, DeliveryId, ResponseId};
use crate::model::plan::{PlanState, StopReason};
use crate::model::response::{AutoReply, Bounce, HumanIntent, ResponseKind};
use crate::model::task::TaskKind;
use crate::policy::bounce;
use crate::store::{
    AttemptRow, Client, DeliveryFilter, DeliveryRow, PauseRow, PauseScope, PlanRow, ResponseRow, Store, TaskRow,
};

/// Deliveries of one contact that are searched for a fax.
const DELIVERIES: i64 = 50;

/// What is known of everyone a digest names.
pub(super) struct People<'a> {
    country: &'a str,
    zone: &'a TimeZone,
    clients: BTreeMap<ContactId, Client>,
    dossiers: BTreeMap<ContactId, Dossier>,
    refusals: BTreeMap<DeliveryId, AttemptRow>,
    pauses: Vec<PauseRow>,
    /// Tasks that stand beside the reply they came of.
    told: BTreeSet<ResponseId>,
    /// Whose trouble is told under what is to be mended.
    mended: BTreeSet<ContactId>,
}

/// What is read of those who answered or were not reached.
#[derive(Default)]
struct Dossier {
    tasks: Vec<TaskRow>,
    plans: Vec<PlanRow>,
    deliveries: Vec<DeliveryRow>,
}

impl<'a> People<'a> {
    #[expect(clippy::too_many_arguments, reason = "it reads what all these rows point at, once")]
    pub(super) async fn read(
        store: &Store,
        config: &'a Config,
        zone: &'a TimeZone,
        now: Timestamp,
        responses: &[ResponseRow],
        finished: &[DeliveryRow],
        held: &[DeliveryRow],
        tasks: &[TaskRow],
    ) -> Result<Self, DigestError> {
        let rejected = || finished.iter().filter(|row| row.state == DeliveryState::Rejected);
        let close: BTreeSet<_> = responses
            .iter()
            .filter(|row| is_told(row.kind))
            .filter_map(|row| row.contact)
            .chain(rejected().filter_map(|row| row.contact))
            .collect();
        let uncertain = finished.iter().filter(|row| row.state == DeliveryState::Uncertain);
        let waiting = uncertain.chain(held).filter_map(|row| row.contact);
        let named = responses.iter().filter_map(|row| row.contact).chain(tasks.iter().filter_map(|task| task.contact));
        let named: BTreeSet<_> = named.chain(waiting).chain(close.iter().copied()).collect();

        let clients = store.clients(&named.into_iter().collect::<Vec<_>>()).await?;
        let mut people = Self {
            country: &config.company.country,
            zone,
            clients: clients.into_iter().map(|client| (client.contact.id, client)).collect(),
            dossiers: BTreeMap::new(),
            refusals: BTreeMap::new(),
            pauses: store.pauses(now).await?,
            told: BTreeSet::new(),
            mended: BTreeSet::new(),
        };
        for contact in close {
            let filter = DeliveryFilter { contact: Some(contact), ..Default::default() };
            let dossier = Dossier {
                tasks: store.tasks(None, Some(contact)).await?,
                plans: store.plans_of(contact).await?,
                deliveries: store.deliveries(&filter, DELIVERIES).await?,
            };
            people.dossiers.insert(contact, dossier);
        }
        for row in rejected() {
            people.refusals.extend(store.attempts(row.id).await?.pop().map(|last| (row.id, last)));
        }
        Ok(people)
    }

    /// Who a contact is.
    pub(super) fn find(&self, contact: ContactId) -> Option<Person> {
        let client = self.clients.get(&contact)?;
        Some(Person { name: client.contact.name.to_string(), company: client.account.name.to_string() })
    }

    /// What people wrote, those first who wait for something.
    pub(super) fn answers(&mut self, responses: &[ResponseRow]) -> Vec<Answer> {
        let human = responses.iter().filter_map(|row| match row.kind {
            ResponseKind::Human(intent) => Some((row, intent)),
            _ => None,
        });
        let mut answers: Vec<_> = human.filter_map(|(row, intent)| self.answer(row, intent)).collect();
        self.told.extend(responses.iter().filter(|row| matches!(row.kind, ResponseKind::Human(_))).map(|row| row.id));
        answers.sort_by_key(|answer| (answer.done, rank(answer.intent)));
        answers
    }

    fn answer(&self, row: &ResponseRow, intent: HumanIntent) -> Option<Answer> {
        let contact = row.contact?;
        let client = self.clients.get(&contact)?;
        let dossier = self.dossiers.get(&contact)?;
        let task = dossier.tasks.iter().find(|task| task.response == Some(row.id) && task.kind != TaskKind::Operate);
        let reminder = task.filter(|task| task.kind == TaskKind::Remind && task.done_at.is_none());
        let replied = |plan: &PlanRow| plan.state == PlanState::Stopped && plan.stop_reason == Some(StopReason::Reply);
        Some(Answer {
            person: self.find(contact)?,
            intent,
            quote: row.new_text.as_deref().and_then(shorten),
            phone: self.phone(contact),
            email: client.contact.email.as_ref().map(|email| email.as_str().to_owned()),
            due: task.map(|task| task.due_on),
            done: task.is_some_and(|task| task.done_at.is_some()),
            until: reminder.map(|task| task.due_on).or(row.until),
            reminds: reminder.is_some(),
            plan_stopped: dossier.plans.iter().any(replied),
        })
    }

    /// What did not arrive, whether a report said so or the server refused at once; and who left.
    pub(super) fn fixes(&mut self, responses: &[ResponseRow], finished: &[DeliveryRow]) -> Vec<Fix> {
        let mut fixes = Vec::new();
        let (mut seen, mut mended) = (BTreeSet::new(), BTreeSet::new());
        for row in responses {
            let trouble = match row.kind {
                ResponseKind::Bounce(bounce) => Trouble::Mail(bounce),
                ResponseKind::Auto(AutoReply::LeftCompany) => Trouble::LeftCompany,
                _ => continue,
            };
            let Some(contact) = row.contact else { continue };
            let delivery = row.delivery.and_then(|id| self.delivery(contact, id));
            if seen.insert((contact, delivery.and_then(|one| one.step.as_deref()))) {
                let quote = row.new_text.as_deref().filter(|_| trouble == Trouble::LeftCompany).and_then(shorten);
                let fix = self.fix(contact, trouble, row.enhanced.clone(), delivery);
                fixes.extend(fix.map(|fix| Fix { quote, ..fix }));
                mended.insert(contact);
            }
        }
        // Mails before faxes, so that a fax that went instead is told beside its mail.
        let rejected = || finished.iter().filter(|row| row.state == DeliveryState::Rejected);
        let is_fax = |row: &&DeliveryRow| row.channel == Channel::Fax;
        for row in rejected().filter(|row| !is_fax(row)).chain(rejected().filter(is_fax)) {
            let Some(contact) = row.contact else { continue };
            let last = self.refusals.get(&row.id);
            let enhanced = last.and_then(|attempt| attempt.enhanced.clone());
            let trouble = match row.channel {
                Channel::Fax => Trouble::Fax,
                Channel::Email | Channel::Call => Trouble::Mail(refusal(row.reason.as_deref(), last)),
            };
            if seen.insert((contact, row.step.as_deref())) {
                fixes.extend(self.fix(contact, trouble, enhanced, Some(row)));
                mended.insert(contact);
            }
        }
        self.mended.extend(mended);
        fixes
    }

    fn fix(
        &self,
        contact: ContactId,
        trouble: Trouble,
        enhanced: Option<String>,
        delivery: Option<&DeliveryRow>,
    ) -> Option<Fix> {
        let tasks = self.dossiers.get(&contact).map(|dossier| &dossier.tasks[..]).unwrap_or_default();
        let domain = delivery.and_then(|one| one.address.rsplit_once('@')).map(|(_, domain)| domain.to_lowercase());
        let paused =
            |domain: &String| self.pauses.iter().any(|pause| pause.scope == PauseScope::Domain(domain.clone()));
        Some(Fix {
            person: self.find(contact)?,
            trouble,
            enhanced,
            fax: delivery.map_or(FaxInstead::None, |mail| self.fax_instead(contact, mail)),
            operator_told: tasks.iter().any(|task| task.kind == TaskKind::Operate && task.done_at.is_none()),
            domain_waits: domain.filter(paused),
            phone: self.phone(contact),
            quote: None,
        })
    }

    fn delivery(&self, contact: ContactId, id: DeliveryId) -> Option<&DeliveryRow> {
        self.dossiers.get(&contact)?.deliveries.iter().find(|one| one.id == id)
    }

    /// What became of the same step's letter by fax.
    fn fax_instead(&self, contact: ContactId, mail: &DeliveryRow) -> FaxInstead {
        let deliveries = self.dossiers.get(&contact).map(|dossier| &dossier.deliveries[..]).unwrap_or_default();
        let same = |one: &&DeliveryRow| {
            one.channel == Channel::Fax && one.id != mail.id && one.plan == mail.plan && one.step == mail.step
        };
        let Some(fax) = deliveries.iter().find(same) else { return FaxInstead::None };
        match (fax.state, fax.finished_at) {
            (DeliveryState::Accepted, Some(at)) => FaxInstead::Arrived(self.zone.to_datetime(at)),
            (DeliveryState::Rejected, _) => FaxInstead::Failed,
            (DeliveryState::Skipped | DeliveryState::Cancelled, _) => FaxInstead::None,
            _ => FaxInstead::UnderWay,
        }
    }

    /// Who is away, by the last their answering machine said.
    pub(super) fn away(&self, responses: &[ResponseRow]) -> Vec<Away> {
        let away = responses.iter().filter(|row| row.kind == ResponseKind::Auto(AutoReply::OutOfOffice));
        let last: BTreeMap<_, _> = away.filter_map(|row| Some((row.contact?, row.until))).collect();
        let told =
            |(contact, back)| Some(Away { person: self.find(contact)?, back, waits_until: self.waits_until(contact) });
        last.into_iter().filter_map(told).collect()
    }

    /// The date, by the client's clock, on which a person's pause ends.
    fn waits_until(&self, contact: ContactId) -> Option<Date> {
        let pause = self.pauses.iter().rfind(|pause| pause.scope == PauseScope::Contact(contact))?;
        let client = self.clients.get(&contact)?;
        let zone = TimeZone::get(&client.contact.zone).unwrap_or_else(|_| self.zone.clone());
        pause.until.map(|until| zone.to_datetime(until).date())
    }

    /// Who wants no more, once each.
    pub(super) fn opted_out(&self, responses: &[ResponseRow]) -> Vec<OptedOut> {
        let mut gone: BTreeMap<ContactId, bool> = BTreeMap::new();
        for row in responses {
            let complaint = match row.kind {
                ResponseKind::OptOut(_) => false,
                ResponseKind::Complaint => true,
                _ => continue,
            };
            if let Some(contact) = row.contact {
                *gone.entry(contact).or_default() |= complaint;
            }
        }
        let told = |(contact, complaint)| Some(OptedOut { person: self.find(contact)?, complaint });
        gone.into_iter().filter_map(told).collect()
    }

    /// Tasks whose day has come, but for those that stand beside their reply or their trouble already.
    pub(super) fn todos(&self, tasks: &[TaskRow]) -> Vec<Todo> {
        let beside_reply = |task: &TaskRow| task.response.is_some_and(|response| self.told.contains(&response));
        let beside_trouble = |task: &TaskRow| {
            task.kind == TaskKind::Fix && task.contact.is_some_and(|contact| self.mended.contains(&contact))
        };
        let fresh = tasks.iter().filter(|task| !beside_reply(task) && !beside_trouble(task));
        let todo = |task: &TaskRow| Todo {
            person: task.contact.and_then(|contact| self.find(contact)),
            kind: task.kind,
            note: shorten(&task.note).unwrap_or_default(),
            due: task.due_on,
            phone: task.contact.and_then(|contact| self.phone(contact)),
        };
        fresh.map(todo).collect()
    }

    fn phone(&self, contact: ContactId) -> Option<Phone> {
        let number = self.clients.get(&contact)?.contact.phone.as_ref()?;
        Some(Phone { shown: shown(number, self.country), dialled: number.as_str().to_owned() })
    }
}

/// Kinds for which more than the name is read.
fn is_told(kind: ResponseKind) -> bool {
    matches!(kind, ResponseKind::Human(_) | ResponseKind::Bounce(_) | ResponseKind::Auto(AutoReply::LeftCompany))
}

fn rank(intent: HumanIntent) -> u8 {
    match intent {
        HumanIntent::Interested => 0,
        HumanIntent::Question => 1,
        HumanIntent::DataRequest => 2,
        HumanIntent::Hostile => 3,
        HumanIntent::Referral => 4,
        HumanIntent::Unclear => 5,
        HumanIntent::NotNow => 6,
        HumanIntent::NotInterested => 7,
    }
}

/// A number as it is written at home in `country`, else with its country code.
fn shown(number: &PhoneNumber, country: &str) -> String {
    use phonenumber::{Mode, country::Id};
    let Ok(parsed) = phonenumber::parse(None, number.as_str()) else { return number.as_str().to_owned() };
    let at_home = country.parse::<Id>().is_ok_and(|home| parsed.country().id() == Some(home));
    let mode = if at_home { Mode::National } else { Mode::International };
    parsed.format().mode(mode).to_string()
}

/// Why a server refused: the word that was written down, else what its last answer means.
fn refusal(reason: Option<&str>, last: Option<&AttemptRow>) -> Bounce {
    let word = reason.and_then(|word| serde_json::from_value(serde_json::Value::from(word)).ok());
    let answer = |last: &AttemptRow| {
        let code = last.code.and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
        bounce::classify(code, last.enhanced.as_deref(), last.reply.as_deref().unwrap_or_default())
    };
    word.or_else(|| last.map(answer)).unwrap_or(Bounce::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::AttemptId;
    use crate::store::AttemptState;

    #[test]
    fn writes_a_number_as_it_is_read_at_home() {
        let number = PhoneNumber::from_e164("+46701740612").unwrap();
        assert_eq!(shown(&number, "SE"), "070-174 06 12");
        assert_eq!(shown(&number, "DE"), "+46 70 174 06 12");
    }

    #[test]
    fn reads_a_refusal_by_its_word_before_its_answer() {
        let last = AttemptRow {
            id: AttemptId(1),
            delivery: DeliveryId(1),
            number: 1,
            relay: "main".into(),
            state: AttemptState::Rejected,
            code: Some(550),
            enhanced: Some("5.1.1".into()),
            reply: Some("5.1.1 no such user".into()),
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
        };
        assert_eq!(refusal(Some("policy"), Some(&last)), Bounce::Policy);
        assert_eq!(refusal(Some("attempts"), Some(&last)), Bounce::NoMailbox);
        assert_eq!(refusal(None, None), Bounce::Unknown);
    }
}
