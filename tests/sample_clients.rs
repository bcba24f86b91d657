//! The sample clients of Fyrljus AB give the figures that the demo tells.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use jiff::civil::date;
use outreachd::client::import::{ClientRow, Options, read};
use outreachd::model::account::PersonType;

const CLIENTS: &[u8] = include_bytes!("../src/demo/world/clients.csv");

fn clients() -> Vec<ClientRow> {
    let options = Options {
        mapping: None,
        country: "SE".to_owned(),
        zone: "Europe/Stockholm".to_owned(),
        today: date(2027, 2, 24),
    };
    let reading = read(Path::new("clients.csv"), CLIENTS, &options).expect("it is UTF-8");
    assert_eq!((reading.mistakes, reading.unmapped_headers), (Vec::new(), Vec::new()));
    reading.rows
}

/// The audience of `led-i-lagret`, but for its tier.
fn in_audience(row: &ClientRow) -> bool {
    let account = &row.account;
    let quiet = row.last_touch.is_none_or(|touch| touch < date(2027, 1, 30));
    ["SE", "DE"].contains(&account.country.as_str())
        && account.needs.iter().any(|need| need == "lighting")
        && quiet
        && !account.tags.iter().any(|tag| tag == "competitor" || tag == "open-claim")
}

fn tier(row: &ClientRow) -> &str {
    row.account.tier.as_ref().map_or("", |tier| tier.as_str())
}

/// Why a client of the audience is left out; the first reason that holds.
fn left_out<'r>(row: &'r ClientRow, colleagues: &mut HashSet<&'r str>) -> Option<&'static str> {
    let consent = row.consent_email.is_some();
    match row.account.person_type {
        None => return Some("person type unknown"),
        Some(PersonType::SoleTrader) if !consent => return Some("sole trader"),
        Some(PersonType::Private) => return Some("private"),
        Some(_) if row.account.country == "DE" && !consent => return Some("Germany"),
        Some(_) => {}
    }
    if row.suppressed {
        return Some("suppressed");
    }
    (!colleagues.insert(row.account.name.as_str())).then_some("colleague")
}

fn tally<'r>(rows: impl IntoIterator<Item = &'r ClientRow>) -> HashMap<&'static str, usize> {
    let mut colleagues = HashSet::new();
    let mut counts = HashMap::new();
    for row in rows {
        *counts.entry(left_out(row, &mut colleagues).unwrap_or("clean")).or_insert(0) += 1;
    }
    counts
}

#[test]
fn sixty_two_of_120_match_and_fifty_are_clean() {
    let rows = clients();
    assert_eq!(rows.len(), 120);
    let matching: Vec<_> = rows.iter().filter(|row| in_audience(row) && ["A", "B"].contains(&tier(row))).collect();
    assert_eq!(matching.len(), 62);
    assert!(matching.iter().all(|row| row.account.owner.as_ref().unwrap().as_str() == "karin.ek@fyrljus.example"));
    let expected = [
        ("Germany", 4),
        ("sole trader", 3),
        ("person type unknown", 2),
        ("suppressed", 2),
        ("colleague", 1),
        ("clean", 50), // 48 start, 2 in the hold-out
    ];
    assert_eq!(tally(matching), HashMap::from(expected));
}

#[test]
fn nine_more_match_with_tier_c() {
    let rows = clients();
    let more: Vec<_> = rows.iter().filter(|row| in_audience(row) && tier(row) == "C").collect();
    assert_eq!(tally(more), HashMap::from([("clean", 8), ("sole trader", 1)]));
}

#[test]
fn the_people_of_the_story_are_there() {
    let rows = clients();
    let find = |email: &str| rows.iter().find(|row| row.contact.email.as_ref().is_some_and(|e| e.as_str() == email));
    let story = [
        ("anna.lind@granvik.example", "Anna Lind", "Granvik Verkstad AB"),
        ("lars.moberg@dalkarra.example", "Lars Moberg", "Dalkärra Bygg AB"),
        ("oskar.nyman@bergtorp.example", "Oskar Nyman", "Bergtorp Logistik AB"),
        ("maria.falk@hedlunda.example", "Maria Falk", "Hedlunda Plåt AB"),
        ("per.aberg@soderholm.example", "Per Åberg", "Söderholm Kyl AB"),
        ("sara.wik@almby.example", "Sara Wik", "Almby Trä AB"),
    ];
    for (email, name, company) in story {
        let row = find(email).unwrap();
        assert_eq!((row.contact.name.as_str(), row.account.name.as_str()), (name, company));
        assert_eq!(left_out(row, &mut HashSet::new()), None, "{name}");
        assert_eq!(row.consent_fax.is_some(), name == "Oskar Nyman", "{name}");
    }
    for company in ["Vikarby Plast AB", "Ekhult Glas AB", "Norrmo Bygg AB"] {
        assert_eq!(rows.iter().filter(|row| row.account.name.as_str() == company).count(), 1, "{company}");
    }
    let anna = find("anna.lind@granvik.example").unwrap();
    assert_eq!(anna.contact.phone.as_ref().unwrap().as_str(), "+46701740612");
    assert_eq!((tier(anna), anna.last_touch), ("B", Some(date(2026, 12, 22))));
}

#[test]
fn nothing_in_it_can_reach_anybody() {
    let rows = clients();
    let mut faxes = HashSet::new();
    let fictional = 46_701_740_605..=46_701_740_699_u64;
    for row in &rows {
        assert!(row.contact.email.as_ref().unwrap().domain().ends_with(".example"));
        for number in [&row.contact.phone, &row.contact.fax].into_iter().flatten() {
            assert!(fictional.contains(&number.as_str()[1..].parse().unwrap()), "{}", number.as_str());
        }
        assert!(row.contact.fax.as_ref().is_none_or(|fax| faxes.insert(fax.clone())));
        assert!(row.account.city.is_some());
    }
}
