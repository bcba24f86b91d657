//! The envelope of one transaction and its commands; pure.

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
        self.check(offers)?;
        let mut mail = format!("MAIL FROM:<{}>", self.from);
        let mut recipient = format!("RCPT TO:<{}>", self.to);
        if offers.size {
            mail.push_str(&format!(" SIZE={}", self.size));
        }
        if offers.dsn {
            mail.push_str(" RET=HDRS");
            if let Some(envid) = self.envid {
                mail.push_str(&format!(" ENVID={}", xtext(envid)));
            }
            recipient.push_str(&format!(" NOTIFY=FAILURE,DELAY ORCPT=rfc822;{}", xtext(self.to)));
        }
        mail.push_str("\r\n");
        recipient.push_str("\r\n");
        Ok([(Step::Mail, mail), (Step::Recipient, recipient), (Step::Data, "DATA\r\n".to_owned())])
    }

    fn check(&self, offers: &Offers) -> Result<(), Verdict> {
        let refuse = |code, enhanced, why: &str| Err(Verdict::Rejected(Reply::made_here(code, enhanced, why)));
        if !self.from.is_empty() && !is_path(self.from) {
            return refuse(501, "5.1.7", "the sender's address cannot stand in a command");
        }
        if !is_path(self.to) {
            return refuse(501, "5.1.3", "the recipient's address cannot stand in a command");
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

/// Whether an address can stand between angle brackets and stay there.
fn is_path(address: &str) -> bool {
    let allowed = |byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'<' | b'>');
    !address.is_empty() && address.len() <= MAX_ADDRESS_BYTES && address.bytes().all(allowed)
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
        Envelope { from, to, size: 900, envid: Some("a+7") }
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
        for hostile in
            ["a@b.example>\r\nRCPT TO:<c@d.example", "a b@c.example", "a@b.example>", "<a@b.example", "å@b.example", ""]
        {
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
}
