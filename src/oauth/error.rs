//! Why there is no token, and what to do about it.
//!
//! The texts reach an operator: they name the login and the key to change, never a
//! person, a token or what the identity server wrote in its own words.

use std::io;
use std::path::PathBuf;

use crate::config::SecretError;
use crate::http::HttpError;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// Nobody has consented yet.
    #[error("nobody has logged in to {login} yet; run `outreachd login {login}`")]
    NoLogin {
        /// The login.
        login: String,
    },
    /// The refresh token is good for nothing any more.
    #[error(
        "the login of {login} has ended ({code}: withdrawn, or unused for too long); run `outreachd login {login}`"
    )]
    Ended {
        /// The login.
        login: String,
        /// The server's word for it.
        code: String,
    },
    /// The identity server does not know this program.
    #[error(
        "the identity server of {login} refuses this program ({code}); check `client_id`, `client_secret` and `tenant` in its `oauth`, and whether the secret has run out"
    )]
    Client {
        /// The login.
        login: String,
        /// The server's word for it.
        code: String,
    },
    /// Another refusal.
    #[error(
        "the identity server of {login} refuses ({code}); check `scope` in its `oauth`, and what the program is registered for"
    )]
    Refused {
        /// The login.
        login: String,
        /// The server's word for it.
        code: String,
    },
    /// It is busy or broken.
    #[error("the identity server of {login} has trouble of its own (status {status})")]
    Trouble {
        /// The login.
        login: String,
        /// Its HTTP status.
        status: u16,
    },
    /// No answer.
    #[error("cannot ask the identity server of {login}: {source}")]
    Http {
        /// The login.
        login: String,
        /// Why.
        source: HttpError,
    },
    /// An answer that is none.
    #[error("the identity server of {login} gives an answer without {missing}")]
    Unreadable {
        /// The login.
        login: String,
        /// What is missing.
        missing: &'static str,
    },
    /// The client's secret cannot be had.
    #[error("the secret of {1}: {0}")]
    Secret(SecretError, String),
    /// The token file cannot be read or written.
    #[error("the token file `{}`: {source}; it must be beside the key file, and this user's own", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The token file is not of our form.
    #[error("the token file `{}` cannot be understood; run `outreachd login {login}` again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The login.
        login: String,
    },
    /// The person said no.
    #[error("the login was refused in the browser; nothing has changed")]
    Denied,
    /// Nobody finished in time.
    #[error("nobody finished the login in time; run `outreachd login {login}` again")]
    TooLate {
        /// The login.
        login: String,
    },
    /// This way of asking is not configured.
    #[error("{login} has no `{missing}` in its `oauth`, which this way to log in needs")]
    NoPage {
        /// The login.
        login: String,
        /// The key.
        missing: &'static str,
    },
    /// Nothing can be listened on, or no chance can be had.
    #[error("cannot wait for the browser: {0}")]
    Machine(io::Error),
}

impl OAuthError {
    /// Only a person can mend it; everything else may pass by itself.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::NoLogin { .. }
            | Self::Ended { .. }
            | Self::Client { .. }
            | Self::Refused { .. }
            | Self::Secret(..)
            | Self::File { .. }
            | Self::Damaged { .. }
            | Self::Denied
            | Self::TooLate { .. }
            | Self::NoPage { .. } => true,
            Self::Trouble { .. } | Self::Http { .. } | Self::Unreadable { .. } | Self::Machine(_) => false,
        }
    }
}
