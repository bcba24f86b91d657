//! The new words of a reply: quotes and signature taken off.
//!
//! What is quoted is ours, and our own opt-out line stands in it; only what this
//! returns may be searched for what a person meant. Every step looks at a line a
//! bounded number of times, so a hostile body costs no more than its length.

use super::note::{Note, quote_start};
use super::signature::without_signature;

/// Bytes of a body that are looked at; a person's words stand in front.
const MOST_BYTES: usize = 64 << 10;
/// Lines that are looked at.
const MOST_LINES: usize = 2_000;
/// Characters from which a quoted line was broken by a mail program.
const BROKEN_FROM: usize = 60;

/// The text a person wrote, without what they answered and without their signature.
pub fn new_text(body: &str) -> String {
    let body = &body[..body.floor_char_boundary(MOST_BYTES)];
    let lines: Vec<String> = body.lines().take(MOST_LINES).map(clean).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let kept = match quote_start(&lines) {
        Some(note) if is_empty(&lines[..note.from]) => below(&note, &lines),
        Some(note) => {
            // Each part has a signature of its own: answers may stand below the first.
            let mut kept = without_signature(&unquoted(&lines[..note.from]));
            kept.extend(between_quotes(&lines[note.to..]));
            kept
        }
        None => unquoted(&lines),
    };
    trimmed(without_signature(&kept)).join("\n")
}

/// A line without what cannot be seen.
fn clean(line: &str) -> String {
    let seen = line.chars().filter(|c| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'));
    let line: String = seen.map(|c| if matches!(c, '\u{a0}' | '\u{202f}') { ' ' } else { c }).collect();
    line.trim_end().to_owned()
}

/// The answer below a quote that stands on top. Where no line is marked as quoted,
/// nobody can tell our words from theirs: ours must not speak for them.
fn below<'a>(note: &Note, lines: &[&'a str]) -> Vec<&'a str> {
    let rest = &lines[note.to..];
    if !rest.iter().any(|line| is_quoted(line)) {
        return Vec::new();
    }
    let kept = unquoted(rest);
    // What they answered may hold an older letter in its turn.
    match quote_start(&kept) {
        Some(inner) => kept[..inner.from].to_vec(),
        None => kept,
    }
}

/// The lines that no `>` stands before.
fn unquoted<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let (mut kept, mut before) = (Vec::new(), "");
    for (at, line) in lines.iter().enumerate() {
        let broken = || is_quoted(before) && is_rest(before, line, lines.get(at + 1).copied().unwrap_or_default());
        if !is_quoted(line) && !broken() {
            kept.push(*line);
        }
        before = line;
    }
    kept
}

/// The end of a quoted line that a mail program broke without marking it again.
fn is_rest(before: &str, line: &str, next: &str) -> bool {
    let runs_on = line.chars().next().is_some_and(char::is_lowercase);
    runs_on && line.len() < 40 && before.chars().count() >= BROKEN_FROM && is_quoted(next)
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
    let inside = unquoted(&lines[first..=last]);
    match is_empty(&inside) {
        true => Vec::new(),
        false => unquoted(&lines[first..]),
    }
}

/// A line that a mail program marked as quoted.
pub(super) fn is_quoted(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('>') || line.starts_with('|') && line.len() > 1
}

/// Without blank lines and rules at either end.
fn trimmed(mut lines: Vec<&str>) -> Vec<&str> {
    let idle = |line: &str| {
        let line = line.trim();
        line.chars().all(|c| matches!(c, '_' | '=' | '-' | '*')) || line.starts_with("[cid:") && line.ends_with(']')
    };
    while lines.last().is_some_and(|line| idle(line)) {
        lines.pop();
    }
    let first = lines.iter().position(|line| !idle(line)).unwrap_or(0);
    let mut kept = lines.split_off(first);
    // Where quotes were taken out, one blank line is enough.
    kept.dedup_by(|line, before| line.is_empty() && before.is_empty());
    kept
}

/// Only white space stands in these lines.
pub(super) fn is_empty(lines: &[&str]) -> bool {
    lines.iter().all(|line| line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_answers_between_quotes() {
        let body = "On 1 Mar 2027 at 08:34 Karin Ek wrote:\n> Thursday?\nYes.\n> Or Friday?\nNo.\n";
        assert_eq!(new_text(body), "Yes.\nNo.");
        let body = "Se mina svar nedan.\n\nDen 1 mars 2027 08:34 skrev Karin Ek <karin@fyrljus.example>:\n\
                    > Torsdag?\n\nJa.\n\n> Fredag?\n\nNej.\n";
        assert_eq!(new_text(body), "Se mina svar nedan.\n\nJa.\n\nNej.");
    }

    #[test]
    fn keeps_answers_between_quotes_below_a_signature() {
        let body = "Se nedan.\n\n-- \nAnna\n\nDen 1 mars 2027 08:34 skrev Karin Ek <karin@fyrljus.example>:\n\
                    > Torsdag?\n\nTa bort mig från listan.\n\n> Karin\n";
        assert_eq!(new_text(body), "Se nedan.\n\nTa bort mig från listan.");
    }

    #[test]
    fn takes_the_rest_of_a_broken_quote_for_quoted() {
        let long = "> Jag mäter gärna ljuset i ert lager, utan kostnad, och ni kan när som helst";
        assert_eq!(new_text(&format!("Ja.\n{long}\navregistrera er\n> Mvh Karin\n")), "Ja.");
    }

    #[test]
    fn lets_no_unmarked_letter_of_ours_speak_for_them() {
        let head =
            "Från: Karin Ek <karin@fyrljus.example>\nSkickat: den 1 mars 2027 08:34\nTill: Anna Lind\nÄmne: Ljus";
        assert_eq!(new_text(&format!("{head}\n\nAvregistrera mig från listan\n")), "");
        assert_eq!(new_text(&format!("\nSkickat från min iPhone\n\n{head}\n\nTa bort mig\n")), "");
    }

    #[test]
    fn reads_a_mail_of_quotes_and_notes_in_linear_time() {
        let line = "On Mon, 1 Mar 2027 at 08:34, Karin Ek <karin@fyrljus.example\n";
        let begin = std::time::Instant::now();
        assert!(new_text(&line.repeat(2_000)).len() < 64 << 10);
        assert!(begin.elapsed().as_secs() < 3, "unoptimised code has some slack");
    }
}
