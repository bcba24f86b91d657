//! Ties what a mail says to the delivery that caused it, the surest way first.
//!
//! A way that only a holder of our letter can know (a signed token, a Message-ID)
//! is strong; an address that anybody can write is not. Two strong ways that name
//! two clients are a conflict, which a person decides.

use jiff::{Timestamp, ToSpan};

use super::read::{Finding, Reading};
use crate::model::address::EmailAddress;
use crate::model::id::{ContactId, DeliveryId, UserId};
use crate::model::response::ResponseKind;
use crate::model::token::{TokenKeys, TokenPurpose};
use crate::store::{Store, StoreError, TieCandidate};

/// How long after a letter its recipient's address alone ties a mail to it.
pub(super) const RECENT_DAYS: i64 = 60;

/// Characters of a token in base32.
const TOKEN_CHARS: usize = 39;

/// By what a mail was tied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// A token in the address it came to.
    Verp,
    /// Our own header in the returned message.
    Header,
    /// The returned message's Message-ID.
    MessageId,
    /// The envelope id we gave.
    EnvelopeId,
    /// In-Reply-To.
    ReplyTo,
    /// An older id in References.
    References,
    /// The recipient as the report says we wrote it.
    OriginalRecipient,
    /// The recipient where the mail ended.
    FinalRecipient,
    /// The writer's address, and a recent letter to it.
    Sender,
}

impl Way {
    /// The word that is stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Verp => "verp",
            Self::Header => "header",
            Self::MessageId => "message_id",
            Self::EnvelopeId => "envid",
            Self::ReplyTo => "reply_to",
            Self::References => "references",
            Self::OriginalRecipient => "original_recipient",
            Self::FinalRecipient => "final_recipient",
            Self::Sender => "sender",
        }
    }

    /// What it says may change the address or the delivery.
    pub fn is_strong(self) -> bool {
        !matches!(self, Self::FinalRecipient | Self::Sender)
    }

    /// Only one who got the letter can know this: the letter has left.
    pub fn proves_arrival(self) -> bool {
        self.is_strong() && self != Self::OriginalRecipient
    }
}

/// The delivery that a mail belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tie {
    /// The delivery.
    pub candidate: TieCandidate,
    /// The surest way that named it.
    pub way: Way,
    /// Another delivery, of somebody else, that another strong way names.
    pub conflict: Option<(TieCandidate, Way)>,
}

/// One thing that may name a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clue {
    Token(DeliveryId),
    MessageId(String),
    Address(String),
}

/// What a finding offers, the surest way first.
pub(super) fn clues(keys: &TokenKeys, reading: &Reading, finding: &Finding) -> Vec<(Way, Clue)> {
    let mut clues = Vec::new();
    let mut verp = reading.addressed_to.iter().filter_map(|address| address.rsplit_once('@')).collect::<Vec<_>>();
    // The subject that a List-Unsubscribe address asks for may carry the token instead.
    let objects = matches!(finding.kind, ResponseKind::OptOut(_));
    verp.extend(reading.subject.as_deref().filter(|_| objects).map(|subject| (subject, "")));
    for (text, _) in verp {
        clues.extend(tokens(keys, text, objects).map(|id| (Way::Verp, Clue::Token(id))));
    }
    let returned = &reading.returned_headers;
    let header = returned.delivery.iter().flat_map(|value| tokens(keys, value, false));
    clues.extend(header.map(|id| (Way::Header, Clue::Token(id))));
    clues.extend(returned.message_id.iter().map(|id| (Way::MessageId, message(keys, id))));
    let envelope = returned.envelope_id.iter().flat_map(|value| tokens(keys, value, false));
    clues.extend(envelope.map(|id| (Way::EnvelopeId, Clue::Token(id))));
    for (at, id) in reading.references.iter().enumerate() {
        clues.push((if at == 0 { Way::ReplyTo } else { Way::References }, message(keys, id)));
    }
    if let Some(recipient) = &finding.recipient {
        let way = if finding.recipient_is_original { Way::OriginalRecipient } else { Way::FinalRecipient };
        clues.push((way, Clue::Address(fold(recipient))));
    }
    clues.extend(finding.final_recipient.iter().map(|last| (Way::FinalRecipient, Clue::Address(fold(last)))));
    // A report is written by a server, whose address is nobody's.
    if !is_report(finding.kind) {
        clues.extend(reading.from.iter().map(|from| (Way::Sender, Clue::Address(fold(from)))));
    }
    clues
}

/// A server wrote about a message of ours.
pub(super) fn is_report(kind: ResponseKind) -> bool {
    use ResponseKind::{AuthFailure, Bounce, Complaint, Delayed, Delivered};
    matches!(kind, AuthFailure | Bounce(_) | Complaint | Delayed | Delivered)
}

/// An address in the form in which deliveries are compared.
pub(super) fn fold(address: &str) -> String {
    EmailAddress::parse(address).map_or_else(|_| address.to_lowercase(), |address| address.folded())
}

/// The deliveries named by tokens in a text, bare or with the `d` of an envelope id.
fn tokens(keys: &TokenKeys, text: &str, objects: bool) -> impl Iterator<Item = DeliveryId> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(move |word| {
        let token = match word.len() {
            TOKEN_CHARS => word,
            len if len == TOKEN_CHARS + 1 => word.strip_prefix(['d', 'D'])?,
            _ => return None,
        };
        let found = keys.verify(TokenPurpose::Delivery, token);
        found.or_else(|| objects.then(|| keys.verify(TokenPurpose::OptOut, token)).flatten()).map(DeliveryId)
    })
}

/// A Message-ID of ours is a token before the `@`; an older or foreign one is looked up as it stands.
fn message(keys: &TokenKeys, id: &str) -> Clue {
    let local = id.rsplit_once('@').map_or(id, |(local, _)| local);
    match tokens(keys, local, false).next() {
        Some(delivery) => Clue::Token(delivery),
        None => Clue::MessageId(id.to_owned()),
    }
}

/// Ties a finding to a delivery, if any of its clues names one.
pub(super) async fn find(store: &Store, clues: &[(Way, Clue)], now: Timestamp) -> Result<Option<Tie>, StoreError> {
    let mut tie: Option<Tie> = None;
    for (way, clue) in clues {
        let known = tie.as_ref();
        if known.is_some_and(|tie| tie.conflict.is_some() || !way.is_strong() || agrees(&tie.candidate, clue)) {
            continue;
        }
        let Some(candidate) = look_up(store, clue, now).await? else { continue };
        match &mut tie {
            None => tie = Some(Tie { candidate, way: *way, conflict: None }),
            Some(tie) if tie.way.is_strong() && whose(&tie.candidate) != whose(&candidate) => {
                tie.conflict = Some((candidate, *way));
            }
            Some(_) => {}
        }
    }
    Ok(tie)
}

/// The clue names the delivery that is found already; two contacts may share an address.
fn agrees(candidate: &TieCandidate, clue: &Clue) -> bool {
    match clue {
        Clue::Token(id) => candidate.delivery == *id,
        Clue::MessageId(id) => candidate.message_id.as_ref() == Some(id),
        Clue::Address(folded) => candidate.folded == *folded,
    }
}

fn whose(candidate: &TieCandidate) -> (Option<ContactId>, Option<UserId>) {
    (candidate.contact, candidate.user)
}

async fn look_up(store: &Store, clue: &Clue, now: Timestamp) -> Result<Option<TieCandidate>, StoreError> {
    match clue {
        Clue::Token(id) => store.tie_by_id(*id).await,
        Clue::MessageId(id) => Ok(store.tie_by_message_id(std::slice::from_ref(id)).await?.into_iter().next()),
        Clue::Address(folded) => {
            let since = now.checked_sub((RECENT_DAYS * 24).hours()).unwrap_or(Timestamp::MIN);
            Ok(store.tie_by_address(std::slice::from_ref(folded), since).await?.into_iter().next())
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::respond::read::read;

    fn keys() -> TokenKeys {
        TokenKeys::new(vec![(1, vec![7; 32])])
    }

    fn clues_of(raw: &str) -> Vec<(Way, Clue)> {
        let reading = read(raw.as_bytes(), date(2027, 3, 1));
        clues(&keys(), &reading, &reading.findings[0])
    }

    #[test]
    fn finds_a_folded_token_in_the_address_before_everything_else() {
        let token = keys().sign(TokenPurpose::Delivery, 42).to_uppercase();
        let found = clues_of(&format!(
            "From: Anna <anna@granvik.example>\r\nTo: studs+{token}@fyrljus.example\r\nIn-Reply-To: <x1@fyrljus.example>\r\n\r\nHej"
        ));
        assert_eq!(
            found,
            [
                (Way::Verp, Clue::Token(DeliveryId(42))),
                (Way::ReplyTo, Clue::MessageId("x1@fyrljus.example".into())),
                (Way::Sender, Clue::Address("anna@granvik.example".into())),
            ]
        );
    }

    #[test]
    fn takes_an_opt_out_token_for_an_opt_out_alone() {
        let token = keys().sign(TokenPurpose::OptOut, 42);
        let to = format!("To: svar+{token}@fyrljus.example\r\n");
        let opt_out = clues_of(&format!("{to}Subject: unsubscribe\r\n\r\n"));
        assert_eq!(opt_out, [(Way::Verp, Clue::Token(DeliveryId(42)))]);
        assert_eq!(clues_of(&format!("{to}Subject: Hej\r\n\r\nHur mår ni?")), []);
        let subject = clues_of(&format!("Subject: unsubscribe {token}\r\n\r\n"));
        assert_eq!(subject, opt_out);
    }

    #[test]
    fn takes_no_forged_token() {
        let forged = TokenKeys::new(vec![(1, vec![8; 32])]).sign(TokenPurpose::Delivery, 42);
        assert_eq!(clues_of(&format!("To: studs+{forged}@fyrljus.example\r\n\r\nHej")), []);
    }
}
