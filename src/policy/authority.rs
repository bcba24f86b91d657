//! Who may do what belongs to the head of the company alone.
//!
//! It decides and writes nothing; whoever asks says no to the person and notes the
//! attempt in the change log.

use serde::Serialize;

use crate::model::user::{Role, User};

/// What only some people may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// Appoint an account manager, or change what is known about one.
    AppointManager,
    /// Appoint a further head of the company.
    AppointHead,
    /// Dismiss a manager or a head.
    Dismiss,
    /// See who is appointed, and the history.
    ListUsers,
}

impl Authority {
    fn verb(self) -> &'static str {
        match self {
            Self::AppointManager => "appoints managers",
            Self::AppointHead => "appoints a further head",
            Self::Dismiss => "dismisses",
            Self::ListUsers => "sees who is appointed",
        }
    }
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody has ever appointed them.
    #[error("only the head of the company {}; this address is nobody's here", .0.verb())]
    Stranger(Authority),
    /// They were dismissed.
    #[error("only the head of the company {}; this person was dismissed", .0.verb())]
    Dismissed(Authority),
    /// They are a manager.
    #[error("only the head of the company {}; this person is a manager", .0.verb())]
    Manager(Authority),
}

/// Whether `actor` may do `act`. `None` is somebody whom nobody appointed.
///
/// # Errors
/// They may not, and why.
pub fn may(actor: Option<&User>, act: Authority) -> Result<(), Refusal> {
    // Whoever can open the database reads its rows anyway: listing is open to them.
    if act == Authority::ListUsers {
        return Ok(());
    }
    let user = actor.ok_or(Refusal::Stranger(act))?;
    if !user.active {
        return Err(Refusal::Dismissed(act));
    }
    match user.role {
        Role::Head => Ok(()),
        Role::Manager => Err(Refusal::Manager(act)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::address::EmailAddress;
    use crate::model::id::UserId;
    use crate::model::language::Language;
    use crate::model::text::Line;

    fn user(role: Role, active: bool) -> User {
        User {
            id: UserId(1),
            name: Line::parse("Mira Holm").unwrap(),
            email: EmailAddress::parse("mira.holm@fyrljus.example").unwrap(),
            phone: None,
            title: None,
            role,
            language: Language::Sv,
            zone: "Europe/Stockholm".into(),
            digest_at: jiff::civil::time(7, 30, 0, 0),
            active,
        }
    }

    #[test]
    fn lets_an_active_head_appoint_and_dismiss_and_nobody_else() {
        use Authority::{AppointHead, AppointManager, Dismiss, ListUsers};
        let (head, former) = (user(Role::Head, true), user(Role::Head, false));
        let (manager, dismissed) = (user(Role::Manager, true), user(Role::Manager, false));
        for act in [AppointManager, AppointHead, Dismiss] {
            let table = [
                (Some(&head), Ok(())),
                (Some(&former), Err(Refusal::Dismissed(act))),
                (Some(&manager), Err(Refusal::Manager(act))),
                (Some(&dismissed), Err(Refusal::Dismissed(act))),
                (None, Err(Refusal::Stranger(act))),
            ];
            for (actor, answer) in table {
                assert_eq!(may(actor, act), answer, "{act:?} by {actor:?}");
            }
        }
        for actor in [Some(&head), Some(&former), Some(&manager), Some(&dismissed), None] {
            assert_eq!(may(actor, ListUsers), Ok(()));
        }
    }

    #[test]
    fn says_who_may_and_why_this_one_may_not() {
        assert_eq!(
            Refusal::Manager(Authority::Dismiss).to_string(),
            "only the head of the company dismisses; this person is a manager"
        );
    }
}
