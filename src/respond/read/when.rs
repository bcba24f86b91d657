//! What a date means: the day someone is back, the day to come back at.
//!
//! "Until" gives the day itself, "until and including" and a stretch from one day
//! to another the next working day. Holidays are not known here: `answer` adds a
//! business day by the client's own calendar.

use std::sync::LazyLock;

use jiff::civil::Date;
use regex::Regex;

use super::date::{Named, dates, workday};

/// Bytes before a date in which a word says what it is.
const BEFORE: usize = 60;
/// Bytes behind a date in which a word says what it is.
const BEHIND: usize = 40;

/// What the words around a date say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The first day back.
    Back,
    /// Away until it; `true`: on that day too.
    Until(bool),
    /// The first day away.
    From,
    /// The only day, week or month they are away.
    Away,
    /// Something else.
    Other,
}

/// The day someone is back, as their automatic answer says it.
pub(super) fn return_date(text: &str, today: Date) -> Option<Date> {
    let all = dates(text, today);
    let parts: Vec<(Named, Part)> = all
        .iter()
        .enumerate()
        .map(|(at, named)| (*named, part(text, &all, at)))
        .filter(|(named, _)| named.last >= today)
        .collect();
    let find = |wanted: fn(Part) -> bool| parts.iter().position(|(_, part)| wanted(*part));
    if let Some(at) = find(|part| part == Part::Back) {
        return Some(parts[at].0.date).filter(|date| *date >= today);
    }
    if let Some(at) = find(|part| matches!(part, Part::Until(_))) {
        let (named, part) = parts[at];
        // From one day to another: away on the last day too.
        let stretch = at > 0
            && matches!(parts[at - 1].1, Part::From | Part::Away | Part::Other)
            && is_joined(text, &parts[at - 1].0, &named);
        let with_it = part == Part::Until(true) || stretch;
        return Some(if with_it { after(named.last)? } else { workday(named.date) });
    }
    for pair in parts.windows(2) {
        if is_joined(text, &pair[0].0, &pair[1].0) && pair[0].0.date < pair[1].0.date {
            return after(pair[1].0.last);
        }
    }
    let at = find(|part| part == Part::Away)?;
    after(parts[at].0.last)
}

/// The day to come back at that stands nearest to `at`, if it is to come.
pub(super) fn date_near(text: &str, at: usize, today: Date) -> Option<Date> {
    let all = dates(text, today);
    let meant = all.iter().enumerate().filter_map(|(at, named)| {
        // "Vi är bortresta till och med 14 mars": the day after.
        let date = match part(text, &all, at) {
            Part::Until(true) => after(named.last)?,
            _ => named.date,
        };
        (date > today).then_some((named.start, date))
    });
    meant.min_by_key(|(start, _)| start.abs_diff(at)).map(|(_, date)| date)
}

/// The next working day after `last`.
fn after(last: Date) -> Option<Date> {
    last.tomorrow().ok().map(workday)
}

/// What the words around the date at `at` say, up to the dates and the ends of
/// sentences on both sides.
fn part(text: &str, all: &[Named], at: usize) -> Part {
    let named = &all[at];
    let from = if at > 0 { all[at - 1].end } else { 0 };
    let to = all.get(at + 1).map_or(text.len(), |next| next.start);
    let before = slice(text, from.max(named.start.saturating_sub(BEFORE)), named.start);
    let before = sentence_end(before).map_or(before, |end| &before[end..]);
    let within = &text[named.start..named.end];
    let behind = slice(text, named.end, to.min(named.end + BEHIND));
    let ends = END.find(behind).map(|end| end.end());
    // A word between two dates belongs to the later one: "2-12 mars och åter den 15".
    let shared = ends.is_none() && all.get(at + 1).is_some_and(|next| next.start - named.end <= BEHIND);
    let behind = &behind[..ends.unwrap_or(behind.len())];
    let before = &denied(before);
    let behind = &denied(behind);
    // "1. bis 14. März": the word stands inside, and the last day counts.
    let stretch = named.last > named.date && UNTIL.is_match(within) && within.starts_with(|c: char| c.is_ascii_digit());
    let until = UNTIL.is_match(before) || UNTIL.is_match(within) || BEHIND_UNTIL.is_match(behind);
    let with_it =
        stretch || WITH_IT.is_match(before) || (WITH_IT.is_match(behind) && !shared) || BEHIND_WITH_IT.is_match(behind);
    if BACK.is_match(before) && !(until && AWAY.is_match(before)) {
        return Part::Back;
    }
    if until {
        return Part::Until(with_it);
    }
    if BACK.is_match(behind) && !shared {
        return Part::Back;
    }
    if with_it {
        return Part::Until(true);
    }
    if SINCE.is_match(before) {
        return if named.date < named.last { Part::Away } else { Part::From };
    }
    let clause = slice(text, named.start.saturating_sub(2 * BEFORE), named.start);
    let clause = sentence_end(clause).map_or(clause, |end| &clause[end..]);
    match AWAY.is_match(clause) || AWAY.is_match(behind) {
        true => Part::Away,
        false => Part::Other,
    }
}

/// Only a dash or a word like "to" stands between two dates.
fn is_joined(text: &str, first: &Named, second: &Named) -> bool {
    static BETWEEN: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?i)^[\s.,]{0,3}(?:\([^)]{1,12}\))?\s*(?:[-–—]{1,2}|to|till|t\.?o\.?m\.?|till och med|til|til og med|bis|bis zum|bis einschließlich|au|jusqu'au|al|hasta(?: el)?|until|through|thru|och|and|und|og|et|y)?\s*(?:den|le|el|the|zum|einschließlich|\p{L}{2,12}(?:en|na)?,?)?\s*(?:\p{L}{2,10},?)?\s*$",
        )
    });
    second.start >= first.end && second.start - first.end < 40 && BETWEEN.is_match(&text[first.end..second.start])
}

/// Where the last sentence in `text` begins.
fn sentence_end(text: &str) -> Option<usize> {
    END.find_iter(text).last().map(|end| end.end())
}

/// `text` without "not back", "nicht erreichbar": they say the opposite.
fn denied(text: &str) -> String {
    static NOT: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?i)\b(?:svarar (?:inte|ej|därefter|sedan|när|så)|svarer ikke|will not (?:be able to )?reply|(?:nicht|not|inte|ej|pas|ikke|ei|no|non|en ole|nur eingeschränkt|begränsad|limited|unable to be|cannot be|kan inte)\s+(?:\p{L}+\s+){0,2}(?:erreichbar|reachable|reached|available|anträffbar|nåbar|nås|joignable|disponible|tilgængelig|tilgjengelig|tavattavissa|träffas|im haus|im büro|på plats|back|tillbaka))\b",
        )
    });
    NOT.replace_all(text, "~").into_owned()
}

static BACK: LazyLock<Regex> = LazyLock::new(|| {
    expression(concat!(
        r"(?i)\b(?:åter(?:kommer|går|komst)?|förrän|först|svarar|läser (?:mejl|mail|min)|öppnar|hörs igen|börjar (?:igen|jobba)|tillbaka|på plats|i tjänst igen|anträffbar|svarar (?:igen|på mejl)|börjar (?:jag )?(?:jobba|arbeta)",
        r"|back|re-?opens?|open again|will reply|not (?:before|until)|return(?:ing|s)?|resume|resuming|available(?: again)?|rejoin",
        r"|zurück|wieder|öffnen|erst (?:wieder )?(?:am|ab|in)|erreichbar|rückkehr|zur verfügung",
        r"|pas avant|rouvr\p{L}*|de retour|mon retour|le retour|retour(?: le| au| prévu| :|\s*$)|reviens|reviendrai|revenons|rentre|rentrerai|joignable|reprend\p{L}*|à nouveau|de nouveau|disponible",
        r"|vasta|avaamme|palaan|palaamme|palaa|takaisin|paikalla|töissä|tavattavissa|paluu",
        r"|tilbage|tilbake|ikke før|først|åbner|åpner|på kontoret igen|på jobb igjen|træffes|treffes",
        r"|de vuelta|abrimos|reabrimos|vuelvo|volver\p{L}*|regres\p{L}*|reincorpor\p{L}*|de regreso|nuevamente|estaré disponible)\b",
    ))
});
static UNTIL: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:until|till|til|indtil|inntil|t\.?o\.?m\b\.?|tom|bis|through|thru|jusqu.(?:au|à|en)|hasta|to and including|up to|fram till|frem til|senast)",
    )
});
static BEHIND_UNTIL: LazyLock<Regex> = LazyLock::new(|| expression(r"(?i)^\s*(?:asti|saakka|mennessä)\b"));
static BEHIND_WITH_IT: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?i)^\s*\(?(?:inclus|inkl|incl|medräknat|y compris)"));
static WITH_IT: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)(?:\bt\.?o\.?m\b|\btom\b|till och med|til og med|\bthrough\b|\bthru\b|inkl|einschlie(?:ß|ss)lich|inclu[sd]|incluid|\binclus|\basti\b|\bsaakka\b|kuluessa|y compris|ambos)",
    )
});
/// The end of a sentence; an abbreviation ("d. 15. marts") is none.
static END: LazyLock<Regex> = LazyLock::new(|| expression(r"[!?\n]|\p{Ll}{4}\. |\)\. "));
static SINCE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:från(?: och med)?|fr\.?o\.?m\.?|from|starting|vom|von|ab|seit|du|à partir d[ue]|dès|del|desde|a partir del?|fra(?: og med)?|alkaen|between|mellan|zwischen|entre)\s*(?:den|the|dem|le|el)?\s*(?:\p{L}{3,10},?)?\s*$",
    )
});
static AWAY: LazyLock<Regex> = LazyLock::new(|| {
    expression(concat!(
        r"(?i)\b(?:\p{L}*ledig\p{L}*|\p{L}*semester|borta|bortrest|frånvarande|frånvaro|tjänsteresa|på resa|stängt|inte på (?:kontoret|plats)|ej på plats|ej anträffbar|kontoret är stängt|kursen|utbildning|sjukskriven",
        r"|out of (?:the )?office|out of|away|vacation|holiday|leave|closed|travell?ing|off work|not in the office|absence|absent\p{L}*|out\b",
        r"|\p{L}*urlaub\p{L}*|abwesend|nicht (?:im|erreichbar)|außer haus|geschlossen|verreist|dienstreise|nicht da",
        r"|congés?|vacances|fermé\p{L}*|déplacement|hors du bureau",
        r"|\p{L}*loma\p{L}*|poissa|vapaalla|matkoilla",
        r"|ferie|\p{L}*ferie|fravær\p{L}*|ikke på kontoret|lukket|stengt|permisjon|bortreist|på reise",
        r"|vacaciones|ausente|fuera de|cerrad[oa]|de baja|viaje)\b|~",
    ))
});

fn slice(text: &str, from: usize, to: usize) -> &str {
    &text[text.floor_char_boundary(from)..text.floor_char_boundary(to.min(text.len()))]
}

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a test runs each expression")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn first(text: &str) -> Option<Date> {
        dates(text, date(2027, 3, 1)).first().map(|named| named.date)
    }

    #[test]
    fn reads_the_dates_people_write() {
        let cases = [
            ("Hör av er vecka 34.", date(2027, 8, 23)),
            ("hör av dig v. 34", date(2027, 8, 23)),
            ("v34", date(2027, 8, 23)),
            ("KW 34", date(2027, 8, 23)),
            ("semaine 34", date(2027, 8, 23)),
            ("viikolla 34", date(2027, 8, 23)),
            ("i uge 34", date(2027, 8, 23)),
            ("i uke 34", date(2027, 8, 23)),
            ("la semana 34", date(2027, 8, 23)),
            ("vecka 5", date(2028, 1, 31)),
            ("tillbaka den 15/3", date(2027, 3, 15)),
            ("until 15/03/2027", date(2027, 3, 15)),
            ("back on 15 March", date(2027, 3, 15)),
            ("back on March 15th", date(2027, 3, 15)),
            ("back on Monday, March 15, 2027", date(2027, 3, 15)),
            ("åter måndag 15 mars", date(2027, 3, 15)),
            ("ab dem 15.03. wieder", date(2027, 3, 15)),
            ("am 15. März", date(2027, 3, 15)),
            ("le 15 mars", date(2027, 3, 15)),
            ("le 1er avril 2027", date(2027, 4, 1)),
            ("15. maaliskuuta", date(2027, 3, 15)),
            ("palaan 15.3.", date(2027, 3, 15)),
            ("den 15. marts", date(2027, 3, 15)),
            ("el 15 de marzo de 2027", date(2027, 3, 15)),
            ("2027-04-05", date(2027, 4, 5)),
            ("i augusti", date(2027, 8, 2)),
            ("en septembre", date(2027, 9, 1)),
            ("syyskuussa", date(2027, 9, 1)),
            ("next quarter", date(2027, 4, 1)),
            ("efter semestern", date(2027, 8, 16)),
            ("nach Ostern", date(2027, 3, 30)),
            ("om två veckor", date(2027, 3, 15)),
            ("in 3 months", date(2027, 6, 1)),
            ("dans deux semaines", date(2027, 3, 15)),
            ("kahden viikon kuluttua", date(2027, 3, 15)),
            ("på torsdag", date(2027, 3, 4)),
        ];
        for (text, day) in cases {
            assert_eq!(first(text), Some(day), "{text}");
        }
        for text in ["öppet 24/7", "ring kl. 8.30. Tack", "070-174 06 12", "we may come", "um 8.30 Uhr"] {
            assert_eq!(first(text), None, "{text}");
        }
    }

    #[test]
    fn finds_the_day_someone_is_back() {
        let today = date(2027, 3, 1);
        let monday = Some(date(2027, 3, 15));
        let cases = [
            ("Hej, jag är på semester, åter 15 mars.", monday),
            ("Jag är borta 2 mars till 12 mars och tillbaka den 15/3.", monday),
            ("Jag är ledig till och med fredag 12 mars.", monday),
            ("Ledig t.o.m. 14/3.", monday),
            ("Ledig 2 mars - 14 mars", monday),
            ("Semester 2-14 mars.", monday),
            ("Jag är borta vecka 9-10.", monday),
            ("Jag är inte anträffbar till den 15 mars.", monday),
            ("Out of office through 14 March.", monday),
            ("I am away from 2 to 12 March.", monday),
            ("I will be back in the office on Monday, March 15.", monday),
            ("Ich bin ab dem 15. März wieder erreichbar.", monday),
            ("Ich bin bis einschließlich 14.03.2027 nicht im Büro.", monday),
            ("Ich bin bis einschließlich 12.03. nicht erreichbar.", monday),
            ("Ich bin vom 01.03. bis 14.03.2027 im Urlaub.", monday),
            ("Je suis absent jusqu'au 14 mars inclus.", monday),
            ("Je suis en congés du 1er au 12 mars.", monday),
            ("Absente, de retour le lundi 15 mars 2027.", monday),
            ("Olen lomalla 14.3. asti.", Some(date(2027, 3, 15))),
            ("Palaan töihin 15.3.2027.", monday),
            ("Jeg holder ferie til og med 14. marts.", monday),
            ("Jeg er tilbake på kontoret 15. mars.", monday),
            ("Estaré fuera hasta el 14 de marzo inclusive.", monday),
            ("Vuelvo el 15 de marzo.", monday),
            ("Jag är på semester.", None),
            ("Back on 15 February.", None),
        ];
        for (text, day) in cases {
            assert_eq!(return_date(text, today), day, "{text} {:?}", dates(text, today));
        }
    }
}
