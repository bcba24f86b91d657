//! Cuts what strangers wrote to a line or three that can do no harm.

use unicode_width::UnicodeWidthChar;

use crate::model::text::tame;

/// Columns of a quotation: three lines of the text part.
const COLUMNS: usize = 160;
/// Characters of a quotation, whatever their width: accents can be piled without end.
const CHARACTERS: usize = 240;
/// Characters of a reply that are looked at at all.
const LOOKED_AT: usize = 4_000;

/// A reply's words on one line: tamed, without invisible characters, cut at a
/// word and short. None if nothing is left.
pub(super) fn shorten(text: &str) -> Option<String> {
    let start: String = text.chars().take(LOOKED_AT).collect();
    let visible: String = tame(&start).chars().filter(|c| !is_invisible(*c)).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut columns, mut characters) = (0, 0);
    let cut = line.char_indices().find(|(_, c)| {
        columns += c.width().unwrap_or(0);
        characters += 1;
        columns > COLUMNS || characters > CHARACTERS
    });
    let Some((cut, _)) = cut else { return (!line.is_empty()).then_some(line) };
    let kept = &line[..cut];
    // A word that fills half of the room is hardly one: cut it where it is.
    let end = kept.rfind(' ').filter(|space| *space > cut / 2).unwrap_or(cut);
    Some(format!("{}…", kept[..end].trim_end_matches([' ', ',', '.', ';', ':'])))
}

/// Characters without a shape of their own, in which text can hide.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_short_reply_as_it_is_on_one_line() {
        assert_eq!(
            shorten("Vi bygger om.\r\n\r\n  Hör av er vecka 34. ").unwrap(),
            "Vi bygger om. Hör av er vecka 34."
        );
        assert_eq!(shorten(" \r\n\u{200b}\u{202e} "), None);
    }

    #[test]
    fn cuts_a_long_reply_at_a_word() {
        let long = shorten(&"ljuset i lagret, ".repeat(600)).unwrap();
        assert!(long.ends_with("lagret…") || long.ends_with("ljuset…") || long.ends_with(" i…"), "{long}");
        assert!(long.chars().count() <= 161);
    }

    #[test]
    fn bounds_piled_accents_and_wordless_text() {
        assert!(shorten(&"e\u{301}\u{302}\u{303}".repeat(2_000)).unwrap().chars().count() <= CHARACTERS + 1);
        assert_eq!(shorten(&"x".repeat(10_000)).unwrap().chars().count(), COLUMNS + 1);
    }
}
