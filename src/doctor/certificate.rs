//! How long a certificate is still good. The one fact is read from its DER: chain,
//! name and signature were verified by TLS before.

use jiff::civil::DateTime;
use jiff::{Timestamp, Unit};

use super::Finding;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, the version, which the oldest certificates leave out.
const VERSION: u8 = 0xa0;

/// Says how long a certificate that was just accepted will be.
pub(super) fn judge(der: &[u8], now: Timestamp) -> Finding {
    let Some(ends) = not_after(der) else { return Finding::skipped("cannot read until when it is good") };
    let days = now.until((Unit::Hour, ends)).map(|left| i64::from(left.get_hours()) / 24).unwrap_or(0);
    let line = match days {
        ..=0 => "good for less than a day".to_owned(),
        1 => "good for 1 day".to_owned(),
        days => format!("good for {days} days"),
    };
    let advice = "see that whoever runs the server renews it";
    match days {
        ..=1 => Finding::warning(line, "have it renewed today: once it has expired, nothing is sent"),
        2..=7 => Finding::warning(line, format!("{advice} this week")),
        8..=30 => Finding::warning(line, advice),
        _ => Finding::ok(line),
    }
}

/// The end of the validity (RFC 5280 4.1.2.5).
fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = take(der, SEQUENCE)?;
    let (signed, _) = take(certificate, SEQUENCE)?;
    let behind_version = take(signed, VERSION).map_or(signed, |(_, rest)| rest);
    let (_serial, rest) = take(behind_version, INTEGER)?;
    let (_signature, rest) = take(rest, SEQUENCE)?;
    let (_issuer, rest) = take(rest, SEQUENCE)?;
    let (validity, _) = take(rest, SEQUENCE)?;
    let (_not_before, rest) = take_time(validity)?;
    take_time(rest).map(|(at, _)| at)
}

/// The content of the value at the front, which must have this tag, and what is behind it.
fn take(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    if *found != tag {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        ..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        // A length without end, or of more than four bytes, is no certificate's.
        0x80 | 0x85.. => return None,
    };
    rest.split_at_checked(length)
}

fn take_time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    if let Some((text, rest)) = take(bytes, GENERALIZED_TIME) {
        return Some((read_time(std::str::from_utf8(text).ok()?)?, rest));
    }
    let (text, rest) = take(bytes, UTC_TIME)?;
    let text = std::str::from_utf8(text).ok()?;
    let century = if text.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" };
    Some((read_time(&format!("{century}{text}"))?, rest))
}

fn read_time(text: &str) -> Option<Timestamp> {
    let at = DateTime::strptime("%Y%m%d%H%M%S", text.strip_suffix('Z')?).ok()?;
    at.in_tz("UTC").ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use jiff::ToSpan;

    fn certificate(year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["smtp.fyrljus.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn midnight(text: &str) -> Timestamp {
        format!("{text}T00:00:00Z").parse().unwrap()
    }

    #[test]
    fn reads_the_end_in_both_of_its_forms() {
        assert_eq!(not_after(&certificate(2027, 6, 30)), Some(midnight("2027-06-30")));
        // From 2050 on it is a GeneralizedTime.
        assert_eq!(not_after(&certificate(2061, 6, 30)), Some(midnight("2061-06-30")));
    }

    #[test]
    fn gives_up_on_bytes_that_are_no_certificate() {
        let whole = certificate(2027, 6, 30);
        for end in 0..60 {
            assert_eq!(not_after(&whole[..end]), None);
        }
        assert_eq!(not_after(&[0x30, 0x85, 1, 1, 1, 1, 1]), None);
        assert_eq!(judge(b"", midnight("2027-01-01")).state, State::Skipped);
    }

    #[test]
    fn warns_thirty_days_and_seven_and_one_before_the_end() {
        let der = certificate(2027, 6, 30);
        let at = |hours_left: i64| judge(&der, midnight("2027-06-30") - hours_left.hours());
        assert_eq!(at(31 * 24), Finding::ok("good for 31 days"));
        assert_eq!((at(30 * 24).state, at(8 * 24).state), (State::Warning, State::Warning));
        assert!(at(7 * 24).advice.unwrap().ends_with("this week"));
        assert!(at(24).advice.unwrap().contains("today"));
        assert_eq!(at(3).line, "good for less than a day");
    }
}
