//! The small company that tests and benches work in: its configuration, and its campaign.
//!
//! Benches take this file in by `#[path]`, so it stands alone.

use std::path::Path;

use outreachd::config::{self, Config};
use outreachd::model::campaign::Campaign;

/// The configuration, as its file has it: one sender, and one relay with the keys `relay`;
/// `more` are further keys of the relay, and sections.
pub fn configuration(relay: &str, more: &str) -> String {
    format!(
        r#"[company]
name = "Fyrljus AB"
head = "mira.holm@fyrljus.example"
[database]
url = "sqlite:test.db"
[[sender]]
id = "fyrljus"
legal_name = "Fyrljus AB"
postal_address = "Lyktgatan 4, 791 70 Falun"
from = "hej@fyrljus.example"
bounces = "ut@fyrljus.example"
phone = "+46701740605"
fax = "+46701740606"
[[relay]]
id = "main"
{relay}
{more}
"#
    )
}

/// The same, read.
pub fn config(relay: &str, more: &str) -> Config {
    let read = config::parse(Path::new("test.toml"), &configuration(relay, more), &[]);
    read.unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// Two e-mails, the first with a fallback to fax, three business days apart.
pub fn campaign(late: &str) -> Campaign {
    let text = format!(
        r#"
        [campaign]
        id = "led"
        title = "LED i lagret"
        language = "sv"
        start = 2027-03-01
        [audience]
        country = ["SE"]
        [send]
        days = "Mon-Thu"
        hours = "08:30-11:30"
        late = "{late}"
        [[step]]
        id = "intro"
        channel = "email"
        template = "led/intro"
        subject = "Ljuset hos {{{{account.name}}}}"
        fallback = "fax"
        [[step]]
        id = "referens"
        channel = "email"
        wait = "3 business days"
        template = "led/referens"
        "#
    );
    let (campaign, mistakes, _) = outreachd::campaign::read(Path::new("led.toml"), &text, |_| Ok(()));
    campaign.filter(|_| mistakes.is_empty()).unwrap_or_else(|| panic!("{mistakes:?}"))
}
