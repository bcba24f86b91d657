//! Secrets: named by a file or an environment variable, never written in the configuration.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Where a secret is.
#[derive(Clone, Debug)]
pub enum SecretRef {
    /// A file that only its owner (or a group) can read, or a systemd credential.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file is not there or not readable.
    #[error("cannot read secret `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Everybody on the machine could read it.
    #[error("secret `{}` is readable by everyone; run chmod 600 on it", .0.display())]
    WorldReadable(PathBuf),
    /// The variable is not set.
    #[error("secret variable `{0}` is not set")]
    Unset(String),
}

impl SecretRef {
    /// Reads the secret; one trailing line break is dropped.
    ///
    /// # Errors
    /// The file cannot be read or is readable by everyone, or the variable is unset.
    pub fn reveal(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::File(path) => read_private(path).map(|text| text.trim_end_matches(['\r', '\n']).to_owned().into()),
            Self::Env(name) => std::env::var(name).map(Into::into).map_err(|_| SecretError::Unset(name.clone())),
        }
    }
}

/// Reads a file that nobody else may read.
///
/// # Errors
/// The file cannot be read, or everyone can read it.
pub fn read_private(path: &Path) -> Result<String, SecretError> {
    let fail = |source| SecretError::Read { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(fail)?.permissions().mode();
    if mode & 0o004 != 0 {
        return Err(SecretError::WorldReadable(path.to_owned()));
    }
    std::fs::read_to_string(path).map_err(fail)
}
