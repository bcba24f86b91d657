//! `preset = "..."`, from `presets.toml`: of a relay a provider's host, protection and limits;
//! of a `[[provider]]` the hosts that take the mail of its customers' domains.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::model::limit::{Limit, Rate};

use super::table::Table;
use super::value::Value;
use super::{Tls, shape};

/// What a relay has where its table does not say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Preset {
    /// The host; `{region}` in it stands for the key `region`.
    pub(super) host: String,
    pub(super) port: u16,
    #[serde(deserialize_with = "read_tls")]
    pub(super) tls: Tls,
    /// A login there is one by OAuth.
    #[serde(default)]
    pub(super) oauth: bool,
    pub(super) sessions: u64,
    pub(super) messages_per_session: u64,
    per_day: Option<u32>,
    rate: Option<Rate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    postfix: Preset,
    microsoft365: Preset,
    google: Preset,
    ses: Preset,
    provider: Exchangers,
}

/// The hosts of a provider, by its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchangers {
    microsoft365: Hosts,
    google: Hosts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hosts {
    mx: Vec<String>,
}

static BOOK: LazyLock<Book> =
    LazyLock::new(|| toml::from_str(include_str!("presets.toml")).expect("a test reads the presets"));

impl Preset {
    /// The preset that the table names, if it names one; none in that where it is no preset.
    pub(super) fn read(table: &mut Table<'_>) -> Option<Option<&'static Self>> {
        let book = &*BOOK;
        let presets = [
            ("postfix", &book.postfix),
            ("microsoft365", &book.microsoft365),
            ("google", &book.google),
            ("ses", &book.ses),
        ];
        Some(table.take("preset")?.word(&presets))
    }

    /// How many it takes, and how fast.
    pub(super) fn allowance(&self) -> Limit {
        Limit { per_day: self.per_day, rate: self.rate, ..Limit::default() }
    }

    /// Its host; `region` is read where the host is one of a region.
    pub(super) fn host(&self, table: &mut Table<'_>) -> Option<String> {
        if !self.host.contains("{region}") {
            return Some(self.host.clone());
        }
        let region = table.need("region").and_then(shape::host)?;
        Some(self.host.replace("{region}", &region))
    }

    /// Its protection and port, where another host than its own may be named: the clear
    /// is for this machine only.
    pub(super) fn usual(&self, own_host: bool) -> (Tls, u16) {
        match self.tls {
            Tls::None if !own_host => (Tls::Starttls, 587),
            tls => (tls, self.port),
        }
    }
}

/// The hosts of the preset that a `[[provider]]` names, if it names one.
pub(super) fn exchangers(table: &mut Table<'_>) -> Option<&'static Vec<String>> {
    let book = &BOOK.provider;
    table.take("preset")?.word(&[("microsoft365", &book.microsoft365.mx), ("google", &book.google.mx)])
}

fn read_tls<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Tls, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "starttls" => Ok(Tls::Starttls),
        "implicit" => Ok(Tls::Implicit),
        "none" => Ok(Tls::None),
        other => Err(serde::de::Error::custom(format!("`{other}` is no protection"))),
    }
}

/// `region` beside a host that has none in it would be passed over in silence.
pub(super) fn refuse_region(table: &mut Table<'_>) {
    if let Some(region) = table.take("region") {
        Value::report(&region, "goes with preset = \"ses\" and without `host`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_each_provider_allows() {
        let Book { postfix, microsoft365: microsoft, google, ses, provider } =
            toml::from_str(include_str!("presets.toml")).unwrap();
        assert_eq!(
            (microsoft.sessions, microsoft.rate, microsoft.per_day),
            (3, "30/minute".parse().ok(), Some(10_000))
        );
        assert_eq!((google.host.as_str(), google.per_day), ("smtp.gmail.com", Some(2_000)));
        assert_eq!((ses.per_day, ses.oauth), (None, false));
        assert!(provider.microsoft365.mx.iter().all(|host| host.starts_with("*.")));
        assert!(provider.google.mx.contains(&"smtp.google.com".to_owned()));
        assert_eq!((postfix.usual(true), postfix.usual(false)), ((Tls::None, 25), (Tls::Starttls, 587)));
    }
}
