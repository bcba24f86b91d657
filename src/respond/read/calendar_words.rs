//! The names of months, weekdays and small numbers in eight languages.

use jiff::civil::Weekday;

/// A month, as a group of an expression; a longer name stands before its beginning.
pub(super) const MONTH: &str = "(januari|january|januar|janvier|tammikuu|enero|janv|jan|februari|february|februar|février|helmikuu|febrero|févr|fév|feb|marraskuu|maaliskuu|mars|march|märz|marts|marzo|maalis|mär|mar|april|avril|huhtikuu|abril|avr|apr|abr|maj|may|mai|toukokuu|mayo|juni|june|juin|kesäkuu|junio|jun|juli|july|juillet|heinäkuu|julio|juil|jul|augusti|august|août|elokuu|agosto|aug|ago|september|septembre|syyskuu|septiembre|setiembre|sept|sep|oktober|october|octobre|lokakuu|octubre|okt|oct|november|novembre|noviembre|nov|december|dezember|décembre|joulukuu|diciembre|desember|déc|dec|dez|dic|des)(?:ta|n)?";
/// A weekday, as a group of an expression.
pub(super) const WEEKDAY: &str = "(måndag|tisdag|onsdag|torsdag|fredag|lördag|söndag|monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|maanantai|tiistai|keskiviikko|torstai|perjantai|lauantai|sunnuntai|mandag|tirsdag|lørdag|søndag|lunes|martes|miércoles|jueves|viernes|sábado|domingo)(?:en|na|s)?";
/// A small number, as a group of an expression.
pub(super) const AMOUNT: &str = r"(\d{1,2}|en|ett|två|tre|fyra|fem|sex|one|two|three|four|five|six|a|an|zwei|drei|vier|fünf|sechs|einem|einer|une?|deux|trois|quatre|cinq|yhden|kahden|kolmen|neljän|viiden|kuuden|et|to|fire|seks|una?|dos|cuatro|cinco|seis|tres|couple of|ein paar|ett par|et par|quelques|unas|muutaman)";

/// The number of a month by its name in any of the languages.
pub(super) fn month(name: &str) -> Option<i8> {
    let name = name.to_lowercase();
    // Finnish first: "marraskuu" is November, "maaliskuu" March, "kesäkuu" June.
    const FINNISH: [&str; 12] =
        ["tammi", "helmi", "maalis", "huhti", "touko", "kesä", "heinä", "elo", "syys", "loka", "marras", "joulu"];
    if let Some(at) = FINNISH.iter().position(|head| name.starts_with(head)) {
        return i8::try_from(at + 1).ok();
    }
    let head: String = name.chars().take(3).collect();
    let number = match head.as_str() {
        "jan" | "ene" => 1,
        "feb" | "fév" => 2,
        "mar" | "mär" => 3,
        "apr" | "avr" | "abr" => 4,
        "maj" | "may" | "mai" => 5,
        "jui" if name.starts_with("juil") => 7,
        "jun" | "jui" => 6,
        "jul" => 7,
        "aug" | "aoû" | "ago" => 8,
        "sep" | "set" => 9,
        "okt" | "oct" => 10,
        "nov" => 11,
        "dec" | "dez" | "déc" | "dic" | "des" => 12,
        _ => return None,
    };
    Some(number)
}

/// A weekday by its name in any of the languages, with or without its ending.
pub(super) fn weekday(name: &str) -> Option<Weekday> {
    let head: String = name.to_lowercase().chars().take(3).collect();
    let weekday = match head.as_str() {
        "mån" | "mon" | "lun" | "maa" | "man" => Weekday::Monday,
        "tis" | "tue" | "die" | "mar" | "tii" | "tir" => Weekday::Tuesday,
        "ons" | "wed" | "mit" | "mer" | "kes" | "mié" => Weekday::Wednesday,
        "tor" | "thu" | "don" | "jeu" | "jue" => Weekday::Thursday,
        "fre" | "fri" | "ven" | "per" | "vie" => Weekday::Friday,
        "lör" | "sat" | "sam" | "lau" | "lør" | "sáb" => Weekday::Saturday,
        "sön" | "sun" | "son" | "dim" | "søn" | "dom" => Weekday::Sunday,
        _ => return None,
    };
    Some(weekday)
}

/// A small number by its digits or its word.
pub(super) fn amount(word: &str) -> Option<i32> {
    let amount = match word.to_lowercase().as_str() {
        "en" | "ett" | "one" | "a" | "an" | "einem" | "einer" | "un" | "une" | "yhden" | "et" | "una" => 1,
        "två" | "two" | "zwei" | "deux" | "kahden" | "to" | "dos" | "couple of" | "ein paar" | "ett par" | "et par" => {
            2
        }
        "tre" | "three" | "drei" | "trois" | "kolmen" | "tres" | "quelques" | "unas" | "muutaman" => 3,
        "fyra" | "four" | "vier" | "quatre" | "neljän" | "fire" | "cuatro" => 4,
        "fem" | "five" | "fünf" | "cinq" | "viiden" | "cinco" => 5,
        "sex" | "six" | "sechs" | "kuuden" | "seks" | "seis" => 6,
        digits => digits.parse().ok()?,
    };
    Some(amount)
}
