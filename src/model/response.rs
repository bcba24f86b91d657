//! Responses: everything that comes back, and what kind it is.

use serde::{Deserialize, Serialize};

/// Why a mail bounced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bounce {
    /// No such user.
    NoMailbox,
    /// No such domain, or it takes no mail.
    NoDomain,
    /// The user has moved to another address.
    Moved,
    /// The account is closed or suspended.
    Disabled,
    /// The mailbox is full.
    Full,
    /// The network failed on the way.
    Network,
    /// The receiving system failed.
    System,
    /// Tried for days, then given up.
    Expired,
    /// We, our relay or our content are refused: not the address's fault.
    Policy,
    /// The message is too large.
    Size,
    /// The report does not say.
    Unknown,
}

impl Bounce {
    /// The address itself is dead: it is suppressed, and nothing goes to it again.
    pub fn is_dead_address(self) -> bool {
        matches!(self, Self::NoMailbox | Self::NoDomain | Self::Moved)
    }
}

/// What a person meant by an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HumanIntent {
    /// They want to hear more.
    Interested,
    /// They ask something.
    Question,
    /// Later, perhaps at a date.
    NotNow,
    /// Someone else is the one to ask.
    Referral,
    /// No, thank you.
    NotInterested,
    /// Angry: abuse, or a threat with police, lawyer or authority.
    Hostile,
    /// They ask where we have their data from, or which (GDPR article 15).
    DataRequest,
    /// A person wrote, and no rule knew what they meant.
    Unclear,
}

/// What a machine answered on a person's behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoReply {
    /// Away, perhaps until a date.
    OutOfOffice,
    /// No longer works there.
    LeftCompany,
    /// "We got your message."
    Ack,
    /// "Prove that a person wrote before this is delivered."
    Challenge,
}

/// How an opt-out reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOut {
    /// The List-Unsubscribe mail address.
    Mailto,
    /// The one-click POST (RFC 8058).
    OneClick,
    /// The page's form.
    Page,
    /// In the words of a reply.
    InReply,
}

/// How a fax ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaxResult {
    /// Every page arrived.
    Delivered,
    /// Busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// Something answered that is no fax machine.
    NotAFax,
    /// The line failed on the way.
    Line,
    /// The number does not exist.
    BadNumber,
    /// The receiving machine cannot take this document.
    Incompatible,
    /// They or the gateway refuse us.
    Blocked,
    /// Our account at the gateway is the trouble.
    Account,
    /// The gateway could not read our document.
    Document,
}

/// The kind of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseKind {
    /// The message did not arrive.
    Bounce(Bounce),
    /// It has not arrived yet.
    Delayed,
    /// A report that it arrived.
    Delivered,
    /// A machine answered.
    Auto(AutoReply),
    /// Reported as spam.
    Complaint,
    /// They do not want to hear from us.
    OptOut(OptOut),
    /// A person answered.
    Human(HumanIntent),
    /// The gateway said how a fax ended.
    Fax(FaxResult),
    /// None of these.
    Other,
}

impl ResponseKind {
    /// The name that is stored and shown: `bounce.no_mailbox`, `human.interested`, `other`.
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            Ok(serde_json::Value::Object(map)) => {
                let (kind, detail) = map.into_iter().next().unwrap_or_default();
                format!("{kind}.{}", detail.as_str().unwrap_or_default())
            }
            _ => "other".to_owned(),
        }
    }

    /// Reads back a stored name.
    pub fn find(name: &str) -> Option<Self> {
        let value = match name.split_once('.') {
            Some((kind, detail)) => serde_json::json!({ kind: detail }),
            None => serde_json::Value::String(name.to_owned()),
        };
        serde_json::from_value(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_reads_back_each_kind() {
        for kind in [
            ResponseKind::Bounce(Bounce::NoMailbox),
            ResponseKind::OptOut(OptOut::OneClick),
            ResponseKind::Human(HumanIntent::NotNow),
            ResponseKind::Other,
        ] {
            assert_eq!(ResponseKind::find(&kind.name()), Some(kind));
        }
        assert_eq!(ResponseKind::Bounce(Bounce::NoMailbox).name(), "bounce.no_mailbox");
    }
}
