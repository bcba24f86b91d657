//! Bounces of servers that know no RFC 3464: told by their structure, then by
//! their words.
//!
//! Only what stands before the returned message is read; an address in our own
//! returned letter is nobody's failure.

use std::sync::LazyLock;

use regex::{Match, Regex, RegexSet};

use crate::model::response::{Bounce, ResponseKind};
use crate::policy::bounce;

use super::fields::addresses_in;
use super::mail::Mail;
use super::system::{self, Told};
use super::{Evidence, Finding, dsn, one_line};

/// Reads a bounce without a status part.
pub(super) fn read(mail: &Mail<'_>) -> Option<Vec<Finding>> {
    let named = mail.headers.value("x-failed-recipients").is_some();
    let sign = if named { Sign::Daemon } else { sign_of(mail)? };
    let body = mail.body();
    let notice = notice(&body);
    let told = system::read(notice);
    let returns = mail.parts_of(&["message/rfc822", "text/rfc822-headers"]).next().is_some();
    let failure = if told.is_some() { None } else { sign.failure_in(notice, returns) };
    let delayed = DELAYS.is_match(notice) || DELAYS.is_match(mail.subject());
    let waits = delayed && sign == Sign::Daemon;
    if !named && failure.is_none() && !waits && told.is_none() && !sign.suffices(mail) {
        return None;
    }
    let delayed = delayed && !GIVEN_UP.is_match(notice);
    let (line, text) = match (&told, failure) {
        (Some(told), _) => (line_of(notice, told.at), notice[told.at..].lines().next().unwrap_or_default()),
        (None, Some(found)) => (line_of(notice, found.start()), found.as_str()),
        (None, None) => (0, ""),
    };
    let evidence = |rule: String| Evidence::new("body", line, rule, text);
    let by = told.as_ref().map_or("words", |told| told.system);
    let failures = failures(mail, notice, told.as_ref());
    // What the notice says of all of them is no reason for one of several.
    let all = if failures.len() == 1 { notice } else { "" };
    let findings = failures.into_iter().map(|(recipient, said)| {
        let (bounce, because, enhanced) = match told.as_ref().and_then(|told| told.means) {
            Some(means) => (means, "always".to_owned(), dsn::find_status(said)),
            None => why(said, all),
        };
        let (kind, rule) = match delayed {
            true => (ResponseKind::Delayed, format!("daemon.{by}: delayed")),
            false => (ResponseKind::Bounce(bounce), format!("daemon.{by}: {because}")),
        };
        let confidence = if named || recipient.is_some() { 0.9 } else { 0.6 };
        let mut finding = Finding::new(kind, confidence, evidence(rule));
        finding.recipient = recipient;
        finding.enhanced = enhanced;
        finding.reply_code = dsn::find_code(said).or_else(|| dsn::find_code(all));
        finding.reason = Some(one_line(said, 500)).filter(|reason| !reason.is_empty());
        finding
    });
    Some(findings.collect())
}

/// Each failed recipient with the words about it; one of nobody where none is named.
fn failures<'a>(mail: &Mail<'_>, notice: &'a str, told: Option<&Told<'a>>) -> Vec<(Option<String>, &'a str)> {
    let by_header = mail.headers.value("x-failed-recipients").is_some();
    if let Some(told) = told.filter(|told| !by_header && !told.recipients.is_empty()) {
        return told.recipients.iter().map(|(address, said)| (Some(address.clone()), *said)).collect();
    }
    let header_alone = told.is_some_and(|told| told.recipients.is_empty()) && !by_header;
    let named = if header_alone { vec![] } else { failed_recipients(mail) };
    if named.is_empty() {
        return vec![(None, notice)];
    }
    let said = |address: &String| {
        let own = told.and_then(|told| told.recipients.iter().find(|(known, _)| known.eq_ignore_ascii_case(address)));
        own.map_or_else(|| passage_about(notice, std::slice::from_ref(address)), |(_, said)| *said)
    };
    named.into_iter().map(|address| (Some(address.clone()), said(&address))).collect()
}

/// By what a mail looks like a server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// A daemon's name in From.
    Daemon,
    /// A subject of failure, which a person may write as well.
    Subject,
    /// A null return path, which every automatic answer has.
    NullPath,
}

fn sign_of(mail: &Mail<'_>) -> Option<Sign> {
    if DAEMONS.is_match(mail.headers.value("from").unwrap_or_default()) {
        return Some(Sign::Daemon);
    }
    if mail.subject().get(..3).is_some_and(|head| head.eq_ignore_ascii_case("re:")) {
        return None;
    }
    let null = mail.has_null_return_path().then_some(Sign::NullPath);
    SUBJECTS.is_match(mail.subject()).then_some(Sign::Subject).or(null)
}

impl Sign {
    /// A daemon's mail with a subject of failure that names somebody needs no more words.
    fn suffices(self, mail: &Mail<'_>) -> bool {
        self == Self::Daemon && SUBJECTS.is_match(mail.subject()) && !failed_recipients(mail).is_empty()
    }

    /// The words of failure that count beside this sign, in a mail that returns ours or not. "She no longer works here" is
    /// a bounce from a daemon alone; an absence may say "konnte nicht".
    fn failure_in(self, notice: &str, returns: bool) -> Option<Match<'_>> {
        match self {
            Self::Daemon => FAILURES.find(notice).or_else(|| HINTS.find(notice)),
            Self::Subject => FAILURES.find(notice),
            Self::NullPath => FAILURES.find(notice).filter(|found| {
                let coded = dsn::find_status(notice).is_some() || dsn::find_code(notice).is_some();
                coded || returns || found.as_str().to_ascii_lowercase().contains("deliver")
            }),
        }
    }
}

/// Why, from the passage about one recipient, else from the whole notice.
fn why(said: &str, notice: &str) -> (Bounce, String, Option<String>) {
    for text in [said, notice] {
        let enhanced = dsn::find_status(text);
        let (kind, because) = bounce::explain(dsn::find_code(text).unwrap_or(0), enhanced.as_deref(), text);
        // The recipient had been taken: what is refused after DATA is the letter. Filters
        // answer "user unknown" there; only a status that means it is believed.
        let of_people = ["user", "recipient", "mailbox", "account"].iter().any(|word| because.contains(word));
        let late = of_people && enhanced.as_deref() != Some("5.1.1") && AFTER_DATA.is_match(text);
        if kind == Bounce::NoMailbox && late {
            return (Bounce::Unknown, format!("{because}, after DATA"), enhanced);
        }
        if kind != Bounce::Unknown {
            return (kind, because, enhanced);
        }
    }
    (Bounce::Unknown, "no rule".into(), dsn::find_status(notice))
}

/// The words of the server: the body up to the returned message.
pub(super) fn notice(body: &str) -> &str {
    let body = &body[..body.floor_char_boundary(64 << 10)];
    let end = RETURNED.find(body).map_or(body.len(), |found| found.start());
    // Lines that look like mail headers begin a returned message without a mark.
    let end = HEADERS.find(&body[..end]).map_or(end, |found| head_of(body, found.start()));
    match body[..end].trim().is_empty() {
        true => &body[..body.floor_char_boundary(4_000)],
        false => &body[..body.floor_char_boundary(end.min(16_000))],
    }
}

/// Where the header begins of which a line begins at `at`.
fn head_of(body: &str, at: usize) -> usize {
    let mut from = at;
    while let Some(above) = body[..from].strip_suffix('\n') {
        let line_from = above.rfind('\n').map_or(0, |i| i + 1);
        if !HEADER.is_match(&above[line_from..]) {
            break;
        }
        from = line_from;
    }
    from
}

/// The recipients a notice says it failed for: by header, by their place at the
/// start of a line, or beside words of failure.
pub(super) fn failed_recipients(mail: &Mail<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for value in mail.headers.all("x-failed-recipients") {
        push_all(&mut found, addresses_in(value).map(|(_, address)| address));
    }
    if !found.is_empty() {
        return found;
    }
    let body = mail.body();
    let notice = notice(&body);
    // Exchange tells of our message first.
    let notice = NOT_REACHED.find(notice).map_or(notice, |found| &notice[found.start()..]);
    let ours = mail.sender();
    let strangers = |address: &String| {
        Some(address) != ours.as_ref()
            && !mail.headers.value("message-id").is_some_and(|id| id.contains(address.as_str()))
    };
    let (mut placed, mut beside, mut rest, mut contacts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let lines: Vec<&str> = notice.lines().take(400).collect();
    for (number, line) in lines.iter().enumerate().filter(|(number, _)| !is_about_original(&lines, *number)) {
        // "please contact" may stand at the end of the line above.
        let above = number.checked_sub(1).map_or("", |above| lines[above].trim());
        for (at, address) in addresses_in(line).filter(|(_, address)| strangers(address)).take(10) {
            let before = line[..at].trim();
            if before.trim_matches(['<', '"', '[', '(']).is_empty() && SENDERS.is_match(above) {
                continue;
            }
            let list = if PLACES.is_match(before) {
                &mut placed
            } else if DAEMONS.is_match(&address) {
                continue;
            } else if FAILURES.is_match(line) && !SENDERS.is_match(before) {
                &mut beside
            } else if !SENDERS.is_match(before) {
                &mut rest
            } else {
                &mut contacts
            };
            push_all(list, std::iter::once(address));
        }
    }
    let addressed = mail.addressed_to();
    rest.retain(|address| !addressed.contains(address) && !contacts.contains(address));
    [placed, beside, rest.into_iter().take(1).collect()].into_iter().find(|list| !list.is_empty()).unwrap_or_default()
}

/// "Your message: To ..., Subject ..., Sent ..." tells of ours, not of who failed.
fn is_about_original(lines: &[&str], at: usize) -> bool {
    let begins = |line: &str, names: &[&str]| {
        let line = line.trim_start_matches([' ', '\t', '*']).to_ascii_lowercase();
        names.iter().any(|name| line.starts_with(name))
    };
    begins(lines[at], &["to:", "cc:", "from:"])
        && lines[at + 1..].iter().take(4).any(|line| begins(line, &["subject:", "sent:", "date:"]))
}

fn push_all(list: &mut Vec<String>, addresses: impl Iterator<Item = String>) {
    for address in addresses {
        if list.len() < 200 && !list.iter().any(|known| known.eq_ignore_ascii_case(&address)) {
            list.push(address);
        }
    }
}

/// The notice from the line that names one of `addresses` up to a blank line or
/// the line that begins with somebody else's; all of it where none is named.
pub(super) fn passage_about<'a>(notice: &'a str, addresses: &[String]) -> &'a str {
    let Some(at) = addresses.iter().find_map(|address| notice.find(address.as_str())) else { return notice };
    let from = notice[..at].rfind('\n').map_or(0, |i| i + 1);
    let mut end = from;
    for line in notice[from..].split_inclusive('\n') {
        let other = addresses_in(line).next().is_some_and(|(at, address)| {
            PLACES.is_match(line[..at].trim()) && !addresses.iter().any(|known| known.eq_ignore_ascii_case(&address))
        });
        if end > from && (other || line.trim().is_empty()) {
            break;
        }
        end += line.len();
    }
    &notice[from..end]
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Subjects of bounces; the words of servers in several languages.
static SUBJECTS: LazyLock<RegexSet> = LazyLock::new(|| {
    set(&[
        r"(?i)undeliver(?:ed|able)|not deliver|non.?deliver|unable to deliver|returned mail|mail delivery (?:fail|status|sub)",
        r"(?i)delivery (?:status|fail|has failed|error|problem|notification|report|delay|incomplete|unsuccessful|to)",
        r"(?i)failure notice|failed (?:mail|delivery|message)|mail (?:error|failure|system error)|returned (?:to sender|message)|bounced",
        r"(?i)could ?n.t be delivered|could not be delivered|user unknown|unknown (?:user|address)|message (?:not|status|delay)",
        r"(?i)^warning: |error sending (?:your )?(?:mail|message)|nondeliverable|delayed mail|considered unsolicited|mailbox (?:full|unavailable)|quota",
        r"(?i)oleverbar|kunde inte levereras|kan inte levereras|ej levererat|har inte levererats|leveransfel",
        r"(?i)unzustellbar|nicht zugestellt|zustellung|fehlgeschlagen|non remis|échec|non distribu|impossible de remettre",
        r"(?i)no se (?:puede|pudo) entregar|no entregado|ikke leveret|kunne ikke leveres|onbestelbaar|mancata consegna",
    ])
});

static DAEMONS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)mailer[-_. ]?daemon|mail[-_. ]?daemon|post[-_]?master|mail[-_. ]delivery|mail[-_. ]?system|mail administrator|mailadmin|mail server|bounce|symantec_?antivirus|mdaemon|delivery sub",
    )
});

/// What a returned message stands behind.
static RETURNED: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?im)^[ \t>|]*(?:[-_=*+]{2,} ?(?:below (?:this|the next) line|this is a copy|message text follows|failed mail(?-u:\b)|original message|original header|returned message|unsent message|undelivered message|the header of|message header|failed message|forwarded message|start of returned|headers? follow|full message|the body of|transcript of original|included is a copy|returned mail|message body|ursprungligt|ursprüngliche)|(?:the )?original message (?:follows|was|header|text|is)?[^\n]{0,40}:?[ \t\r]*$|(?:a copy of the|the (?:first|beginning of the)|here (?:is|are) the) [^\n]{0,40}(?:message|headers?)|(?:unsent|undelivered|returned|attached) message (?:follows|below)|(?:message|your) (?:headers?|message) (?:follows?|is returned)(?-u:\b)[^\n]{0,60}[:.][ \t\r]*$|original mail as follows|here is your returned (?:mail|message)|(?:included|enclosed|attached) is a copy of|--- (?:enclosed are|undelivered)|[^\n]{0,60}original message headers?[^\n]{0,40}$|included below)",
    )
});

/// Two header lines of a mail in a row, one of which no notice has for itself.
static HEADERS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?m)^[ \t>|]*(?:Received|Return-[Pp]ath|Message-I[Dd]|MIME-Version|Mime-Version|DKIM-Signature|X-Mailer|Delivered-To): ?[^\n]*\n(?:[ \t>|]+[^\n]*\n)*[ \t>|]*[A-Z][A-Za-z-]{1,30}: ?",
    )
});

/// A header line that may stand above those.
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?i)^[ \t>|]*(?:from|to|cc|subject|date|sender|reply-to|content-[a-z-]+|x-[a-z-]+): ?")
});

/// Words of failure.
static FAILURES: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)undeliver|error deliver|lookup failure|aborted after|invalid final delivery|encountered an error|failed mail|not recognized|not (?:be )?(?:able to )?deliver|non.?deliver|deliver[a-z]* (?:[a-z]+ ){0,6}(?:failed|failure|error|aborted|impossible|unsuccessful|delayed)|unable to (?:deliver|send|relay|transfer)|(?:failed|failure) (?:[a-z]+ ){0,4}(?:deliver|recipient|address)|could ?n[o']?.?t (?:be )?(?:delivered|deliver|reach|send|transfer)|cannot (?:be )?(?:deliver|send)|can't (?:be )?deliver|did not reach|didn't reach|fatal error|permanent (?:error|failure)|wasn't able to deliver|unknown (?:user|recipient|local|address|host|account)|(?:user|recipient|address|mailbox|account|host|domain)(?: is| was| name)? ?(?:unknown|not found|not exist|full|disabled|inactive|unavailable|rejected|invalid)|did not (?:exactly )?match|(?:could ?n.t|could not|was ?n.t) (?:be )?found|no valid recipient|no such (?:user|recipient|mailbox|address|domain|account|person|local)|does(?: not|n't) exist|mailbox (?:is )?(?:currently )?full|over ?quota|quota exceeded|exceed[a-z]* (?:[a-z]+ ){0,3}(?:quota|size|limit|storage)|return(?:ed|ing) (?:[a-z]+ ){0,4}(?:message|mail|sender)|message (?:[a-z]+ ){0,5}(?:rejected|refused|bounced|blocked|returned|delayed)|was (?:rejected|refused|not delivered)|invalid (?:recipient|user|address|mailbox)|not listed in|undisclosed failure|(?-u:\b)5[05]\d[ -][^\n]{3}|(?-u:\b)5\.\d\.\d|mail system error|still (?:trying|being retried)|kunde inte levereras|kan inte levereras|inte nått|nicht (?:zugestellt|ausgeliefert|erreicht)|konnte nicht (?:zugestellt|übermittelt)|pas pu être (?:remis|distribué|livré|envoyé)|no se (?:ha )?(?:podido|pudo) entregar|kunne ikke leveres",
    )
});

/// Words of failure where a daemon wrote them.
static HINTS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)rejected|refused|no longer|temporarily|konnte nicht|pas pu|n'a pas|no se (?:ha )?(?:podido|pudo)|kunne ikke",
    )
});

/// The SMTP command that was answered was DATA.
static AFTER_DATA: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)after end of data|reply to (?:the )?(?:end of )?DATA|SMTP command[: \t\r]*\n[ \t]*DATA(?-u:\b)|command: DATA(?-u:\b)",
    )
});

static NOT_REACHED: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?i)did not reach the following|nådde inte följande|folgende empfänger nicht"));

/// A notice that says it is not over yet.
static DELAYS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)delivery (?:status notification )?\(?delay|(?:has been|is|was|been) delayed|delayed mail|warning: (?:could not send|message)|will (?:continue to|keep) (?:try|be tried|retry)|still (?:trying|being retried|be retried)|will be retried|no action is required|do not need to resend|don't need to (?:resend|do)|not yet been delivered|not been delivered yet|this is (?:only )?a warning|warning message only|kommer att försöka igen|wird weiter versucht",
    )
});

/// A notice that says it is over.
static GIVEN_UP: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)permanent (?:error|fatal|failure)|giving up|given up|gave up|will not be retried|has been (?:returned|deleted)|failed permanently",
    )
});

/// What may stand before a failed recipient at the start of a line.
static PLACES: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^[\s<\x22'`*>|.\[-]*(?:(?:(?:failed |final |original |intended |undeliverable )?(?:recipients?|address(?:es)?|addressee)|user|to|rcpt to|mailto|delivery to|e-?mail|mailbox|account)[\s:=<\x22'(*-]*)?(?:rfc822;\s*|smtp:\s*|mailto:)?[\s<\x22'`(\[]*$",
    )
});

/// What says that the address behind it is a sender or someone to write to.
static SENDERS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)(?:(?-u:\b)from|sender|reply.to|mail from|return.path|contact|help|support|write to|e-?mail to|message.id|by|in-reply-to|references|received|subject|cc)[\s:=<\x22'(]*$",
    )
});

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a test runs each expression")
}

fn set(texts: &[&str]) -> RegexSet {
    RegexSet::new(texts).expect("a test runs each expression")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_reading_where_our_message_is_returned() {
        let body = "I could not deliver it.\n\n<a@b.example>: no\n\n--- Below this line is a copy of the message.\n\nx@y.example";
        assert!(!notice(body).contains("x@y.example"));
        let unmarked = "It failed.\n\nReceived: from a\n by b\nSubject: x\n\nx@y.example";
        assert_eq!(notice(unmarked).trim(), "It failed.");
    }

    #[test]
    fn knows_the_place_of_a_failed_recipient() {
        for before in ["", "<", "To:", "Recipient: <", "  "] {
            assert!(PLACES.is_match(before), "{before:?}");
        }
        assert!(!PLACES.is_match("please contact"));
        assert!(SENDERS.is_match("please contact"));
    }
}
