//! What is wrong with a template, or with a letter for one contact, and where.

use std::ops::Range;
use std::path::Path;

use crate::model::mistake::Mistake;

/// A mistake in a template itself, found without any contact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{template}:{line}:{column}: {message}")]
pub struct TemplateMistake {
    /// The file's name in the set, `led/intro.md`.
    pub template: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters it is about; 0 if unknown.
    pub width: usize,
    /// The line itself.
    pub excerpt: String,
    /// What is wrong.
    pub message: String,
}

/// A mistake that shows when a letter is rendered for one contact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{template}:{line}:{column}: {kind}")]
pub struct RenderMistake {
    /// The file's name in the set, `led/intro.md`, or `subject`.
    pub template: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters it is about; 0 if unknown.
    pub width: usize,
    /// The line itself.
    pub excerpt: String,
    /// What is wrong.
    pub kind: MistakeKind,
}

/// What is wrong with a letter for one contact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MistakeKind {
    /// The template names a variable that does not exist for anybody.
    Missing {
        /// `account.ctiy`.
        path: String,
        /// The variable that was probably meant.
        meant: Option<String>,
    },
    /// The variable exists and this contact has nothing in it.
    Empty {
        /// `account.city`.
        path: String,
    },
    /// Anything else.
    Other(String),
}

impl std::fmt::Display for MistakeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { path, .. } => write!(f, "there is no variable `{path}`"),
            Self::Empty { path } => write!(f, "`{path}` is empty"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl TemplateMistake {
    pub(super) fn at(template: &str, source: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let Mistake { line, column, width, excerpt, message, .. } = Mistake::at(template, source, span, message);
        Self { template: template.to_owned(), line, column, width, excerpt: excerpt.unwrap_or_default(), message }
    }

    /// The mistake as `check` prints it, in the template folder that the user named.
    pub fn mistake(&self, folder: &Path) -> Mistake {
        Mistake {
            file: folder.join(&self.template),
            line: self.line,
            column: self.column,
            width: self.width,
            excerpt: Some(self.excerpt.clone()),
            message: self.message.clone(),
            hint: None,
            aside: None,
        }
    }
}

impl RenderMistake {
    pub(super) fn at(template: &str, source: &str, span: Range<usize>, kind: MistakeKind) -> Self {
        let Mistake { line, column, width, excerpt, .. } = Mistake::at(template, source, span, "");
        Self { template: template.to_owned(), line, column, width, excerpt: excerpt.unwrap_or_default(), kind }
    }

    /// A mistake that belongs to a whole file.
    pub(super) fn of(template: &str, message: impl Into<String>) -> Self {
        Self::at(template, "", 0..0, MistakeKind::Other(message.into()))
    }

    /// The mistake as `check` prints it, in the template folder that the user named.
    /// The caller says for how many contacts it holds, and names some.
    pub fn mistake(&self, folder: &Path) -> Mistake {
        let aside = match &self.kind {
            MistakeKind::Missing { meant: Some(meant), .. } => Some(format!("did you mean `{meant}`?")),
            _ => None,
        };
        Mistake {
            file: folder.join(&self.template),
            line: self.line,
            column: self.column,
            width: self.width,
            excerpt: Some(self.excerpt.clone()),
            message: self.kind.to_string(),
            hint: None,
            aside,
        }
    }
}
