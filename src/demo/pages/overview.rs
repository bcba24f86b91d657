//! The first page: the clock, the counts, the digests, and everybody who was written to.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::captured::mails_to;
use super::one::letter;
use super::{Site, Trouble, frame, next_working_day};
use crate::demo::company;
use crate::model::delivery::DeliveryState;
use crate::model::id::ContactId;
use crate::model::plan::{PlanState, StopReason};
use crate::store::{Client, DeliveryFilter, PauseRow, PauseScope, PlanRow};

/// More answers than the demo's clients give.
const MOST: i64 = 10_000;

/// One client's line.
struct Line {
    client: Client,
    /// What came back last, or that a server refused.
    news: Option<String>,
    /// What comes next.
    next: String,
}

/// `GET /`.
pub(super) async fn show(State(site): State<Arc<Site>>) -> Result<Response, Trouble> {
    let now = site.clock.now();
    let local = company::zone().to_datetime(now);
    let status = site.store.status(now).await?;
    let lines = read(&site).await?;
    let digests: Vec<_> = company::people()
        .iter()
        .filter_map(|user| Some((user.name.to_string(), mails_to(&site.servers, user.email.as_str()).pop()?)))
        .collect();
    let next = next_working_day(now).strftime("%A %-d %B").to_string();
    let content = html! {
        p.soft { "An invented company on a clock that jumps. Mail and fax went to servers inside this program; "
            "nothing has left this machine." }
        div.clock {
            p { strong { (local.strftime("%A %-d %B %Y, %H:%M")) } }
            form method="post" action="/next-day" { button { "On to " (next) ", 18:00" } }
        }
        p { (status.sum_line(Some(company::CAMPAIGN_ID))) }
        div.two {
            section {
                h2 { "Clients who were written to" }
                (table(&lines))
            }
            section {
                h2 { "The managers' newest digest" }
                @for (name, mail) in &digests {
                    p { "To " (name) }
                    (letter(mail))
                }
                @if digests.is_empty() { p { "None was due yet." } }
            }
        }
    };
    Ok(frame::page("Fyrljus AB: LED i lagret", &content))
}

/// Everybody with a plan; those from whom something came first.
async fn read(site: &Site) -> Result<Vec<Line>, Trouble> {
    let plans = site.store.plans_in(company::CAMPAIGN_ID).await?;
    let contacts: Vec<_> = plans.iter().map(|plan| plan.contact).collect();
    let mut clients: HashMap<ContactId, Client> =
        site.store.clients(&contacts).await?.into_iter().map(|client| (client.contact.id, client)).collect();
    let rejected = DeliveryFilter { states: vec![DeliveryState::Rejected], ..Default::default() };
    let refused = site.store.deliveries(&rejected, MOST).await?;
    let mut news: HashMap<ContactId, String> =
        refused.into_iter().filter_map(|row| Some((row.contact?, "refused by its server".to_owned()))).collect();
    // The newest come first, and the last one written stays.
    for row in site.store.latest_responses(false, MOST).await?.into_iter().rev() {
        let name = row.kind.name();
        let words = name.replace("human.", "").replace("bounce.", "bounce: ").replace("auto.", "");
        let words = words.replace("opt_out.", "opted out: ").replace('_', " ");
        news.extend(row.contact.map(|contact| (contact, words)));
    }
    let pauses = site.store.pauses(site.clock.now()).await?;
    let mut lines: Vec<_> = plans
        .iter()
        .filter_map(|plan| {
            let client = clients.remove(&plan.contact)?;
            let next = match pauses.iter().find(|pause| covers(pause, &client)) {
                Some(pause) if plan.state == PlanState::Active => waits(pause),
                _ => next(plan, client.contact.email.is_some()),
            };
            Some(Line { client, news: news.remove(&plan.contact), next })
        })
        .collect();
    lines.sort_by_key(|line| (line.news.is_none(), line.client.account.name.to_string()));
    Ok(lines)
}

fn covers(pause: &PauseRow, client: &Client) -> bool {
    match &pause.scope {
        PauseScope::All => true,
        PauseScope::Campaign(id) => id == company::CAMPAIGN_ID,
        PauseScope::Contact(id) => *id == client.contact.id,
        PauseScope::Domain(domain) => client.contact.email.as_ref().is_some_and(|email| email.domain() == domain),
    }
}

fn waits(pause: &PauseRow) -> String {
    match pause.until {
        Some(until) => format!("waits until {}", company::zone().to_datetime(until).strftime("%a %-d %b")),
        None => "waits for a person".to_owned(),
    }
}

fn next(plan: &PlanRow, has_email: bool) -> String {
    match (plan.state, plan.stop_reason, &plan.step, plan.next_at) {
        (PlanState::Done, ..) => "every letter is out".to_owned(),
        (PlanState::Stopped, Some(StopReason::Reply), ..) => "ended: answered".to_owned(),
        (PlanState::Stopped, Some(StopReason::OptOut), ..) => "ended: opted out".to_owned(),
        (PlanState::Stopped, Some(StopReason::Unreachable), ..) => "ended: nothing reaches them".to_owned(),
        (PlanState::Stopped, ..) => "ended".to_owned(),
        (PlanState::Active, ..) if !has_email => "what goes by fax or call".to_owned(),
        (PlanState::Active, _, Some(step), Some(at)) => {
            format!("{step}, {}", company::zone().to_datetime(at).strftime("%a %-d %b %H:%M"))
        }
        (PlanState::Active, ..) => "under way".to_owned(),
    }
}

fn table(lines: &[Line]) -> Markup {
    html! {
        table {
            thead { tr { th { "Client" } th { "Came back" } th { "Next" } } }
            tbody {
                @for Line { client, news, next } in lines {
                    tr {
                        td {
                            a href={ "/clients/" (client.contact.id.0) } { (client.contact.name) }
                            span.company { (client.account.name) }
                        }
                        td { @if let Some(news) = news { (news) } }
                        td.soft { (next) }
                    }
                }
            }
        }
    }
}
