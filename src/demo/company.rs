//! Fyrljus AB, which does not exist: its configuration, files, people and days.
//!
//! Everything here is fixed, so that the same story comes out on every machine.

use std::path::Path;
use std::{fs, io};

use jiff::Timestamp;
use jiff::civil::{DateTime, date, time};
use jiff::tz::TimeZone;

use super::fax_gateway::{KEY, SECRET};
use crate::config::{self, Config, ConfigError};
use crate::model::address::{EmailAddress, PhoneNumber};
use crate::model::id::UserId;
use crate::model::language::Language;
use crate::model::text::Line;
use crate::model::token::TokenKeys;
use crate::model::user::{Role, User};
use crate::render::TemplateSet;

/// The mailbox that answers and bounces come back to.
pub const MAILBOX: &str = "svar";
/// The campaign.
pub const CAMPAIGN_ID: &str = "led-i-lagret";
/// The name of the file of clients.
pub const CLIENT_FILE: &str = "clients.csv";
/// The clients. The order of the rows is part of the story: it gives the ids, and
/// these say who is left in peace, who gets which variant, and at which minute.
pub const CLIENTS: &str = include_str!("world/clients.csv");

const CAMPAIGN: &str = include_str!("../../config/campaigns/led-i-lagret.toml");
const ZONE: &str = "Europe/Stockholm";
const COUNTRY: &str = "SE";

/// Where the servers of the demo listen.
#[derive(Clone, Debug)]
pub struct Peers {
    /// The mail server's port.
    pub relay_port: u16,
    /// The fax gateway's URL.
    pub fax_url: String,
    /// Where our own pages are.
    pub public_url: String,
}

/// The company's clock.
pub fn zone() -> TimeZone {
    TimeZone::get(ZONE).unwrap_or(TimeZone::UTC)
}

/// A local day and time as an instant.
pub fn instant(local: DateTime) -> Timestamp {
    zone().to_ambiguous_timestamp(local).compatible().expect("these years are within range")
}

/// Wednesday 24 February 2027, 10:12: the campaign is applied.
pub fn beginning() -> Timestamp {
    instant(date(2027, 2, 24).at(10, 12, 0, 0))
}

/// Tuesday 2 March 2027, 07:31: the digest has come.
pub fn end_of_story() -> Timestamp {
    instant(date(2027, 3, 2).at(7, 31, 0, 0))
}

/// The keys that sign the demo's tokens. They protect nothing but invented rows.
pub fn keys() -> TokenKeys {
    TokenKeys::new(vec![(1, b"the demo has nothing to protect.".to_vec())])
}

/// Writes campaign, templates and the gateway's secret into `folder`.
///
/// # Errors
/// The folder cannot be written.
pub fn write_files(folder: &Path) -> io::Result<()> {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)
    };
    write("campaigns/led-i-lagret.toml", CAMPAIGN)?;
    for (name, text) in TemplateSet::starter().iter() {
        write(&format!("templates/{name}"), text)?;
    }
    write("fax-secret", SECRET)?;
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(folder.join("fax-secret"), owner_only)
}

/// The configuration, with everything in `folder` and every server on this machine.
///
/// # Errors
/// Its text has mistakes.
pub fn config(folder: &Path, peers: &Peers) -> Result<Config, ConfigError> {
    let Peers { relay_port, fax_url, public_url } = peers;
    // One session, so that letters that are due at one second leave in one order.
    let text = format!(
        r#"
        [company]
        name = "Fyrljus AB"
        head = "mira.holm@fyrljus.example"
        country = "{COUNTRY}"
        zone = "{ZONE}"
        language = "sv"
        [database]
        url = "sqlite:outreachd.db"
        [files]
        campaigns = "campaigns"
        templates = "templates"
        [[sender]]
        id = "fyrljus"
        legal_name = "Fyrljus AB"
        postal_address = "Lyktgatan 4, 120 30 Stockholm"
        from = "hej@fyrljus.example"
        reply_to = "svar@fyrljus.example"
        bounces = "studs@fyrljus.example"
        relay = "main"
        phone = "070-174 06 05"
        fax = "070-174 06 06"
        [[relay]]
        id = "main"
        host = "127.0.0.1"
        port = {relay_port}
        tls = "none"
        hello = "ut.fyrljus.example"
        sessions = 1
        timeouts = {{ greeting_s = 20, command_s = 20, mail_s = 20, recipient_s = 20, data_s = 20, block_s = 20, dot_s = 20 }}
        [fax]
        gateway = "sinch"
        base_url = "{fax_url}"
        key = "{KEY}"
        secret = {{ file = "fax-secret" }}
        [web]
        public_url = "{public_url}"
        [digest]
        from = "dagens@fyrljus.example"
        at = "07:30"
        "#
    );
    config::parse(&folder.join("outreachd.toml"), &text, &[])
}

/// The head, who appoints the others, and then the managers.
pub fn people() -> Vec<User> {
    vec![
        person("Mira Holm", "mira.holm@fyrljus.example", "VD", "070-174 06 14", Role::Head),
        person("Karin Ek", "karin.ek@fyrljus.example", "Ljuskonsult", "070-174 06 90", Role::Manager),
        person("Jonas Berg", "jonas.berg@fyrljus.example", "Ljuskonsult", "070-174 06 91", Role::Manager),
    ]
}

fn person(name: &str, email: &str, title: &str, phone: &str, role: Role) -> User {
    User {
        id: UserId(0),
        name: Line::parse(name).expect("a name of one line"),
        email: EmailAddress::parse(email).expect("a plain address"),
        phone: Some(PhoneNumber::parse(phone, Some(COUNTRY)).expect("a number set aside for fiction")),
        title: Some(Line::parse(title).expect("a title of one line")),
        role,
        language: Language::Sv,
        zone: ZONE.to_owned(),
        digest_at: time(7, 30, 0, 0),
        active: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own_configuration() {
        let peers = Peers {
            relay_port: 2525,
            fax_url: "http://127.0.0.1:2526/v3/projects/demo".into(),
            public_url: "http://127.0.0.1:8025".into(),
        };
        let config = config(Path::new("demo"), &peers).unwrap();
        assert_eq!(config.relays[0].port, 2525);
        assert!(config.mailboxes.is_empty(), "the mailbox is one in memory");
        assert_eq!(people()[0].role, Role::Head);
    }
}
