//! A client file all the way into the store: what is saved, what is visible, what an
//! import does to clients that are there already, on both engines.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

use std::path::Path;

use jiff::Timestamp;
use outreachd::client::import::{ImportReport, Request, run};
use outreachd::config::{self, Config};
use outreachd::model::act::Act;
use outreachd::model::address::{Channel, EmailAddress};
use outreachd::model::campaign::{Condition, Rule};
use outreachd::model::consent::Basis;
use outreachd::model::contact::ZoneSource;
use outreachd::model::id::UserId;
use outreachd::model::language::Language;
use outreachd::model::text::Line;
use outreachd::model::user::{Role, User};
use outreachd::store::{Client, ClientRecord, Consequence, Store};
use support::databases::databases;

const HEAD: &str =
    "id;company;org_number;country;tier;person_type;needs;owner;name;email;fax;consent_fax;opted_out;last_touch\n";
const ANNA: &str = "F-1;Granvik AB;559980-0017;SE;B;company;lighting;karin.ek@fyrljus.example;Anna Lind;anna@granvik.example;070-174 06 12;2026-10-14 form at the fair;;2026-12-22\n";
const BO: &str =
    "F-2;Granvik AB;559980-0017;SE;B;company;charging;karin.ek@fyrljus.example;Bo Ek;bo@granvik.example;;;yes;\n";

fn now() -> Timestamp {
    "2027-02-24T09:12:00Z".parse().unwrap()
}

fn act() -> Act {
    Act::person("mira.holm@fyrljus.example", now())
}

fn config() -> Config {
    config::parse(Path::new("config/outreachd.toml"), include_str!("../config/outreachd.toml"), &[]).unwrap()
}

async fn appoint(store: &Store, name: &str, email: &str) -> UserId {
    let user = User {
        id: UserId(0),
        name: Line::parse(name).unwrap(),
        email: EmailAddress::parse(email).unwrap(),
        phone: None,
        title: None,
        role: Role::Manager,
        language: Language::Sv,
        zone: "Europe/Stockholm".into(),
        digest_at: jiff::civil::time(7, 30, 0, 0),
        active: true,
    };
    store.appoint(&act(), &user, "hired").await.unwrap()
}

async fn import(store: &Store, rows: &[&str]) -> ImportReport {
    with(store, rows, Request::default()).await
}

async fn with(store: &Store, rows: &[&str], request: Request) -> ImportReport {
    let text = format!("{HEAD}{}", rows.concat());
    run(store, &config(), &act(), Path::new("clients.csv"), text.as_bytes(), request, |_, _| {}).await.unwrap()
}

async fn client(store: &Store, query: &str) -> Client {
    let found = store.find_contacts(query, 5).await.unwrap();
    assert_eq!(found.len(), 1, "{query}");
    store.get_client(found[0]).await.unwrap()
}

async fn visible(store: &Store) -> usize {
    let everybody = Rule(vec![Condition::Country(vec!["SE".into()])]);
    store.candidates(&everybody, "led", "", now(), Default::default(), 10_000).await.unwrap().len()
}

fn counts(report: &ImportReport) -> (usize, usize, usize, usize) {
    (report.created, report.updated, report.unchanged, report.refused)
}

#[tokio::test]
async fn writes_everything_that_a_row_tells() {
    for database in databases("import_tells").await {
        let store = &database.store;
        let karin = appoint(store, "Karin Ek", "karin.ek@fyrljus.example").await;
        let report = import(store, &[ANNA, BO]).await;
        assert_eq!((counts(&report), report.mistakes.as_slice()), ((2, 0, 0, 0), &[][..]));
        let anna = client(store, "anna@granvik.example").await;
        assert_eq!(anna.account.owner, Some(karin));
        assert_eq!(anna.account.org_number.as_deref(), Some("5599800017"));
        assert_eq!(anna.account.needs, ["charging", "lighting"], "of all rows of the company");
        assert_eq!((anna.contact.zone.as_str(), anna.contact.zone_source), ("Europe/Stockholm", ZoneSource::Country));
        assert_eq!(anna.last_touch, Some("2026-12-21T23:00:00Z".parse().unwrap()), "the day by her own clock");
        let consents = store.consents(anna.contact.id).await.unwrap();
        assert_eq!(consents.len(), 1);
        assert_eq!((consents[0].channel, consents[0].basis), (Channel::Fax, Basis::Consent));
        assert_eq!(consents[0].evidence, "form at the fair");
        let bo = client(store, "F-2").await;
        assert_eq!(bo.account.id, anna.account.id);
        assert_eq!(store.suppressions(bo.contact.id).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn updates_on_a_second_import_and_doubles_nothing() {
    for database in databases("import_again").await {
        let store = &database.store;
        appoint(store, "Karin Ek", "karin.ek@fyrljus.example").await;
        let unkeyed = ";Almby Trä AB;;SE;B;company;;;Sara Wik;;070-174 06 20;;;\n";
        assert_eq!(counts(&import(store, &[ANNA, BO, unkeyed]).await), (3, 0, 0, 0));
        assert_eq!(counts(&import(store, &[ANNA, BO, unkeyed]).await), (0, 0, 3, 0));
        let moved = BO.replace("bo@granvik.example", "bo.ek@granvik.example");
        assert_eq!(counts(&import(store, &[ANNA, &moved, unkeyed]).await), (0, 1, 2, 0));
        let bo = client(store, "F-2").await;
        assert_eq!(bo.contact.email.as_ref().map(EmailAddress::as_str), Some("bo.ek@granvik.example"));
        let renamed = [ANNA, BO].map(|row| row.replace("Granvik AB", "Granvik Verkstad AB"));
        assert_eq!(counts(&import(store, &[&renamed[0], &renamed[1]]).await), (0, 2, 0, 0));
        let bo = client(store, "F-2").await;
        assert_eq!(bo.account.name.as_str(), "Granvik Verkstad AB");
        assert_eq!(
            bo.contact.email.as_ref().map(EmailAddress::as_str),
            Some("bo@granvik.example"),
            "it was only replaced"
        );
        assert_eq!(store.count_contacts().await.unwrap(), 3);
    }
}

#[tokio::test]
async fn an_address_beyond_ascii_is_one_however_it_is_spelled() {
    for database in databases("import_beyond_ascii").await {
        let store = &database.store;
        let row = |name, email| format!(";Granvik AB;;SE;B;company;;;{name};{email};;;;\n");
        assert_eq!(counts(&import(store, &[&row("Åsa Ek", "Åsa@granvik.example")]).await), (1, 0, 0, 0));
        // As macOS writes it: the ring is a character of its own.
        let again = row("Åsa Ek-Lind", "a\u{30a}sa@Granvik.example");
        assert_eq!(counts(&import(store, &[&again]).await), (0, 1, 0, 0));
        let asa = client(store, "ÅSA@granvik.example").await;
        assert_eq!(asa.contact.name.as_str(), "Åsa Ek-Lind");
        assert_eq!(store.count_contacts().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_file_without_a_column_leaves_what_is_there() {
    for database in databases("import_columns").await {
        let store = &database.store;
        appoint(store, "Karin Ek", "karin.ek@fyrljus.example").await;
        import(store, &[ANNA]).await;
        let text = "id;company;name;title\nF-1;Granvik AB;Anna Lind;VD\n";
        let file = Path::new("titles.csv");
        let report = run(store, &config(), &act(), file, text.as_bytes(), Request::default(), |_, _| {}).await.unwrap();
        assert_eq!(counts(&report), (0, 1, 0, 0));
        let anna = client(store, "F-1").await;
        assert_eq!(anna.contact.title.as_ref().map(Line::as_str), Some("VD"));
        assert_eq!(anna.account.needs, ["lighting"]);
        assert!(anna.account.owner.is_some() && anna.contact.fax.is_some());
    }
}

#[tokio::test]
async fn never_revives_a_dead_address_and_keeps_the_one_found_since() {
    for database in databases("import_dead").await {
        let store = &database.store;
        appoint(store, "Karin Ek", "karin.ek@fyrljus.example").await;
        import(store, &[BO]).await;
        let dead = Consequence::InvalidatePoint {
            channel: Channel::Email,
            folded: "bo@granvik.example".into(),
            reason: "5.1.1".into(),
        };
        store.carry_out(&act(), &[dead]).await.unwrap();
        import(store, &[BO]).await;
        assert_eq!(client(store, "F-2").await.contact.email, None);
        import(store, &[&BO.replace("bo@granvik.example", "bo.ek@granvik.example")]).await;
        import(store, &[BO]).await;
        let email = client(store, "F-2").await.contact.email;
        assert_eq!(email.as_ref().map(EmailAddress::as_str), Some("bo.ek@granvik.example"));
    }
}

#[tokio::test]
async fn refuses_a_row_whose_owner_was_not_appointed_and_says_what_to_do() {
    for database in databases("import_owner").await {
        let store = &database.store;
        let report =
            import(store, &[ANNA, BO, ";Almby Trä AB;;SE;B;company;;;Sara Wik;sara@almby.example;;;;\n"]).await;
        assert_eq!(counts(&report), (1, 0, 0, 2));
        let told: Vec<_> = report.mistakes.iter().map(|m| (m.line, m.column, m.message.as_str())).collect();
        assert_eq!(
            told,
            [(2, 50, "`owner` is nobody who was appointed"), (3, 50, "`owner` is nobody who was appointed")]
        );
        let hint = report.mistakes[0].hint.as_deref().unwrap();
        assert!(hint.contains("manager appoint karin.ek@fyrljus.example --name"), "{hint}");
        assert_eq!(report.mistakes[1].hint, None, "said once for each of them");
        let karin = appoint(store, "Karin Ek", "karin.ek@fyrljus.example").await;
        store.dismiss(&act(), karin, None, "moved on").await.unwrap();
        assert_eq!(import(store, &[ANNA]).await.mistakes[0].message, "`owner` was dismissed");
    }
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_writes_nothing() {
    for database in databases("import_dry").await {
        let store = &database.store;
        appoint(store, "Karin Ek", "karin.ek@fyrljus.example").await;
        import(store, &[ANNA]).await;
        let rows = [ANNA, BO, ";;;;;;;;;;;;;x\n"];
        let dry = with(store, &rows, Request { dry_run: true, mapping: None }).await;
        assert_eq!(counts(&dry), (1, 1, 0, 1));
        assert_eq!(store.count_contacts().await.unwrap(), 1);
        let real = import(store, &rows).await;
        assert_eq!(real.mistakes, dry.mistakes);
        assert_eq!(counts(&real), (1, 1, 0, 1), "Bo's row gives their company a need");
    }
}

#[tokio::test]
async fn an_import_that_was_killed_is_invisible_and_the_next_one_takes_its_rows_over() {
    for database in databases("import_killed").await {
        let store = &database.store;
        appoint(store, "Karin Ek", "karin.ek@fyrljus.example").await;
        let staged = ClientRecord {
            external_id: Some("F-1".into()),
            company: "Granvik AB".into(),
            name: "Anna Lind".into(),
            email: Some("anna@granvik.example".into()),
            zone: "Europe/Stockholm".into(),
            zone_source: "country".into(),
            ..Default::default()
        };
        let dead = store.begin_batch(&act(), "clients.csv").await.unwrap();
        store.save_clients(&act(), dead, &[staged]).await.unwrap();
        assert_eq!(store.find_contacts("anna", 5).await.unwrap(), []);
        assert_eq!((store.count_contacts().await.unwrap(), visible(store).await), (0, 0));

        assert_eq!(counts(&import(store, &[ANNA, BO]).await), (2, 0, 0, 0));
        assert_eq!((store.count_contacts().await.unwrap(), visible(store).await), (2, 2));
        assert_eq!(counts(&import(store, &[ANNA, BO]).await), (0, 0, 2, 0));
    }
}

#[tokio::test]
async fn saves_in_chunks_and_keeps_a_company_together_across_them() {
    for database in databases("import_chunks").await {
        let store = &database.store;
        let mut rows =
            vec!["first;Granvik AB;559980-0017;SE;B;company;lighting;;Anna Lind;anna@granvik.example;;;;\n".to_owned()];
        rows.extend((0..1199).map(|n| format!("x{n};Företag {n} AB;;SE;B;company;;;Kund {n};kund@f{n}.example;;;;\n")));
        rows.push("last;Granvik AB;;;A;;;;Bo Ek;bo@granvik.example;;;;\n".to_owned());
        let text = format!("{HEAD}{}", rows.concat());
        let mut heard = Vec::new();
        let hear = |done, total| heard.push((done, total));
        let file = Path::new("clients.csv");
        let report = run(store, &config(), &act(), file, text.as_bytes(), Request::default(), hear).await.unwrap();
        assert_eq!(counts(&report), (1201, 0, 0, 0));
        assert_eq!(heard, [(0, 1201), (500, 1201), (1000, 1201), (1201, 1201)]);
        let (anna, bo) = (client(store, "first").await, client(store, "last").await);
        assert_eq!((bo.account.id, bo.account.needs.as_slice()), (anna.account.id, &["lighting".to_owned()][..]));
        assert_eq!(bo.account.tier.as_ref().map(Line::as_str), Some("B"), "the first row that tells it is believed");
    }
}

#[tokio::test]
async fn finds_a_contact_by_what_a_person_types() {
    for database in databases("import_find").await {
        let store = &database.store;
        let rows = [
            "F-1;Granvik AB;;SE;B;company;;;Anna Lind;anna@granvik.example;070-174 06 12;;;\n",
            "F-2;Granvik AB;;SE;B;company;;;Anna Lindberg;al@granvik.example;;;;\n",
            "F-3;100 % Ljus_AB;;SE;B;company;;;Bo Ek;bo@ljus.example;;;;\n",
        ];
        import(store, &rows).await;
        let found = async |query: &str| store.find_contacts(query, 9).await.unwrap().len();
        assert_eq!(found("Anna Lind").await, 1, "the whole name before a part");
        assert_eq!(found("anna").await, 2);
        assert_eq!(found("f-2").await, 1);
        assert_eq!(found("+46701740612").await, 1);
        assert_eq!(found("granvik ab").await, 2);
        assert_eq!((found("%").await, found("_").await), (1, 1), "a wildcard means itself");
        assert_eq!((found("").await, found("\\").await), (0, 0));
    }
}
