//! A backlog: clients with a letter that is due, as the stages before would have left them.
//!
//! One client goes the real way (import, apply, enrol, schedule); the others are copies of
//! its rows, column by column, with ids, names and addresses of their own. So a million
//! take a minute, and a new column needs no line here.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use jiff::civil::{Weekday, date, time};
use outreachd::clock::Clock;
use outreachd::config::dkim::{Algorithm, generate};
use outreachd::config::{Config, Dkim, SecretRef};
use outreachd::model::act::Act;
use outreachd::model::campaign::{Campaign, From, Start};
use outreachd::model::plan::Enrolment;
use outreachd::render::TemplateSet;
use outreachd::schedule;
use outreachd::store::{ClientRecord, ConsentRecord, Migration, NewRevision, Store};
use secrecy::ExposeSecret;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::house;

/// Where the copies' ids begin: no id that the program gives comes near.
const FIRST: i64 = 1 << 39;

/// A table, the row to copy, and what differs in a copy; `k` is its number from 0.
type Copied = (&'static str, &'static [(&'static str, &'static str)]);

/// In an order that foreign keys allow.
const TABLES: [Copied; 7] = [
    ("account", &[("id", "F + k"), ("name", "t.name || ' ' || k"), ("folded", "t.folded || ' ' || k")]),
    (
        "contact",
        &[("id", "F + k"), ("account_id", "F + k"), ("name", "t.name || ' ' || k"), ("folded", "t.folded || ' ' || k")],
    ),
    ("contact_point", &[("id", "F + k"), ("contact_id", "F + k"), ("address", ADDRESS), ("folded", ADDRESS)]),
    ("consent", &[("id", "F + k"), ("contact_id", "F + k")]),
    ("membership", &[("contact_id", "F + k")]),
    ("plan", &[("id", "F + k"), ("contact_id", "F + k"), ("account_id", "F + k"), ("delivery_id", "F + k")]),
    (
        "delivery",
        &[
            ("id", "F + k"),
            ("key", "'plan/' || (F + k) || '/letter/' || (F + k) || '/email'"),
            ("address", ADDRESS),
            ("folded", ADDRESS),
            ("domain", DOMAIN),
            ("contact_id", "F + k"),
            ("plan_id", "F + k"),
        ],
    ),
];

const ADDRESS: &str = "'klient' || k || '@kund' || (k % 997) || '.example'";
const DOMAIN: &str = "'kund' || (k % 997) || '.example'";

/// A paragraph of the letter; as many as make 10 kB.
const PARAGRAPH: &str = "Jag mäter gärna ljuset hos {{account.name}} i {{account.city}}, {{contact.name}}: det tar en \
     timme, kostar ingenting och rapporten behåller ni. De flesta lager vi ser har **dubbelt så många \
     armaturer** som de behöver, och hälften av dem lyser när ingen är där. [Så här går det till]\
     (https://fyrljus.example/matning).\n\n";

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Rsa, Algorithm::Ed25519];

/// The configuration with one relay on loopback; letters are signed with the keys in a folder.
pub fn configuration(port: u16, sessions: usize, keys: Option<&Path>) -> Arc<Config> {
    let relay = format!("host = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nsessions = {sessions}");
    let mut config = house::config(&relay, "messages_per_session = 100000");
    let named = |folder: &Path| ALGORITHMS.map(|algorithm| dkim(folder, algorithm));
    config.senders[0].dkim = keys.map_or_else(Vec::new, |folder| named(folder).to_vec());
    Arc::new(config)
}

/// A key of each kind, in a folder.
pub fn make_keys(folder: &Path) -> Result<()> {
    for algorithm in ALGORITHMS {
        let SecretRef::File(path) = dkim(folder, algorithm).key else { continue };
        std::fs::write(&path, generate(algorithm)?.pem.expose_secret())?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
    }
    Ok(())
}

fn dkim(folder: &Path, algorithm: Algorithm) -> Dkim {
    let selector = algorithm.to_string();
    let key = SecretRef::File(folder.join(format!("{selector}.pem")));
    Dkim { selector, domain: "fyrljus.example".into(), key, retired: false }
}

/// Makes a database at `url` in which `count` letters are due.
pub async fn seed(url: &str, count: usize) -> Result<()> {
    let store = Store::open(url, Migration::Apply).await?;
    model(&store).await?;
    store.close().await;
    let copies = i64::try_from(count)? - 1;
    if url.starts_with("sqlite:") {
        let mut conn = SqliteConnection::connect(url).await?;
        sqlx::raw_sql("PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; PRAGMA journal_mode = WAL")
            .execute(&mut conn)
            .await?;
        for (table, differs) in TABLES {
            let columns = "SELECT name FROM pragma_table_info($1)";
            let columns: Vec<String> = sqlx::query_scalar(columns).bind(table).fetch_all(&mut conn).await?;
            let copy = copy(table, &columns, differs, copies);
            sqlx::raw_sql(AssertSqlSafe(copy)).execute(&mut conn).await.with_context(|| format!("copying {table}"))?;
        }
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut conn).await?;
        conn.close().await?;
    } else {
        let mut conn = PgConnection::connect(url).await?;
        for (table, differs) in TABLES {
            let columns = "SELECT column_name::text FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position";
            let columns: Vec<String> = sqlx::query_scalar(columns).bind(table).fetch_all(&mut conn).await?;
            let copy = copy(table, &columns, differs, copies);
            sqlx::raw_sql(AssertSqlSafe(copy)).execute(&mut conn).await.with_context(|| format!("copying {table}"))?;
        }
        sqlx::raw_sql("VACUUM ANALYZE").execute(&mut conn).await?;
        conn.close().await?;
    }
    Ok(())
}

/// The statement that copies the one row of `table`.
fn copy(table: &str, columns: &[String], differs: &[(&str, &str)], copies: i64) -> String {
    let value = |column: &String| {
        let own = differs.iter().find(|(name, _)| name == column);
        own.map_or(format!("t.{column}"), |(_, value)| value.replace('F', &FIRST.to_string()))
    };
    let values: Vec<_> = columns.iter().map(value).collect();
    format!(
        "WITH RECURSIVE n(k) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT k + 1 FROM n WHERE k + 1 < {copies}) \
         INSERT INTO {table} ({}) SELECT {} FROM n CROSS JOIN (SELECT * FROM {table} LIMIT 1) AS t WHERE {copies} > 0",
        columns.join(", "),
        values.join(", ")
    )
}

/// One client whose letter is due, by the stages themselves.
async fn model(store: &Store) -> Result<()> {
    let (now, config) = (Clock::System.now(), configuration(25, 1, None));
    let act = Act::stage("bench", now);
    let consent =
        ConsentRecord { channel: "email".into(), basis: "consent".into(), evidence: "fair".into(), given_at: 0 };
    let client = ClientRecord {
        company: "Granvik Verkstad AB".into(),
        country: Some("SE".into()),
        city: Some("Falun".into()),
        person_type: Some("company".into()),
        name: "Anna Lind".into(),
        given_name: Some("Anna".into()),
        zone: "Europe/Stockholm".into(),
        zone_source: "country".into(),
        email: Some("anna.lind@granvik.example".into()),
        consents: vec![consent],
        ..Default::default()
    };
    let batch = store.begin_batch(&act, "bench").await?;
    store.save_clients(&act, batch, &[client]).await?;
    store.publish_batch(&act, batch, Default::default(), 0).await?;
    let mut templates = TemplateSet::starter();
    templates.insert("bench.md", format!("{{{{greeting}}}}\n\n{}{{{{> signature}}}}\n", PARAGRAPH.repeat(10)));
    let templates = templates.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let new = NewRevision { campaign: campaign(), source: String::new(), templates, next_run_at: None };
    let revision = store.apply(&act, &new).await?;
    let people = store.candidates(&new.campaign.audience, "bench", "", now, Default::default(), 10).await?;
    let person = people.first().context("the client is in the audience")?;
    let start = Enrolment {
        contact: person.contact,
        account: person.account,
        left_out: None,
        facts: serde_json::json!({}),
        step: "letter".into(),
        next_at: Some(now),
        closes_at: None,
    };
    store.enrol(&act, &revision, "", &[start]).await?;
    schedule::turn(store, &config, now).await?;
    ensure!(store.waiting_lanes().await?.len() == 1, "the model's letter is due");
    Ok(())
}

/// One letter, at any hour of any day.
fn campaign() -> Campaign {
    let mut campaign = house::campaign("send");
    campaign.id = "bench".into();
    campaign.from = From::Sender("fyrljus".into());
    campaign.start = Start::Date(date(2026, 1, 1));
    campaign.send.days = Weekday::Monday.cycle_forward().take(7).map(Into::into).collect();
    (campaign.send.from, campaign.send.until) = (time(0, 0, 0, 0), time(23, 59, 0, 0));
    campaign.steps.truncate(1);
    let letter = &mut campaign.steps[0];
    letter.id = "letter".into();
    letter.template = Some("bench".into());
    letter.fallback = None;
    campaign
}
