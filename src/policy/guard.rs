//! When a campaign has gone wrong: too many of its letters come back, or are reported
//! as spam.
//!
//! Pure. Google, Yahoo and Apple begin to look at a share of 0.1 % of reports and act at
//! 0.3 %; a share of a few letters says nothing, so below a floor of letters nothing is
//! judged. The stage `guard` counts, asks here, and writes down what follows.

use std::fmt;

use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// A share, exact: in hundred thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

const WHOLE: i64 = 100_000;

impl Share {
    /// So many hundred thousandths; 100 are 0.1 %.
    pub const fn new(hundred_thousandths: u32) -> Self {
        Self(hundred_thousandths)
    }

    /// In hundred thousandths.
    pub fn hundred_thousandths(self) -> u32 {
        self.0
    }

    /// Reads `0.3 %`, also with a comma and without the blank.
    ///
    /// # Errors
    /// It is no share above 0 and up to 100 %, or has more than three decimals.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "is no share; one looks like \"0.3 %\", of at most three decimals";
        let number = text.trim().strip_suffix('%').ok_or(WRONG)?.trim_end();
        let (whole, part) = number.split_once(['.', ',']).unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if !(1..=3).contains(&whole.len()) || part.len() > 3 || !digits(whole) || !digits(part) {
            return Err(WRONG);
        }
        let share: u32 = format!("{whole}{part:0<3}").parse().map_err(|_| WRONG)?;
        if (1..=100_000).contains(&share) { Ok(Self(share)) } else { Err(WRONG) }
    }

    /// Whether `count` of `of` are as large a share or a larger one.
    pub fn is_reached(self, count: i64, of: i64) -> bool {
        of > 0 && count.saturating_mul(WHOLE) >= i64::from(self.0).saturating_mul(of)
    }

    /// As `7.5` or, with another mark, `7,5`.
    pub fn percent(self, mark: char) -> String {
        percent(f64::from(self.0) / 1000.0, 3, mark)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.percent('.'))
    }
}

fn percent(number: f64, decimals: usize, mark: char) -> String {
    let text = format!("{number:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.replace('.', &mark.to_string())
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// Letters that came back or were refused for good.
    Bounces,
    /// Letters that were reported as spam.
    Complaints,
}

/// The letters of a span of time, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Mails that ended.
    pub letters: i64,
    /// Of them, came back or were refused for good.
    pub bounced: i64,
    /// Of them, were reported as spam.
    pub complained: i64,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            letters: self.letters + other.letters,
            bounced: self.bounced + other.bounced,
            complained: self.complained + other.complained,
        }
    }
}

/// `[guard]`: from which share on something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rails {
    /// The share of bounces that warns.
    pub bounce_warn: Share,
    /// The share of bounces that pauses.
    pub bounce_pause: Share,
    /// The share of complaints that warns.
    pub complaint_warn: Share,
    /// The share of complaints that pauses.
    pub complaint_pause: Share,
    /// Fewer letters than this say nothing.
    pub floor: u32,
    /// The days whose letters are counted.
    pub days: u32,
}

impl Default for Rails {
    fn default() -> Self {
        Self {
            bounce_warn: Share::new(2_000),
            bounce_pause: Share::new(5_000),
            complaint_warn: Share::new(100),
            complaint_pause: Share::new(300),
            floor: 50,
            days: 7,
        }
    }
}

/// A share over its limit, with its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Of what.
    pub rate: Rate,
    /// How many.
    pub count: i64,
    /// Of how many letters.
    pub letters: i64,
    /// The limit that is reached.
    pub limit: Share,
}

impl Excess {
    /// The share in percent, to one decimal, below 1 % to two.
    pub fn percent(&self, mark: char) -> String {
        // Counts of letters are far below 2^52.
        let share = self.count as f64 * 100.0 / (self.letters.max(1) as f64);
        percent(share, if share < 1.0 { 2 } else { 1 }, mark)
    }
}

/// In words for the operator: `6 of 80 letters bounced (7.5 %; the limit is 5 %)`.
impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.rate, self.count) {
            (Rate::Bounces, _) => "bounced",
            (Rate::Complaints, 1) => "was reported as spam",
            (Rate::Complaints, _) => "were reported as spam",
        };
        let (count, letters, percent) = (self.count, self.letters, self.percent('.'));
        write!(f, "{count} of {letters} letters {what} ({percent} %; the limit is {})", self.limit)
    }
}

/// What follows from a tally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// The operator is told.
    Warn(Excess),
    /// The campaign waits for a person.
    Pause(Excess),
}

/// Judges a campaign's letters.
pub fn judge(tally: Tally, rails: &Rails) -> Verdict {
    worse(
        judge_complaints(tally, rails),
        over(Rate::Bounces, tally.bounced, tally.letters, rails, (rails.bounce_warn, rails.bounce_pause)),
    )
}

/// Judges the complaints alone: those of all a sender's campaigns count together, for
/// mailbox providers know the sender's domain, not our campaigns.
pub fn judge_complaints(tally: Tally, rails: &Rails) -> Verdict {
    over(Rate::Complaints, tally.complained, tally.letters, rails, (rails.complaint_warn, rails.complaint_pause))
}

fn over(rate: Rate, count: i64, letters: i64, rails: &Rails, (warn, pause): (Share, Share)) -> Verdict {
    let excess = |limit| Excess { rate, count, letters, limit };
    if letters < i64::from(rails.floor) {
        return Verdict::Fine;
    }
    match () {
        () if pause.is_reached(count, letters) => Verdict::Pause(excess(pause)),
        () if warn.is_reached(count, letters) => Verdict::Warn(excess(warn)),
        () => Verdict::Fine,
    }
}

/// The first unless the second asks for more.
fn worse(first: Verdict, second: Verdict) -> Verdict {
    match (first, second) {
        (Verdict::Fine, other) | (Verdict::Warn(_), other @ Verdict::Pause(_)) => other,
        (first, _) => first,
    }
}

/// Days that mail to a domain waits whose server refuses us; then one letter tries again.
const DOMAIN_DAYS: i64 = 7;

/// When mail to a domain whose server refuses us since `now` goes on by itself, unless a
/// person resumes it before: a pause that is forgotten must not silence a client for ever.
pub fn domain_until(now: Timestamp) -> Option<Timestamp> {
    now.checked_add((DOMAIN_DAYS * 24).hours()).ok()
}

/// Google refuses us: its policy answers (4.7.x, 5.7.x) judge the sender, not the one
/// address, so the whole campaign waits. It is known by the recipient's domain or, for a
/// company's own domain that Google serves, by the sign of its servers in the answer.
pub fn is_googles_policy(domain: &str, enhanced: Option<&str>, text: &str) -> bool {
    let by_policy = enhanced.is_some_and(|status| status.starts_with("4.7.") || status.starts_with("5.7."));
    let words = text.to_ascii_lowercase();
    let by_google = ["gmail.com", "googlemail.com"].contains(&domain)
        || words.split(|c: char| c.is_whitespace() || "()<>,;".contains(c)).any(|word| {
            word == "gsmtp"
                || word.trim_end_matches('.').ends_with(".google.com")
                || word.starts_with("https://support.google.com")
        });
    by_policy && by_google
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(letters: i64, bounced: i64, complained: i64) -> Tally {
        Tally { letters, bounced, complained }
    }

    fn verdict(letters: i64, bounced: i64, complained: i64) -> &'static str {
        match judge(tally(letters, bounced, complained), &Rails::default()) {
            Verdict::Fine => "fine",
            Verdict::Warn(_) => "warn",
            Verdict::Pause(_) => "pause",
        }
    }

    #[test]
    fn warns_and_pauses_from_the_very_limit_on() {
        let table = [
            ((1000, 0, 0), "fine"),
            ((1001, 0, 1), "fine"),
            ((1000, 0, 1), "warn"),
            ((1001, 0, 3), "warn"),
            ((1000, 0, 3), "pause"),
            ((1000, 19, 0), "fine"),
            ((1000, 20, 0), "warn"),
            ((1000, 49, 0), "warn"),
            ((1000, 50, 0), "pause"),
            ((1000, 50, 1), "pause"),
        ];
        for ((letters, bounced, complained), expected) in table {
            assert_eq!(verdict(letters, bounced, complained), expected, "{letters} {bounced} {complained}");
        }
    }

    #[test]
    fn says_nothing_of_fewer_letters_than_the_floor() {
        assert_eq!(verdict(49, 49, 49), "fine");
        assert_eq!(verdict(50, 3, 0), "pause");
        assert_eq!(verdict(0, 0, 0), "fine");
    }

    #[test]
    fn tells_the_figures_in_words() {
        let Verdict::Pause(excess) = judge(tally(80, 6, 0), &Rails::default()) else { panic!("7.5 % is too much") };
        assert_eq!(excess.to_string(), "6 of 80 letters bounced (7.5 %; the limit is 5 %)");
        assert_eq!(excess.percent(','), "7,5");
        let Verdict::Warn(excess) = judge(tally(900, 0, 1), &Rails::default()) else { panic!("0.11 % warns") };
        assert_eq!(excess.to_string(), "1 of 900 letters was reported as spam (0.11 %; the limit is 0.1 %)");
    }

    #[test]
    fn reads_shares_exactly() {
        assert_eq!(Share::parse("5 %"), Ok(Share::new(5_000)));
        assert_eq!(Share::parse("0.1%"), Ok(Share::new(100)));
        assert_eq!(Share::parse("0,125 %"), Ok(Share::new(125)));
        assert_eq!(Share::parse("100 %"), Ok(Share::new(100_000)));
        for wrong in ["5", "0 %", "101 %", "-1 %", "0.0001 %", "% 5", "", "1e1 %", ".5 %"] {
            assert!(Share::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Share::new(125).to_string(), "0.125 %");
        assert_eq!(Share::new(100_000).to_string(), "100 %");
    }

    #[test]
    fn knows_googles_policy_from_a_greylist_and_from_a_dead_address() {
        let google = "550-5.7.26 Your email has been blocked because the sender is unauthenticated. x1-20020a. - gsmtp";
        assert!(is_googles_policy("granvik.example", Some("5.7.26"), google));
        assert!(is_googles_policy("gmail.com", Some("4.7.28"), "unusual rate"));
        assert!(!is_googles_policy("gmail.com", Some("5.1.1"), "no such user - gsmtp"));
        assert!(!is_googles_policy("granvik.example", Some("4.7.1"), "greylisted, try again"));
        assert!(!is_googles_policy("granvik.example", None, google));
    }

    proptest! {
        #[test]
        fn more_trouble_never_judges_milder(letters in 0i64..5_000, bounced in 0i64..500, complained in 0i64..50) {
            let rank = |verdict| match verdict { Verdict::Fine => 0, Verdict::Warn(_) => 1, Verdict::Pause(_) => 2 };
            let rails = Rails::default();
            let at = rank(judge(tally(letters, bounced, complained), &rails));
            prop_assert!(rank(judge(tally(letters, bounced + 1, complained), &rails)) >= at);
            prop_assert!(rank(judge(tally(letters, bounced, complained + 1), &rails)) >= at);
        }

        #[test]
        fn a_share_reads_back_as_it_is_told(share in 1u32..=100_000) {
            prop_assert_eq!(Share::parse(&Share::new(share).to_string()), Ok(Share::new(share)));
        }
    }
}
