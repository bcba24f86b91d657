//! Reads the configuration file, overlays the environment, reports every mistake.

use std::path::{Component, Path, PathBuf};

use crate::model::mistake::Mistake;

use super::Config;
use super::overlay::{overlay, variables};
use super::sections::{Site, read_config};
use super::table::Reader;

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

/// Reads the text of a configuration file named `path`; variables of `environment`
/// named `OUTREACHD_SECTION__KEY` override its keys.
///
/// # Errors
/// The text or a variable has mistakes (all of them are returned).
pub fn parse(path: &Path, source: &str, environment: &[(String, String)]) -> Result<Config, ConfigError> {
    let variables = variables(environment);
    let reader = Reader::new(path, source).with_variables(variables.iter().map(|(name, _)| name.as_str()));
    let config = reader.parse().and_then(|mut root| {
        overlay(&reader, &mut root, &variables);
        read_config(&reader, root, &site(path, environment))
    });
    let mistakes = reader.into_mistakes();
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        _ => Err(ConfigError::Mistakes(mistakes)),
    }
}

fn site(path: &Path, environment: &[(String, String)]) -> Site {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let credentials = environment.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY");
    Site {
        folder: absolute.parent().map(Path::to_owned).unwrap_or_default(),
        credentials: credentials.map(|(_, folder)| PathBuf::from(folder)),
    }
}

impl Site {
    /// `path` below the configuration's folder, without `.` and `..`.
    pub(super) fn locate(&self, path: impl AsRef<Path>) -> PathBuf {
        let mut located = PathBuf::new();
        for component in self.folder.join(path).components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir => {
                    located.pop();
                }
                other => located.push(other),
            }
        }
        located
    }

    /// The file of a secret: `credential:NAME` and `$CREDENTIALS_DIRECTORY/NAME` are
    /// what systemd handed over. Without systemd they stay as written, so that
    /// `check` can be run by hand; reading such a secret then fails by its name.
    pub(super) fn locate_secret(&self, written: &str) -> PathBuf {
        let name = written.strip_prefix("credential:").or_else(|| written.strip_prefix("$CREDENTIALS_DIRECTORY/"));
        match (name, &self.credentials) {
            (Some(name), Some(folder)) => folder.join(name),
            (Some(_), None) => written.into(),
            (None, _) => self.locate(written),
        }
    }

    /// A database URL whose SQLite file is below the configuration's folder.
    pub(super) fn locate_database(&self, url: &str) -> String {
        let Some(rest) = url.strip_prefix("sqlite:") else { return url.to_owned() };
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (file, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        if file.is_empty() || file.starts_with(":memory:") {
            return url.to_owned();
        }
        format!("sqlite:{}{query}", self.locate(file).display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(credentials: Option<&str>) -> Site {
        Site { folder: "/etc/outreachd".into(), credentials: credentials.map(Into::into) }
    }

    #[test]
    fn finds_files_from_the_configurations_folder() {
        let site = here(None);
        assert_eq!(site.locate("../templates"), Path::new("/etc/templates"));
        assert_eq!(site.locate("/srv/mail"), Path::new("/srv/mail"));
        assert_eq!(site.locate_database("sqlite:o.db?mode=ro"), "sqlite:/etc/outreachd/o.db?mode=ro");
        assert_eq!(site.locate_database("sqlite:///var/o.db"), "sqlite:/var/o.db");
        assert_eq!(site.locate_database("sqlite::memory:"), "sqlite::memory:");
        assert_eq!(site.locate_database("postgres:///o"), "postgres:///o");
    }

    #[test]
    fn finds_what_systemd_hands_over() {
        assert_eq!(here(Some("/run/c")).locate_secret("credential:relay"), Path::new("/run/c/relay"));
        assert_eq!(here(Some("/run/c")).locate_secret("$CREDENTIALS_DIRECTORY/relay"), Path::new("/run/c/relay"));
        assert_eq!(here(None).locate_secret("credential:relay"), Path::new("credential:relay"));
        assert_eq!(here(None).locate_secret("relay"), Path::new("/etc/outreachd/relay"));
    }
}
