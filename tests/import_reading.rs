//! Client files as people and spreadsheets write them, read into rows and mistakes.

use std::path::Path;

use jiff::civil::date;
use outreachd::client::import::{ClientRow, Encoding, ImportError, Mapping, Options, Reading, RowKey, read};
use outreachd::model::contact::ZoneSource;
use proptest::prelude::*;

fn options() -> Options {
    Options { mapping: None, country: "SE".to_owned(), zone: "Europe/Stockholm".to_owned(), today: date(2027, 2, 24) }
}

fn try_read(bytes: &[u8]) -> Result<Reading, ImportError> {
    read(Path::new("clients.csv"), bytes, &options())
}

fn read_text(text: &str) -> Reading {
    try_read(text.as_bytes()).expect("the text is no foreign format")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/csv").join(name))
        .expect("the fixture is there")
}

/// Every mistake as an editor's user would look for it.
fn told(reading: &Reading) -> Vec<(usize, usize, &str)> {
    reading.mistakes.iter().map(|mistake| (mistake.line, mistake.column, mistake.message.as_str())).collect()
}

#[test]
fn reads_what_excel_saves_in_each_of_its_ways() {
    let cases = [
        ("excel-semicolon-1252.csv", Encoding::Windows1252, ';'),
        ("excel-csv-utf8.csv", Encoding::Utf8, ';'),
        ("excel-unicode-text.txt", Encoding::Utf16Le, '\t'),
        ("excel-sep-line.csv", Encoding::Windows1252, ';'),
        ("big-endian.csv", Encoding::Utf16Be, ';'),
    ];
    for (name, encoding, delimiter) in cases {
        let reading = try_read(&fixture(name)).unwrap();
        assert_eq!((reading.encoding, reading.delimiter, told(&reading)), (encoding, delimiter, vec![]), "{name}");
        let [per, sara] = &reading.rows[..] else { panic!("{name}: {} rows", reading.rows.len()) };
        assert_eq!(per.account.name.as_str(), "Söderholm Kyl AB", "{name}");
        assert_eq!(per.contact.name.as_str(), "Per Åberg", "{name}");
        assert_eq!(per.contact.given_name.as_ref().unwrap().as_str(), "Per");
        assert_eq!(sara.contact.phone.as_ref().unwrap().as_str(), "+46701740609", "{name}");
        assert_eq!(per.line, if name.contains("sep") { 3 } else { 2 }, "{name}");
    }
}

#[test]
fn says_which_numbers_excel_has_spoilt() {
    let reading = try_read(&fixture("excel-lost-digits.csv")).unwrap();
    let why = "was shortened by Excel and has lost digits; format the column as text and export again";
    let (orgnr, fax) = (format!("`Orgnr` {why}"), format!("`Fax` {why}"));
    assert_eq!(told(&reading), [(2, 18, orgnr.as_str()), (2, 67, fax.as_str())]);
    assert_eq!((reading.rows.len(), reading.bad_rows), (0, 1));
    assert_eq!(reading.mistakes[0].excerpt.as_deref(), Some("5,6E+09"));
}

#[test]
fn counts_lines_as_an_editor_does_behind_quoted_newlines() {
    let reading = try_read(&fixture("comma-quoted-newline.csv")).unwrap();
    assert_eq!(reading.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2]);
    assert_eq!(told(&reading), [(6, 33, "`email` has a domain that is no host name")]);
    assert_eq!(reading.unmapped_headers, ["notes"]);
}

#[test]
fn a_mapping_says_which_header_holds_what() {
    let source = String::from_utf8(fixture("mapping.toml")).unwrap();
    let mapping = Mapping::parse(Path::new("mapping.toml"), &source).unwrap();
    let options = Options { mapping: Some(mapping), ..options() };
    let reading = read(Path::new("mapped.csv"), &fixture("mapped.csv"), &options).unwrap();
    assert_eq!(told(&reading), []);
    assert_eq!(reading.rows[0].contact.email.as_ref().unwrap().as_str(), "peter.dalen@ekhult.example");
    assert_eq!(reading.unmapped_headers, ["Mejl", "Telefon", "Skostorlek"]);

    let reading = read(Path::new("x.csv"), "Benämning,Vår kontakt,Mejl2x\n".as_bytes(), &options).unwrap();
    assert_eq!(told(&reading), [(4, 11, "the client file has no column `Mejl 2`")]);
    assert_eq!(reading.mistakes[0].file, Path::new("mapping.toml"));
    assert_eq!(reading.mistakes[0].aside.as_deref(), Some("did you mean `Mejl2x`?"));
}

#[test]
fn a_missing_column_is_one_mistake() {
    let reading = read_text("Foretagg;Ort;Namn\nA;B;C\nD;E;F\n");
    assert_eq!(told(&reading), [(1, 1, "no column holds `company`")]);
    assert!(reading.mistakes[0].hint.as_ref().unwrap().contains("is it `Foretagg`?"));
    assert_eq!((reading.rows.len(), reading.bad_rows), (0, 0));
    let reading = read_text("utterly;unknown\n1;2\n");
    assert_eq!(told(&reading), [(1, 1, "no column holds `company`"), (1, 1, "no column holds `name`")]);
}

#[test]
fn two_headers_for_one_field_are_refused() {
    let reading = read_text("company;name;E-post;city;e_mail\nA;B;a@b.example;C;c@d.example\n");
    assert_eq!(told(&reading), [(1, 26, "`e_mail` means email, as `E-post` in column 3 does")]);
    let reading = read_text("company;name;Skor;Company;Skor\n");
    assert_eq!(told(&reading), [(1, 19, "`Company` stands twice, first as column 1")]);
    // A mobile is the telephone only where no better column stands in the file.
    let reading = read_text("company;name;Mobil;Telefon\nA;B;070-1740606;070-1740605\n");
    assert_eq!(reading.rows[0].contact.phone.as_ref().unwrap().as_str(), "+46701740605");
    assert_eq!(reading.unmapped_headers, ["Mobil"]);
}

#[test]
fn a_quote_that_is_never_closed_is_found_where_it_opens() {
    let reading = read_text("company;name\nA;B\nC;\"D\nE;F\nG;H\n");
    assert_eq!(told(&reading), [(3, 3, "a quote opens here and is never closed; the rows behind it were not read")]);
    assert_eq!((reading.rows.len(), reading.bad_rows), (1, 1));
}

#[test]
fn a_client_is_found_again_by_id_then_mail_then_name() {
    let text = "id;company;org_number;name;email\n\
        7;A;;Anna;Anna@A.example\n\
        ;B;;Bo;Bo@B.example\n\
        ;C  Bolag;;Åsa  Ek;\n\
        ;D;559980-0017;Dan;\n\
        ;E;5599800017; DAN;\n\
        8;F;;Fia;anna@a.example\n";
    let reading = read_text(text);
    let keys: Vec<String> = reading.rows.iter().map(|row| row.key.to_text()).collect();
    assert_eq!(keys, ["id:7", "email:bo@b.example", "name:c bolag/åsa ek", "name:5599800017/dan"]);
    assert_eq!(
        told(&reading),
        [(6, 2, "`company` is of the same client as line 5"), (7, 10, "`email` is of the same client as line 2")]
    );
}

#[test]
fn zone_and_country_are_the_fields_then_the_countrys_then_the_default() {
    let text = "company,name,country,zone\nA,B,Tyskland,\nC,D,us,\nE,F,,Europe/Oslo\nG,H,US,Mars\n";
    let reading = read_text(text);
    let zones: Vec<_> =
        reading.rows.iter().map(|row| (row.account.country.as_str(), row.contact.zone.as_str())).collect();
    assert_eq!(zones, [("DE", "Europe/Berlin"), ("US", "Europe/Stockholm"), ("SE", "Europe/Oslo")]);
    let sources: Vec<_> = reading.rows.iter().map(|row| row.contact.zone_source.clone()).collect();
    assert_eq!(sources, [ZoneSource::Country, ZoneSource::Default, ZoneSource::Field]);
    assert_eq!(told(&reading), [(5, 8, "`zone` is no time zone; one looks like Europe/Stockholm")]);
}

#[test]
fn a_row_is_staged_as_json_and_comes_back_whole() {
    let text = "company;name;email;fax;consent_fax;opted_out;needs\n\
        A;B;b@a.example;070-1740698;2026-10-14 form at the fair;ja;Lighting, charging\n";
    let row = read_text(text).rows.remove(0);
    assert!(row.suppressed);
    assert_eq!(row.account.needs, ["charging", "lighting"]);
    assert_eq!(row.key, RowKey::Email("b@a.example".to_owned()));
    let json = serde_json::to_string(&row).unwrap();
    assert_eq!(serde_json::from_str::<ClientRow>(&json).unwrap(), row);
}

proptest! {
    #[test]
    fn never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = try_read(&bytes);
    }

    #[test]
    fn places_every_mistake_inside_the_file(body in "[a-c0-9;\"\r\n=@+ .\\-E\u{202e}å]{0,200}") {
        let text = format!("company;name;email;phone;last_touch;consent_fax;notes\n{body}");
        let reading = read_text(&text);
        let lines = text.replace("\r\n", "\n").replace('\r', "\n").split('\n').count();
        for mistake in &reading.mistakes {
            prop_assert!((1..=lines).contains(&mistake.line));
            prop_assert!(mistake.column >= 1);
        }
        prop_assert!(reading.bad_rows <= reading.mistakes.len());
        prop_assert!(reading.rows.iter().all(|row| row.line > 1));
    }

    #[test]
    fn never_panics_on_any_number(number in "[+0-9()./ \\-]{0,30}", country in "SE|DE|US|NO|IT|AR|MX") {
        let reading = read_text(&format!("company;name;country;phone\nA;B;{country};{number}\n"));
        prop_assert_eq!(reading.rows.len() + reading.bad_rows, 1);
    }
}
