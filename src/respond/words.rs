//! The few words that a response writes into tasks, in the reader's language.

use crate::model::language::Language;
use crate::model::response::{Bounce, HumanIntent};
use crate::store::Client;

/// What a person is asked to do or to know.
#[derive(Clone, Copy, Debug)]
pub(super) enum Note<'a> {
    /// Answer a person who wrote; the address is someone else they name.
    Answer(HumanIntent, Option<&'a str>),
    /// Look at a reply that was taken for an opt-out.
    OptedOut,
    /// Mend a dead address.
    DeadAddress(Bounce),
    /// They left; the address is their successor's, if one is named.
    Left(Option<&'a str>),
}

/// What the operator is asked to look at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble<'a> {
    /// A domain refuses us; the status says why.
    Refused(&'a str, Option<&'a str>),
    /// Google refuses a campaign's letters; the status says why.
    GoogleRefuses(&'a str, &'a str),
    /// A domain finds our letters too large.
    TooLarge(&'a str),
    /// A digest, notice or test came back.
    OwnMailBounced,
    /// Someone answered a digest, notice or test.
    OwnMailAnswered,
    /// A mail points at two clients.
    Conflict,
    /// An opt-out or a complaint that belongs to nobody we know.
    UnknownObjection,
}

/// A note about a client.
pub(super) fn note(language: Language, client: &Client, note: Note<'_>) -> String {
    let who = format!("{}, {}", client.contact.name, client.account.name);
    match language {
        Language::Sv => match note {
            Note::Answer(intent, other) => {
                format!("Svara {who}: {}{}", meant_sv(intent), behind("fråga", other))
            }
            Note::OptedOut => format!("{who} avanmälde sig i ett svar och får inget mer; läs svaret"),
            Note::DeadAddress(Bounce::Moved) => format!("{who}: adressen har flyttat"),
            Note::DeadAddress(_) => format!("{who}: adressen finns inte"),
            Note::Left(other) => format!("{who} har slutat; vem ska vi skriva till?{}", behind("svaret nämner", other)),
        },
        Language::En => match note {
            Note::Answer(intent, other) => format!("Answer {who}: {}{}", meant_en(intent), behind("ask", other)),
            Note::OptedOut => format!("{who} opted out in a reply and gets no more; read the reply"),
            Note::DeadAddress(Bounce::Moved) => format!("{who}: the address has moved"),
            Note::DeadAddress(_) => format!("{who}: the address does not exist"),
            Note::Left(other) => format!("{who} has left; whom do we write to?{}", behind("the reply names", other)),
        },
    }
}

/// A note for the operator.
pub(super) fn trouble(language: Language, trouble: Trouble<'_>) -> String {
    match language {
        Language::Sv => match trouble {
            Trouble::Refused(domain, status) => {
                format!("{domain} nekar våra mejl{}; mejl dit väntar", status_of(status))
            }
            Trouble::GoogleRefuses(campaign, status) => {
                format!(
                    "Google nekar breven i {campaign} ({status}); kampanjen väntar. Sedan: outreachd resume {campaign}"
                )
            }
            Trouble::TooLarge(domain) => format!("{domain} tar inte emot så stora mejl; mejl dit väntar"),
            Trouble::OwnMailBounced => "Ett mejl till någon av oss kom tillbaka".into(),
            Trouble::OwnMailAnswered => "Någon svarade på en dagslista; läs svaret".into(),
            Trouble::Conflict => "Ett mejl pekar på två kunder; läs det och avgör".into(),
            Trouble::UnknownObjection => "En avanmälan eller ett klagomål från någon vi inte känner; läs det".into(),
        },
        Language::En => match trouble {
            Trouble::Refused(domain, status) => {
                format!("{domain} refuses our mail{}; mail to it waits", status_of(status))
            }
            Trouble::GoogleRefuses(campaign, status) => {
                format!(
                    "Google refuses the letters of {campaign} ({status}); it waits. Then: outreachd resume {campaign}"
                )
            }
            Trouble::TooLarge(domain) => format!("{domain} takes no mail as large as ours; mail to it waits"),
            Trouble::OwnMailBounced => "A mail to one of us came back".into(),
            Trouble::OwnMailAnswered => "Someone answered a digest; read the reply".into(),
            Trouble::Conflict => "A mail points at two clients; read it and decide".into(),
            Trouble::UnknownObjection => "An opt-out or a complaint from someone we do not know; read it".into(),
        },
    }
}

fn behind(verb: &str, address: Option<&str>) -> String {
    address.map(|address| format!(" ({verb} {address})")).unwrap_or_default()
}

fn status_of(status: Option<&str>) -> String {
    status.map(|status| format!(" ({status})")).unwrap_or_default()
}

fn meant_sv(intent: HumanIntent) -> &'static str {
    match intent {
        HumanIntent::Interested => "intresserad",
        HumanIntent::Question => "frågar",
        HumanIntent::NotNow => "inte nu",
        HumanIntent::Referral => "hänvisar vidare",
        HumanIntent::NotInterested => "inte intresserad",
        HumanIntent::Hostile => "arg",
        HumanIntent::DataRequest => "frågar varifrån vi har uppgifterna (inom en månad)",
        HumanIntent::Unclear => "har svarat",
    }
}

fn meant_en(intent: HumanIntent) -> &'static str {
    match intent {
        HumanIntent::Interested => "interested",
        HumanIntent::Question => "asks",
        HumanIntent::NotNow => "not now",
        HumanIntent::Referral => "refers us on",
        HumanIntent::NotInterested => "not interested",
        HumanIntent::Hostile => "angry",
        HumanIntent::DataRequest => "asks where we have their data from (within a month)",
        HumanIntent::Unclear => "has replied",
    }
}

/// A campaign's own note with the client's names in it.
pub(super) fn fill(template: &str, client: &Client) -> String {
    let names = [("contact.name", client.contact.name.as_str()), ("account.name", client.account.name.as_str())];
    let (mut text, mut rest) = (String::new(), template);
    while let Some((head, tail)) = rest.split_once("{{") {
        let named = tail.split_once("}}").and_then(|(key, after)| {
            names.iter().find(|(name, _)| *name == key.trim()).map(|(_, value)| (*value, after))
        });
        text.push_str(head);
        match named {
            Some((value, after)) => {
                text.push_str(value);
                rest = after;
            }
            None => {
                text.push_str("{{");
                rest = tail;
            }
        }
    }
    text.push_str(rest);
    text
}
