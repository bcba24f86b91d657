//! Prints mistakes: where, what, the line with its carets, what to do; then the total.
//!
//! It decides nothing: what is a mistake, the rooms that read files say.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use unicode_width::UnicodeWidthStr;

use crate::model::mistake::Mistake;
use crate::model::text::tame;

const RED: &str = "\u{1b}[31m";
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

/// Prints `mistakes` without colours.
///
/// # Errors
/// Writing fails.
pub fn print(mistakes: &[Mistake], out: &mut dyn Write) -> io::Result<()> {
    Page { out, folder: None, colour: false }.print(mistakes)
}

/// Prints `mistakes` on standard error: files from where the user stands, and with
/// colours if it is a terminal and `NO_COLOR` is not set.
///
/// # Errors
/// Writing fails.
pub fn show(mistakes: &[Mistake]) -> io::Result<()> {
    on_stderr(|mut page| page.print(mistakes))
}

/// Prints `mistakes` as [`show`] does, but without a total, for a command that goes on
/// without what is mistaken and says itself what became of the rest.
///
/// # Errors
/// Writing fails.
pub fn list(mistakes: &[Mistake]) -> io::Result<()> {
    on_stderr(|mut page| mistakes.iter().try_for_each(|mistake| page.print_one(mistake)))
}

fn on_stderr(print: impl FnOnce(Page<'_>) -> io::Result<()>) -> io::Result<()> {
    let folder = std::env::current_dir().ok();
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    print(Page { out: &mut io::stderr().lock(), folder: folder.as_deref(), colour })
}

struct Page<'a> {
    out: &'a mut dyn Write,
    folder: Option<&'a Path>,
    colour: bool,
}

impl Page<'_> {
    fn print(&mut self, mistakes: &[Mistake]) -> io::Result<()> {
        for mistake in mistakes {
            self.print_one(mistake)?;
        }
        let files: BTreeSet<_> = mistakes.iter().map(|mistake| &mistake.file).collect();
        let (mistakes, files) = (count(mistakes.len(), "mistake"), count(files.len(), "file"));
        writeln!(self.out, "{mistakes} in {files}. Nothing was changed or sent.")
    }

    fn print_one(&mut self, mistake: &Mistake) -> io::Result<()> {
        let file = self.folder.and_then(|folder| mistake.file.strip_prefix(folder).ok()).unwrap_or(&mistake.file);
        let (line, column) = (mistake.line, mistake.column);
        let place = self.paint(BOLD, &tame(&format!("{}:{line}:{column}:", file.display())));
        writeln!(self.out, "{place} {}", tame(&mistake.message))?;
        if let Some(excerpt) = &mistake.excerpt {
            writeln!(self.out, "{line:>5} | {}", shown(excerpt))?;
            self.print_carets(mistake, excerpt)?;
        } else if let Some(aside) = &mistake.aside {
            writeln!(self.out, "      = {}", tame(aside))?;
        }
        for (number, hint) in mistake.hint.iter().flat_map(|hint| hint.lines()).enumerate() {
            let margin = if number == 0 { "      =" } else { "       " };
            writeln!(self.out, "{margin} {}", tame(hint))?;
        }
        Ok(())
    }

    fn print_carets(&mut self, mistake: &Mistake, excerpt: &str) -> io::Result<()> {
        let before: String = excerpt.chars().take(mistake.column.saturating_sub(1)).collect();
        let under: String = excerpt.chars().skip(mistake.column.saturating_sub(1)).take(mistake.width).collect();
        if mistake.width == 0 && mistake.aside.is_none() {
            return Ok(());
        }
        let indent = " ".repeat(shown(&before).width());
        let carets = self.paint(RED, &"^".repeat(shown(&under).width().max(mistake.width)));
        let aside = mistake.aside.as_deref().map(|aside| format!(" {}", tame(aside))).unwrap_or_default();
        writeln!(self.out, "      | {indent}{carets}{aside}")
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("{colour}{text}{RESET}") } else { text.to_owned() }
    }
}

/// A file's line as it may stand on a terminal, character for character, so that
/// the carets stay below what they mean.
fn shown(line: &str) -> String {
    line.chars().map(|c| tame(c.encode_utf8(&mut [0; 4])).chars().next().unwrap_or('\u{fffd}')).collect()
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(mistakes: &[Mistake]) -> String {
        let mut out = Vec::new();
        print(mistakes, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn prints_mistakes_as_they_are_drawn() {
        let campaign = format!("{}tempalte = \"led/matning\"\n", "\n".repeat(42));
        let letter = "{{greeting}}\n\nJag mäter gärna ljuset i ert lager i {{account.city}}, utan kostnad.\n";
        let at = letter.find("account.city").unwrap();
        let mistakes = [
            Mistake::at("config/campaigns/led-i-lagret.toml", &campaign, 42..50, "unknown key `tempalte`")
                .aside("did you mean `template`?"),
            Mistake::at(
                "templates/led/intro.md",
                letter,
                at..at + 12,
                "`account.city` is empty for 3 of 48 contacts",
            )
            .hint("fill it in for Vikarby Plast AB, Ekhult Glas AB, Norrmo Bygg AB,\nor write {{or account.city \"er ort\"}}"),
        ];
        let drawn = "\
config/campaigns/led-i-lagret.toml:43:1: unknown key `tempalte`
   43 | tempalte = \"led/matning\"
      | ^^^^^^^^ did you mean `template`?
templates/led/intro.md:3:40: `account.city` is empty for 3 of 48 contacts
    3 | Jag mäter gärna ljuset i ert lager i {{account.city}}, utan kostnad.
      |                                        ^^^^^^^^^^^^
      = fill it in for Vikarby Plast AB, Ekhult Glas AB, Norrmo Bygg AB,
        or write {{or account.city \"er ort\"}}
2 mistakes in 2 files. Nothing was changed or sent.
";
        assert_eq!(printed(&mistakes), drawn);
    }

    #[test]
    fn keeps_carets_below_wide_and_hostile_characters() {
        let line = "\t名 = \"\u{1b}[2J\" x";
        let at = line.find('x').unwrap();
        insta::assert_snapshot!(printed(&[Mistake::at("a\u{202e}.toml", line, at..at + 1, "what is\nthis")]), @r#"
        a.toml:1:13: what is this
            1 |  名 = "�[2J" x
              |              ^
        1 mistake in 1 file. Nothing was changed or sent.
        "#);
    }

    #[test]
    fn prints_a_mistake_without_a_line() {
        let mistake = Mistake { excerpt: None, ..Mistake::at("a.toml", "", 0..0, "missing table `[send]`") };
        insta::assert_snapshot!(printed(&[mistake.aside("so")]), @r"
        a.toml:1:1: missing table `[send]`
              = so
        1 mistake in 1 file. Nothing was changed or sent.
        ");
    }
}
