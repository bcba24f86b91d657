//! From a relay's configuration to a session that is protected and logged in.
//!
//! A [`Connector`] is made once for each relay: it reads the secret and the
//! authorities, so that a file that vanishes later breaks nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;

use crate::config::{self, Relay};
use crate::transport::Reply;

use super::error::{ConnectError, SetupError};
use super::login::{Desk, Login};
use super::offers::Offers;
use super::session::Session;
use super::timers::Timers;
use super::tls::Tls;
use super::wire::{Stream, Wire, WireError};

/// One address that does not answer must not eat the time of the next.
const DIAL_LIMIT: Duration = Duration::from_secs(30);

/// Opens sessions to one relay.
pub struct Connector {
    host: String,
    port: u16,
    /// `host:port`, for messages.
    at: String,
    protection: Protection,
    login: Option<Login>,
    hello: Option<String>,
    timers: Timers,
}

/// The relay's own certificate, where there is TLS.
type Certificate = Option<CertificateDer<'static>>;

/// How the connection is protected.
enum Protection {
    Starttls(Tls),
    Implicit(Tls),
    Loopback,
}

impl Connector {
    /// Reads what the relay's configuration names: secret, authorities, host name.
    ///
    /// # Errors
    /// The configuration cannot be used; the error says which key to change.
    pub fn new(relay: &Relay) -> Result<Self, SetupError> {
        Ok(Self {
            host: relay.host.clone(),
            port: relay.port,
            at: format!("{}:{}", relay.host, relay.port),
            protection: Protection::of(relay)?,
            login: Login::of(relay)?,
            hello: greeting_name(relay)?,
            timers: Timers::of(&relay.timeouts),
        })
    }

    /// Connects, protects, greets and logs in.
    ///
    /// # Errors
    /// No session, and nothing was handed over; [`ConnectError::is_permanent`] says
    /// whether it can pass by itself.
    pub async fn connect(&self) -> Result<Session, ConnectError> {
        let tcp = self.dial().await?;
        let local = tcp.local_addr().map_err(|source| self.lost("connecting", source.into()))?;
        let hello = self.hello.clone().unwrap_or_else(|| literal(local.ip()));
        let (mut wire, offers, certificate) = match &self.protection {
            Protection::Implicit(tls) => {
                let (stream, certificate) = self.shake_hands(tls, tcp).await?;
                let (wire, offers) = self.greet(Wire::new(stream), &hello).await?;
                (wire, offers, certificate)
            }
            Protection::Starttls(tls) => self.greet_and_protect(tls, tcp, &hello).await?,
            Protection::Loopback => {
                let (wire, offers) = self.greet(Wire::new(tcp), &hello).await?;
                (wire, offers, None)
            }
        };
        if let Some(login) = &self.login {
            let desk = Desk { wire: &mut wire, offers: &offers, limit: self.timers.command, at: &self.at };
            login.perform(desk).await?;
        }
        Ok(Session::new(wire, offers, self.timers, certificate))
    }

    /// The first address that answers.
    async fn dial(&self) -> Result<TcpStream, ConnectError> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let addresses = found.map_err(|source| ConnectError::Resolve { host: self.host.clone(), source })?;
        let mut why = "it has no address".to_owned();
        for address in addresses {
            // A name of this machine can be made to lead elsewhere, by a line in /etc/hosts.
            if matches!(self.protection, Protection::Loopback) && !address.ip().is_loopback() {
                return Err(ConnectError::NotLoopback { at: self.at.clone() });
            }
            match dial_one(address, self.timers.greeting.min(DIAL_LIMIT)).await {
                Ok(tcp) => return Ok(tcp),
                Err(error) => why = error.to_string(),
            }
        }
        Err(ConnectError::Unreachable { at: self.at.clone(), why })
    }

    /// STARTTLS or nothing (RFC 8314 4.1, RFC 3207): what was said before it is forgotten.
    async fn greet_and_protect(
        &self,
        tls: &Tls,
        tcp: TcpStream,
        hello: &str,
    ) -> Result<(Wire, Offers, Certificate), ConnectError> {
        let (mut wire, offers) = self.greet(Wire::new(tcp), hello).await?;
        if !offers.starttls {
            return Err(ConnectError::NoStarttls { at: self.at.clone() });
        }
        self.ask(&mut wire, "STARTTLS", "STARTTLS\r\n").await?;
        // What is already in the buffer came in the clear and would be taken for
        // an answer under TLS: the command injection of RFC 3207 6.
        let stream = wire.into_stream().ok_or_else(|| ConnectError::Injected { at: self.at.clone() })?;
        let (stream, certificate) = self.shake_hands(tls, stream).await?;
        let mut wire = Wire::new(stream);
        let offers = self.hello(&mut wire, hello).await?;
        Ok((wire, offers, certificate))
    }

    async fn shake_hands<S: Stream + 'static>(
        &self,
        tls: &Tls,
        stream: S,
    ) -> Result<(impl Stream + 'static, Certificate), ConnectError> {
        let shaken = tokio::time::timeout(self.timers.command, tls.begin(stream, &self.at)).await;
        let stream =
            shaken.unwrap_or_else(|_| Err(self.lost("the tls handshake", WireError::Timeout(self.timers.command))))?;
        let chain = stream.get_ref().1.peer_certificates();
        let certificate = chain.and_then(<[_]>::first).map(|own| own.clone().into_owned());
        Ok((stream, certificate))
    }

    async fn greet(&self, mut wire: Wire, hello: &str) -> Result<(Wire, Offers), ConnectError> {
        let greeting = wire.read_reply(self.timers.greeting).await;
        let greeting = greeting.map_err(|source| match source {
            WireError::Timeout(_) | WireError::Closed => ConnectError::NoGreeting { at: self.at.clone(), source },
            source => self.lost("the greeting", source),
        })?;
        self.expect_success("the connection", greeting)?;
        let offers = self.hello(&mut wire, hello).await?;
        Ok((wire, offers))
    }

    async fn hello(&self, wire: &mut Wire, hello: &str) -> Result<Offers, ConnectError> {
        let reply = self.ask(wire, "EHLO", &format!("EHLO {hello}\r\n")).await?;
        Ok(Offers::read(&reply))
    }

    async fn ask(&self, wire: &mut Wire, step: &'static str, command: &str) -> Result<Reply, ConnectError> {
        let reply = wire.ask(command, self.timers.command).await.map_err(|source| self.lost(step, source))?;
        self.expect_success(step, reply)
    }

    fn expect_success(&self, step: &'static str, reply: Reply) -> Result<Reply, ConnectError> {
        if reply.is_success() { Ok(reply) } else { Err(ConnectError::Refused { at: self.at.clone(), step, reply }) }
    }

    fn lost(&self, step: &'static str, source: WireError) -> ConnectError {
        ConnectError::Lost { at: self.at.clone(), step, source }
    }
}

impl Protection {
    fn of(relay: &Relay) -> Result<Self, SetupError> {
        let unfit = || SetupError::Host { relay: relay.id.clone(), host: relay.host.clone() };
        let name = ServerName::try_from(relay.host.clone()).map_err(|_| unfit())?;
        let tls = |name| Tls::new(&relay.host, name, relay.ca_file.as_deref());
        match relay.tls {
            config::Tls::Starttls if relay.port == 465 => Err(SetupError::Port465(relay.id.clone())),
            config::Tls::Starttls => Ok(Self::Starttls(tls(name)?)),
            config::Tls::Implicit => Ok(Self::Implicit(tls(name)?)),
            config::Tls::None if is_this_machine(&relay.host) => Ok(Self::Loopback),
            config::Tls::None => Err(SetupError::ClearRemote { relay: relay.id.clone(), host: relay.host.clone() }),
        }
    }
}

async fn dial_one(address: SocketAddr, limit: Duration) -> std::io::Result<TcpStream> {
    let dialled = tokio::time::timeout(limit, TcpStream::connect(address)).await;
    let tcp = dialled.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))?;
    // Without it the dot waits some 40 ms for the delayed ACK of the body.
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The configured name, or the machine's own if it is a full one (RFC 5321 4.1.4).
fn greeting_name(relay: &Relay) -> Result<Option<String>, SetupError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-[]:_".contains(c);
    let fit = |name: &str| !name.is_empty() && name.len() <= 255 && name.chars().all(allowed);
    if let Some(hello) = &relay.hello {
        return if fit(hello) { Ok(Some(hello.clone())) } else { Err(SetupError::Hello(relay.id.clone())) };
    }
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let own = own.trim();
    Ok((fit(own) && own.contains('.')).then(|| own.to_owned()))
}

/// An address where a name should stand (RFC 5321 4.1.3).
fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(relay: &Relay) -> String {
        Connector::new(relay).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn local() -> Relay {
        Relay::new("main", "127.0.0.1", 25, config::Tls::None)
    }

    #[test]
    fn says_which_key_to_change() {
        let remote = refusal(&Relay::new("main", "mx.relay.example", 25, config::Tls::None));
        assert!(remote.contains("set tls = \"starttls\""), "{remote}");
        assert_eq!(
            refusal(&Relay::new("main", "mx.relay.example", 465, config::Tls::Starttls)),
            "relay `main`: port 465 expects tls; set tls = \"implicit\""
        );
        let half = refusal(&Relay { username: Some("ut".into()), ..local() });
        assert!(half.contains("`password`"), "{half}");
        let hello = refusal(&Relay { hello: Some("a\r\nMAIL".into()), ..local() });
        assert!(hello.contains("`hello`"), "{hello}");
        let host = refusal(&Relay::new("main", "not a host", 587, config::Tls::Starttls));
        assert!(host.contains("no host name"), "{host}");
    }

    #[test]
    fn takes_the_clear_only_on_this_machine() {
        assert!(is_this_machine("127.0.0.1") && is_this_machine("::1") && is_this_machine("localhost"));
        assert!(!is_this_machine("localhost.evil.example") && !is_this_machine("10.0.0.1"));
    }

    #[test]
    fn greets_with_an_address_where_it_has_no_full_name() {
        assert_eq!(literal(IpAddr::from([127, 0, 0, 1])), "[127.0.0.1]");
        assert_eq!(literal(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])), "[IPv6:::1]");
    }
}
