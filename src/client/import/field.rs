//! The fields of a client and the headers, Swedish and English, that mean them.

use unicode_normalization::UnicodeNormalization;

macro_rules! fields {
    ($($(#[doc = $doc:expr])* $variant:ident = $name:literal [$($strong:literal)*] [$($weak:literal)*])*) => {
        /// A field of a client, as a mapping names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Field {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Field {
            /// Every field.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in a mapping file, which is also a header that means it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Folded headers that mean it, beside its name.
            fn strong(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($strong),*]),* }
            }

            /// Folded headers that mean it where no strong one stands in the file.
            fn weak(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($weak),*]),* }
            }
        }
    };
}

fields! {
    /// The contact's id in the system the file comes from. A customer number is none:
    /// all contacts of a company share it.
    ExternalId = "external_id" ["contactid" "kontaktid" "externtid"] ["id"]
    /// The company's name.
    Company = "company" ["companyname" "företag" "företagsnamn" "bolag" "bolagsnamn" "organisationsnamn" "foretag"]
        ["account" "accountname" "organisation" "organization" "customer" "customername" "kund" "kundnamn" "firma"]
    /// Its registry number.
    OrgNumber = "org_number" ["orgno" "orgnr" "organisationsnummer" "organisationsnr" "organizationnumber"
        "organisationnumber" "registrynumber" "registrationnumber" "companynumber"] []
    /// Its country.
    Country = "country" ["countrycode" "land" "landskod"] []
    /// Its town.
    City = "city" ["town" "ort" "postort" "stad"] ["besöksort"]
    /// Its tier.
    Tier = "tier" ["nivå" "kundklass"] ["level" "klass" "class"]
    /// What the law sees in it.
    PersonType = "person_type" ["persontyp" "legalform" "bolagsform" "företagsform" "companytype"] []
    /// What it needs.
    Needs = "needs" ["need" "behov" "productneeds" "produktbehov"] []
    /// Its tags.
    Tags = "tags" ["tag" "taggar" "tagg" "etiketter" "labels"] []
    /// Its account manager's address.
    Owner = "owner" ["owneremail" "accountmanager" "accountowner" "kundansvarig" "säljare" "ansvarig"]
        ["manager" "salesrep" "salesperson" "handläggare"]
    /// The person's whole name.
    Name = "name" ["contactname" "contactperson" "fullname" "kontaktperson" "kontaktnamn" "kontakt" "contact"] ["namn"]
    /// The first name.
    GivenName = "given_name" ["firstname" "förnamn" "fornamn" "tilltalsnamn"] []
    /// The family name.
    FamilyName = "family_name" ["lastname" "surname" "efternamn"] []
    /// The title or role.
    Title = "title" ["jobtitle" "titel" "befattning" "yrkestitel"] ["role" "position" "roll"]
    /// The language letters are written in.
    Language = "language" ["lang" "språk" "sprak"] []
    /// The IANA time zone.
    Zone = "zone" ["timezone" "tidszon"] ["tz"]
    /// The mail address.
    Email = "email" ["emailaddress" "epost" "epostadress" "mejl" "mejladress"] ["mail" "mailadress"]
    /// The fax number.
    Fax = "fax" ["faxnumber" "faxno" "faxnr" "faxnummer" "telefax"] []
    /// The telephone number.
    Phone = "phone" ["phonenumber" "telephone" "telefon" "telefonnummer" "telefonnr" "tel"]
        ["mobile" "mobilephone" "mobil" "mobilnummer" "mobiltelefon"]
    /// How we know that they allowed e-mail.
    ConsentEmail = "consent_email" ["emailconsent" "samtyckeepost" "epostsamtycke" "samtyckemejl"] []
    /// Since when.
    ConsentEmailDate = "consent_email_date" ["emailconsentdate" "samtyckeepostdatum" "samtyckemejldatum"] []
    /// How we know that they allowed fax.
    ConsentFax = "consent_fax" ["faxconsent" "samtyckefax" "faxsamtycke"] []
    /// Since when.
    ConsentFaxDate = "consent_fax_date" ["faxconsentdate" "samtyckefaxdatum"] []
    /// They asked not to be written to.
    OptedOut = "opted_out" ["optout" "unsubscribed" "suppressed" "donotcontact" "avanmäld" "avregistrerad" "spärrad"
        "reklamspärr" "nix"] []
    /// The day they last heard from us.
    LastTouch = "last_touch" ["lastcontact" "lastcontacted" "senastekontakt" "senastkontakt" "senastkontaktad"] []
}

/// How surely a header means a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    /// It can mean nothing else.
    Strong,
    /// It means it where no better header stands in the file.
    Weak,
}

impl Field {
    /// The field of a mapping file's key.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }

    /// Every folded header that means it, beside its name.
    pub(super) fn words(self) -> impl Iterator<Item = &'static str> {
        self.strong().iter().chain(self.weak()).copied()
    }

    /// What a folded header means, and how surely.
    pub(super) fn of_header(folded: &str) -> Option<(Self, Strength)> {
        let strong = |field: &&Self| fold(field.name()) == folded || field.strong().contains(&folded);
        let weak = |field: &&Self| field.weak().contains(&folded);
        let found = Self::ALL.iter().find(strong).map(|field| (*field, Strength::Strong));
        found.or_else(|| Self::ALL.iter().find(weak).map(|field| (*field, Strength::Weak)))
    }
}

/// A header without what people vary in it: case, spaces, underscores, hyphens, dots.
pub(super) fn fold(header: &str) -> String {
    header.nfc().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_means_two_fields() {
        let mut all: Vec<String> = Vec::new();
        for field in Field::ALL {
            let words = field.words().map(str::to_owned);
            all.extend(words.chain([fold(field.name())]));
        }
        let folded: Vec<String> = all.iter().map(|word| fold(word)).collect();
        assert_eq!(all, folded, "words are written folded");
        all.sort();
        assert_eq!(all.windows(2).find(|pair| pair[0] == pair[1]), None);
    }

    #[test]
    fn knows_headers_as_people_write_them() {
        for header in ["E-post", "e post", "EMAIL", "E-mail", "email_address"] {
            assert_eq!(Field::of_header(&fold(header)).map(|(field, _)| field), Some(Field::Email), "{header}");
        }
        // "ö" as a Mac writes it: o and a combining diaeresis.
        assert_eq!(Field::of_header(&fold("Fo\u{308}retag")), Some((Field::Company, Strength::Strong)));
        assert_eq!(Field::of_header(&fold("Skostorlek")), None);
    }
}
