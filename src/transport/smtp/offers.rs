//! What a relay offers in its answer to EHLO; pure.

use crate::transport::Reply;

/// The extensions of a relay that we use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// RFC 2920: commands may be sent without waiting.
    pub pipelining: bool,
    /// RFC 1870: the largest message it takes, in bytes, where it says so.
    pub max_size_bytes: Option<usize>,
    /// RFC 3207: it can begin TLS.
    pub starttls: bool,
    /// RFC 3461: it takes RET, ENVID, NOTIFY and ORCPT.
    pub dsn: bool,
    /// RFC 1870: it takes the SIZE parameter at all.
    pub size: bool,
    /// RFC 6152: it takes bodies with bytes over 127.
    pub eight_bit: bool,
    /// RFC 6531: it takes addresses beyond ASCII.
    pub smtputf8: bool,
    /// RFC 4954: the ways to log in, in upper case.
    pub auth: Vec<String>,
}

impl Offers {
    /// Reads the answer to EHLO; its first line only greets.
    pub(super) fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.text.lines().skip(1) {
            offers.add(&line.get(4..).unwrap_or_default().to_ascii_uppercase());
        }
        offers
    }

    fn add(&mut self, line: &str) {
        // Old servers wrote `AUTH=PLAIN`, and some still do, next to the right form.
        let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
        match words.next() {
            Some("PIPELINING") => self.pipelining = true,
            Some("STARTTLS") => self.starttls = true,
            Some("DSN") => self.dsn = true,
            Some("8BITMIME") => self.eight_bit = true,
            Some("SMTPUTF8") => self.smtputf8 = true,
            Some("SIZE") => {
                self.size = true;
                // RFC 1870 4: zero means that there is no fixed limit.
                self.max_size_bytes = words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
            }
            Some("AUTH") => self.auth.extend(words.map(str::to_owned)),
            _ => {}
        }
    }

    /// Whether it offers this way to log in.
    pub fn has_auth(&self, mechanism: &str) -> bool {
        self.auth.iter().any(|offered| offered == mechanism)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Offers {
        Offers::read(&Reply { code: 250, enhanced: None, text: text.to_owned() })
    }

    #[test]
    fn reads_what_it_uses_in_any_case() {
        let offers =
            read("250-mx.relay.example\n250-pipelining\n250-SIZE 1000\n250-AUTH PLAIN login\n250-DSN\n250 STARTTLS");
        assert!(offers.pipelining && offers.dsn && offers.starttls && offers.size);
        assert_eq!(offers.max_size_bytes, Some(1000));
        assert!(offers.has_auth("LOGIN") && !offers.has_auth("XOAUTH2"));
    }

    #[test]
    fn takes_a_size_of_zero_as_no_limit_and_the_old_form_of_auth() {
        let offers = read("250-mx\n250-SIZE 0\n250 AUTH=PLAIN");
        assert_eq!((offers.size, offers.max_size_bytes), (true, None));
        assert!(offers.has_auth("PLAIN"));
    }

    #[test]
    fn takes_no_offer_from_the_greeting() {
        assert_eq!(read("250 PIPELINING"), Offers::default());
    }
}
