//! The envelope of one transaction and its commands; pure.

use crate::model::text::Line;
use crate::transport::{Reply, Verdict};

use super::offers::Offers;

/// RFC 5321 4.5.3.1.3: a path, without its angle brackets.
const MAX_ADDRESS_BYTES: usize = 254;

/// RFC 3461 4.4.
const MAX_ENVID_BYTES: usize = 100;

/// From whom, to whom, how large, and the name that bounces carry back.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    /// The return path; empty for a message that must never bounce.
    pub from: &'a str,
    /// The one recipient.
    pub to: &'a str,
    /// Bytes of the message.
    pub size: usize,
    /// The message has bytes over 127; see [`super::Message::has_eight_bits`].
    pub eight_bit: bool,
    /// What a delivery status notification shall quote (the attempt's id), where DSN is offered.
    pub envid: Option<&'a str>,
}

/// A command of a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// RSET, after a transaction that was refused halfway.
    Reset,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Recipient,
    /// DATA.
    Data,
}

impl Envelope<'_> {
    /// The commands of this transaction, each with its CRLF.
    ///
    /// # Errors
    /// The rejection of an envelope that must not be sent, before anything was.
    pub(super) fn commands(&self, offers: &Offers) -> Result<[(Step, String); 3], Verdict> {
        let from = if self.from.is_empty() { String::new() } else { wire_form(self.from, SENDER)? };
        let to = wire_form(self.to, RECIPIENT)?;
        // RFC 6531 3.4: it is the addresses that need it; our headers hold no others.
        let international = !from.is_ascii() || !to.is_ascii();
        self.check(offers, international)?;
        let mut mail = format!("MAIL FROM:<{from}>");
        let mut recipient = format!("RCPT TO:<{to}>");
        if offers.size {
            mail.push_str(&format!(" SIZE={}", self.size));
        }
        if self.eight_bit {
            mail.push_str(" BODY=8BITMIME");
        }
        if international {
            mail.push_str(" SMTPUTF8");
        }
        if offers.dsn {
            mail.push_str(" RET=HDRS");
            if let Some(envid) = self.envid {
                mail.push_str(&format!(" ENVID={}", xtext(envid)));
            }
            recipient.push_str(&format!(" NOTIFY=FAILURE,DELAY ORCPT={}", original(&to)));
        }
        mail.push_str("\r\n");
        recipient.push_str("\r\n");
        Ok([(Step::Mail, mail), (Step::Recipient, recipient), (Step::Data, "DATA\r\n".to_owned())])
    }

    fn check(&self, offers: &Offers, international: bool) -> Result<(), Verdict> {
        if international && !offers.smtputf8 {
            return refuse(
                553,
                "5.6.7",
                "the address has letters beyond ASCII before the @, which this relay does not take",
            );
        }
        if self.eight_bit && !offers.eight_bit {
            return refuse(554, "5.6.3", "the message has bytes over 127, which this relay does not take");
        }
        let printable = |envid: &str| envid.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if self.envid.is_some_and(|envid| !printable(envid) || xtext(envid).len() > MAX_ENVID_BYTES) {
            return refuse(501, "5.5.4", "the envelope id is not 1 to 100 printable characters");
        }
        match offers.max_size_bytes {
            Some(limit) if self.size > limit => {
                let why = format!("the message has {} bytes and the relay takes {limit}", self.size);
                refuse(552, "5.3.4", &why)
            }
            _ => Ok(()),
        }
    }
}

/// What is said of an address that cannot stand in a command.
const SENDER: (&str, &str) = ("5.1.7", "the sender's address cannot stand in a command");
const RECIPIENT: (&str, &str) = ("5.1.3", "the recipient's address cannot stand in a command");

fn refuse<T>(code: u16, enhanced: &str, why: &str) -> Result<T, Verdict> {
    Err(Verdict::Rejected(Reply::made_here(code, enhanced, why)))
}

/// An address as it goes between the brackets: its domain as an A-label, so that a
/// domain beyond ASCII needs nothing of the relay.
fn wire_form(address: &str, (enhanced, why): (&str, &str)) -> Result<String, Verdict> {
    let unfit = || Verdict::Rejected(Reply::made_here(501, enhanced, why));
    let form = match address.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => {
            format!("{local}@{}", idna::domain_to_ascii_strict(domain).map_err(|_| unfit())?)
        }
        _ => address.to_owned(),
    };
    if is_path(&form) { Ok(form) } else { Err(unfit()) }
}

/// The recipient for the report (RFC 3461 4.2, RFC 6533 3).
fn original(to: &str) -> String {
    if to.is_ascii() { format!("rfc822;{}", xtext(to)) } else { format!("utf-8;{}", xtext_unicode(to)) }
}

/// RFC 6533 3, utf-8-addr-unitext: ASCII as in xtext, `\\` by its number, the rest as it is.
fn xtext_unicode(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '+' | '=' | '\\' => format!("\\x{{{:02X}}}", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

/// Whether an address can stand between angle brackets and stay there.
fn is_path(address: &str) -> bool {
    let allowed = |c: char| match c {
        '<' | '>' => false,
        '!'..='~' => true,
        c => !c.is_ascii() && !c.is_whitespace(),
    };
    let fits = (1..=MAX_ADDRESS_BYTES).contains(&address.len()) && address.chars().all(allowed);
    fits && Line::parse(address).is_ok()
}

/// RFC 3461 4: `+`, `=` and what is not printable as `+` and two hexadecimal digits.
fn xtext(text: &str) -> String {
    let mut coded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' => coded.push_str(&format!("+{byte:02X}")),
            b'!'..=b'~' => coded.push(char::from(byte)),
            _ => coded.push_str(&format!("+{byte:02X}")),
        }
    }
    coded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope<'a>(from: &'a str, to: &'a str) -> Envelope<'a> {
        Envelope { from, to, size: 900, eight_bit: false, envid: Some("a+7") }
    }

    fn lines(envelope: Envelope<'_>, offers: &Offers) -> String {
        envelope.commands(offers).unwrap().map(|(_, line)| line).concat()
    }

    #[test]
    fn asks_only_for_what_is_offered() {
        let plain = lines(envelope("ut@fyrljus.example", "anna@granvik.example"), &Offers::default());
        assert_eq!(plain, "MAIL FROM:<ut@fyrljus.example>\r\nRCPT TO:<anna@granvik.example>\r\nDATA\r\n");
        let offers = Offers { dsn: true, size: true, ..Offers::default() };
        assert_eq!(
            lines(envelope("", "anna+x@granvik.example"), &offers),
            "MAIL FROM:<> SIZE=900 RET=HDRS ENVID=a+2B7\r\n\
             RCPT TO:<anna+x@granvik.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;anna+2Bx@granvik.example\r\n\
             DATA\r\n"
        );
    }

    #[test]
    fn refuses_addresses_that_would_leave_their_brackets() {
        for hostile in [
            "a@b.example>\r\nRCPT TO:<c@d.example",
            "a b@c.example",
            "a@b.example>",
            "<a@b.example",
            "å\u{85}@b.example",
            "å\u{202e}@b.example",
            "",
        ] {
            let refused = envelope("ut@fyrljus.example", hostile).commands(&Offers::default());
            assert!(matches!(refused, Err(Verdict::Rejected(_))), "{hostile:?}");
        }
        assert!(envelope("a\r\n@b.example", "c@d.example").commands(&Offers::default()).is_err());
    }

    #[test]
    fn refuses_what_is_larger_than_the_relay_takes() {
        let offers = Offers { size: true, max_size_bytes: Some(899), ..Offers::default() };
        let Err(Verdict::Rejected(reply)) = envelope("", "a@b.example").commands(&offers) else { panic!() };
        assert_eq!((reply.code, reply.enhanced.as_deref()), (552, Some("5.3.4")));
    }

    #[test]
    fn writes_a_domain_beyond_ascii_as_its_a_label() {
        let plain = lines(envelope("ut@fyrljus.example", "anna@blåbär.example"), &Offers::default());
        assert!(plain.contains("RCPT TO:<anna@xn--blbr-noae.example>\r\n"), "{plain}");
        assert!(!plain.contains("SMTPUTF8"));
    }

    #[test]
    fn asks_for_smtputf8_only_where_an_address_needs_it_and_the_relay_offers_it() {
        let asa = envelope("ut@fyrljus.example", "åsa@granvik.example");
        let Err(Verdict::Rejected(reply)) = asa.commands(&Offers::default()) else { panic!() };
        assert_eq!((reply.code, reply.enhanced.as_deref()), (553, Some("5.6.7")));
        let offers = Offers { smtputf8: true, dsn: true, ..Offers::default() };
        assert_eq!(
            lines(asa, &offers),
            "MAIL FROM:<ut@fyrljus.example> SMTPUTF8 RET=HDRS ENVID=a+2B7\r\n\
             RCPT TO:<åsa@granvik.example> NOTIFY=FAILURE,DELAY ORCPT=utf-8;åsa@granvik.example\r\n\
             DATA\r\n"
        );
        assert!(!lines(envelope("", "anna@granvik.example"), &offers).contains("SMTPUTF8"));
    }

    #[test]
    fn names_an_eight_bit_body_and_sends_none_where_it_is_not_taken() {
        let eight = Envelope { eight_bit: true, ..envelope("", "anna@granvik.example") };
        let Err(Verdict::Rejected(reply)) = eight.commands(&Offers::default()) else { panic!() };
        assert_eq!(reply.enhanced.as_deref(), Some("5.6.3"));
        let offers = Offers { eight_bit: true, ..Offers::default() };
        assert!(lines(eight, &offers).starts_with("MAIL FROM:<> BODY=8BITMIME\r\n"));
        assert!(!lines(envelope("", "anna@granvik.example"), &offers).contains("BODY"));
    }
}
