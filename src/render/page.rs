//! Setting text into lines and lines onto pages of A4; it knows nothing of faxes.

use super::block::{Block, Run, flatten};
use super::font::face;

/// A4 in points.
pub(super) const PAGE: (f32, f32) = (595.28, 841.89);
/// A millimetre in points.
pub(super) const MM: f32 = 72.0 / 25.4;
/// White on the left and the right.
pub(super) const MARGIN: f32 = 20.0 * MM;
/// The size of running text.
pub(super) const BODY: f32 = 11.5;
/// The distance of two lines of a size.
pub(super) const LEADING: f32 = 1.38;

/// A word or more in one face.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) strong: bool,
    /// Points from the line's start.
    pub(super) x: f32,
}

/// A line of a page.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) pieces: Vec<Piece>,
    pub(super) size: f32,
    /// Points above it, beyond its own height; not used at the top of a page.
    pub(super) gap: f32,
    /// A rule across instead of text.
    pub(super) rule: bool,
    /// It stays on the page of the line after it.
    pub(super) keep: bool,
}

impl Line {
    /// A rule across.
    pub(super) fn rule(gap: f32) -> Self {
        Self { pieces: Vec::new(), size: 2.0, gap, rule: true, keep: false }
    }

    /// Its height in points, without the gap.
    pub(super) fn height(&self) -> f32 {
        self.size * LEADING
    }
}

/// Lines of `runs`, not wider than `width`.
pub(super) fn wrap(runs: &[(String, bool)], size: f32, width: f32) -> Vec<Line> {
    let mut setter = Setter { size, width, lines: Vec::new(), pieces: Vec::new(), x: 0.0, blank: None };
    for (text, strong) in runs {
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                setter.end_line();
            }
            for token in line.split_inclusive(' ') {
                let word = token.trim_end_matches(' ');
                if !word.is_empty() {
                    setter.word(word, *strong);
                }
                if word.len() < token.len() {
                    setter.blank = Some(*strong);
                }
            }
        }
    }
    setter.end_line();
    setter.lines
}

struct Setter {
    size: f32,
    width: f32,
    lines: Vec<Line>,
    pieces: Vec<Piece>,
    x: f32,
    /// A blank is due before the next word, in this face.
    blank: Option<bool>,
}

impl Setter {
    fn word(&mut self, word: &str, strong: bool) {
        let blank = self.blank.take().filter(|_| !self.pieces.is_empty());
        let blank_width = blank.map_or(0.0, |strong| face(strong).width(" ", self.size));
        let width = face(strong).width(word, self.size);
        if self.x + blank_width + width > self.width && blank.is_some() {
            self.end_line();
        } else if let Some(in_face) = blank {
            self.put(" ", in_face);
        }
        if width <= self.width - self.x {
            return self.put(word, strong);
        }
        // Wider than the rest of the line and nowhere to break: by the letter.
        for c in word.chars() {
            let letter = c.encode_utf8(&mut [0; 4]).to_owned();
            if self.x + face(strong).width(&letter, self.size) > self.width {
                self.end_line();
            }
            self.put(&letter, strong);
        }
    }

    fn put(&mut self, text: &str, strong: bool) {
        let width = face(strong).width(text, self.size);
        match self.pieces.last_mut().filter(|piece| piece.strong == strong) {
            Some(piece) => piece.text.push_str(text),
            None => self.pieces.push(Piece { text: text.to_owned(), strong, x: self.x }),
        }
        self.x += width;
    }

    fn end_line(&mut self) {
        let pieces = std::mem::take(&mut self.pieces);
        self.lines.push(Line { pieces, size: self.size, gap: 0.0, rule: false, keep: false });
        (self.x, self.blank) = (0.0, None);
    }
}

/// Lines of a whole letter.
pub(super) fn set(blocks: &[Block], indent: f32) -> Vec<Line> {
    let width = (PAGE.0 - 2.0 * MARGIN - indent).max(120.0);
    let mut out = Vec::new();
    for block in blocks {
        let mut lines = match block {
            Block::Paragraph(runs) => wrap(&flatten(runs), BODY, width),
            Block::Heading { level, runs } => heading(*level, runs, width),
            Block::List { start, items } => list(*start, items),
            Block::Quote(blocks) => indented(set(blocks, indent + 14.0), 14.0),
            Block::Code(code) => wrap(&[(code.clone(), false)], BODY, width),
            Block::Rule => vec![Line::rule(0.0)],
        };
        if let Some(first) = lines.first_mut() {
            first.gap = if matches!(block, Block::Heading { .. }) { 12.0 } else { 8.0 };
        }
        out.append(&mut lines);
    }
    out
}

fn heading(level: u8, runs: &[Run], width: f32) -> Vec<Line> {
    let strong: Vec<_> = flatten(runs).into_iter().map(|(text, _)| (text, true)).collect();
    let mut lines = wrap(&strong, if level == 1 { 15.0 } else { 13.0 }, width);
    lines.iter_mut().for_each(|line| line.keep = true);
    lines
}

fn list(start: Option<u64>, items: &[Vec<Block>]) -> Vec<Line> {
    let mut out = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let mark = start.map_or("•".to_owned(), |first| format!("{}.", first.saturating_add(at as u64)));
        let step = face(false).width(&mark, BODY).max(10.0) + 6.0;
        let mut lines = indented(set(item, step), step);
        if let Some(first) = lines.first_mut() {
            first.pieces.insert(0, Piece { text: mark, strong: false, x: 0.0 });
            first.gap = 3.0;
        }
        out.append(&mut lines);
    }
    out
}

fn indented(mut lines: Vec<Line>, by: f32) -> Vec<Line> {
    lines.iter_mut().flat_map(|line| &mut line.pieces).for_each(|piece| piece.x += by);
    lines
}

/// Deals lines to pages: the first has `first` points of room, the others `rest`.
pub(super) fn paginate(lines: Vec<Line>, first: f32, rest: f32) -> Vec<Vec<Line>> {
    let mut pages: Vec<Vec<Line>> = vec![Vec::new()];
    let mut left = first;
    let mut lines = lines.into_iter().peekable();
    while let Some(line) = lines.next() {
        let on_top = pages.last().is_some_and(Vec::is_empty);
        let gap = if on_top { 0.0 } else { line.gap };
        let next = lines.peek().filter(|_| line.keep).map_or(0.0, |next| next.gap + next.height());
        if !on_top && gap + line.height() + next > left {
            pages.push(Vec::new());
            left = rest - line.height();
        } else {
            left -= gap + line.height();
        }
        if let Some(page) = pages.last_mut() {
            page.push(line);
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<(String, bool)> {
        vec![(text.to_owned(), false)]
    }

    fn right_edge(line: &Line) -> f32 {
        line.pieces.last().map_or(0.0, |piece| piece.x + face(piece.strong).width(&piece.text, line.size))
    }

    #[test]
    fn wraps_by_width_and_loses_no_word() {
        let text = "Jag mäter gärna ljuset i ert lager i Hudiksvall, utan kostnad och utan att ni stannar något";
        let lines = wrap(&plain(text), 11.5, 150.0);
        assert!(lines.len() > 2);
        assert!(lines.iter().all(|line| right_edge(line) <= 150.0));
        let read: Vec<_> = lines.iter().flat_map(|line| &line.pieces).map(|piece| piece.text.as_str()).collect();
        assert_eq!(read.join(" "), text);
    }

    #[test]
    fn breaks_a_word_that_no_line_can_hold() {
        let lines = wrap(&plain(&format!("se {}", "x".repeat(200))), 11.5, 150.0);
        assert!(lines.iter().all(|line| right_edge(line) <= 150.0));
        let count: usize =
            lines.iter().flat_map(|line| &line.pieces).map(|piece| piece.text.matches('x').count()).sum();
        assert_eq!(count, 200);
    }

    #[test]
    fn deals_every_line_to_a_page_that_has_room() {
        let lines: Vec<_> = (0..200).flat_map(|n| wrap(&plain(&format!("rad {n}")), 11.5, 300.0)).collect();
        let pages = paginate(lines.clone(), 200.0, 500.0);
        assert_eq!(pages.concat(), lines);
        assert!(pages[0].len() < pages[1].len());
        assert!(pages[1].iter().map(Line::height).sum::<f32>() <= 500.0);
    }
}
