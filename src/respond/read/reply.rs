//! The new words of a reply: quotes and signature taken off.
//!
//! What is quoted is ours, and our own opt-out line stands in it; only what this
//! returns may be searched for what a person meant.

use std::sync::LazyLock;

use regex::Regex;

/// Bytes of a body that are looked at; a person's words stand in front.
const MOST_BYTES: usize = 64 << 10;
/// Lines that are looked at.
const MOST_LINES: usize = 2_000;
/// Lines that a note like "On Monday, Karin wrote:" may be broken over.
const NOTE_LINES: usize = 5;

/// The text a person wrote, without what they answered and without their signature.
pub fn new_text(body: &str) -> String {
    let body = &body[..body.floor_char_boundary(MOST_BYTES)];
    let lines: Vec<String> = body.lines().take(MOST_LINES).map(clean).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let kept = match quote_start(&lines) {
        Some(note) if is_empty(&lines[..note.from]) => unquoted(&lines[note.to..]),
        Some(note) => {
            let mut kept = lines[..note.from].to_vec();
            kept.extend(between_quotes(&lines[note.to..]));
            kept
        }
        None => unquoted(&lines),
    };
    let kept = without_signature(&kept);
    trimmed(kept).join("\n")
}

/// A line without what cannot be seen.
fn clean(line: &str) -> String {
    let seen = line.chars().filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}'));
    let line: String = seen.map(|c| if c == '\u{a0}' { ' ' } else { c }).collect();
    line.trim_end().to_owned()
}

/// The lines that announce a quote: a note, a separator or a block of headers.
struct Note {
    from: usize,
    to: usize,
}

fn quote_start(lines: &[&str]) -> Option<Note> {
    (0..lines.len()).find_map(|at| {
        let line = lines[at].trim();
        if line.is_empty() || line.starts_with('>') {
            return None;
        }
        let to = separator(lines, at).or_else(|| header_block(lines, at)).or_else(|| written_by(lines, at))?;
        Some(Note { from: at, to })
    })
}

/// "-----Original Message-----", or a rule with headers below it.
fn separator(lines: &[&str], at: usize) -> Option<usize> {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?i)^[-_=*#\s]{2,}(?:(?:begin )?(?:original|forwarded|forwarded by|reply|urspr\p{L}+|vidarebefordrat|weitergeleitete|oprindelig|opprinnelig|alkuperäinen|oorspronkelijk|origin\p{L}+|mens(?:aje|agem)|message|messaggio|wiadomość|исходное|пересылаемое)(?: \p{L}+(?:'\p{L}+)?){0,3}|on .{5,200} wrote)[-_=*#\s]{2,}$|^begin forwarded message:$|^reply above this line|^[-#*= ]*(?:please )?(?:reply|svara) (?:above|ovanför) th?",
        )
    });
    static RULE: LazyLock<Regex> = LazyLock::new(|| expression(r"^(?:_{5,}|={4,}|-{5,}|\*{5,})$"));
    let line = lines[at].trim();
    if NAMED.is_match(line) {
        return Some(at + 1);
    }
    if !RULE.is_match(line) {
        return None;
    }
    let next = (at + 1..lines.len().min(at + 4)).find(|i| !lines[*i].trim().is_empty())?;
    header_block(lines, next)
}

/// Three of the next lines are headers of a mail in one of many languages.
fn header_block(lines: &[&str], at: usize) -> Option<usize> {
    static HEADER: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?i)^[\s*_|]*(?:from|sent|to|cc|date|subject|reply-to|från|skickat|datum|till|kopia|ämne|von|gesendet|an|betreff|kopie|de|envoyé(?: le)?|date|à|a|objet|copie à|message du|cc|da|inviato|data|oggetto|van|verzonden|aan|onderwerp|fra|sendt|dato|til|emne|od|wysłano|do|temat|lähettäjä|lähetetty|päivämäärä|vastaanottaja|aihe|enviado(?: el| em)?|fecha|para|asunto|assunto|от|кому|дата|отправлено|тема|发件人|发送时间|收件人|主题|差出人|送信日時|宛先|件名)\s?\*?\s?[:：]",
        )
    });
    if !HEADER.is_match(lines[at]) {
        return None;
    }
    let window = &lines[at..lines.len().min(at + 6)];
    let many = window.iter().filter(|line| HEADER.is_match(line)).count();
    (many >= 3).then_some(at + window.len())
}

/// "On Monday, Karin Ek <karin@...> wrote:" in one of many languages, on one line or several.
fn written_by(lines: &[&str], at: usize) -> Option<usize> {
    static NOTE: LazyLock<Regex> = LazyLock::new(|| {
        expression(concat!(
            r"(?i)^(?:",
            // A date or an opening word, who, and the verb at the end.
            r"(?:on|am|le|den|el|il|op|em|dnia|w dniu|på|vid|pada|\d|\p{L}{2,12}[.,]{0,2} (?:\p{L}{2,12}\.? )?\d).{0,30}\d?.{0,350}\b(?:wrote|writes|skrev|skriver|schrieb|a écrit|escribió|ha scritto|schreef|geschreven|escreveu|napisał(?:\(a\)|a)?|napsal(?:\(a\)|a)?|kirjoitti|írta|a scris|yazdı|написал\p{L}*(?:\(\p{L}+\))?|пишет|пише|написав|menulis|wrote -{2,})\s?(?:\((?:a|as)\))?\s?[:：]?",
            // A name with an address, and the verb.
            r"|[^@]{0,100}<[^\s<>]{1,100}@[^\s<>]{1,100}>.{0,60}\b(?:wrote|skrev|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|napisał)\s?:",
            // Swedish puts the verb before the name, German may: a date, the verb, who.
            r"|(?:den|på|vid|am|op|el|le|il|em|\d|\p{L}{2,12}[.,]{0,2} (?:\p{L}{2,12}\.? )?\d).{0,30}\d.{0,60}\b(?:skrev|schrieb|schreef|wrote)\b.{1,200}[:>]",
            // A date, a name with an address and a colon.
            r"|.{0,20}\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.{0,150}<[^<>]{1,100}@[^<>]{1,100}>\s?:",
            r"|.{0,40}\d{1,2}[:.]\d{2}.{0,40} from .{0,100}@.{0,100}:",
            r"|(?:\p{L}{2,12}[.,]{0,2} )?\d{1,4}.{0,50}\d{1,2}[:.]\d{2}.{0,100}<[^<>\s]{1,100}@[^<>\s]{1,100}>\s?:",
            r"|\d{4}-\d{2}-\d{2} \d{1,2}:\d{2} (?:GMT|UTC)[+-]\d{1,2}(?::?\d{2})? .{1,100}",
            r"|on .{5,60}\d{1,2}:\d{2} ?(?:am|pm)? [+-]\d{4}, .{1,200}@.{1,200}",
            // East Asian languages put the verb last without a blank.
            r"|.{0,40}\d.{0,200}(?:写道|寫道|のメッセージ|님이 작성|께서 작성)\s?[:：]?",
            r")$",
        ))
    });
    static OPENS: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?i)^(?:(?:on|am|le|den|el|il|op|em|dnia|w|på|vid|pada) .{0,40}|\p{L}{2,12}[.,]{0,2} (?:\p{L}{2,12}\.? )?)?\d|<[^<>\s]+@|\d{4}",
        )
    });
    let first = lines[at].trim();
    if !OPENS.is_match(first) || first.len() > 500 {
        return None;
    }
    let mut joined = String::new();
    for (more, line) in lines[at..].iter().take(NOTE_LINES).enumerate() {
        let line = line.trim();
        let blank_then_address =
            line.is_empty() && lines.get(at + more + 1).is_some_and(|next| next.trim_start().starts_with('<'));
        if (line.is_empty() && !blank_then_address) || line.starts_with("> ") && !line.ends_with("wrote:") {
            return None;
        }
        if !joined.is_empty() && !line.is_empty() {
            joined.push(' ');
        }
        joined.push_str(line);
        if NOTE.is_match(&joined) {
            return Some(at + more + 1);
        }
    }
    None
}

/// The lines that no `>` stands before.
fn unquoted<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    lines.iter().copied().filter(|line| !is_quoted(line)).collect()
}

/// What stands between two quoted passages: answers point by point. What comes
/// behind the last quote is a signature more often than an answer.
fn between_quotes<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let first = lines.iter().position(|line| is_quoted(line));
    let last = lines.iter().rposition(|line| is_quoted(line));
    let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
    if !is_empty(&lines[..first]) {
        return Vec::new();
    }
    let inside = unquoted(&lines[first..last]);
    match is_empty(&inside) {
        true => Vec::new(),
        false => unquoted(&lines[first..]),
    }
}

fn is_quoted(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('>') || line.starts_with('|') && line.len() > 1
}

/// The lines above a signature: above its mark, the mobile's advertisement, or a
/// closing with more than a name below it.
fn without_signature<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    static MARK: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?i)^(?:--|_{5,}|-{5,})$|^[<\[(*]{0,2}(?:sent (?:from|with|via) |get outlook for|hämta outlook|skickat? från |skickad från |gesendet (?:von|mit) |von mein\p{L}+ \p{L}+ gesendet|diese nachricht wurde von|envoyé (?:de|depuis) |inviato da|enviado (?:desde|do) |verzonden (?:vanaf|met) |sendt fra |wysłane z |lähetetty |hol dir outlook|отправлено (?:с|из) )",
        )
    });
    static CLOSING: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?i)^(?:(?:med )?(?:vänlig(?:a)?|bästa|varma) hälsning(?:ar)?|hälsningar|mvh|vänligen|(?:(?:kind|best|warm|many)(?:est)? )?regards|best(?: wishes)?|sincerely(?: yours)?|yours (?:sincerely|faithfully|truly)|cheers|(?:mit )?(?:freundliche[nm]?|besten?|viele|herzliche) grü(?:ß|ss)en?|mfg|vg|lg)\s*[,.!/]?$",
        )
    });
    let mark = lines.iter().enumerate().find(|(at, line)| MARK.is_match(line.trim()) && !is_empty(&lines[..*at]));
    let lines = &lines[..mark.map_or(lines.len(), |(at, _)| at)];
    let closing = lines.iter().rposition(|line| CLOSING.is_match(line.trim()));
    let Some(closing) = closing.filter(|at| !is_empty(&lines[..*at])) else { return lines.to_vec() };
    let below = lines[closing + 1..].iter().filter(|line| !line.trim().is_empty()).count();
    let end = if (2..=12).contains(&below) { closing } else { lines.len() };
    lines[..end].to_vec()
}

/// Without blank lines and rules at either end.
fn trimmed(mut lines: Vec<&str>) -> Vec<&str> {
    let idle = |line: &str| line.trim().chars().all(|c| matches!(c, '_' | '=' | '-' | '*'));
    while lines.last().is_some_and(|line| idle(line)) {
        lines.pop();
    }
    let first = lines.iter().position(|line| !idle(line)).unwrap_or(0);
    lines.split_off(first)
}

fn is_empty(lines: &[&str]) -> bool {
    lines.iter().all(|line| line.trim().is_empty())
}

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a test runs each expression")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_off_the_quote_in_each_language() {
        let notes = [
            "On Mon, 1 Mar 2027 at 08:34, Karin Ek <karin@fyrljus.example>\nwrote:",
            "Den mån 1 mars 2027 kl 08:34 skrev Karin Ek <karin@fyrljus.example>:",
            "Am 01.03.2027 um 08:34 schrieb Karin Ek <karin@fyrljus.example>:",
            "-----Ursprungligt meddelande-----",
            "Från: Karin Ek <karin@fyrljus.example>\nSkickat: den 1 mars 2027 08:34\nTill: Anna Lind\nÄmne: Ljus",
            "1 mars 2027 kl. 08:34 skrev Karin Ek <karin@fyrljus.example>:",
        ];
        for note in notes {
            let body = format!("Ja tack.\n\n{note}\n\n> Avregistrera: svara STOPP\n");
            assert_eq!(new_text(&body), "Ja tack.", "{note}");
        }
    }

    #[test]
    fn keeps_answers_between_quotes() {
        let body = "On 1 Mar 2027 at 08:34 Karin Ek wrote:\n> Thursday?\nYes.\n> Or Friday?\nNo.\n";
        assert_eq!(new_text(body), "Yes.\nNo.");
    }

    #[test]
    fn takes_off_signatures() {
        assert_eq!(new_text("Nej.\n\n-- \nAnna Lind\nGranvik"), "Nej.");
        assert_eq!(new_text("Nej.\n\nMvh\nAnna Lind\nGranvik Verkstad AB\n070-174 06 12"), "Nej.");
        assert_eq!(new_text("Ja!\n\nSkickat från min iPhone"), "Ja!");
    }

    #[test]
    fn takes_no_sentence_for_a_note() {
        let body = "On this day\n\nI wrote something\n\nwhich was interesting.";
        assert_eq!(new_text(body), body);
    }
}
