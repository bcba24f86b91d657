//! DNS records, asked of the system's resolver or of another; nothing is judged here.
//!
//! What is found goes to `doctor`, which judges our own domains, and to `providers`, which
//! looks who takes the mail of others. It never waits long, and nothing waits for it.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::time::timeout;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the resolver said; an empty list is a name without such a record.
pub type Records = Result<Vec<String>, NoAnswer>;

/// Nobody answered, so nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// Asks one resolver.
#[derive(Clone)]
pub struct Names(Option<TokioResolver>);

impl Names {
    /// The resolver at this address, or the system's.
    pub fn of(resolver: Option<SocketAddr>) -> Self {
        let builder = match resolver {
            None => TokioResolver::builder_tokio().ok(),
            Some(at) => Some(TokioResolver::builder_with_config(only(at), TokioRuntimeProvider::default())),
        };
        Self(builder.and_then(|builder| builder.build().ok()))
    }

    /// The hosts that take a domain's mail.
    ///
    /// # Errors
    /// Nobody answered.
    pub async fn mx(&self, domain: &str) -> Records {
        self.ask(domain, RecordType::MX).await
    }

    /// Of the hosts that take a domain's mail those that are asked first, in lower case and
    /// without the last dot; none where the domain has no such record.
    ///
    /// # Errors
    /// Nobody answered.
    pub async fn first_mx(&self, domain: &str) -> Result<Vec<String>, NoAnswer> {
        let found = self.look_up(domain, RecordType::MX, |data| match data {
            RData::MX(mx) => Some((mx.preference, mx.exchange.to_string())),
            _ => None,
        });
        let found = found.await?;
        let first = found.iter().map(|(preference, _)| *preference).min();
        let firsts = found.into_iter().filter(|(preference, _)| Some(*preference) == first);
        let mut hosts: Vec<_> = firsts.map(|(_, host)| host.trim_end_matches('.').to_lowercase()).collect();
        hosts.sort();
        Ok(hosts)
    }

    /// The texts of a name.
    ///
    /// # Errors
    /// Nobody answered.
    pub async fn txt(&self, name: &str) -> Records {
        self.ask(name, RecordType::TXT).await
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Records {
        self.look_up(name, kind, read).await
    }

    async fn look_up<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, NoAnswer> {
        let resolver = self.0.as_ref().ok_or(NoAnswer)?;
        // The dot keeps the machine's own search domains out of it.
        match timeout(PATIENCE, resolver.lookup(format!("{name}."), kind)).await {
            Ok(Ok(lookup)) => Ok(lookup.answers().iter().filter_map(|record| read(&record.data)).collect()),
            Ok(Err(error)) if is_empty(&error) => Ok(Vec::new()),
            Ok(Err(_)) | Err(_) => Err(NoAnswer),
        }
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Names({})", if self.0.is_some() { "a resolver" } else { "none" })
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
