//! A letter as a fax page: PDF of A4, black only, with its fonts in it.
//!
//! The gateway is not trusted to add what the law wants: date, time, sender and
//! number stand at the top of every page, the opt-out line with telephone and fax
//! at its foot (47 CFR 68.318(d), 64.1200(a)(4)). Text is never below 10 points
//! and never grey: both vanish on the line.

use jiff::ZonedDateTime;
use krilla::geom::{PathBuilder, Point};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::{Document, SerializeSettings};

use super::font::face;
use super::page::{BODY, LEADING, Line, MARGIN, MM, PAGE, paginate, set, wrap};
use super::shield::clean;
use super::{RenderError, Rendered, sha256_hex};
use crate::model::address::PhoneNumber;
use crate::model::language::Language;

const SMALL: f32 = 10.0;
const MAX_PAGES: usize = 20;
/// The transmitter prints its own line into the top 10 mm.
const TOP: f32 = 13.0 * MM;
const BOTTOM: f32 = 12.0 * MM;
const LABEL: f32 = 70.0;

/// What stands around a letter on paper.
#[derive(Clone, Debug)]
pub struct FaxHead<'a> {
    /// The recipient.
    pub to_name: &'a str,
    /// The recipient's company.
    pub to_company: &'a str,
    /// The number it goes to.
    pub to: &'a PhoneNumber,
    /// Who writes.
    pub from_name: &'a str,
    /// The sender's legal name.
    pub from_company: &'a str,
    /// The sender's postal address on one line.
    pub from_address: &'a str,
    /// The number it comes from.
    pub from_fax: Option<&'a PhoneNumber>,
    /// The sender's telephone number.
    pub from_phone: Option<&'a PhoneNumber>,
    /// Date and time, in the sender's zone; frozen with the delivery.
    pub date: &'a ZonedDateTime,
    /// The delivery's reference, by which an answer finds it.
    pub reference: &'a str,
    /// The language of the labels.
    pub language: Language,
    /// How to say no, in the letter's language.
    pub opt_out: &'a str,
}

/// A fax as it leaves.
#[derive(Clone, PartialEq, Eq)]
pub struct FaxDocument {
    /// The PDF.
    pub pdf: Vec<u8>,
    /// How many pages it has.
    pub pages: usize,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// How many characters the fonts do not have; each is printed as `?`.
    pub unprintable: usize,
}

impl std::fmt::Debug for FaxDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FaxDocument({} pages, {})", self.pages, self.sha256)
    }
}

/// The words of the frame in one language.
struct Labels {
    title: &'static str,
    to: &'static str,
    from: &'static str,
    date: &'static str,
    pages: &'static str,
    subject: &'static str,
    reference: &'static str,
    page: &'static str,
    phone: &'static str,
    date_form: &'static str,
}

fn labels(language: Language) -> Labels {
    match language {
        Language::Sv => Labels {
            title: "Fax",
            to: "Till",
            from: "Från",
            date: "Datum",
            pages: "Sidor",
            subject: "Ämne",
            reference: "Referens",
            page: "sida",
            phone: "Telefon",
            date_form: "%Y-%m-%d %H:%M",
        },
        Language::En => Labels {
            title: "Fax",
            to: "To",
            from: "From",
            date: "Date",
            pages: "Pages",
            subject: "Subject",
            reference: "Reference",
            page: "page",
            phone: "Telephone",
            date_form: "%-d %B %Y %H:%M",
        },
    }
}

/// How a recipient says no to faxes, in the letter's language.
pub fn opt_out_line(language: Language) -> &'static str {
    match language {
        Language::Sv => "Vill ni inte ha fler fax från oss? Ring eller faxa, så slutar vi genast.",
        Language::En => "No more faxes from us? Call or fax, and we stop at once.",
    }
}

/// Sets a letter on paper.
///
/// # Errors
/// Sender, postal address, opt-out line or both numbers are absent, or it is too long.
pub fn fax(rendered: &Rendered, head: &FaxHead<'_>) -> Result<FaxDocument, RenderError> {
    lawful(head)?;
    let labels = labels(head.language);
    let foot = foot(head, &labels);
    let foot_height: f32 = foot.iter().map(|line| line.gap + line.height()).sum();
    let rest = PAGE.1 - TOP - BOTTOM - SMALL * LEADING - 8.0 - foot_height;
    // The number of pages does not change how many lines the block has.
    let block_height: f32 = block(rendered, head, &labels, 1).iter().map(|line| line.gap + line.height()).sum();
    let pages = paginate(set(&rendered.blocks, 0.0), rest - block_height - 6.0, rest);
    if pages.len() > MAX_PAGES {
        return Err(RenderError::TooManyPages(pages.len()));
    }
    let block = block(rendered, head, &labels, pages.len());
    let mut document = Document::new_with(SerializeSettings::default());
    let mut unprintable = 0;
    for (at, lines) in pages.iter().enumerate() {
        let settings = PageSettings::from_wh(PAGE.0, PAGE.1).expect("A4 is a size");
        let mut page = document.start_page_with(settings);
        let mut sheet = Sheet { surface: page.surface(), y: TOP, unprintable: 0 };
        sheet.draw(&running(head, &labels, at + 1, pages.len()));
        if at == 0 {
            sheet.draw(&block);
        }
        sheet.y += if at == 0 { 6.0 } else { 8.0 };
        sheet.draw(lines);
        sheet.y = PAGE.1 - BOTTOM - foot_height;
        sheet.draw(&foot);
        unprintable += sheet.finish();
        page.finish();
    }
    // No dates in the file: the same letter is the same bytes.
    let pdf = document.finish().map_err(|error| RenderError::Pdf(format!("{error:?}")))?;
    Ok(FaxDocument { sha256: sha256_hex(&pdf), pdf, pages: pages.len(), unprintable })
}

fn lawful(head: &FaxHead<'_>) -> Result<(), RenderError> {
    let blank = |text: &str| clean(text).trim().is_empty();
    match head {
        _ if blank(head.from_company) => Err(RenderError::FaxLacks("the sender's legal name")),
        _ if blank(head.from_address) => Err(RenderError::FaxLacks("the sender's postal address")),
        _ if blank(head.opt_out) => Err(RenderError::FaxLacks("the opt-out line")),
        _ if head.from_fax.is_none() && head.from_phone.is_none() => {
            Err(RenderError::FaxLacks("a number of the sender: set `fax` or `phone` of the sender"))
        }
        _ => Ok(()),
    }
}

/// A number as it is read out, with its country.
fn written(number: &PhoneNumber) -> String {
    number.written_in(None)
}

/// The line at the top of every page.
fn running(head: &FaxHead<'_>, labels: &Labels, page: usize, pages: usize) -> Vec<Line> {
    let number = head.from_fax.or(head.from_phone).map(written).unwrap_or_default();
    let when = head.date.strftime(labels.date_form);
    let parts = [
        clean(head.from_company),
        number,
        when.to_string(),
        clean(head.reference),
        format!("{} {page}/{pages}", labels.page),
    ];
    let shown: Vec<_> = parts.into_iter().filter(|part| !part.trim().is_empty()).collect();
    wrap(&[(shown.join(" | "), false)], SMALL, PAGE.0 - 2.0 * MARGIN)
}

/// To, from, date, pages, subject, reference.
fn block(rendered: &Rendered, head: &FaxHead<'_>, labels: &Labels, pages: usize) -> Vec<Line> {
    let joined = |parts: &[&str]| {
        let parts: Vec<_> = parts.iter().map(|part| clean(part)).filter(|part| !part.trim().is_empty()).collect();
        parts.join(", ")
    };
    let from_fax = head.from_fax.map(written).unwrap_or_default();
    let rows = [
        (labels.to, joined(&[head.to_name, head.to_company, &written(head.to)])),
        (labels.from, joined(&[head.from_name, head.from_company, &from_fax])),
        (labels.date, head.date.strftime(labels.date_form).to_string()),
        (labels.pages, pages.to_string()),
        (labels.subject, clean(&rendered.subject)),
        (labels.reference, clean(head.reference)),
    ];
    let mut out = wrap(&[(labels.title.to_owned(), true)], 18.0, 200.0);
    out[0].gap = 10.0;
    for (label, value) in rows {
        let mut lines = wrap(&[(value, false)], BODY, PAGE.0 - 2.0 * MARGIN - LABEL);
        lines.iter_mut().flat_map(|line| &mut line.pieces).for_each(|piece| piece.x += LABEL);
        let mut label = wrap(&[(label.to_owned(), true)], BODY, LABEL);
        lines[0].pieces.splice(0..0, label.swap_remove(0).pieces);
        lines[0].gap = 2.0;
        out.append(&mut lines);
    }
    out.push(Line::rule(6.0));
    out
}

/// Sender and opt-out line at the foot of every page.
fn foot(head: &FaxHead<'_>, labels: &Labels) -> Vec<Line> {
    let width = PAGE.0 - 2.0 * MARGIN;
    let phone = head.from_phone.map(|number| format!("{} {}", labels.phone, written(number)));
    let fax = head.from_fax.map(|number| format!("Fax {}", written(number)));
    let sender = [Some(clean(head.from_company)), Some(clean(head.from_address)), phone, fax];
    let sender: Vec<_> = sender.into_iter().flatten().collect();
    let mut out = vec![Line::rule(0.0)];
    out.extend(wrap(&[(clean(head.opt_out), true)], SMALL, width));
    out.extend(wrap(&[(sender.join(", "), false)], SMALL, width));
    out[1].gap = 2.0;
    out
}

/// A page being drawn, from the top down.
struct Sheet<'a> {
    surface: Surface<'a>,
    y: f32,
    unprintable: usize,
}

impl Sheet<'_> {
    fn draw(&mut self, lines: &[Line]) {
        for (at, line) in lines.iter().enumerate() {
            self.y += if at == 0 && !line.rule && self.y <= TOP { 0.0 } else { line.gap };
            if line.rule {
                self.rule();
            }
            for piece in &line.pieces {
                let face = face(piece.strong);
                self.unprintable += piece.text.chars().filter(|c| !face.has(*c)).count();
                self.surface.set_stroke(None);
                self.surface.set_fill(Some(Fill::default()));
                let start = Point::from_xy(MARGIN + piece.x, self.y + line.size);
                let glyphs = face.glyphs(&piece.text);
                self.surface.draw_glyphs(start, &glyphs, face.font.clone(), &piece.text, line.size, false);
            }
            self.y += line.height();
        }
    }

    /// Closes the page; tells what could not be printed on it.
    fn finish(self) -> usize {
        self.surface.finish();
        self.unprintable
    }

    fn rule(&mut self) {
        let mut path = PathBuilder::new();
        path.move_to(MARGIN, self.y);
        path.line_to(PAGE.0 - MARGIN, self.y);
        let Some(path) = path.finish() else { return };
        self.surface.set_fill(None);
        self.surface.set_stroke(Some(Stroke { width: 0.9, ..Stroke::default() }));
        self.surface.draw_path(&path);
    }
}
