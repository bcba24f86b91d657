//! Campaign files: TOML in, a campaign, its mistakes and the places of its parts out.
//!
//! It reads text alone: whether templates, senders and contacts fit is looked at
//! by the check, with the places from here. `veto` and the like are no keys until
//! something in the house obeys them.

mod audience;
mod folder;
mod steps;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use crate::config::limits::read_limit;
use crate::config::sections::LANGUAGES;
use crate::config::shape::zone;
use crate::config::table::{Reader, Table};
use crate::config::value::Value;
use crate::model::campaign::{Campaign, From, Late, Reaction, Start, Window};
use crate::model::mistake::Mistake;
use crate::model::response::HumanIntent;
use crate::model::text::Line;

use super::duration::parse_wait;
use super::places::{Place, Places};
use super::window::{parse_hours, parse_weekdays};

pub use folder::{CampaignFile, Folder, read_folder};

const ROOT: [&str; 5] = ["campaign", "audience", "send", "step", "on"];
const CAMPAIGN: [&str; 5] = ["id", "title", "language", "from", "start"];
const SEND: [&str; 6] = ["days", "hours", "zone", "late", "rate", "per_day"];
const LATE: [(&str, Late); 3] = [("send", Late::Send), ("skip", Late::Skip), ("ask", Late::Ask)];
const INTENTS: [(&str, HumanIntent); 8] = [
    ("interested", HumanIntent::Interested),
    ("question", HumanIntent::Question),
    ("not_now", HumanIntent::NotNow),
    ("referral", HumanIntent::Referral),
    ("not_interested", HumanIntent::NotInterested),
    ("unclear", HumanIntent::Unclear),
    ("hostile", HumanIntent::Hostile),
    ("data_request", HumanIntent::DataRequest),
];

/// Reads the campaign in `source`, which stands in `file`.
///
/// With mistakes there may still be a campaign, as far as it could be read, so that
/// its letters can be checked in the same run; it is never to be applied.
pub fn read(
    file: &Path,
    source: &str,
    check_cron: impl Fn(&str) -> Result<(), String>,
) -> (Option<Campaign>, Vec<Mistake>, Places) {
    let reader = Reader::new(file, source);
    let mut places = Places::new(file, source);
    let campaign = reader.parse().and_then(|root| read_campaign(&reader, root, &mut places, &check_cron));
    (campaign, reader.into_mistakes(), places)
}

fn read_campaign<'r>(
    reader: &'r Reader<'r>,
    root: DeTable<'r>,
    places: &mut Places,
    check_cron: &dyn Fn(&str) -> Result<(), String>,
) -> Option<Campaign> {
    let mut root = reader.root(root, &ROOT);
    let head = root.need_section("campaign", &CAMPAIGN).and_then(|table| read_head(table, places, check_cron));
    let audience = root.need_section("audience", &audience::KEYS).and_then(|table| audience::read(table, places));
    let mut send = root.section("send", &SEND);
    let limit = send.as_mut().map(read_limit).unwrap_or_default();
    let send = read_window(send, &default_window());
    let steps = steps::read(root.need_sections("step", &steps::KEYS), &send, places);
    let on = root.take("on").and_then(|value| value.table("[on]", &INTENTS.map(|(name, _)| name)));
    let on = on.map(|table| read_reactions(table, places)).unwrap_or_default();
    let (head, (audience, holdout_percent)) = (head?, audience?);
    let Head { id, title, language, from, start } = head;
    Some(Campaign { id, title, language, from, start, audience, holdout_percent, send, limit, steps, on })
}

/// `[campaign]`.
struct Head {
    id: String,
    title: String,
    language: crate::model::language::Language,
    from: From,
    start: Start,
}

fn read_head(
    mut table: Table<'_>,
    places: &mut Places,
    check_cron: &dyn Fn(&str) -> Result<(), String>,
) -> Option<Head> {
    let id = noted(table.need("id"), Place::Id, places).and_then(Value::slug);
    let title = table.need("title").and_then(|value| value.parse(Line::parse));
    let language = table.need("language").and_then(|value| value.word(&LANGUAGES));
    let from = noted(table.take("from"), Place::From, places).map_or(Some(From::Owner), read_from);
    let start = noted(table.need("start"), Place::Start, places).and_then(|value| read_start(value, check_cron));
    Some(Head { id: id?, title: title?.into(), language: language?, from: from?, start: start? })
}

/// The value itself, its place noted on the way.
fn noted<'r>(value: Option<Value<'r>>, place: Place, places: &mut Places) -> Option<Value<'r>> {
    let value = value?;
    places.note(place, value.span());
    Some(value)
}

fn read_from(value: Value<'_>) -> Option<From> {
    let name = value.slug()?;
    Some(if name == "owner" { From::Owner } else { From::Sender(name) })
}

/// Reads a date, `{ cron = "..." }` or a cron expression alone.
fn read_start(value: Value<'_>, check_cron: &dyn Fn(&str) -> Result<(), String>) -> Option<Start> {
    let cron = |value: Value<'_>| {
        let (reader, span) = (value.reader(), value.span());
        let text = value.text()?;
        if text.parse::<jiff::civil::Date>().is_ok() {
            reader.push(reader.mistake(&span, "`start`: a date stands without quotes").hint(format!("start = {text}")));
            return None;
        }
        let checked = check_cron(&text);
        checked.map_err(|error| reader.report(&span, format!("`start`: {error}"))).ok()?;
        Some(Start::Cron(text))
    };
    if value.is_table() {
        return value.table("start", &["cron"])?.need("cron").and_then(cron);
    }
    if value.is_string() {
        return cron(value);
    }
    value.date().map(Start::Date)
}

/// The window of a campaign that names none: office hours.
fn default_window() -> Window {
    let days = (0..5).scan(jiff::civil::Weekday::Monday, |day, _| {
        let today = *day;
        *day = day.next();
        Some(today.into())
    });
    let (from, until) = (jiff::civil::time(8, 0, 0, 0), jiff::civil::time(17, 0, 0, 0));
    Window { days: days.collect(), from, until, zone: None, late: Late::Send }
}

/// Reads a window; what it does not say is as in `usual`.
fn read_window(table: Option<Table<'_>>, usual: &Window) -> Window {
    let mut window = usual.clone();
    let Some(mut table) = table else { return window };
    if let Some(days) = table.take("days").and_then(|value| value.parse(parse_weekdays)) {
        window.days = days;
    }
    if let Some((from, until)) = table.take("hours").and_then(|value| value.parse(parse_hours)) {
        (window.from, window.until) = (from, until);
    }
    if let Some(name) = table.take("zone").and_then(zone) {
        window.zone = Some(name);
    }
    if let Some(late) = table.take("late").and_then(|value| value.word(&LATE)) {
        window.late = late;
    }
    window
}

fn read_reactions(mut table: Table<'_>, places: &mut Places) -> BTreeMap<HumanIntent, Reaction> {
    let mut reactions = BTreeMap::new();
    for (name, intent) in INTENTS {
        let Some(value) = table.take(name) else { continue };
        let Some(mut reaction) = value.table(format!("[on.{name}]"), &["task"]) else { continue };
        let Some(mut task) = reaction.need("task").and_then(|task| task.table("task", &["note", "within"])) else {
            continue;
        };
        let note = noted(task.need("note"), Place::Reaction(intent), places);
        let note = note.and_then(|value| value.parse(Line::parse));
        let within = task.need("within").and_then(|value| value.parse(parse_wait));
        if let (Some(note), Some(within)) = (note, within) {
            reactions.insert(intent, Reaction { note: note.into(), within });
        }
    }
    reactions
}

/// Reports the second of two equal ids and names the line of the first.
fn report_twin(reader: &Reader<'_>, what: &str, id: &str, first: &Range<usize>, second: &Range<usize>) {
    let line = reader.line_of(first);
    reader.report(second, format!("the {what} `{id}` is given twice, first in line {line}"));
}
