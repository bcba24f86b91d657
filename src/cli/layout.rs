//! How a listing is laid out: at most 80 columns, instants by the company's clock.

use std::io::{self, BufRead, IsTerminal, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::config::Config;
use crate::model::mistake::did_you_mean;
use crate::model::text::{Line, tame};

/// The widest line of a listing.
pub(super) const WIDTH: usize = 80;

/// `text` on one line of at most `width` columns; what does not fit ends in "…".
pub(super) fn cut(text: &str, width: usize) -> String {
    let text = tame(text);
    if text.width() <= width {
        return text;
    }
    let mut used = 1;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{}…", kept.trim_end())
}

/// The company's clock.
pub(super) fn zone(config: &Config) -> TimeZone {
    TimeZone::get(&config.company.zone).unwrap_or(TimeZone::UTC)
}

/// An instant by the company's clock: `Mon 1 Mar 2027 08:30`.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%a %-d %b %Y %H:%M").to_string()
}

/// `1 client`, `2 clients`.
pub(super) fn counted(count: i64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// Reads a reason, which must say something.
pub(super) fn reason(text: &str) -> Result<Line, String> {
    match Line::parse(text) {
        Ok(line) if line.as_str().is_empty() => Err("say why, in a few words".into()),
        Ok(line) => Ok(line),
        Err(error) => Err(error.to_string()),
    }
}

/// ` did you mean `x`?` where `written` is close to one of `known`, else what there is.
pub(super) fn meant<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    match did_you_mean(written, known.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None if known.is_empty() => "none was applied yet".into(),
        None => format!("there is {}", known.join(", ")),
    }
}

/// Asks for a yes on the terminal; off one, only `--yes` says so.
pub(super) fn confirm(question: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    anyhow::ensure!(io::stdin().is_terminal(), "{question}; say --yes if that is meant");
    write!(io::stderr(), "{question}. Go on? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    anyhow::ensure!(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"), "nothing was changed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_by_columns_and_tames() {
        assert_eq!(cut("Anna\r\nLind", 80), "Anna  Lind");
        assert_eq!(cut("名名名名", 5), "名名…");
        assert_eq!(cut("abc", 3), "abc");
    }

    #[test]
    fn tells_the_company_s_time() {
        let at = "2027-03-01T07:30:00Z".parse().unwrap();
        assert_eq!(moment(at, &TimeZone::get("Europe/Stockholm").unwrap()), "Mon 1 Mar 2027 08:30");
    }
}
