//! The connection to an IMAP server: TCP, TLS, and a cap on what may come.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::{Mailbox, Tls};

use super::InboxError;

const CONNECT: Duration = Duration::from_secs(30);

/// A byte stream of either kind.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug> Duplex for T {}

/// A stream that ends in an error when more comes than was asked for: a server's
/// literal of a gigabyte would otherwise be kept in memory.
#[derive(Debug)]
pub(super) struct Wire {
    inner: Box<dyn Duplex>,
    left: u64,
}

impl Wire {
    pub(super) fn new(inner: Box<dyn Duplex>) -> Self {
        Self { inner, left: 1 << 20 }
    }

    /// Lets `bytes` more come in.
    pub(super) fn allow(&mut self, bytes: u64) {
        self.left = bytes;
    }

    pub(super) fn into_inner(self) -> Box<dyn Duplex> {
        self.inner
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the server sent more than was asked for")));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.left = self.left.saturating_sub((buf.filled().len() - before) as u64);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Opens the TCP connection.
pub(super) async fn connect(mailbox: &Mailbox, host: &str) -> Result<TcpStream, InboxError> {
    let fail =
        |source| InboxError::Connect { id: mailbox.id.clone(), host: host.to_owned(), port: mailbox.port, source };
    let connecting = timeout(CONNECT, TcpStream::connect((host, mailbox.port)));
    let tcp = connecting.await.map_err(|_| fail(io::ErrorKind::TimedOut.into()))?.map_err(fail)?;
    tcp.set_nodelay(true).map_err(fail)?;
    let loopback = tcp.peer_addr().map_err(fail)?.ip().is_loopback();
    if mailbox.tls == Tls::None && !loopback {
        let reason = "tls = \"none\" would send the password in clear; set tls = \"implicit\" or \"starttls\"";
        return Err(tls_error(mailbox, host, reason));
    }
    Ok(tcp)
}

/// Puts TLS over a stream.
pub(super) async fn encrypt(
    mailbox: &Mailbox,
    host: &str,
    stream: Box<dyn Duplex>,
) -> Result<Box<dyn Duplex>, InboxError> {
    let fail = |reason: String| tls_error(mailbox, host, &reason);
    let name = ServerName::try_from(host.to_owned()).map_err(|_| fail("host is no host name".into()))?;
    let connector = TlsConnector::from(Arc::new(client_config(mailbox).map_err(fail)?));
    let hand_shaken = timeout(CONNECT, connector.connect(name, stream)).await;
    let hint = match mailbox.tls {
        Tls::Implicit => "port 993 expects tls = \"implicit\", port 143 \"starttls\"",
        Tls::Starttls | Tls::None => "check its certificate, or name its authority in ca_file",
    };
    let stream = hand_shaken
        .map_err(|_| fail(format!("no TLS answer; {hint}")))?
        .map_err(|error| fail(format!("{error}; {hint}")))?;
    Ok(Box::new(stream))
}

fn tls_error(mailbox: &Mailbox, host: &str, reason: &str) -> InboxError {
    InboxError::Tls { id: mailbox.id.clone(), host: host.to_owned(), reason: reason.to_owned() }
}

/// The system's authorities, and those of `ca_file`.
fn client_config(mailbox: &Mailbox) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut extra = Vec::new();
    if let Some(path) = &mailbox.ca_file {
        let unreadable = |error| format!("cannot read ca_file `{}`: {error}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            extra.push(certificate.map_err(unreadable)?);
        }
    }
    let verifier = match extra.is_empty() {
        true => Verifier::new(Arc::clone(&provider)),
        false => Verifier::new_with_extra_roots(extra, Arc::clone(&provider)),
    };
    let verifier = verifier.map_err(|error| error.to_string())?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    // Not dangerous: the platform's own verifier, with the operator's authorities.
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}
