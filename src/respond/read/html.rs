//! An answer in HTML as the text that its writer saw, with what it quotes marked.
//!
//! Each mail program wraps the letter that is answered in a mark of its own; those
//! marks become the separators and `>` that [`super::reply`] knows. One pass over
//! the bytes; nothing is rendered, fetched or run.

use mail_parser::decoders::html::html_to_text;

use super::note::SEPARATOR;

/// Elements whose content nobody sees.
const UNSEEN: [&str; 6] = ["style", "script", "head", "title", "template", "noscript"];
/// Elements that begin a line.
const BLOCKS: [&str; 22] = [
    "p",
    "div",
    "br",
    "tr",
    "table",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "hr",
    "pre",
    "section",
    "article",
    "header",
    "footer",
    "blockquote",
    "center",
    "dl",
    "dd",
];
/// Marks in an element's attributes behind which the answered letter stands.
const ANSWERED: [&str; 14] = [
    "gmail_quote",
    "divrplyfwdmsg",
    "appendonsend",
    "outlookmessageheader",
    "mail-editor-reference-message",
    "yahoo_quoted",
    "ms-outlook-mobile-reference",
    "x_divrplyfwdmsg",
    "protonmail_quote",
    "zmail_extra",
    "mail_quote",
    "originalmessage",
    "replyforwardmessage",
    "tutanota_quote",
];
/// Marks of an element that says who wrote when, or that is a signature: it is left out.
const LEFT_OUT: [&str; 9] = [
    "gmail_attr",
    "moz-cite-prefix",
    "gmail_signature",
    "moz-signature",
    "ms-outlook-mobile-signature",
    "id=\"signature",
    "applemailsignature",
    "protonmail_signature",
    "display:none",
];

/// `html` as lines of text.
pub(super) fn to_text(html: &str) -> String {
    let mut page = Page::default();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        page.write(&rest[..open]);
        rest = &rest[open..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some(end) = rest.find('>') else { break };
        page.tag(&rest[1..end]);
        rest = &rest[end + 1..];
    }
    page.finish()
}

/// The text so far, and where in the tree it stands.
#[derive(Default)]
struct Page {
    text: String,
    line: String,
    /// Blockquotes that are open.
    quotes: usize,
    /// The element that is left out, and how many of its name are open.
    skipped: Option<(String, usize)>,
    /// A separator stands above, and nothing but quotes since.
    separated: bool,
}

impl Page {
    fn tag(&mut self, tag: &str) {
        let (closes, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).take(12).collect();
        let name = name.to_ascii_lowercase();
        if self.skips(&name, closes, tag.ends_with('/')) {
            return;
        }
        if BLOCKS.contains(&name.as_str()) {
            self.end_line();
        } else if matches!(name.as_str(), "td" | "th") {
            self.line.push(' ');
        }
        if name == "blockquote" {
            self.quotes = if closes { self.quotes.saturating_sub(1) } else { self.quotes + 1 };
        }
        if matches!((closes, name.as_str()), (true, "p") | (true, "ul") | (true, "ol")) {
            self.text.push('\n');
        }
        if !closes {
            self.open(&name, &tag[..tag.floor_char_boundary(600)].to_ascii_lowercase().replace(['\'', ' '], "\""));
        }
    }

    /// Inside an element that is left out: counts until it closes.
    fn skips(&mut self, name: &str, closes: bool, closed_at_once: bool) -> bool {
        let Some((skipped, depth)) = &mut self.skipped else { return false };
        if name == skipped && !closed_at_once {
            *depth = if closes { depth.saturating_sub(1) } else { *depth + 1 };
        }
        if *depth == 0 {
            self.skipped = None;
        }
        true
    }

    fn open(&mut self, name: &str, attributes: &str) {
        if UNSEEN.contains(&name) {
            self.skipped = Some((name.to_owned(), 1));
            return;
        }
        if !matches!(name, "div" | "blockquote" | "span" | "table" | "p" | "hr" | "td" | "pre" | "section" | "font") {
            return;
        }
        let says_who = ["gmail_attr", "moz-cite-prefix"].iter().any(|mark| attributes.contains(mark));
        if (says_who || ANSWERED.iter().any(|mark| attributes.contains(mark))) && self.quotes < 2 {
            self.separate();
        }
        if LEFT_OUT.iter().any(|mark| attributes.contains(mark)) && name != "hr" {
            self.end_line();
            self.skipped = Some((name.to_owned(), 1));
        }
    }

    fn separate(&mut self) {
        self.end_line();
        if !self.separated {
            self.text.push_str(&format!("\n{SEPARATOR}\n"));
            self.separated = true;
        }
    }

    fn write(&mut self, text: &str) {
        if self.skipped.is_some() || text.is_empty() {
            return;
        }
        let begins = text.starts_with(char::is_whitespace);
        let ends = text.ends_with(char::is_whitespace);
        if begins {
            self.line.push(' ');
        }
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.contains('&') {
            true => self.line.push_str(html_to_text(&words).trim_matches(['\r', '\n'])),
            false => self.line.push_str(&words),
        }
        if ends && !words.is_empty() {
            self.line.push(' ');
        }
    }

    fn end_line(&mut self) {
        let line = self.line.split([' ', '\t', '\u{a0}']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        self.line.clear();
        if !line.is_empty() && self.quotes == 0 {
            self.separated = false;
        }
        if !line.is_empty() && self.quotes > 0 {
            self.text.push_str("> ");
        }
        self.text.push_str(&line);
        // One blank line at most.
        if !line.is_empty() || !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    fn finish(mut self) -> String {
        self.end_line();
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::new_text;
    use super::*;

    fn read(html: &str) -> String {
        new_text(&to_text(html))
    }

    #[test]
    fn takes_off_what_each_mail_program_quotes() {
        let ours = "<p>Avregistrera mig</p>";
        for mark in [
            format!(
                "<div class=\"gmail_quote\"><div dir=ltr class='gmail_attr'>On Mon Karin wrote:<br></div><blockquote>{ours}</blockquote></div>"
            ),
            format!(
                "<div class=\"moz-cite-prefix\">Am 1.3. schrieb Karin:</div><blockquote type=\"cite\">{ours}</blockquote>"
            ),
            format!("<div id=\"appendonsend\"></div><hr><div id=\"divRplyFwdMsg\"><b>Från:</b> Karin</div>{ours}"),
            format!("<div class=OutlookMessageHeader dir=ltr><font>From: Karin</font></div>{ours}"),
            format!(
                "<div style='border-top:solid #E1E1E1 1.0pt'><p><b>Von:</b> Karin<br><b>Gesendet:</b> Montag<br><b>An:</b> Anna<br><b>Betreff:</b> Licht</p></div>{ours}"
            ),
            format!("<div id=\"mail-editor-reference-message-container\">{ours}</div>"),
            format!("<div class=\"yahoo_quoted\">{ours}</div>"),
            format!("<blockquote>{ours}</blockquote>"),
        ] {
            let html = format!(
                "<html><head><style>p{{}}</style></head><body><div>Ja&nbsp;tack, g&auml;rna!</div>{mark}</body></html>"
            );
            assert_eq!(read(&html), "Ja tack, gärna!", "{mark}");
        }
    }

    #[test]
    fn keeps_answers_between_quotes() {
        let html = "<div class=\"gmail_quote\"><div class=\"gmail_attr\">On Mon Karin wrote:</div>\
                    <blockquote>Thursday?</blockquote><div>Yes.</div><blockquote>Or Friday?</blockquote><div>No.</div></div>";
        assert_eq!(read(html), "Yes.\n\nNo.");
    }

    #[test]
    fn leaves_out_signatures_and_what_is_not_seen() {
        let html = "<p>Nej.</p><div class=\"gmail_signature\"><div>Anna</div><div>VD</div></div><div style=\"display:none\">x</div><!-- <p>y</p> -->";
        assert_eq!(read(html), "Nej.");
    }

    #[test]
    fn reads_broken_html() {
        assert_eq!(read("<p>a < b & c"), "a");
        assert_eq!(read("Hej<br>då</blockquote></div>"), "Hej\ndå");
    }
}
