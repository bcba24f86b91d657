//! DNS records, asked of the system's resolver or of another; nothing is judged here.

use std::net::SocketAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::time::timeout;

use super::PATIENCE;

/// What the resolver said; an empty list is a name without such a record.
pub(super) type Records = Result<Vec<String>, NoAnswer>;

/// Nobody answered, so nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoAnswer;

/// Asks one resolver.
pub(super) struct Names(Option<TokioResolver>);

impl Names {
    /// The resolver at this address, or the system's.
    pub(super) fn of(resolver: Option<SocketAddr>) -> Self {
        let builder = match resolver {
            None => TokioResolver::builder_tokio().ok(),
            Some(at) => Some(TokioResolver::builder_with_config(only(at), TokioRuntimeProvider::default())),
        };
        Self(builder.and_then(|builder| builder.build().ok()))
    }

    /// The hosts that take a domain's mail.
    pub(super) async fn mx(&self, domain: &str) -> Records {
        self.ask(domain, RecordType::MX).await
    }

    /// The texts of a name.
    pub(super) async fn txt(&self, name: &str) -> Records {
        self.ask(name, RecordType::TXT).await
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Records {
        let resolver = self.0.as_ref().ok_or(NoAnswer)?;
        // The dot keeps the machine's own search domains out of it.
        match timeout(PATIENCE, resolver.lookup(format!("{name}."), kind)).await {
            Ok(Ok(lookup)) => Ok(lookup.answers().iter().filter_map(|record| read(&record.data)).collect()),
            Ok(Err(error)) if is_empty(&error) => Ok(Vec::new()),
            Ok(Err(_)) | Err(_) => Err(NoAnswer),
        }
    }
}

fn only(at: SocketAddr) -> ResolverConfig {
    let mut connection = ConnectionConfig::udp();
    connection.port = at.port();
    ResolverConfig::from_name_servers(vec![NameServerConfig::new(at.ip(), true, vec![connection])])
}

fn is_empty(error: &NetError) -> bool {
    error.is_nx_domain() || error.is_no_records_found()
}

fn read(data: &RData) -> Option<String> {
    match data {
        RData::MX(mx) => Some(mx.exchange.to_string()),
        // One text may be cut into several of at most 255 bytes (RFC 7208 3.3).
        RData::TXT(txt) => Some(txt.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect()),
        _ => None,
    }
}
