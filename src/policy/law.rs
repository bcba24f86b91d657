//! Whether the law of the client's country lets us write, and by which rule.
//!
//! The table below is data: a lawyer corrects a line, and [`VERSION`] says which
//! table decided. It knows nothing of suppressions; those stop a letter whatever
//! the law allows. `campaign` shows the rule in `plan`, `client` in `why`.
//!
//! Not legal advice. Where a country stands in no line, express consent is wanted.

use crate::model::account::PersonType;
use crate::model::address::Channel;
use crate::model::consent::Basis;
use crate::model::plan::LeftOut;

macro_rules! version {
    () => {
        "policy 2027-01"
    };
}

/// The version of the table; each rule's text ends with it.
pub const VERSION: &str = version!();

/// What the law says about one contact on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It may be written to.
    Pass {
        /// The rule, for people to read.
        rule: &'static str,
    },
    /// It may not.
    LeftOut(LeftOut, &'static str),
}

/// What a country wants before one kind of person is written to on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing beforehand; each letter offers an opt-out.
    OptOut,
    /// Express consent, or a sale of similar goods with an opt-out offered (soft opt-in).
    ConsentOrCustomer,
    /// Express consent.
    Consent,
}

/// One rule with a text for each way it can come out.
struct Rule {
    need: Need,
    opt_out: &'static str,
    consent: &'static str,
    customer: &'static str,
    refused: &'static str,
}

macro_rules! rule {
    ($country:literal, $person:literal, $channel:literal, $need:ident) => {
        Rule {
            need: Need::$need,
            opt_out: concat!($country, ", ", $person, ", ", $channel, ": opt-out suffices (", version!(), ")"),
            consent: concat!($country, ", ", $person, ", ", $channel, ": consent on file (", version!(), ")"),
            customer: concat!(
                $country,
                ", ",
                $person,
                ", ",
                $channel,
                ": own customer, opt-out offered (",
                version!(),
                ")"
            ),
            refused: concat!($country, ", ", $person, ", ", $channel, ": no consent on file (", version!(), ")"),
        }
    };
}

/// The rules of one country. Fax wants recorded consent everywhere, whatever the law.
struct Law {
    country: &'static str,
    company_email: Rule,
    sole_trader_email: Rule,
    company_fax: Rule,
    sole_trader_fax: Rule,
}

macro_rules! law {
    ($country:literal, $company:ident, $sole_trader:ident) => {
        Law {
            country: $country,
            company_email: rule!($country, "company", "e-mail", $company),
            sole_trader_email: rule!($country, "sole trader", "e-mail", $sole_trader),
            company_fax: rule!($country, "company", "fax", Consent),
            sole_trader_fax: rule!($country, "sole trader", "fax", Consent),
        }
    };
}

/// Country, e-mail to a company, e-mail to a sole trader; where the source is
/// secondary or silent the stricter reading stands.
static TABLE: &[Law] = &[
    // Sweden: marknadsföringslagen 19 and 20 §; a named employee is treated as the company.
    law!("SE", OptOut, ConsentOrCustomer),
    // Denmark: markedsføringsloven § 10, traders and authorities included.
    law!("DK", ConsentOrCustomer, ConsentOrCustomer),
    // Germany: UWG § 7(2) no. 2, B2B too; (3) is the customer's exception.
    law!("DE", ConsentOrCustomer, ConsentOrCustomer),
    // Finland: lag om tjänster inom elektronisk kommunikation (917/2014) 200 and 202 §.
    law!("FI", OptOut, ConsentOrCustomer),
    // France: CPCE art. L34-5 and the CNIL's reading: opt-out where it concerns the job.
    law!("FR", OptOut, ConsentOrCustomer),
    // United Kingdom: PECR 2003 reg. 22; a sole trader is an individual subscriber.
    law!("GB", OptOut, ConsentOrCustomer),
    // Norway: markedsføringsloven § 15; it protects employees' own addresses too.
    law!("NO", ConsentOrCustomer, ConsentOrCustomer),
    // United States: CAN-SPAM, 15 U.S.C. 7704.
    law!("US", OptOut, OptOut),
    // Canada: CASL s. 6; implied consent ends after two years, which no row here tells.
    law!("CA", Consent, Consent),
];

/// Countries without a line: opt-in.
static UNLISTED: Law = law!("unlisted country", Consent, Consent);

/// Judges whether a contact may be written to on a channel.
///
/// `country` is its account's (ISO 3166 alpha-2), `consent` the basis of the
/// consent in force for this channel. A call is a person's own act: only what is
/// unknown or private stops the line in the digest.
pub fn judge(
    country: Option<&str>,
    channel: Channel,
    person_type: Option<PersonType>,
    consent: Option<Basis>,
) -> Judgement {
    let Some(person_type) = person_type else {
        return Judgement::LeftOut(LeftOut::PersonTypeUnknown, concat!("person type unknown (", version!(), ")"));
    };
    let Some(country) = country else {
        return Judgement::LeftOut(LeftOut::CountryUnknown, concat!("country unknown (", version!(), ")"));
    };
    let law = TABLE.iter().find(|law| law.country.eq_ignore_ascii_case(country)).unwrap_or(&UNLISTED);
    let (rule, left_out) = match (person_type, channel) {
        (PersonType::Private, _) => {
            let rule = concat!("a private person is never written to (", version!(), ")");
            return Judgement::LeftOut(LeftOut::PrivatePerson, rule);
        }
        (_, Channel::Call) => {
            let rule = concat!("a call is the manager's own act (", version!(), ")");
            return Judgement::Pass { rule };
        }
        (PersonType::Company, Channel::Email) => (&law.company_email, LeftOut::NoConsent),
        (PersonType::Company, Channel::Fax) => (&law.company_fax, LeftOut::NoConsent),
        (PersonType::SoleTrader, Channel::Email) => (&law.sole_trader_email, LeftOut::SoleTrader),
        (PersonType::SoleTrader, Channel::Fax) => (&law.sole_trader_fax, LeftOut::SoleTrader),
    };
    match (rule.need, consent) {
        (Need::OptOut, _) => Judgement::Pass { rule: rule.opt_out },
        (_, Some(Basis::Consent)) => Judgement::Pass { rule: rule.consent },
        (Need::ConsentOrCustomer, Some(Basis::Customer)) => Judgement::Pass { rule: rule.customer },
        (Need::ConsentOrCustomer | Need::Consent, _) => Judgement::LeftOut(left_out, rule.refused),
    }
}

#[cfg(test)]
mod tests {
    use Channel::{Call, Email, Fax};
    use PersonType::{Company, Private, SoleTrader};

    use super::*;

    fn may(country: &str, channel: Channel, person: PersonType, consent: Option<Basis>) -> bool {
        matches!(judge(Some(country), channel, Some(person), consent), Judgement::Pass { .. })
    }

    #[test]
    fn names_the_rule_that_lets_a_swedish_company_pass() {
        let rule = "SE, company, e-mail: opt-out suffices (policy 2027-01)";
        assert_eq!(judge(Some("SE"), Email, Some(Company), None), Judgement::Pass { rule });
    }

    #[test]
    fn names_the_rule_that_leaves_a_german_company_out() {
        assert_eq!(
            judge(Some("DE"), Email, Some(Company), None),
            Judgement::LeftOut(LeftOut::NoConsent, "DE, company, e-mail: no consent on file (policy 2027-01)")
        );
    }

    #[test]
    fn sole_trader_wants_consent_where_a_company_does_not() {
        for country in ["SE", "FI", "FR", "GB"] {
            assert!(may(country, Email, Company, None), "{country}");
            let judgement = judge(Some(country), Email, Some(SoleTrader), None);
            assert!(matches!(judgement, Judgement::LeftOut(LeftOut::SoleTrader, _)), "{country}");
            assert!(may(country, Email, SoleTrader, Some(Basis::Consent)), "{country}");
            assert!(may(country, Email, SoleTrader, Some(Basis::Customer)), "{country}");
        }
    }

    #[test]
    fn opt_in_countries_want_consent_from_everybody() {
        for country in ["DE", "DK", "NO", "CA"] {
            for person in [Company, SoleTrader] {
                assert!(!may(country, Email, person, None), "{country}");
                assert!(may(country, Email, person, Some(Basis::Consent)), "{country}");
            }
        }
    }

    #[test]
    fn fax_wants_recorded_consent_in_every_country() {
        for country in TABLE.iter().map(|law| law.country).chain(["XX"]) {
            for person in [Company, SoleTrader] {
                assert!(!may(country, Fax, person, None), "{country}");
                assert!(!may(country, Fax, person, Some(Basis::Customer)), "{country}");
                assert!(may(country, Fax, person, Some(Basis::Consent)), "{country}");
            }
        }
    }

    #[test]
    fn unlisted_country_is_opt_in_and_an_absent_one_is_not_sent_to() {
        assert!(!may("XX", Email, Company, Some(Basis::Customer)));
        assert!(may("XX", Email, Company, Some(Basis::Consent)));
        let judgement = judge(None, Email, Some(Company), Some(Basis::Consent));
        assert!(matches!(judgement, Judgement::LeftOut(LeftOut::CountryUnknown, _)));
    }

    #[test]
    fn unknown_person_type_is_not_sent_to_even_with_consent() {
        let judgement = judge(Some("SE"), Email, None, Some(Basis::Consent));
        assert!(matches!(judgement, Judgement::LeftOut(LeftOut::PersonTypeUnknown, _)));
    }

    #[test]
    fn private_person_is_never_written_to() {
        for channel in [Email, Fax, Call] {
            assert!(!may("SE", channel, Private, Some(Basis::Consent)));
            assert!(!may("US", channel, Private, Some(Basis::Consent)));
        }
    }

    #[test]
    fn every_country_stands_once() {
        let mut countries: Vec<_> = TABLE.iter().map(|law| law.country).collect();
        countries.sort_unstable();
        countries.dedup();
        assert_eq!(countries.len(), TABLE.len());
    }
}
