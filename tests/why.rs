//! `why`: the story of one contact from rows made by hand, from rows that the stages made,
//! and the audience's conditions held against the store's own judgement.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

#[path = "why/by_hand.rs"]
mod by_hand;
#[path = "why/stages.rs"]
mod stages;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use outreachd::campaign;
use outreachd::client::import::{Request, run};
use outreachd::client::why::{self, Facts, Subject, explain, tell};
use outreachd::client::{card, record};
use outreachd::config::{self, Config};
use outreachd::model::account::{Account, PersonType};
use outreachd::model::act::Act;
use outreachd::model::address::{Channel, EmailAddress};
use outreachd::model::campaign::{Campaign, Condition, Rule};
use outreachd::model::contact::{Contact, ZoneSource};
use outreachd::model::delivery::{DeliveryState, Outcome, Purpose};
use outreachd::model::id::*;
use outreachd::model::language::Language;
use outreachd::model::plan::{LeftOut, PlanState, StopReason};
use outreachd::model::response::{HumanIntent, OptOut, ResponseKind};
use outreachd::model::suppression::{Reason, Scope};
use outreachd::model::task::TaskKind;
use outreachd::model::text::Line;
use outreachd::model::touchpoint::Direction;
use outreachd::model::user::{Role, User};
use outreachd::policy::enrolment::{Draw, NotBefore};
use outreachd::schedule;
use outreachd::store::*;
use support::databases::databases;

fn at(text: &str) -> Timestamp {
    format!("{text}+01:00").parse().unwrap()
}

fn line(text: &str) -> Line {
    Line::parse(text).unwrap()
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn campaign() -> Campaign {
    let source = include_str!("../config/campaigns/led-i-lagret.toml");
    let (campaign, mistakes, _) = campaign::read(Path::new("led-i-lagret.toml"), source, |_| Ok(()));
    assert_eq!(mistakes, []);
    campaign.unwrap()
}

fn config() -> Config {
    config::parse(Path::new("config/outreachd.toml"), include_str!("../config/outreachd.toml"), &[]).unwrap()
}

fn user(id: i64, name: &str, address: &str) -> User {
    User {
        id: UserId(id),
        name: line(name),
        email: email(address),
        phone: None,
        title: None,
        role: Role::Manager,
        language: Language::Sv,
        zone: "Europe/Stockholm".into(),
        digest_at: jiff::civil::time(7, 30, 0, 0),
        active: true,
    }
}

/// Holds a text against its snapshot, but for what follows from a contact's id alone.
fn assert_told(name: &str, text: &str) {
    let filters = vec![(r"bucket \d+", "bucket N"), (r"08:[3-5]\d\b", "08:MM"), ("fraga|besok", "VARIANT")];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(name, text) });
}
