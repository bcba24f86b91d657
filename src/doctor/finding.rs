//! What a check found: how bad it is, in one line, and what to do about it.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, and something is to be done about it.
    Warning,
    /// It does not work, or letters will not arrive.
    Failed,
    /// It could not be looked at from here, or there is nothing to look at.
    Skipped,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub state: State,
    /// What was seen, on one line.
    pub line: String,
    /// What to do, where something is to be done.
    pub advice: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(line: impl Into<String>) -> Self {
        Self { state: State::Ok, line: line.into(), advice: None }
    }

    /// It works for now.
    pub fn warning(line: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Warning, line: line.into(), advice: Some(advice.into()) }
    }

    /// It does not work.
    pub fn failed(line: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Failed, line: line.into(), advice: Some(advice.into()) }
    }

    /// It was not looked at.
    pub fn skipped(line: impl Into<String>) -> Self {
        Self { state: State::Skipped, line: line.into(), advice: None }
    }

    /// An error of ours: behind its last semicolon stands what to do.
    pub fn from_error(error: impl ToString) -> Self {
        let text = error.to_string();
        match text.rsplit_once("; ") {
            Some((line, advice)) => Self::failed(line, advice),
            None => Self { state: State::Failed, line: text, advice: None },
        }
    }

    /// The same under a name.
    pub fn of(self, name: impl Into<String>) -> Check {
        Check { name: name.into(), finding: self }
    }
}

/// One check: its name and what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// What was seen.
    #[serde(flatten)]
    pub finding: Finding,
}

/// How many checks found what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// As they should be.
    pub ok: usize,
    /// Something is to be done.
    pub warnings: usize,
    /// It does not work.
    pub failed: usize,
    /// Not looked at.
    pub skipped: usize,
}

impl Tally {
    /// Counts.
    pub fn of(checks: &[Check]) -> Self {
        let count = |state| checks.iter().filter(|check| check.finding.state == state).count();
        Self {
            ok: count(State::Ok),
            warnings: count(State::Warning),
            failed: count(State::Failed),
            skipped: count(State::Skipped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_an_error_from_what_to_do_about_it() {
        let finding = Finding::from_error("cannot reach it: refused; check `host`");
        assert_eq!(
            (finding.line.as_str(), finding.advice.as_deref()),
            ("cannot reach it: refused", Some("check `host`"))
        );
        assert_eq!(Finding::from_error("it broke").advice, None);
    }
}
