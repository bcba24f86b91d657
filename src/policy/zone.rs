//! The time zone of clients of whom only the country is known.
//!
//! `client` asks at import where a row has no zone of its own, and stores the
//! answer as `ZoneSource::Country`. Source: zone1970.tab of the IANA database.

/// The zone of a country, and whether it stands for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountryZone {
    /// IANA name.
    pub name: &'static str,
    /// The country has several zones; this is the capital's, so a client there may
    /// be written to some hours off.
    pub capital_only: bool,
}

/// The IANA zone of a country (ISO 3166 alpha-2, any case); the capital's where
/// it has several, None for one that is not listed.
pub fn of_country(code: &str) -> Option<&'static str> {
    find(code).map(|zone| zone.name)
}

/// The same, saying whether the country has other zones too.
pub fn find(code: &str) -> Option<CountryZone> {
    let code = code.to_ascii_uppercase();
    let in_table = |table: &[(&str, &'static str)]| table.iter().find(|row| row.0 == code).map(|row| row.1);
    if let Some(name) = in_table(ONE) {
        return Some(CountryZone { name, capital_only: false });
    }
    in_table(SEVERAL).map(|name| CountryZone { name, capital_only: true })
}

/// Countries with one clock.
const ONE: &[(&str, &str)] = &[
    ("AD", "Europe/Andorra"),
    ("AE", "Asia/Dubai"),
    ("AL", "Europe/Tirane"),
    ("AT", "Europe/Vienna"),
    ("AX", "Europe/Mariehamn"),
    ("BA", "Europe/Sarajevo"),
    ("BE", "Europe/Brussels"),
    ("BG", "Europe/Sofia"),
    ("BY", "Europe/Minsk"),
    ("CH", "Europe/Zurich"),
    ("CZ", "Europe/Prague"),
    ("DE", "Europe/Berlin"),
    ("DK", "Europe/Copenhagen"),
    ("EE", "Europe/Tallinn"),
    ("FI", "Europe/Helsinki"),
    ("FO", "Atlantic/Faroe"),
    ("FR", "Europe/Paris"),
    ("GB", "Europe/London"),
    ("GR", "Europe/Athens"),
    ("HR", "Europe/Zagreb"),
    ("HU", "Europe/Budapest"),
    ("IE", "Europe/Dublin"),
    ("IL", "Asia/Jerusalem"),
    ("IN", "Asia/Kolkata"),
    ("IS", "Atlantic/Reykjavik"),
    ("IT", "Europe/Rome"),
    ("JP", "Asia/Tokyo"),
    ("KR", "Asia/Seoul"),
    ("LI", "Europe/Vaduz"),
    ("LT", "Europe/Vilnius"),
    ("LU", "Europe/Luxembourg"),
    ("LV", "Europe/Riga"),
    ("MC", "Europe/Monaco"),
    ("MD", "Europe/Chisinau"),
    ("ME", "Europe/Podgorica"),
    ("MK", "Europe/Skopje"),
    ("MT", "Europe/Malta"),
    ("NL", "Europe/Amsterdam"),
    ("NO", "Europe/Oslo"),
    ("PL", "Europe/Warsaw"),
    ("RO", "Europe/Bucharest"),
    ("RS", "Europe/Belgrade"),
    ("SE", "Europe/Stockholm"),
    ("SG", "Asia/Singapore"),
    ("SI", "Europe/Ljubljana"),
    ("SK", "Europe/Bratislava"),
    ("SM", "Europe/San_Marino"),
    ("TR", "Europe/Istanbul"),
    ("UA", "Europe/Kyiv"),
    ("VA", "Europe/Vatican"),
    ("ZA", "Africa/Johannesburg"),
];

/// Countries with several clocks: the capital's.
const SEVERAL: &[(&str, &str)] = &[
    ("AU", "Australia/Sydney"),
    ("BR", "America/Sao_Paulo"),
    ("CA", "America/Toronto"),
    ("CY", "Asia/Nicosia"),
    ("ES", "Europe/Madrid"),
    ("GL", "America/Nuuk"),
    ("MX", "America/Mexico_City"),
    ("NZ", "Pacific/Auckland"),
    ("PT", "Europe/Lisbon"),
    ("RU", "Europe/Moscow"),
    ("US", "America/New_York"),
];

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn every_zone_is_one_that_the_database_knows() {
        for (code, name) in ONE.iter().chain(SEVERAL) {
            assert!(TimeZone::get(name).is_ok(), "{code}: {name}");
        }
    }

    #[test]
    fn every_country_stands_once_in_upper_case() {
        let mut codes: Vec<_> = ONE.iter().chain(SEVERAL).map(|row| row.0).collect();
        assert!(codes.iter().all(|code| code.len() == 2 && code.chars().all(|c| c.is_ascii_uppercase())));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ONE.len() + SEVERAL.len());
    }

    #[test]
    fn says_where_it_is_only_the_capitals() {
        assert_eq!(of_country("se"), Some("Europe/Stockholm"));
        assert_eq!(find("ES"), Some(CountryZone { name: "Europe/Madrid", capital_only: true }));
        assert_eq!(find("XX"), None);
    }
}
