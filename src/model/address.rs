//! Where a message can go: e-mail addresses and fax numbers.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// The channel of a contact point, a step or a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Mail over SMTP.
    Email,
    /// A page over a fax gateway.
    Fax,
    /// A telephone call that a person makes.
    Call,
}

/// Why a text is no address of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `@`, or nothing on one side of it.
    #[error("is no e-mail address; one looks like name@company.example")]
    NotAnAddress,
    /// A character that RFC 5321 4.1.2 does not allow unquoted, nor RFC 6531 3.3 at all, or
    /// one that is not seen or looks like such a one.
    #[error("has the character {0:?}, which an e-mail address cannot have")]
    Character(char),
    /// Longer than RFC 5321 4.5.3.1 allows.
    #[error("is too long for an e-mail address")]
    TooLong,
    /// The part behind the `@` is no domain name.
    #[error("has a domain that is no host name")]
    Domain,
    /// A local part beyond ASCII would need SMTPUTF8 all the way: an address of ours cannot
    /// have one, for then no letter could leave without, nor any answer come.
    #[error("has letters before the @ that most mail servers refuse")]
    NotAscii,
    /// Not a number that the telephone network knows.
    #[error("is no telephone number; write it as +46 8 123 456 78")]
    NotANumber,
}

/// A deliverable mail address: its domain an A-label in lower case, its local part in NFC.
///
/// A local part beyond ASCII ([`EmailAddress::needs_smtputf8`]) goes by relays that take it.
/// `Display` and `Debug` mask it for logs; [`EmailAddress::as_str`] reveals it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Parses an address such as `anna@granvik.example`; IDN domains become A-labels.
    ///
    /// # Errors
    /// Says which rule of RFC 5321 the text breaks. Quoted local parts are refused.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text: String = text.trim().nfc().collect();
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NotAnAddress)?;
        if local.is_empty()
            || domain.is_empty()
            || local.starts_with('.')
            || local.ends_with('.')
            || local.contains("..")
        {
            return Err(AddressError::NotAnAddress);
        }
        for c in local.chars() {
            match c {
                c if c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c) => {}
                c if c.is_ascii() || is_disguised(c) => return Err(AddressError::Character(c)),
                _ => {}
            }
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| AddressError::Domain)?;
        if !domain.contains('.') && domain != "localhost" || domain.split('.').any(str::is_empty) {
            return Err(AddressError::Domain);
        }
        if local.len() > 64 || local.len() + domain.len() + 1 > 254 {
            return Err(AddressError::TooLong);
        }
        Ok(Self(format!("{local}@{domain}")))
    }

    /// The same for an address that letters come from and answers go to, which all must take.
    ///
    /// # Errors
    /// Also for letters beyond ASCII before the `@`.
    pub fn parse_ours(text: &str) -> Result<Self, AddressError> {
        let address = Self::parse(text)?;
        if address.needs_smtputf8() { Err(AddressError::NotAscii) } else { Ok(address) }
    }

    /// Whether only a server that offers SMTPUTF8 (RFC 6531) takes mail to it.
    pub fn needs_smtputf8(&self) -> bool {
        !self.0.is_ascii()
    }

    /// The address as it goes on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part behind the `@`, an A-label in lower case.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The form by which two spellings of one mailbox are found to be the same.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

/// Characters beyond ASCII that nobody has in an address on purpose: controls and blanks,
/// what is not seen or turns the reading direction, what stands for no letter, and twins of
/// ASCII's own signs, such as the wide `＠`.
fn is_disguised(c: char) -> bool {
    let is_hidden = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..);
    let is_twin = || std::iter::once(c).nfkc().any(|same| same.is_ascii() && !same.is_ascii_alphanumeric());
    is_hidden || c.is_control() || c.is_whitespace() || is_twin()
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.chars().next().unwrap_or('*');
        write!(f, "{first}***@{}", self.domain())
    }
}

/// A fax (or telephone) number in E.164 form, `+` and digits.
///
/// `Display` and `Debug` mask it for logs; [`PhoneNumber::as_str`] reveals it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Parses a number; a national one (`08-123 456 78`) needs the `country`
    /// (ISO 3166 alpha-2) it belongs to.
    ///
    /// # Errors
    /// The text is no number of that country's plan.
    pub fn parse(text: &str, country: Option<&str>) -> Result<Self, AddressError> {
        let country = country.and_then(|code| code.parse().ok());
        let number = phonenumber::parse(country, text).map_err(|_| AddressError::NotANumber)?;
        let e164 = number.format().mode(phonenumber::Mode::E164).to_string();
        Self::from_e164(&e164)
    }

    /// Takes a number that is already in E.164 form.
    ///
    /// # Errors
    /// No `+`, or not 7 to 15 digits.
    pub fn from_e164(text: &str) -> Result<Self, AddressError> {
        let digits = text.strip_prefix('+').ok_or(AddressError::NotANumber)?;
        let fits =
            (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if fits { Ok(Self(text.to_owned())) } else { Err(AddressError::NotANumber) }
    }

    /// The number as it is dialled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number as people in `country` (ISO 3166 alpha-2) write it: `070-174 06 12`
    /// at home, `+46 70 174 06 12` abroad.
    pub fn written_in(&self, country: Option<&str>) -> String {
        let Ok(number) = phonenumber::parse(None, &self.0) else { return self.0.clone() };
        let home = number.country().id().map(|id| format!("{id:?}"));
        let at_home = home.is_some() && home.as_deref() == country;
        let mode = if at_home { phonenumber::Mode::National } else { phonenumber::Mode::International };
        number.format().mode(mode).to_string()
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, _) = self.0.split_at(self.0.len().min(3));
        write!(f, "{head}***")
    }
}

macro_rules! masked {
    ($name:ident, $parse:expr) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = AddressError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                $parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

masked!(EmailAddress, EmailAddress::parse);
masked!(PhoneNumber, PhoneNumber::from_e164);

/// The address of one delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// A mailbox.
    Email(EmailAddress),
    /// A fax machine.
    Fax(PhoneNumber),
}

impl Address {
    /// The channel this address belongs to.
    pub fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Fax(_) => Channel::Fax,
        }
    }

    /// Reads back an address that the store holds as channel and text.
    ///
    /// # Errors
    /// The text is no address of that channel; a call has none to send to.
    pub fn parse(channel: Channel, text: &str) -> Result<Self, AddressError> {
        match channel {
            Channel::Email => EmailAddress::parse(text).map(Self::Email),
            Channel::Fax => PhoneNumber::from_e164(text).map(Self::Fax),
            Channel::Call => Err(AddressError::NotANumber),
        }
    }

    /// The address as it goes on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(address) => address.as_str(),
            Self::Fax(number) => number.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_masks_them() {
        let anna = EmailAddress::parse(" Anna.Lind@Granvik.EXAMPLE ").unwrap();
        assert_eq!(anna.as_str(), "Anna.Lind@granvik.example");
        assert_eq!(format!("{anna} {anna:?}"), "A***@granvik.example A***@granvik.example");
        assert_eq!(EmailAddress::parse("a@räksmörgås.se").unwrap().domain(), "xn--rksmrgs-5wao1o.se");
    }

    #[test]
    fn refuses_what_no_server_takes() {
        assert_eq!(EmailAddress::parse("anna"), Err(AddressError::NotAnAddress));
        assert_eq!(EmailAddress::parse("a b@c.example"), Err(AddressError::Character(' ')));
        assert_eq!(EmailAddress::parse("a@b"), Err(AddressError::Domain));
        assert!(EmailAddress::parse("a\r\nRCPT TO:<b@c.example>@d.example").is_err());
    }

    #[test]
    fn takes_letters_beyond_ascii_in_one_spelling() {
        let asa = EmailAddress::parse("Åsa.Ek@blåbär.example").unwrap();
        assert_eq!(asa.as_str(), "Åsa.Ek@xn--blbr-noae.example");
        assert_eq!(EmailAddress::parse("A\u{30a}sa.Ek@BLÅBÄR.example").unwrap(), asa, "as macOS writes it");
        assert_eq!((asa.folded().as_str(), asa.needs_smtputf8()), ("åsa.ek@xn--blbr-noae.example", true));
        assert_eq!(format!("{asa}"), "Å***@xn--blbr-noae.example");
        assert!(
            EmailAddress::parse("用户@granvik.example").is_ok() && EmailAddress::parse("अजय@granvik.example").is_ok()
        );
        assert!(!EmailAddress::parse("anna@blåbär.example").unwrap().needs_smtputf8(), "a domain has an A-label");
        assert_eq!(EmailAddress::parse(&format!("{}@c.example", "å".repeat(33))), Err(AddressError::TooLong));
        assert_eq!(EmailAddress::parse_ours("åsa@fyrljus.example"), Err(AddressError::NotAscii));
        for c in ['\u{202e}', '\u{200b}', '\u{feff}', '\u{fffd}', '\u{3000}', '\u{85}', '＠', '＜', '…', '\u{e001}']
        {
            let text = format!("å{c}sa@c.example");
            assert_eq!(EmailAddress::parse(&text), Err(AddressError::Character(c)), "{text:?}");
        }
    }

    #[test]
    fn reads_national_and_international_numbers() {
        assert_eq!(PhoneNumber::parse("070-174 06 12", Some("SE")).unwrap().as_str(), "+46701740612");
        assert_eq!(PhoneNumber::parse("+46 8 465 004 00", None).unwrap().as_str(), "+46846500400");
        assert_eq!(PhoneNumber::parse("070-174 06 12", None), Err(AddressError::NotANumber));
    }

    #[test]
    fn writes_numbers_as_people_do() {
        let number = PhoneNumber::from_e164("+46701740612").unwrap();
        assert_eq!(number.written_in(Some("SE")), "070-174 06 12");
        assert_eq!(number.written_in(Some("DE")), "+46 70 174 06 12");
        assert_eq!(number.written_in(None), "+46 70 174 06 12");
    }
}
