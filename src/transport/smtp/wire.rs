//! Bytes out under a timer, replies in under a timer and a cap.
//!
//! It knows lines and nothing of what they mean; `session` decides that.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::transport::Reply;

use super::reply::Draft;

/// RFC 5321 4.5.3.1.5 allows 512 bytes; some relays need more for a URL.
const MAX_LINE_BYTES: usize = 2048;

/// Bytes of a message under one timer.
const BLOCK_BYTES: usize = 64 * 1024;

/// A connection, in the clear or under TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Why the wire gave no reply.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The timer fired.
    #[error("nothing moved within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The other side closed.
    #[error("the relay closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// What came is no reply.
    #[error("the relay's answer is not SMTP: {0}")]
    Garbled(&'static str),
}

/// A connection with what was read from it and not yet used.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// The connection itself, or nothing if the other side said more than it was asked.
    pub(super) fn into_stream(self) -> Option<Box<dyn Stream>> {
        self.buffer.is_empty().then_some(self.stream)
    }

    /// Writes and flushes. An error means that not all of it has left: what the
    /// system did not take is dropped with the connection, never sent later.
    pub(super) async fn send(&mut self, bytes: &[u8], limit: Duration) -> Result<(), WireError> {
        for block in bytes.chunks(BLOCK_BYTES) {
            let write = async {
                self.stream.write_all(block).await?;
                Ok(self.stream.flush().await?)
            };
            within(limit, write).await?;
        }
        Ok(())
    }

    /// Reads one whole reply; `limit` is for all its lines, so dripping does not stretch it.
    pub(super) async fn read_reply(&mut self, limit: Duration) -> Result<Reply, WireError> {
        let read = async {
            let mut draft = Draft::default();
            loop {
                let line = self.read_line().await?;
                if let Some(reply) = draft.push(&line).map_err(WireError::Garbled)? {
                    return Ok(reply);
                }
            }
        };
        within(limit, read).await
    }

    /// Sends a command and reads its reply.
    pub(super) async fn ask(&mut self, command: &str, limit: Duration) -> Result<Reply, WireError> {
        self.send(command.as_bytes(), limit).await?;
        self.read_reply(limit).await
    }

    /// Whether the other side has neither closed nor said anything unasked. After a
    /// "no" a byte may be lost: the connection is of no more use anyway.
    pub(super) async fn is_quiet(&mut self) -> bool {
        let mut probe = [0];
        let nothing = poll_fn(|context| {
            let mut probe = ReadBuf::new(&mut probe);
            Poll::Ready(Pin::new(&mut self.stream).poll_read(context, &mut probe).is_pending())
        });
        self.buffer.is_empty() && nothing.await
    }

    async fn read_line(&mut self) -> Result<Vec<u8>, WireError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                line.pop_if(|byte| *byte == b'\r');
                return Ok(line);
            }
            if self.buffer.len() > MAX_LINE_BYTES {
                return Err(WireError::Garbled("a line is too long"));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(WireError::Closed);
            }
        }
    }
}

/// Runs `work` for at most `limit` of real time.
async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, WireError>>) -> Result<T, WireError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(WireError::Timeout(limit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn reads_replies_that_came_in_one_piece_one_by_one() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let mut wire = Wire::new(ours);
        theirs.write_all(b"250 one\r\n250-two\r\n250 three\n").await.unwrap();
        assert_eq!(wire.read_reply(LIMIT).await.unwrap().text, "250 one");
        assert!(!wire.is_quiet().await);
        assert_eq!(wire.read_reply(LIMIT).await.unwrap().text, "250-two\n250 three");
        assert!(wire.is_quiet().await);
        drop(theirs);
        assert!(!wire.is_quiet().await);
    }

    #[tokio::test]
    async fn stops_reading_a_line_without_end() {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        theirs.write_all(&[b'2'; 16 * 1024]).await.unwrap();
        assert!(matches!(Wire::new(ours).read_reply(LIMIT).await, Err(WireError::Garbled(_))));
    }

    #[tokio::test]
    async fn gives_a_dripping_server_no_more_time() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(b"250-and\r\n").await.unwrap();
        let read = Wire::new(ours).read_reply(Duration::from_millis(20)).await;
        assert!(matches!(read, Err(WireError::Timeout(_))));
    }
}
