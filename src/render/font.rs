//! The two faces that fax pages are set in: Liberation Sans, regular and bold
//! (SIL Open Font License 1.1, `fonts/LICENSE-LiberationSans.txt`).
//!
//! Widths come from the font itself, so a line is measured as it is drawn.

use std::sync::LazyLock;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use ttf_parser::Face;

static REGULAR: &[u8] = include_bytes!("fonts/LiberationSans-Regular.ttf");
static BOLD: &[u8] = include_bytes!("fonts/LiberationSans-Bold.ttf");

/// A face with its measures.
pub(super) struct Typeface {
    face: Face<'static>,
    /// The same face for the PDF writer.
    pub(super) font: Font,
}

/// Regular.
pub(super) static PLAIN: LazyLock<Typeface> = LazyLock::new(|| Typeface::new(REGULAR));
/// Bold.
pub(super) static STRONG: LazyLock<Typeface> = LazyLock::new(|| Typeface::new(BOLD));

/// The face of a run.
pub(super) fn face(strong: bool) -> &'static Typeface {
    if strong { &STRONG } else { &PLAIN }
}

impl Typeface {
    fn new(bytes: &'static [u8]) -> Self {
        Self {
            face: Face::parse(bytes, 0).expect("the embedded font is whole"),
            font: Font::new(bytes.into(), 0).expect("the embedded font is whole"),
        }
    }

    /// Whether it can print `c`.
    pub(super) fn has(&self, c: char) -> bool {
        self.face.glyph_index(c).is_some_and(|glyph| glyph.0 != 0)
    }

    /// The glyphs of `text`, one for each character; what cannot be printed is a `?`.
    pub(super) fn glyphs(&self, text: &str) -> Vec<KrillaGlyph> {
        let units = f32::from(self.face.units_per_em());
        let glyph_of = |c| self.face.glyph_index(c).filter(|glyph| glyph.0 != 0);
        let chars = text.char_indices().map(|(at, c)| {
            let glyph = glyph_of(c).or_else(|| glyph_of('?')).unwrap_or_default();
            let advance = f32::from(self.face.glyph_hor_advance(glyph).unwrap_or(0)) / units;
            let id = GlyphId::new(u32::from(glyph.0));
            KrillaGlyph::new(id, advance, 0.0, 0.0, 0.0, at..at + c.len_utf8(), None)
        });
        chars.collect()
    }

    /// The width of `text` in points.
    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        self.glyphs(text).iter().map(|glyph| glyph.x_advance * size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_by_the_fonts_own_widths() {
        assert!(PLAIN.width("WWWW", 11.0) > 2.0 * PLAIN.width("iiii", 11.0));
        assert!(STRONG.width("Avsändare", 11.0) > PLAIN.width("Avsändare", 11.0));
        assert!(PLAIN.has('å') && PLAIN.has('–') && !PLAIN.has('\u{1F600}'));
    }
}
