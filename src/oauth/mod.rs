//! Logins by OAuth 2.0: from a person's consent to the token a mail server takes.
//!
//! [`Consent`] is what `outreachd login` walks through, once: by a code on another
//! device (RFC 8628) or by a browser (RFC 8252, with PKCE). It leaves a refresh token
//! in a file beside the key file. [`Tokens`] makes access tokens of it, again and
//! again; `transport` and `inbox` present them. No token is ever logged, and none
//! stands in the database.
//!
//! | file | idea |
//! |---|---|
//! | `tokens` | the access token at hand, made anew before it runs out |
//! | `consent`, `browser` | the two ways to ask a person |
//! | `server` | questions to the identity server, and its errors in our words |
//! | `file` | the refresh token on disk, written whole or not at all |

mod browser;
mod consent;
mod error;
mod file;
mod server;
mod tokens;

pub use browser::Browser;
pub use consent::{Consent, DeviceCode};
pub use error::OAuthError;
pub use file::last_used;
pub use tokens::Tokens;
