//! Each relay: connected to, protected, logged in to, asked what it offers, left.

use jiff::Timestamp;

use crate::config::{Relay, Timeouts, Tls};
use crate::transport::smtp::{Connector, Offers};

use super::{Check, Finding, PATIENCE, certificate};

/// Opens a session as a delivery would, and quits before any letter.
pub(super) async fn examine(relay: &Relay, now: Timestamp) -> Vec<Check> {
    let name = format!("relay {}", relay.id);
    let impatient = Relay { timeouts: Timeouts::all(PATIENCE.as_secs()), ..relay.clone() };
    let connector = match Connector::new(&impatient) {
        Ok(connector) => connector,
        Err(error) => return vec![Finding::from_error(error).of(name)],
    };
    let session = match connector.connect().await {
        Ok(session) => session,
        Err(error) => return vec![Finding::from_error(error).of(name)],
    };
    let mut checks = vec![judge(relay, session.offers()).of(name)];
    if let Some(der) = session.certificate() {
        checks.push(certificate::judge(der, now).of(format!("certificate of relay {}", relay.id)));
    }
    session.quit().await;
    checks
}

fn judge(relay: &Relay, offers: &Offers) -> Finding {
    let protection = match relay.tls {
        Tls::Starttls => "STARTTLS",
        Tls::Implicit => "TLS",
        Tls::None => "in the clear on this machine",
    };
    let login = if relay.username.is_some() { "login works" } else { "no login" };
    let size = match offers.max_size_bytes {
        Some(bytes) => format!("letters up to {} kB", bytes / 1024),
        None => "no limit of size named".to_owned(),
    };
    let line = format!("{}:{}, {protection}, {login}, {size}", relay.host, relay.port);
    let missing = [(offers.pipelining, "PIPELINING"), (offers.size, "SIZE"), (offers.dsn, "DSN")];
    let missing: Vec<_> = missing.iter().filter(|(offered, _)| !offered).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return Finding::ok(format!("{line}; it offers PIPELINING, SIZE and DSN"));
    }
    // Each has another way: one command at a time, a refusal at the end, bounces by return path.
    Finding::ok(format!("{line}; it does without {}", missing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_a_relay_offers_and_what_not() {
        let relay = Relay::new("main", "smtp.fyrljus.example", 587, Tls::Starttls);
        let all =
            Offers { pipelining: true, size: true, dsn: true, max_size_bytes: Some(10_240_000), ..Offers::default() };
        assert_eq!(
            judge(&relay, &all).line,
            "smtp.fyrljus.example:587, STARTTLS, no login, letters up to 10000 kB; it offers PIPELINING, SIZE and DSN"
        );
        let relay = Relay { username: Some("ut".into()), tls: Tls::Implicit, port: 465, ..relay };
        assert_eq!(
            judge(&relay, &Offers { pipelining: true, ..Offers::default() }).line,
            "smtp.fyrljus.example:465, TLS, login works, no limit of size named; it does without SIZE, DSN"
        );
    }
}
