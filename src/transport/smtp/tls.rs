//! Who is trusted: the system's authorities and those of a file, chain and name always verified.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::{ConnectError, SetupError};
use super::wire::Stream;

/// Begins TLS with one host.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    host: String,
}

impl Tls {
    /// For `host`, trusting the system's authorities and those in `ca_file`.
    pub(super) fn new(host: &str, name: ServerName<'static>, ca_file: Option<&Path>) -> Result<Self, SetupError> {
        let extra = ca_file.map_or(Ok(Vec::new()), read_authorities)?;
        // The provider is named: with two of them linked in, rustls would refuse to choose.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier::new_with_extra_roots(extra, provider.clone()).map_err(SetupError::Trust)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(SetupError::Trust)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self { connector: Arc::new(config).into(), name, host: host.to_owned() })
    }

    /// Shakes hands; `at` is for the message of an error.
    pub(super) async fn begin<S: Stream>(&self, stream: S, at: &str) -> Result<TlsStream<S>, ConnectError> {
        let shaken = self.connector.connect(self.name.clone(), stream).await;
        shaken.map_err(|error| explain(error, &self.host, at))
    }
}

fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let fail = |why: String| SetupError::Authorities { path: path.to_owned(), why };
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| fail(error.to_string()))?.collect();
    match read {
        Ok(found) if found.is_empty() => Err(fail("it has no certificate".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(fail(error.to_string())),
    }
}

/// What a failed handshake means to a person.
fn explain(error: io::Error, host: &str, at: &str) -> ConnectError {
    use CertificateError as Bad;
    let at = at.to_owned();
    let Some(source) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return ConnectError::Tls { at, source: error };
    };
    match source {
        rustls::Error::InvalidCertificate(Bad::NotValidForNameContext { presented, .. }) => {
            ConnectError::CertificateName { host: host.to_owned(), presented: presented.join(", ") }
        }
        rustls::Error::InvalidCertificate(Bad::NotValidForName) => {
            ConnectError::CertificateName { host: host.to_owned(), presented: "another name".to_owned() }
        }
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            ConnectError::CertificateExpired { at }
        }
        // A bad signature is an authority of that name with another key, one made anew.
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            ConnectError::CertificateIssuer { at }
        }
        rustls::Error::InvalidCertificate(_) => ConnectError::Certificate { at, source: source.clone() },
        // "220 ..." read as a TLS record: the server greets in the clear.
        rustls::Error::InvalidMessage(_) => ConnectError::NotImplicit { at },
        _ => ConnectError::Tls { at, source: error },
    }
}
