//! What the guard asks of the operator and of the head, in their language.

use crate::model::language::Language;
use crate::policy::guard::Rate;
use crate::store::{Finding, GuardFinding};

/// The note of a finding's task.
pub(super) fn note(language: Language, title: &str, finding: &GuardFinding) -> String {
    match language {
        Language::Sv => swedish(title, finding),
        Language::En => english(title, finding),
    }
}

fn swedish(title: &str, finding: &GuardFinding) -> String {
    let excess = finding.excess;
    let (count, letters, percent, limit) =
        (excess.count, excess.letters, excess.percent(','), excess.limit.percent(','));
    let what = match excess.rate {
        Rate::Bounces => "studsade",
        Rate::Complaints => "anmäldes som skräppost",
    };
    let whose = finding.sender.as_ref().map(|sender| format!(" från {sender}")).unwrap_or_default();
    let figures = format!("{count} av {letters} brev{whose} {what} ({percent} %, gränsen är {limit} %)");
    match finding.verdict {
        Finding::Pause => {
            format!("Kampanjen {title} pausades: {figures}. Se varför, sedan: outreachd resume {}", finding.campaign)
        }
        Finding::Warn => format!("Kampanjen {title} närmar sig en paus: {figures}. Se varför"),
    }
}

fn english(title: &str, finding: &GuardFinding) -> String {
    let whose = finding.sender.as_ref().map(|sender| format!(" (all of sender {sender})")).unwrap_or_default();
    let figures = format!("{}{whose}", finding.excess);
    match finding.verdict {
        Finding::Pause => {
            format!("Campaign {title} was paused: {figures}. See why, then: outreachd resume {}", finding.campaign)
        }
        Finding::Warn => format!("Campaign {title} comes near a pause: {figures}. See why"),
    }
}
