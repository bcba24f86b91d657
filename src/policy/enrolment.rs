//! Enrolment: who of an audience gets a plan, who is left out and by which rule.
//!
//! Pure. `campaign` asks at `plan` and `apply`, `schedule` at each run of a cron
//! campaign; both write what it says.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use super::calendar::Calendar;
use super::law::{self, Judgement};
use super::{choice, local, window};
use crate::model::address::Channel;
use crate::model::campaign::{Campaign, Step, Window};
use crate::model::id::AccountId;
use crate::model::plan::{Candidate, Enrolment, LeftOut};

/// The first instant at which a first letter may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBefore {
    /// From the beginning of this day by the client's clock.
    Day(Date),
    /// From this instant.
    Instant(Timestamp),
}

/// One drawing of plans from an audience: company by company, and there in the order of the
/// contacts' ids. So it remembers one company alone, however many there are.
#[derive(Debug)]
pub struct Draw<'a> {
    campaign: &'a Campaign,
    not_before: NotBefore,
    now: Timestamp,
    contacts_per_account: u32,
    /// The company of the last candidate, and how many of it have started.
    company: (AccountId, u32),
}

impl<'a> Draw<'a> {
    /// A drawing at `now` in which at most `contacts_per_account` contacts of one account are
    /// under way at a time, over all campaigns.
    pub fn new(campaign: &'a Campaign, not_before: NotBefore, now: Timestamp, contacts_per_account: u32) -> Self {
        Self { campaign, not_before, now, contacts_per_account, company: (AccountId(0), 0) }
    }

    /// Decides about the next candidate.
    pub fn decide(&mut self, candidate: &Candidate) -> Enrolment {
        let step = &self.campaign.steps[0];
        let bucket = choice::bucket(&self.campaign.id, candidate.contact);
        if self.company.0 != candidate.account {
            self.company = (candidate.account, 0);
        }
        let colleagues = candidate.busy_colleagues + i64::from(self.company.1);
        let judged = self.judge(candidate, step, bucket, colleagues);
        let (left_out, law) = match judged {
            Ok(rule) => (None, rule),
            Err((reason, rule)) => (Some(reason), rule),
        };
        let opening = if left_out.is_none() { self.open(candidate, step) } else { None };
        if left_out.is_none() {
            self.company.1 += 1;
        }
        Enrolment {
            contact: candidate.contact,
            account: candidate.account,
            left_out,
            facts: json!({
                "country": candidate.country, "last_touch": candidate.last_touch, "law": law, "bucket": bucket,
                "holdout_percent": self.campaign.holdout_percent, "colleagues": colleagues,
            }),
            step: step.id.clone(),
            next_at: opening.map(|(at, _)| at),
            closes_at: opening.map(|(_, closes)| closes),
        }
    }

    /// The rules in their order; the first that forbids is the one that is named.
    fn judge(
        &self,
        candidate: &Candidate,
        step: &Step,
        bucket: u8,
        colleagues: i64,
    ) -> Result<&'static str, (LeftOut, &'static str)> {
        let channel = first_channel(candidate, step);
        let basis = match channel.unwrap_or(step.channel) {
            Channel::Fax => candidate.fax_basis,
            Channel::Email | Channel::Call => candidate.email_basis,
        };
        let country = candidate.country.as_deref();
        let law = match law::judge(country, channel.unwrap_or(step.channel), candidate.person_type, basis) {
            Judgement::Pass { rule } => rule,
            Judgement::LeftOut(reason, rule) => return Err((reason, rule)),
        };
        if candidate.suppressed {
            return Err((LeftOut::Suppressed, law));
        }
        if channel.is_none() {
            return Err((LeftOut::NoAddress, law));
        }
        if !candidate.has_owner && self.campaign.from == crate::model::campaign::From::Owner {
            return Err((LeftOut::NoOwner, law));
        }
        if bucket < self.campaign.holdout_percent {
            return Err((LeftOut::Holdout, law));
        }
        if colleagues >= i64::from(self.contacts_per_account) {
            return Err((LeftOut::Colleague, law));
        }
        Ok(law)
    }

    /// The instant of the first letter, and the end of its window.
    fn open(&self, candidate: &Candidate, step: &Step) -> Option<(Timestamp, Timestamp)> {
        let window = self.campaign.window_of(step);
        let zone = zone_of(window, &candidate.zone);
        let begin = match self.not_before {
            NotBefore::Day(date) => local::start_of_day(&zone, date).unwrap_or(self.now).max(self.now),
            NotBefore::Instant(at) => at.max(self.now),
        };
        let opening = window::next_open(window, &zone, &Calendar::of(candidate.country.as_deref()), begin)?;
        let salt = u64::try_from(candidate.contact.0).unwrap_or_default();
        Some((window::place(&opening, salt, self.now), opening.closes))
    }
}

/// The zone of a window: the campaign's where it names one, else the client's.
///
/// Both were checked when they came in; UTC is the answer for one that this machine's
/// zone database has lost since.
pub fn zone_of(window: &Window, client: &str) -> TimeZone {
    TimeZone::get(window.zone.as_deref().unwrap_or(client)).unwrap_or(TimeZone::UTC)
}

/// The channel by which the first step reaches a candidate, if any does.
fn first_channel(candidate: &Candidate, step: &Step) -> Option<Channel> {
    let reached = |channel: Channel| match channel {
        Channel::Email => candidate.has_email,
        Channel::Fax => candidate.has_fax,
        Channel::Call => true,
    };
    if reached(step.channel) { Some(step.channel) } else { step.fallback.filter(|channel| reached(*channel)) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::{Weekday, date, time};

    use super::*;
    use crate::model::account::PersonType;
    use crate::model::campaign::{Day, From, Late, Rule, Start, Wait};
    use crate::model::consent::Basis;
    use crate::model::id::ContactId;
    use crate::model::language::Language;

    fn campaign(holdout_percent: u8) -> Campaign {
        let step = Step {
            id: "intro".into(),
            channel: Channel::Email,
            wait: Wait::Hours(0),
            template: Some("led/intro".into()),
            subject: Some("Hej".into()),
            fallback: Some(Channel::Fax),
            variants: vec![],
            note: None,
            late: None,
            send: None,
            attachments: Vec::new(),
        };
        Campaign {
            id: "led".into(),
            title: "LED".into(),
            language: Language::Sv,
            from: From::Owner,
            start: Start::Date(date(2027, 3, 1)),
            audience: Rule::default(),
            holdout_percent,
            send: Window {
                days: [Day::from(Weekday::Monday), Day::from(Weekday::Tuesday)].into(),
                from: time(8, 30, 0, 0),
                until: time(11, 30, 0, 0),
                zone: None,
                late: Late::Send,
            },
            limit: Default::default(),
            steps: vec![step],
            on: BTreeMap::new(),
        }
    }

    fn candidate(id: i64) -> Candidate {
        Candidate {
            contact: ContactId(id),
            name: "Anna Lind".into(),
            account: AccountId(id),
            account_name: "Granvik".into(),
            country: Some("SE".into()),
            person_type: Some(PersonType::Company),
            has_owner: true,
            zone: "Europe/Stockholm".into(),
            has_email: true,
            has_fax: false,
            email_basis: None,
            fax_basis: None,
            suppressed: false,
            busy_colleagues: 0,
            enrolled: false,
            last_touch: None,
        }
    }

    fn now() -> Timestamp {
        "2027-02-24T09:12:00Z".parse().unwrap()
    }

    fn draw(campaign: &Campaign) -> Draw<'_> {
        Draw::new(campaign, NotBefore::Day(date(2027, 3, 1)), now(), 1)
    }

    #[test]
    fn starts_a_clean_candidate_in_the_first_window() {
        let campaign = campaign(0);
        let enrolment = draw(&campaign).decide(&candidate(7));
        assert_eq!(enrolment.left_out, None);
        let at = enrolment.next_at.unwrap();
        assert!(at >= "2027-03-01T07:30:00Z".parse().unwrap() && at < "2027-03-01T08:00:00Z".parse().unwrap(), "{at}");
        assert_eq!(enrolment.closes_at, Some("2027-03-01T10:30:00Z".parse().unwrap()));
    }

    #[test]
    fn names_the_first_rule_that_forbids() {
        let campaign = campaign(0);
        type Change = fn(&mut Candidate);
        let cases: [(Change, LeftOut); 7] = [
            (|c| c.country = Some("DE".into()), LeftOut::NoConsent),
            (|c| c.person_type = Some(PersonType::SoleTrader), LeftOut::SoleTrader),
            (|c| c.person_type = None, LeftOut::PersonTypeUnknown),
            (|c| c.suppressed = true, LeftOut::Suppressed),
            (|c| c.has_email = false, LeftOut::NoAddress),
            (|c| c.has_owner = false, LeftOut::NoOwner),
            (|c| c.busy_colleagues = 1, LeftOut::Colleague),
        ];
        for (change, reason) in cases {
            let mut one = candidate(7);
            change(&mut one);
            assert_eq!(draw(&campaign).decide(&one).left_out, Some(reason));
        }
    }

    #[test]
    fn reaches_a_client_without_mail_by_fax_only_with_consent() {
        let campaign = campaign(0);
        let mut one = candidate(7);
        one.has_email = false;
        one.has_fax = true;
        assert_eq!(draw(&campaign).decide(&one).left_out, Some(LeftOut::NoConsent));
        one.fax_basis = Some(Basis::Consent);
        assert_eq!(draw(&campaign).decide(&one).left_out, None);
    }

    #[test]
    fn leaves_the_second_colleague_out() {
        let campaign = campaign(0);
        let mut draw = draw(&campaign);
        let mut second = candidate(8);
        second.account = AccountId(7);
        assert_eq!(draw.decide(&candidate(7)).left_out, None);
        assert_eq!(draw.decide(&second).left_out, Some(LeftOut::Colleague));
    }

    #[test]
    fn holds_out_the_named_share() {
        let campaign = campaign(25);
        let mut draw = draw(&campaign);
        let left = (1..=1000).filter(|id| draw.decide(&candidate(*id)).left_out == Some(LeftOut::Holdout)).count();
        assert!((200..=300).contains(&left), "{left} of 1000");
    }
}
