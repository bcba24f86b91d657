//! The words of the pages, in each language.

use crate::model::language::Language;

/// What the pages say.
pub(super) struct Words {
    pub(super) not_found: &'static str,
    pub(super) not_found_text: &'static str,
    pub(super) too_many: &'static str,
    pub(super) too_many_text: &'static str,
    pub(super) too_large: &'static str,
    pub(super) too_large_text: &'static str,
    pub(super) unavailable: &'static str,
    pub(super) unavailable_text: &'static str,
    pub(super) ask: &'static str,
    pub(super) ask_text: fn(company: &str) -> String,
    pub(super) stops: &'static [&'static str],
    pub(super) keeps: &'static str,
    pub(super) button: &'static str,
    pub(super) less: &'static str,
    pub(super) less_text: fn(days: i64) -> String,
    pub(super) less_done: &'static str,
    pub(super) less_done_text: fn(company: &str, days: i64) -> String,
    pub(super) stop_after_all: &'static str,
    pub(super) has_less: fn(days: i64) -> String,
    pub(super) as_before: &'static str,
    pub(super) before: &'static str,
    pub(super) before_text: fn(company: &str) -> String,
    pub(super) done: &'static str,
    pub(super) done_text: fn(company: &str) -> String,
    pub(super) under_way: &'static str,
    pub(super) already: &'static str,
    pub(super) by_mistake: &'static str,
    pub(super) undo: &'static str,
    pub(super) undone: &'static str,
    pub(super) undone_text: fn(company: &str) -> String,
    pub(super) still: &'static str,
    pub(super) still_text: &'static str,
    pub(super) test: &'static str,
    pub(super) test_text: &'static str,
    pub(super) recipient: &'static str,
}

impl Words {
    /// The words of a language.
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::Sv => &SWEDISH,
            Language::En => &ENGLISH,
        }
    }
}

static SWEDISH: Words = Words {
    not_found: "Sidan finns inte",
    not_found_text: "Länken är inte hel. Kopiera hela länken ur brevet, eller svara på brevet och skriv ”sluta”.",
    too_many: "För många försök",
    too_many_text: "Vänta en minut och försök igen, eller svara på brevet och skriv ”sluta”.",
    too_large: "För mycket på en gång",
    too_large_text: "Det som skickades hit är större än vad den här sidan tar emot.",
    unavailable: "Det går inte just nu",
    unavailable_text: "Ingenting har ändrats. Försök igen om en stund, eller svara på brevet och skriv ”sluta”.",
    ask: "Vill du slippa fler brev?",
    ask_text: |company| format!("Ett tryck, så skriver {company} inte mer till dig. Det gäller genast:"),
    stops: &[
        "alla våra utskick, vad de än gäller, via e-post och fax",
        "alla påminnelser och fortsättningar på tidigare brev",
    ],
    keeps: "Frågar du oss något, eller har du en pågående affär med oss, svarar vi förstås.",
    button: "Ja, sluta skriva till mig",
    less: "Skriv hellre mer sällan",
    less_text: |days| {
        format!("Mer sällan: högst ett brev på {days} dagar, vilket utskick det än gäller. Också det från och med nu.")
    },
    less_done: "Klart, vi skriver mer sällan",
    less_done_text: |company, days| {
        format!("{company} skickar dig från och med nu högst ett brev på {days} dagar, via e-post och fax sammanlagt.")
    },
    stop_after_all: "Nej, sluta helt",
    has_less: |days| format!("Du har valt att få högst ett brev på {days} dagar."),
    as_before: "Skriv som förut",
    before: "Du får brev som förut",
    before_text: |company| {
        format!("{company} skriver till dig som förut. Ett brev som redan är uppskjutet kommer på sin nya dag.")
    },
    done: "Klart, du får inget mer",
    done_text: |company| {
        format!(
            "{company} skickar inga fler utskick till dig, varken med e-post eller fax. Du behöver inte göra något."
        )
    },
    under_way: "Ett brev som redan har lämnat oss kan ännu komma fram.",
    already: "Du får redan inget mer",
    by_mistake: "Tryckte du fel?",
    undo: "Ångra avanmälan",
    undone: "Avanmälan är ångrad",
    undone_text: |company| {
        format!("{company} får skriva till dig igen. Det som stoppades börjar inte om av sig självt.")
    },
    still: "Du är fortfarande avanmäld",
    still_text: "Avanmälan kan inte ångras härifrån. Svara på brevet om du vill höra av oss igen.",
    test: "Det här var ett provbrev",
    test_text: "Det gick till någon hos oss. Länken ändrar ingenting.",
    recipient: "Gäller",
};

static ENGLISH: Words = Words {
    not_found: "There is no such page",
    not_found_text: "The link is not complete. Copy all of it from the letter, or answer the letter and write “stop”.",
    too_many: "Too many tries",
    too_many_text: "Wait a minute and try again, or answer the letter and write “stop”.",
    too_large: "Too much at once",
    too_large_text: "What was sent here is larger than this page takes.",
    unavailable: "Not possible just now",
    unavailable_text: "Nothing has changed. Try again in a while, or answer the letter and write “stop”.",
    ask: "No more letters?",
    ask_text: |company| format!("Press once, and {company} writes to you no more. This stops at once:"),
    stops: &[
        "everything we send out, whatever it is about, by e-mail and fax",
        "every reminder and follow-up of earlier letters",
    ],
    keeps: "If you ask us something, or are doing business with us, we do of course answer.",
    button: "Yes, stop writing to me",
    less: "Rather write less often",
    less_text: |days| {
        format!("Less often: at most one letter in {days} days, whatever it is about. That too begins now.")
    },
    less_done: "Done, we write less often",
    less_done_text: |company, days| {
        format!("From now on {company} sends you at most one letter in {days} days, e-mail and fax together.")
    },
    stop_after_all: "No, stop altogether",
    has_less: |days| format!("You chose to get at most one letter in {days} days."),
    as_before: "Write as before",
    before: "You get letters as before",
    before_text: |company| {
        format!("{company} writes to you as before. A letter that was put off already comes on its new day.")
    },
    done: "Done, you get no more",
    done_text: |company| {
        format!("{company} sends you nothing more, neither by e-mail nor by fax. There is nothing else for you to do.")
    },
    under_way: "A letter that has left us already may still arrive.",
    already: "You get no more already",
    by_mistake: "Pressed by mistake?",
    undo: "Take it back",
    undone: "Taken back",
    undone_text: |company| {
        format!("{company} may write to you again. What was stopped does not begin again by itself.")
    },
    still: "You are still opted out",
    still_text: "It cannot be taken back from here. Answer the letter if you want to hear from us again.",
    test: "This was a test letter",
    test_text: "It went to one of us. The link changes nothing.",
    recipient: "For",
};
