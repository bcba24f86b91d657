//! Why there is no session, and what to do about it.
//!
//! The texts reach an operator through `doctor`, the log and the digest: they
//! name the relay's host and the key to change, never a user, an address or a
//! password. A server's own words stay in [`Reply::text`].

use std::io;
use std::path::PathBuf;

use crate::config::SecretError;
use crate::oauth::OAuthError;
use crate::transport::Reply;

use super::wire::WireError;

/// Why a relay's configuration cannot be used; nothing was connected.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The host is neither a name nor an address.
    #[error("relay `{relay}` has the host `{host}`, which is no host name")]
    Host {
        /// The relay's id.
        relay: String,
        /// What stands there.
        host: String,
    },
    /// The name we greet with would break the line it stands in.
    #[error("relay `{0}`: `hello` must be a host name such as `mail.company.example`")]
    Hello(String),
    /// No TLS, and not on this machine.
    #[error(
        "relay `{relay}`: tls = \"none\" is only for a server on this machine, and `{host}` is not; set tls = \"starttls\""
    )]
    ClearRemote {
        /// The relay's id.
        relay: String,
        /// The host.
        host: String,
    },
    /// Port 465 speaks TLS from the first byte (RFC 8314 3.3).
    #[error("relay `{0}`: port 465 expects tls; set tls = \"implicit\"")]
    Port465(String),
    /// Half of a login.
    #[error("relay `{relay}` has no `{missing}`; a login needs both `username` and `password`")]
    HalfLogin {
        /// The relay's id.
        relay: String,
        /// The key that is missing.
        missing: &'static str,
    },
    /// A name or password that AUTH PLAIN cannot carry.
    #[error("relay `{0}`: username and password cannot be empty or have a NUL")]
    Login(String),
    /// The password cannot be had.
    #[error("relay `{relay}`: {source}")]
    Secret {
        /// The relay's id.
        relay: String,
        /// Why.
        source: SecretError,
    },
    /// The identity server or the secret for it is not to be used as configured.
    #[error("relay `{relay}`: {source}")]
    Tokens {
        /// The relay's id.
        relay: String,
        /// Why.
        source: OAuthError,
    },
    /// The file of authorities cannot be read.
    #[error("cannot read the authorities in `{}`: {why}; ca_file must be a PEM file of certificates", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// No authority can be trusted at all.
    #[error("cannot set up tls: {0}; install the package ca-certificates, or name a ca_file")]
    Trust(rustls::Error),
}

/// Why a connection did not become a session; no transaction was begun.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("cannot find the relay `{host}`: {source}; check `host` and this machine's DNS")]
    Resolve {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody answers.
    #[error("cannot reach the relay {at}: {why}; check `host`, `port` and the firewall")]
    Unreachable {
        /// Host and port.
        at: String,
        /// Why.
        why: String,
    },
    /// A name of this machine that leads elsewhere.
    #[error("{at} is not on this machine, and tls = \"none\" is only for one that is; set tls = \"starttls\"")]
    NotLoopback {
        /// Host and port.
        at: String,
    },
    /// It connected and said nothing.
    #[error("the relay {at} does not greet: {source}; if this port expects tls, set tls = \"implicit\"")]
    NoGreeting {
        /// Host and port.
        at: String,
        /// Why.
        source: WireError,
    },
    /// It speaks in the clear where TLS was to begin.
    #[error("the relay {at} does not begin with tls; port 587 expects starttls; set tls = \"starttls\"")]
    NotImplicit {
        /// Host and port.
        at: String,
    },
    /// It will not protect the connection.
    #[error(
        "the relay {at} does not offer STARTTLS, so nothing was sent; use its port for submission (587, or 465 with tls = \"implicit\")"
    )]
    NoStarttls {
        /// Host and port.
        at: String,
    },
    /// Something was slipped in before TLS began.
    #[error(
        "the relay {at} sent more than it was asked before tls began; somebody may be meddling with the connection"
    )]
    Injected {
        /// Host and port.
        at: String,
    },
    /// The certificate is for another name.
    #[error("the relay's certificate is for {presented}, not for `{host}`; set `host` to the name it carries")]
    CertificateName {
        /// The host.
        host: String,
        /// The names in the certificate.
        presented: String,
    },
    /// The certificate is too old, or this machine's clock is wrong.
    #[error(
        "the certificate of the relay {at} has expired; whoever runs the relay must renew it (or this machine's clock is wrong)"
    )]
    CertificateExpired {
        /// Host and port.
        at: String,
    },
    /// The certificate is signed by nobody we trust.
    #[error(
        "the certificate of the relay {at} is signed by an unknown authority; name its authority's PEM file in ca_file"
    )]
    CertificateIssuer {
        /// Host and port.
        at: String,
    },
    /// The certificate cannot be trusted for another reason.
    #[error("the certificate of the relay {at} cannot be trusted: {source}")]
    Certificate {
        /// Host and port.
        at: String,
        /// Why.
        source: rustls::Error,
    },
    /// TLS did not begin.
    #[error("tls with the relay {at} failed: {source}")]
    Tls {
        /// Host and port.
        at: String,
        /// Why.
        source: io::Error,
    },
    /// No way to log in that we know.
    #[error("the relay {at} offers no login by {ways} (it offers {offered}); check `port`, or remove `username`")]
    NoLogin {
        /// Host and port.
        at: String,
        /// The ways that would do.
        ways: &'static str,
        /// What it offers.
        offered: String,
    },
    /// Name or password is wrong.
    #[error("the relay {at} refused the login ({reply}); check `username` and `password`")]
    Login {
        /// Host and port.
        at: String,
        /// What it said.
        reply: Reply,
    },
    /// There is no token to show.
    #[error("cannot log in to the relay {at}: {source}")]
    Token {
        /// Host and port.
        at: String,
        /// Why.
        source: OAuthError,
    },
    /// A token that was just made is not taken.
    #[error(
        "the relay {at} refused the token ({reply}); check that `username` is who logged in, and that its mailbox may use SMTP AUTH"
    )]
    TokenRefused {
        /// Host and port.
        at: String,
        /// What it said.
        reply: Reply,
    },
    /// It refused a step before any transaction.
    #[error("the relay {at} refused {step} ({reply})")]
    Refused {
        /// Host and port.
        at: String,
        /// The step.
        step: &'static str,
        /// What it said.
        reply: Reply,
    },
    /// It was lost in a step before any transaction.
    #[error("the relay {at} was lost during {step}: {source}")]
    Lost {
        /// Host and port.
        at: String,
        /// The step.
        step: &'static str,
        /// Why.
        source: WireError,
    },
}

impl ConnectError {
    /// Only a person can mend it: deliveries wait, and none of their tries is used up.
    /// Everything else may pass by itself.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::NotLoopback { .. }
            | Self::NotImplicit { .. }
            | Self::NoStarttls { .. }
            | Self::Injected { .. }
            | Self::CertificateName { .. }
            | Self::CertificateExpired { .. }
            | Self::CertificateIssuer { .. }
            | Self::Certificate { .. }
            | Self::NoLogin { .. } => true,
            Self::Token { source, .. } => source.is_permanent(),
            Self::Login { reply, .. } | Self::TokenRefused { reply, .. } | Self::Refused { reply, .. } => {
                reply.is_permanent()
            }
            Self::Resolve { .. }
            | Self::Unreachable { .. }
            | Self::NoGreeting { .. }
            | Self::Tls { .. }
            | Self::Lost { .. } => false,
        }
    }

    /// What the relay said, where it said something; for rows and pages, not for logs.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Login { reply, .. } | Self::TokenRefused { reply, .. } | Self::Refused { reply, .. } => Some(reply),
            _ => None,
        }
    }
}
