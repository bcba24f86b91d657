//! Where a mail program announces what is answered: "On Monday, Karin wrote:", a
//! block of headers, a separator.
//!
//! A note is told by its features (an opening, a date, an address, a verb of
//! writing, a colon), not by one pattern for each program: programs are many.

use std::sync::LazyLock;

use regex::Regex;

use super::reply::is_quoted;

/// Lines that a note like "On Monday, Karin wrote:" may be broken over.
const NOTE_LINES: usize = 5;
/// Bytes of the longest note.
const NOTE_BYTES: usize = 400;
/// Lines that a block of headers is looked for in.
const BLOCK_LINES: usize = 14;
/// What `html` writes where a mail program put the letter that is answered.
pub(super) const SEPARATOR: &str = "-----Original Message-----";

/// The lines that announce a quote.
pub(super) struct Note {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// The first note that no `>` stands before.
pub(super) fn quote_start(lines: &[&str]) -> Option<Note> {
    (0..lines.len()).find_map(|at| {
        let line = lines[at].trim();
        if line.is_empty() || line.starts_with('>') {
            return None;
        }
        let to = separator(lines, at).or_else(|| header_block(lines, at, 3)).or_else(|| written_by(lines, at))?;
        Some(Note { from: at, to })
    })
}

/// "-----Original Message-----", or a rule with headers below it.
fn separator(lines: &[&str], at: usize) -> Option<usize> {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        expression(concat!(
            r"(?i)^(?:[-_=*#~>\s]{2,}(?:(?:begin |start )?(?:",
            r"original|forwarded|reply|message|ursprungligt|originalmeddelande|vidarebefordrat|svar(?: ovanför)?",
            r"|ursprüngliche|originalnachricht|original-?nachricht|weitergeleitete|oprindelig|originalbesked|videresendt|opprinnelig|videresendte?",
            r"|alkuperäinen|alkuperäisviesti|välitetty|edelleenlähetetty|message d'origine|message (?:original|transféré)|mail original|courriel original",
            r"|mensaje original|mensaje reenviado|mensagem original|messaggio originale|messaggio inoltrato|oorspronkelijk|doorgestuurd",
            r"|wiadomość|původní|исходное|пересылаемое|пересланное|původní zpráva)(?: \p{L}+(?:'\p{L}+)?){0,3}|on .{5,200} wrote)\s?[-_=*#~<\s]{2,}",
            r"|(?:begin forwarded message|vidarebefordrat brev|början på vidarebefordrat brev|anfang der weitergeleiteten nachricht|start på videresendt besked|videresendt melding|début du message (?:réexpédié|transféré)|inicio del mensaje reenviado|välitetty viesti alkaa) ?:",
            r"|reply above this line.*|[-#*= ]*(?:please )?(?:reply|svara|antworten|répondre|responda) (?:above|ovanför|oberhalb|au-dessus|por encima).*)$",
        ))
    });
    static RULE: LazyLock<Regex> = LazyLock::new(|| expression(r"^(?:_{5,}|={4,}|-{5,}|\*{5,}|[-_] ?(?:[-_] ?){4,})$"));
    let line = lines[at].trim();
    if line.len() <= NOTE_BYTES && NAMED.is_match(line) {
        return Some(at + 1);
    }
    if !RULE.is_match(line) {
        return None;
    }
    let next = (at + 1..lines.len().min(at + 4)).find(|i| !lines[*i].trim().is_empty())?;
    header_block(lines, next, 2)
}

/// At least `least` different headers of a mail close together, its author or subject among them.
fn header_block(lines: &[&str], at: usize, least: u32) -> Option<usize> {
    role(lines[at])?;
    let (mut seen, mut strangers, mut end) = (0_u32, 0, at);
    for (more, line) in lines[at..].iter().take(BLOCK_LINES).enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match role(line) {
            Some(role) => {
                seen |= 1 << role as u32;
                (strangers, end) = (0, at + more + 1);
            }
            // The rest of a long list of addresses.
            None if strangers < 2 => strangers += 1,
            None => break,
        }
    }
    let named = seen & (1 << Role::From as u32 | 1 << Role::Subject as u32) != 0;
    (named && seen.count_ones() >= least).then_some(end)
}

#[derive(Clone, Copy)]
enum Role {
    From,
    Date,
    To,
    Copy,
    Subject,
}

/// Which header of a mail a line is, in one of many languages.
fn role(line: &str) -> Option<Role> {
    static HEADER: LazyLock<Regex> = LazyLock::new(|| {
        expression(concat!(
            r"(?i)^[\s*_|>]{0,8}(?:",
            r"(from|från|avsändare|von|absender|de|expéditeur|da|van|fra|afsender|avsender|od|lähettäjä|remitente|от|от кого|发件人|寄件者|差出人)",
            r"|(sent|date|skickat|datum|gesendet|envoyé(?: le)?|date d'envoi|message du|inviato|data|verzonden|sendt|dato|wysłano|lähetetty|päivämäärä|pvm|päiväys|enviado(?: el| em)?|fecha|дата|отправлено|发送时间|日期|送信日時)",
            r"|(to|reply-to|till|an|empfänger|à|a|aan|til|do|vastaanottaja|kenelle|para|кому|收件人|宛先)",
            r"|(b?cc|copie(?: à)?|kopia|kopie|kopi|kopio|копия|抄送)",
            r"|(subject|re|ämne|rubrik|betreff|objet|sujet|oggetto|onderwerp|emne|temat|aihe|asunto|assunto|тема|主题|件名)",
            r")\s{0,2}\*{0,2}\s?[:：]\*{0,2}",
        ))
    });
    let head = &line[..line.floor_char_boundary(60)];
    let found = HEADER.captures(head)?;
    const ROLES: [Role; 5] = [Role::From, Role::Date, Role::To, Role::Copy, Role::Subject];
    ROLES.into_iter().enumerate().find(|(at, _)| found.get(at + 1).is_some()).map(|(_, role)| role)
}

/// "On Monday, Karin Ek <karin@...> wrote:" in one of many languages, on one line or several.
fn written_by(lines: &[&str], at: usize) -> Option<usize> {
    let first = lines[at].trim();
    if !opens(first) || first.len() > NOTE_BYTES {
        return None;
    }
    let mut joined = String::new();
    for (more, line) in lines[at..].iter().take(NOTE_LINES).enumerate() {
        let line = line.trim();
        let next = lines[at + more + 1..].iter().find(|line| !line.trim().is_empty()).copied().unwrap_or_default();
        let goes_on = || matches!(next.trim_start().chars().next(), Some('<' | '"'));
        if line.is_empty() && !goes_on()
            || more > 0 && (begins_anew(&joined, line) || line.starts_with("> ") && !ends_note(line))
        {
            return None;
        }
        if !joined.is_empty() && !line.is_empty() {
            joined.push(' ');
        }
        joined.push_str(line);
        if joined.len() > NOTE_BYTES {
            return None;
        }
        if is_note(&joined, is_quoted(next)) {
            return Some(at + more + 1);
        }
    }
    None
}

/// A line that a note may begin with: a date, an opening word before one, an address, a verb.
fn opens(line: &str) -> bool {
    static OPENS: LazyLock<Regex> = LazyLock::new(|| {
        expression(concat!(
            r#"(?i)^[\s*"'“„«(]{0,4}(?:(?:on|am|le|den|el|il|op|em|dnia|w|på|vid|pada|kl|dne|a|la|tarihinde|в)[ ,].{0,40}\d"#,
            r"|\p{L}{2,12}[.,]{0,2} (?:den |le |el |the )?(?:\p{L}{2,12}[.,]{0,2} )?\d|\d{1,4}[-./ :年,]|\d{4}年|.{0,120}<[^<>\s]{1,100}@|.{0,60}@|[^,.!?]{2,60} (?:wrote|writes|skrev|skriver|schrieb|kirjoitti)\b)",
        ))
    });
    OPENS.is_match(&line[..line.floor_char_boundary(200)])
}

/// A sentence of the person ended before `line`, or `line` is the beginning of a note by itself.
fn begins_anew(joined: &str, line: &str) -> bool {
    static OWN: LazyLock<Regex> = LazyLock::new(|| expression(r"(?i)^(?:on|am|le|den|el|op|em) .{0,20}\d"));
    let word = joined.rsplit(' ').next().unwrap_or_default();
    let sentence =
        joined.ends_with(['!', '?']) || joined.ends_with('.') && word.chars().count() > 5 && !word.contains('@');
    sentence || OWN.is_match(line)
}

/// The end of a note that was broken inside a quote.
fn ends_note(line: &str) -> bool {
    line.ends_with(':') && line.len() < 80
}

fn is_note(text: &str, quote_follows: bool) -> bool {
    const VERBS: &str = r"(?:wrote|writes|skrev|skriver|schrieb|schreibt|geschrieben|a écrit|écrit|kirjoitti|escribió|escribio|ha scritto|schreef|geschreven|escreveu|napisał(?:a|\(a\))?|pisze|napsal(?:a|\(a\))?|írta|a scris|yazdı|написал\p{L}*(?:\(\p{L}+\))?|пишет|пише|написав|menulis|写道|寫道|のメッセージ|님이 작성|께서 작성)";
    static LAST: LazyLock<Regex> = LazyLock::new(|| {
        expression(&format!(
            r"(?i)(?:^|\P{{L}}|\p{{Han}}|\p{{Hiragana}}|\p{{Hangul}}){VERBS}\s?(?:\((?:a|as)\))?\s?[-–]{{0,4}}\s?[:：]?$"
        ))
    });
    static MIDDLE: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?i)\b(?:skrev|skriver|schrieb|kirjoitti|schreef|wrote|escribió|a écrit)(?: følgende| följande| folgendes)?(?:\b.{1,200}[:>]|:)$",
        )
    });
    static DATE: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"\d{1,4}[-./年]\s?\d{1,2}[-./月]\s?\d{1,4}|\d{1,2}(?:\.|:?[ae]|st|nd|rd|th|er|º)?(?: de| of)? \p{L}{3,12}\.?,?(?: de)? (?:\d{4}|kl|at|um|à|\d{1,2}:)|\p{L}{3,12}\.? \d{1,2}(?:st|nd|rd|th)?,? (?:\d{4}|at)|\d{1,2}\. ?\p{L}{3,12}",
        )
    });
    static TIME: LazyLock<Regex> = LazyLock::new(|| expression(r"(?i)\b\d{1,2}[:.h]\d{2}\b"));
    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| expression(r"[^\s<>()]@[^\s<>()]+[.>)]"));
    static ZONE: LazyLock<Regex> = LazyLock::new(|| expression(r"(?:GMT|UTC)?[+-]\d{1,2}:?\d{2}\b|\bfrom "));
    let text = text.trim_matches(|c: char| matches!(c, '*' | '_' | ' '));
    if text.matches('<').count() != text.matches('>').count() {
        return false;
    }
    let colon = text.ends_with([':', '：']);
    let (date, time, address) = (DATE.is_match(text), TIME.is_match(text), ADDRESS.is_match(text));
    let dated = date || time;
    if LAST.is_match(text) {
        return colon && (dated || address || quote_follows)
            || dated && address
            || date && time
            || dated && quote_follows;
    }
    // Webmail: "Quoting Karin Ek <karin@...>:"
    static QUOTING: LazyLock<Regex> = LazyLock::new(|| {
        expression(r"(?i)^(?:quoting|citerar|zitat von|citation de|citando a|citat af|siterer|lainaus) .{1,150}:$")
    });
    if QUOTING.is_match(text) && (address || quote_follows) {
        return true;
    }
    if date && MIDDLE.is_match(text) {
        return true;
    }
    // "30.09.2027, 18.30, Karin Ek <karin@...>:", "2027-03-03 17:21 GMT+01:00 Karin Ek"
    date && (address && colon || time && ZONE.is_match(text) && (address || text.len() < 100))
}

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a test runs each expression")
}

#[cfg(test)]
mod tests {
    use super::super::reply::new_text;

    #[test]
    fn takes_no_sentence_for_a_note() {
        for body in [
            "On this day\n\nI wrote something\n\nwhich was interesting.",
            "Den 3 mars passar bra.\nJag skrev upp det.",
            "Från: vilken leverantör?\nVi har redan en.",
            "Am 3. März passt es uns.\nBitte rufen Sie an.",
            "Le 3 mars nous convient.\nVous m'avez écrit, merci.",
        ] {
            assert_eq!(new_text(body), body);
        }
    }

    #[test]
    fn begins_no_note_in_the_sentence_before_it() {
        let body = "Den 3 mars passar bra.\nDen 1 mars 2027 kl. 08:34 skrev Karin Ek <karin@fyrljus.example>:\n> Hej\n";
        assert_eq!(new_text(body), "Den 3 mars passar bra.");
    }
}
