//! The HTML part: self-contained, readable at 360 px, light and dark.
//!
//! Colours stand inline for readers that drop the style sheet; the sheet only
//! turns them dark. Everything goes through maud's escaping, for the words of
//! strangers stand in it. Nothing is fetched, so nothing tells that it was read.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::sheet::{Entry, Section, Sheet};

const PAGE: &str = "margin:0;padding:0;background:#ffffff;color:#1a1a1a;\
    font:16px/1.45 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;overflow-wrap:anywhere";
const COLUMN: &str = "max-width:560px;margin:0 auto;padding:16px";
const LEAD: &str = "margin:0 0 4px";
const HEADING: &str = "margin:24px 0 8px;padding:0 0 4px;border-bottom:1px solid #d4d4d4;\
    font-size:13px;font-weight:700;letter-spacing:.06em;color:#5a5a5a";
const ITEM: &str = "margin:0 0 14px;padding:0 0 0 30px";
const PLAIN: &str = "margin:0 0 14px;padding:0";
const NUMBER: &str = "display:inline-block;width:30px;margin-left:-30px;font-weight:700;color:#0a5a9c";
const QUOTE: &str = "margin:4px 0;padding:2px 0 2px 10px;border-left:3px solid #c9b458;color:#3d3d3d;font-style:italic";
const LINE: &str = "margin:2px 0 0";
const LINK: &str = "color:#0a5a9c";
const BUTTON: &str = "display:block;margin:28px 0 8px;padding:12px;border-radius:6px;text-align:center;\
    background:#0a5a9c;color:#ffffff;font-weight:700;text-decoration:none";

const DARK: &str = ":root{color-scheme:light dark;supported-color-schemes:light dark}\
    @media (prefers-color-scheme:dark){\
    .page{background:#16181b!important;color:#e8e8e8!important}\
    .heading{color:#a9b0b8!important;border-color:#3a3f45!important}\
    .number,.link{color:#7db8ec!important}\
    .quote{color:#cfcfcf!important;border-color:#8a7b3a!important}\
    .button{background:#7db8ec!important;color:#10263a!important}}";

/// The sheet as a page of its own, ending with the link if there is anything to open.
pub(super) fn page(sheet: &Sheet, link: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang=(sheet.language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="supported-color-schemes" content="light dark";
                title { (sheet.subject) }
                style { (PreEscaped(DARK)) }
            }
            body.page style=(PAGE) {
                div style=(COLUMN) {
                    @for line in &sheet.opening { p style=(LEAD) { (line) } }
                    @for section in &sheet.sections { (section_markup(section)) }
                    @if !sheet.sections.is_empty() {
                        a.button href=(link) style=(BUTTON) { (sheet.link_label) }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn section_markup(section: &Section) -> Markup {
    html! {
        h2.heading style=(HEADING) { (section.heading) }
        @for entry in &section.entries { (entry_markup(entry)) }
        @if let Some(more) = &section.more { p style=(PLAIN) { (more) } }
    }
}

fn entry_markup(entry: &Entry) -> Markup {
    html! {
        div style=(if entry.number.is_some() { ITEM } else { PLAIN }) {
            @if let Some(number) = entry.number { span.number style=(NUMBER) { (number) } }
            @if let Some(who) = &entry.who { strong { (who) } }
            @if entry.who.is_some() && entry.what.is_some() { ": " }
            @if let Some(what) = &entry.what { (what) }
            @if let Some(quote) = &entry.quote { p.quote style=(QUOTE) { "\"" (quote) "\"" } }
            @for line in &entry.lines { p style=(LINE) { (line_markup(entry, line)) } }
        }
    }
}

/// A line in which the telephone number can be tapped.
fn line_markup(entry: &Entry, line: &str) -> Markup {
    let split = entry.phone.as_ref().and_then(|phone| Some((line.split_once(&phone.shown)?, phone)));
    let Some(((before, after), phone)) = split else { return html! { (line) } };
    html! { (before) a.link href={ "tel:" (phone.dialled) } style=(LINK) { (phone.shown) } (after) }
}
