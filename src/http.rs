//! HTTP outwards, guarded: time limits, a cap on what is read, and no way to a
//! private address unless the operator wrote that very address down.
//!
//! A URL may come from a gateway's redirect or from a name that somebody else
//! resolves, so the check stands behind the resolver and again before each hop.
//! It follows no proxy of the environment: behind one the resolver's answer
//! would not be the address that is dialled. What an answer means is decided by
//! the caller (`fax`, the heartbeat).

use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request};
use url::{Host, Url};

/// How we introduce ourselves.
pub const USER_AGENT: &str = concat!("outreachd/", env!("CARGO_PKG_VERSION"));

/// How long, how much and how far.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For name, connection and TLS.
    pub connect: Duration,
    /// For the whole exchange.
    pub total: Duration,
    /// Bytes of an answer that are read.
    pub body_bytes: usize,
    /// Redirects that are followed; with 0 the redirect itself is the answer.
    pub redirects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), total: Duration::from_secs(30), body_bytes: 1 << 20, redirects: 3 }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The text is no URL that can be fetched.
    #[error("`{0}` is no http or https URL")]
    Url(String),
    /// The URL names a private address that is not the configured one.
    #[error("`{0}` is a private address; only the address in the configuration itself may be one")]
    Private(String),
    /// The client cannot be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(String),
    /// No connection: not a byte of the request left.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// It broke after the request may have left.
    #[error("no answer came: {0}")]
    Broken(String),
    /// The answer is longer than we read.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// A redirect that is not followed.
    #[error("a redirect is not followed: {0}")]
    Redirect(String),
}

impl HttpError {
    /// Not a byte of the request left this machine: it may be repeated.
    pub fn nothing_left(&self) -> bool {
        matches!(self, Self::Url(_) | Self::Private(_) | Self::Client(_) | Self::Unreachable(_))
    }
}

/// What a server answered, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The Date header as it came: the server's clock.
    pub date: Option<String>,
    /// The Retry-After header as it came.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// A client that reaches public addresses, and the one it was configured for.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client,
    reach: Reach,
    body_bytes: usize,
}

impl HttpClient {
    /// A client for what the configuration names as `base`.
    ///
    /// # Errors
    /// The TLS side cannot be set up.
    pub fn new(base: &Url, limits: Limits) -> Result<Self, HttpError> {
        let reach = Reach::of(base);
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(limits.connect)
            .timeout(limits.total)
            .redirect(redirects(limits.redirects, reach.clone()))
            .dns_resolver(reach.clone())
            .no_proxy()
            // A kept connection may be dead already; a write into it would make
            // "did it leave?" unanswerable. Neither does the library repeat by itself.
            .pool_max_idle_per_host(0)
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| HttpError::Client(reason(&error)))?;
        Ok(Self { client, reach, body_bytes: limits.body_bytes })
    }

    /// Fetches `url`.
    ///
    /// # Errors
    /// See [`HttpError`]; a status of 400 or more is an answer.
    pub async fn get(&self, url: Url) -> Result<Answer, HttpError> {
        self.send(Request::new(Method::GET, url)).await
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// See [`HttpError`]; a status of 400 or more is an answer.
    pub async fn send(&self, request: Request) -> Result<Answer, HttpError> {
        self.reach.admits(request.url())?;
        let mut response = self.client.execute(request).await.map_err(judge)?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (date, retry_after) = (header("date"), header("retry-after"));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(judge)? {
            if body.len() + chunk.len() > self.body_bytes {
                return Err(HttpError::TooLong(self.body_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, date, retry_after, body })
    }
}

/// Parses a URL of the configuration.
///
/// # Errors
/// It is no absolute http or https URL with a host.
pub fn parse_url(text: &str) -> Result<Url, HttpError> {
    let url = Url::parse(text).map_err(|_| HttpError::Url(text.to_owned()))?;
    let fits = matches!(url.scheme(), "http" | "https") && url.has_host();
    if fits { Ok(url) } else { Err(HttpError::Url(text.to_owned())) }
}

/// The URL leads to this machine and nowhere else.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The one host and port that may be private, because the operator wrote it down.
#[derive(Clone, Debug)]
struct Reach {
    own: Option<(Host<String>, Option<u16>)>,
}

impl Reach {
    fn of(base: &Url) -> Self {
        let host = base.host().map(|host| host.to_owned());
        let own = host.filter(|host| match host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(_) | Host::Ipv6(_) => true,
        });
        Self { own: own.map(|host| (host, base.port_or_known_default())) }
    }

    /// Refuses a URL that names a private address itself; a name is checked when it resolves.
    fn admits(&self, url: &Url) -> Result<(), HttpError> {
        let private = match url.host() {
            Some(Host::Ipv4(ip)) => !is_public(ip.into()),
            Some(Host::Ipv6(ip)) => !is_public(ip.into()),
            Some(Host::Domain(name)) => name == "localhost",
            None => return Err(HttpError::Url(url.scheme().to_owned())),
        };
        let own = self.own.as_ref().is_some_and(|(host, port)| {
            url.host().map(|host| host.to_owned()).as_ref() == Some(host) && url.port_or_known_default() == *port
        });
        if private && !own {
            return Err(HttpError::Private(url.host_str().unwrap_or_default().to_owned()));
        }
        Ok(())
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let own = matches!(&self.own, Some((Host::Domain(host), _)) if host == name.as_str());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let open: Vec<SocketAddr> = found.filter(|to| is_public(to.ip()) || own && to.ip().is_loopback()).collect();
            if open.is_empty() {
                return Err("the name leads to a private address".into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

/// Follows at most `most` redirects, none to a private address and none out of TLS.
fn redirects(most: usize, reach: Reach) -> Policy {
    if most == 0 {
        return Policy::none();
    }
    Policy::custom(move |hop| {
        let from_tls = hop.previous().last().is_some_and(|url| url.scheme() == "https");
        if hop.previous().len() > most {
            return hop.error("too many of them");
        }
        if from_tls && hop.url().scheme() != "https" {
            return hop.error("it leads out of https");
        }
        match reach.admits(hop.url()) {
            Ok(()) => hop.follow(),
            Err(error) => hop.error(error),
        }
    })
}

fn judge(error: reqwest::Error) -> HttpError {
    let why = reason(&error);
    if error.is_redirect() {
        return HttpError::Redirect(why);
    }
    if error.is_connect() { HttpError::Unreachable(why) } else { HttpError::Broken(why) }
}

/// The innermost cause; the outer ones carry the URL, and a URL may carry a number.
fn reason(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let known = innermost.is::<reqwest::Error>();
    if known { "the HTTP library gives no reason".to_owned() } else { innermost.to_string() }
}

/// An address of the public Internet (the IANA special-purpose registries, RFC 6890).
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (18..20).contains(&b);
    let protocol = a == 192 && b == 0 && c == 0;
    !(a == 0
        || a >= 224
        || shared
        || benchmark
        || protocol
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match ip.segments() {
        // Mapped and NAT64 (RFC 6052) and 6to4 carry an IPv4 address that is dialled in the end.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(embedded(high, low)),
        [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        [0x2001, second, ..] => second > 0x1ff && second != 0xdb8,
        [0x3fff, second, ..] => second > 0xfff,
        // Everything else outside 2000::/3 is local, multicast or not given out.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        parse_url(text).unwrap()
    }

    #[test]
    fn tells_public_addresses_from_all_others() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.0.1",
            "192.168.1.1",
            "192.0.0.8",
            "198.19.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "::7f00:1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2001:4860::1", "64:ff9b::101:101"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn admits_the_private_address_that_was_configured_and_no_other() {
        let reach = Reach::of(&url("http://127.0.0.1:8765/v3"));
        assert!(reach.admits(&url("http://127.0.0.1:8765/v3/faxes")).is_ok());
        for other in ["http://127.0.0.1:22/", "http://2130706433:22/", "http://[::1]:8765/", "http://localhost:8765/"] {
            assert!(matches!(reach.admits(&url(other)), Err(HttpError::Private(_))), "{other}");
        }
        assert!(Reach::of(&url("https://fax.example/v3")).admits(&url("http://10.0.0.1/")).is_err());
    }

    #[tokio::test]
    async fn refuses_a_name_that_resolves_to_this_machine() {
        let localhost = || "localhost".parse::<Name>().unwrap();
        let refused = Reach::of(&url("https://fax.example/")).resolve(localhost()).await.err().unwrap();
        assert_eq!(refused.to_string(), "the name leads to a private address");
        let mut own = Reach::of(&url("http://localhost:8765/")).resolve(localhost()).await.unwrap();
        assert!(own.all(|to| to.ip().is_loopback()));
    }

    #[test]
    fn takes_only_urls_that_can_be_fetched() {
        assert!(parse_url("ftp://fax.example/").is_err());
        assert!(parse_url("fax.example").is_err());
        assert!(is_loopback(&url("http://localhost:1/")) && !is_loopback(&url("http://10.0.0.1/")));
    }
}
