//! A proxy before the mail server that breaks one moment of each conversation.
//!
//! It passes command by command and reply by reply, also those of a group, so it knows
//! at each byte what the relay has and what the daemon can know of that.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};

/// The moment that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Instead of the 220.
    Greeting,
    /// Instead of the answer to EHLO.
    Hello,
    /// Instead of the answer to MAIL.
    Mail,
    /// Instead of the answer to RCPT.
    Recipient,
    /// Instead of the 354.
    Data,
    /// In the middle of the message.
    Body,
    /// The dot came, and the relay does not get it.
    Dot,
    /// The relay has the message, and its 250 is not passed on.
    Taken,
    /// The 250 was passed on.
    Answered,
}

/// Every moment, in order.
pub const MOMENTS: [Moment; 9] = [
    Moment::Greeting,
    Moment::Hello,
    Moment::Mail,
    Moment::Recipient,
    Moment::Data,
    Moment::Body,
    Moment::Dot,
    Moment::Taken,
    Moment::Answered,
];

/// What happens at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed.
    Close,
    /// It is reset.
    Reset,
    /// Its one half is closed; what the daemon still sends is read.
    HalfClose,
    /// Nothing more is read or said.
    Stall,
    /// This is said instead; the relay is not asked.
    Say(&'static str),
}

/// The running proxy.
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    relay: SocketAddr,
    broken: Mutex<Option<(Moment, Fault)>>,
    /// Connections that stall, kept open.
    stalled: Mutex<Vec<Link>>,
}

impl Proxy {
    /// A proxy before `relay` that passes everything on until [`Proxy::break_at`].
    pub async fn start(relay: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // A long message must not fit into the buffers: its sender is to stand in the middle of it.
        socket.set_recv_buffer_size(64 << 10).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(128).unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { relay, broken: Mutex::default(), stalled: Mutex::default() });
        let world = Arc::downgrade(&shared);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Some(shared) = world.upgrade() else { return };
                tokio::spawn(async move {
                    // Either side may go at any time: that is what it is for.
                    let _ended = shared.pass(tcp).await;
                });
            }
        });
        Self { addr, shared }
    }

    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Breaks every conversation from now on at `moment`.
    pub fn break_at(&self, moment: Moment, fault: Fault) {
        *self.shared.broken.lock().unwrap() = Some((moment, fault));
    }

    /// Breaks nothing any more.
    pub fn heal(&self) {
        *self.shared.broken.lock().unwrap() = None;
        self.shared.stalled.lock().unwrap().clear();
    }
}

/// One conversation.
struct Link {
    daemon: BufReader<OwnedReadHalf>,
    to_daemon: OwnedWriteHalf,
    relay: BufReader<OwnedReadHalf>,
    to_relay: OwnedWriteHalf,
}

/// What a fault leaves of a conversation.
enum After {
    Goes(Link),
    Ended,
}

impl Shared {
    async fn pass(&self, tcp: TcpStream) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let relay = TcpStream::connect(self.relay).await?;
        relay.set_nodelay(true)?;
        let (daemon, to_daemon) = tcp.into_split();
        let (relay, to_relay) = relay.into_split();
        let mut link = Link { daemon: BufReader::new(daemon), to_daemon, relay: BufReader::new(relay), to_relay };
        let greeting = link.reply().await?;
        match self.fault(Moment::Greeting) {
            Some(fault) => match self.carry_out(link, fault).await? {
                After::Goes(goes) => link = goes,
                After::Ended => return Ok(()),
            },
            None => link.to_daemon.write_all(&greeting).await?,
        }
        loop {
            let command = link.command().await?;
            let moment = match command.get(..4).unwrap_or_default().to_ascii_uppercase().as_slice() {
                b"EHLO" => Some(Moment::Hello),
                b"MAIL" => Some(Moment::Mail),
                b"RCPT" => Some(Moment::Recipient),
                b"DATA" => Some(Moment::Data),
                _ => None,
            };
            if let Some(fault) = moment.and_then(|moment| self.fault(moment)) {
                match self.carry_out(link, fault).await? {
                    After::Goes(goes) => link = goes,
                    After::Ended => return Ok(()),
                }
                continue;
            }
            link.to_relay.write_all(&command).await?;
            let reply = link.reply().await?;
            link.to_daemon.write_all(&reply).await?;
            if moment == Some(Moment::Data) && reply.starts_with(b"354") {
                match self.message(link).await? {
                    After::Goes(goes) => link = goes,
                    After::Ended => return Ok(()),
                }
            }
        }
    }

    /// From the 354 to the answer to the dot.
    async fn message(&self, mut link: Link) -> io::Result<After> {
        if let Some(fault) = self.fault(Moment::Body) {
            let mut some = [0; 16];
            let length = link.daemon.read(&mut some).await?;
            link.to_relay.write_all(&some[..length]).await?;
            return self.carry_out(link, fault).await;
        }
        let message = link.read_to_the_dot().await?;
        if let Some(fault) = self.fault(Moment::Dot) {
            return self.carry_out(link, fault).await;
        }
        link.to_relay.write_all(&message).await?;
        let reply = link.reply().await?;
        if let Some(fault) = self.fault(Moment::Taken) {
            return self.carry_out(link, fault).await;
        }
        link.to_daemon.write_all(&reply).await?;
        match self.fault(Moment::Answered) {
            Some(fault) => self.carry_out(link, fault).await,
            None => Ok(After::Goes(link)),
        }
    }

    fn fault(&self, moment: Moment) -> Option<Fault> {
        self.broken.lock().unwrap().filter(|(broken, _)| *broken == moment).map(|(_, fault)| fault)
    }

    async fn carry_out(&self, mut link: Link, fault: Fault) -> io::Result<After> {
        match fault {
            Fault::Close => {}
            Fault::Reset => link.to_daemon.as_ref().set_zero_linger()?,
            Fault::HalfClose => {
                link.to_daemon.shutdown().await?;
                tokio::io::copy(&mut link.daemon, &mut tokio::io::sink()).await?;
            }
            Fault::Stall => self.stalled.lock().unwrap().push(link),
            Fault::Say(words) => {
                link.to_daemon.write_all(format!("{words}\r\n").as_bytes()).await?;
                return Ok(After::Goes(link));
            }
        }
        Ok(After::Ended)
    }
}

impl Link {
    /// One line from the daemon.
    async fn command(&mut self) -> io::Result<Vec<u8>> {
        line(&mut self.daemon).await
    }

    /// One whole reply of the relay.
    async fn reply(&mut self) -> io::Result<Vec<u8>> {
        let mut reply = Vec::new();
        loop {
            let line = line(&mut self.relay).await?;
            let is_last = line.get(3) != Some(&b'-');
            reply.extend(line);
            if is_last {
                return Ok(reply);
            }
        }
    }

    /// A message with its dot.
    async fn read_to_the_dot(&mut self) -> io::Result<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            let line = line(&mut self.daemon).await?;
            message.extend_from_slice(&line);
            if line == b".\r\n" {
                return Ok(message);
            }
        }
    }
}

async fn line(from: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line).await?;
    if line.ends_with(b"\n") { Ok(line) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
