//! Countries as people write them, and the time zone of those that have one.

use super::field::fold;

/// ISO 3166 alpha-2, the zone where the whole country keeps one, and its folded names.
type Country = (&'static str, Option<&'static str>, &'static [&'static str]);

const COUNTRIES: &[Country] = &[
    ("SE", Some("Europe/Stockholm"), &["sverige", "sweden", "schweden", "swe"]),
    ("NO", Some("Europe/Oslo"), &["norge", "norway", "norwegen", "nor"]),
    ("DK", Some("Europe/Copenhagen"), &["danmark", "denmark", "dänemark", "dnk"]),
    ("FI", Some("Europe/Helsinki"), &["finland", "suomi", "finnland", "fin"]),
    ("IS", Some("Atlantic/Reykjavik"), &["island", "iceland", "isl"]),
    ("DE", Some("Europe/Berlin"), &["tyskland", "germany", "deutschland", "deu"]),
    ("AT", Some("Europe/Vienna"), &["österrike", "austria", "österreich", "aut"]),
    ("CH", Some("Europe/Zurich"), &["schweiz", "switzerland", "che"]),
    ("NL", Some("Europe/Amsterdam"), &["nederländerna", "netherlands", "holland", "nld"]),
    ("BE", Some("Europe/Brussels"), &["belgien", "belgium", "bel"]),
    ("LU", Some("Europe/Luxembourg"), &["luxemburg", "luxembourg", "lux"]),
    ("FR", Some("Europe/Paris"), &["frankrike", "france", "fra"]),
    ("GB", Some("Europe/London"), &["storbritannien", "unitedkingdom", "greatbritain", "england", "uk", "gbr"]),
    ("IE", Some("Europe/Dublin"), &["irland", "ireland", "irl"]),
    ("IT", Some("Europe/Rome"), &["italien", "italy", "ita"]),
    ("PL", Some("Europe/Warsaw"), &["polen", "poland", "polska", "pol"]),
    ("CZ", Some("Europe/Prague"), &["tjeckien", "czechia", "czechrepublic", "cze"]),
    ("EE", Some("Europe/Tallinn"), &["estland", "estonia", "est"]),
    ("LV", Some("Europe/Riga"), &["lettland", "latvia", "lva"]),
    ("LT", Some("Europe/Vilnius"), &["litauen", "lithuania", "ltu"]),
    // Several zones: the client's own field or the company's default decides.
    ("ES", None, &["spanien", "spain", "esp"]),
    ("PT", None, &["portugal", "prt"]),
    ("US", None, &["usa", "unitedstates", "unitedstatesofamerica"]),
    ("CA", None, &["kanada", "canada", "can"]),
];

/// The ISO 3166 alpha-2 code of a code or a name.
pub(super) fn code(text: &str) -> Result<String, String> {
    let folded = fold(text);
    if let Some((code, _, _)) = COUNTRIES.iter().find(|(_, _, names)| names.contains(&folded.as_str())) {
        return Ok((*code).to_owned());
    }
    let code = folded.to_uppercase();
    match code.parse::<phonenumber::country::Id>() {
        Ok(_) if code.len() == 2 => Ok(code),
        _ => Err("is no country; write its two letters, as SE".to_owned()),
    }
}

/// The time zone of a country that keeps one.
pub(super) fn zone(code: &str) -> Option<&'static str> {
    COUNTRIES.iter().find(|(known, _, _)| *known == code).and_then(|(_, zone, _)| *zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_codes_and_names() {
        for (text, expected) in [("se", "SE"), ("Sverige", "SE"), ("UK", "GB"), ("Dänemark", "DK"), ("jp", "JP")] {
            assert_eq!(code(text).as_deref(), Ok(expected));
        }
        assert!(code("Narnia").is_err());
        assert!(code("XQ").is_err());
    }

    #[test]
    fn every_zone_is_known_to_the_time_zone_database() {
        for zone in COUNTRIES.iter().filter_map(|(_, zone, _)| *zone) {
            assert!(jiff::tz::TimeZone::get(zone).is_ok(), "{zone}");
        }
        assert_eq!(zone("US"), None);
    }
}
