//! A server refuses us, not the address: what waits because of it. Pure.

use super::decide::{Surroundings, task, today};
use crate::model::delivery::Purpose;
use crate::model::task::TaskKind;
use crate::policy::guard;
use crate::store::{Consequence, DeliveryRow, PauseScope};
use crate::transport::Reply;

/// Mail to the server's domain waits for a week, and if it is Google's all of the campaign.
pub(super) fn by_policy(row: &DeliveryRow, reply: &Reply, around: Surroundings<'_>) -> Vec<Consequence> {
    let google = by_google(row, reply, around);
    if !google.is_empty() {
        return google;
    }
    let domain = domain(row).filter(|_| row.purpose == Purpose::Campaign);
    let pause = domain.map(|domain| Consequence::Pause {
        scope: PauseScope::Domain(domain),
        reason: format!("its server refuses us: {reply}"),
        until: guard::domain_until(around.now),
    });
    let told = task(row, TaskKind::Operate, "a server refuses us, not the address", around);
    pause.into_iter().chain(told).collect()
}

/// What a policy answer of Google's changes, be it for now or for good.
pub(super) fn by_google(row: &DeliveryRow, reply: &Reply, around: Surroundings<'_>) -> Vec<Consequence> {
    let (Some(campaign), Some(domain)) = (&row.campaign, domain(row)) else { return Vec::new() };
    if !guard::is_googles_policy(&domain, reply.enhanced.as_deref(), &reply.text) {
        return Vec::new();
    }
    let pause = Consequence::Pause {
        scope: PauseScope::Campaign(campaign.clone()),
        reason: format!("Google refuses us: {reply}"),
        until: None,
    };
    // About no client, so that it is made once and not for each letter that is refused.
    let told = Consequence::Task {
        kind: TaskKind::Operate,
        user: None,
        contact: None,
        plan: None,
        response: None,
        note: format!("Google refuses the letters of {campaign}, which waits; look, then: outreachd resume {campaign}"),
        due_on: today(around),
    };
    vec![pause, told]
}

fn domain(row: &DeliveryRow) -> Option<String> {
    row.address.rsplit_once('@').map(|(_, domain)| domain.to_lowercase())
}
