//! Text with slots in it: what is the same for many clients, and where their words go.

use super::shield::{CONTENT, FOOTER, strip};
use super::words::{FIRST, MOST};

/// A text that was read once and is filled for each client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slotted {
    pieces: Vec<Piece>,
    /// Bytes of all that is fixed.
    fixed: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Fixed(String),
    /// A client's words, by their place.
    Words(usize),
    Content,
    Footer,
}

/// What a layout holds beside its own words.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inside<'a> {
    pub(super) content: &'a str,
    pub(super) footer: &'a str,
}

/// The place that a character stands for, if it is a stand-in.
fn place(c: char) -> Option<usize> {
    let place = usize::try_from((c as u32).checked_sub(FIRST)?).ok()?;
    (place < MOST).then_some(place)
}

/// Whether stand-ins are in a text.
pub(super) fn has_slots(text: &str) -> bool {
    // Code points of planes 12 to 15 begin with this byte in UTF-8; most text has none.
    text.as_bytes().contains(&0xF3) && text.chars().any(|c| place(c).is_some())
}

impl Slotted {
    /// Finds the slots of a text that was rendered with stand-ins.
    pub(super) fn read(text: &str) -> Self {
        let mut slotted = Self::default();
        let mut from = 0;
        for (at, c) in text.char_indices() {
            let piece = match c {
                CONTENT => Piece::Content,
                FOOTER => Piece::Footer,
                c => match place(c) {
                    Some(place) => Piece::Words(place),
                    None => continue,
                },
            };
            slotted.fix(&text[from..at]);
            slotted.pieces.push(piece);
            from = at + c.len_utf8();
        }
        slotted.fix(&text[from..]);
        slotted
    }

    fn fix(&mut self, text: &str) {
        if !text.is_empty() {
            self.fixed += text.len();
            self.pieces.push(Piece::Fixed(text.to_owned()));
        }
    }

    /// Whether the words that this stand-in stands for are in it.
    pub(super) fn has(&self, stand_in: &str) -> bool {
        let place = stand_in.chars().next().and_then(place);
        place.is_some_and(|place| self.pieces.contains(&Piece::Words(place)))
    }

    /// The text for one client; `escape` makes their words harmless where they are put. What is
    /// put in is never searched for slots.
    pub(super) fn fill(&self, words: &[&str], escape: fn(&str) -> String, inside: Inside<'_>) -> String {
        let mut out = String::with_capacity(self.fixed + inside.content.len() + inside.footer.len() + 512);
        for piece in &self.pieces {
            match piece {
                Piece::Fixed(text) => out.push_str(text),
                // A template that compares words is rendered with them: then a stand-in is data.
                Piece::Words(place) => out.push_str(&words.get(*place).map_or_else(String::new, |words| escape(words))),
                Piece::Content => out.push_str(inside.content),
                Piece::Footer => out.push_str(inside.footer),
            }
        }
        out
    }
}

/// A text with stand-ins, filled at once.
pub(super) fn fill(text: &str, words: &[&str]) -> String {
    if has_slots(text) { Slotted::read(text).fill(words, strip, Inside::default()) } else { text.to_owned() }
}
