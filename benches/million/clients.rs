//! The clients of the benchmark: made up from their number, the same in each run.

use anyhow::Result;
use jiff::Timestamp;
use outreachd::model::act::Act;
use outreachd::model::id::UserId;
use outreachd::model::language::Language;
use outreachd::model::user::{Role, User};
use outreachd::store::{ClientRecord, ConsentRecord, SavedClients, Store};

/// Contacts of ten in a row that share three accounts: 4 + 3 + 3.
const ACCOUNT_OF_TEN: [usize; 10] = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2];

const MANAGERS: usize = 200;

/// Rows of one transaction, as an import has them.
const CHUNK: usize = 500;

/// Appoints the managers and imports `count` clients of theirs.
pub async fn seed(store: &Store, count: usize, now: Timestamp) -> Result<()> {
    let act = Act::person("mira.holm@fyrljus.example", now);
    let mut managers = Vec::new();
    for number in 0..MANAGERS {
        managers.push(store.appoint(&act, &manager(number)?, "the benchmark").await?.0);
    }
    let batch = store.begin_batch(&act, "million.csv").await?;
    let mut saved = SavedClients::default();
    for begin in (0..count).step_by(CHUNK) {
        let end = count.min(begin + CHUNK);
        let records: Vec<_> = (begin..end).map(|number| client(number, &managers)).collect();
        saved.created += store.save_clients(&act, batch, &records).await?.created;
    }
    Ok(store.publish_batch(&act, batch, saved, 0).await?)
}

fn manager(number: usize) -> Result<User> {
    Ok(User {
        id: UserId(0),
        name: format!("Karin Ek {number}").try_into()?,
        email: format!("karin.ek.{number}@fyrljus.example").try_into()?,
        phone: Some("+46701740610".to_owned().try_into()?),
        title: Some("Kundansvarig".to_owned().try_into()?),
        role: Role::Manager,
        language: Language::Sv,
        zone: "Europe/Stockholm".into(),
        digest_at: jiff::civil::time(7, 30, 0, 0),
        active: true,
    })
}

/// One in fifty is German and has no consent, one in fifty a sole trader, one in a
/// hundred has opted out, one in ten has a fax and agreed to it.
fn client(number: usize, managers: &[i64]) -> ClientRecord {
    let account = number / 10 * 3 + ACCOUNT_OF_TEN[number % 10];
    let is_german = account % 50 == 7;
    let has_fax = number % 10 == 3;
    let consent = ConsentRecord {
        channel: "fax".into(),
        basis: "consent".into(),
        evidence: "2026-10-14 form at the fair".into(),
        given_at: 1_792_000_000_000_000,
    };
    ClientRecord {
        external_id: Some(format!("K{number}")),
        company: format!("Verkstad {account} AB"),
        country: Some(if is_german { "DE" } else { "SE" }.into()),
        city: Some("Borås".into()),
        tier: Some(if account.is_multiple_of(2) { "A" } else { "B" }.into()),
        person_type: Some(if account % 50 == 9 { "sole_trader" } else { "company" }.into()),
        owner: Some(managers[account % managers.len()]),
        needs: Some(vec!["lighting".into()]),
        tags: Some(if account.is_multiple_of(40) { vec!["fair-2026".into()] } else { Vec::new() }),
        name: format!("Anna Lind {number}"),
        given_name: Some("Anna".into()),
        title: Some("Inköpare".into()),
        zone: if is_german { "Europe/Berlin" } else { "Europe/Stockholm" }.into(),
        zone_source: "country".into(),
        // Neighbours are not neighbours by their addresses.
        email: Some(format!("anna.{number}@v{}.example", account * 7919 % 1_000_003)),
        fax: has_fax.then(|| format!("+467017406{:02}", 5 + number % 95)),
        consents: if has_fax { vec![consent] } else { Vec::new() },
        suppressed: number % 100 == 50,
        ..Default::default()
    }
}
