//! The mails of the demo's clients, byte by byte: replies, machines' answers, bounces.

use jiff::Timestamp;
use mail_parser::{Message, MessageParser};

use crate::demo::company;
use crate::demo::mail_server::Received;

/// A captured letter, as far as an answer needs it.
pub(super) struct Letter {
    /// The name of the one it went to.
    name: String,
    /// The address it went to.
    address: String,
    subject: String,
    message_id: String,
    reply_to: String,
    /// The return path.
    bounces: String,
    /// Whom it is from.
    from: String,
    /// When it was written, as a reply says it.
    at: Option<String>,
    text: String,
    /// The header, as it came.
    head: String,
    /// Where one click stops the letters.
    pub(super) one_click: Option<String>,
}

impl Letter {
    /// Reads a captured message; none where it is no mail.
    pub(super) fn read(received: &Received) -> Option<Self> {
        let message = MessageParser::new().parse(&received.message)?;
        let to = message.to()?.first()?;
        let reply_to = message.reply_to().or(message.from())?.first()?;
        let raw = String::from_utf8_lossy(&received.message);
        Some(Self {
            name: to.name().unwrap_or_default().to_owned(),
            address: received.to.first()?.clone(),
            subject: message.subject().unwrap_or_default().to_owned(),
            message_id: message.message_id()?.to_owned(),
            reply_to: reply_to.address()?.to_owned(),
            bounces: received.from.clone(),
            from: message.from()?.first()?.name().unwrap_or_default().to_owned(),
            at: message.date().map(|date| {
                format!("{}-{:02}-{:02} {:02}:{:02}", date.year, date.month, date.day, date.hour, date.minute)
            }),
            text: message.body_text(0).unwrap_or_default().into_owned(),
            head: raw.split("\r\n\r\n").next().unwrap_or_default().to_owned(),
            one_click: one_click(&message),
        })
    }

    /// What a person writes back, with our letter quoted below.
    pub(super) fn reply(&self, at: Timestamp, text: &str) -> Vec<u8> {
        let quoted: String = self.text.lines().take(3).map(|line| format!("> {line}\r\n")).collect();
        let written = self.at.as_deref().unwrap_or_default();
        let body = format!("{text}\r\n\r\nDen {written} skrev {} <{}>:\r\n{quoted}", self.from, self.reply_to);
        self.answer(at, &format!("SV: {}", self.subject), "", &body)
    }

    /// What a machine writes back on a person's behalf (RFC 3834).
    pub(super) fn auto_reply(&self, at: Timestamp, text: &str) -> Vec<u8> {
        let subject = format!("Autosvar: {}", self.subject);
        self.answer(at, &subject, "Auto-Submitted: auto-replied (vacation)\r\n", &format!("{text}\r\n"))
    }

    fn answer(&self, at: Timestamp, subject: &str, more: &str, body: &str) -> Vec<u8> {
        let Self { name, address, message_id, reply_to, .. } = self;
        let (date, number) = (date(at), at.as_second());
        // UTF-8 in the header: every mail program of today writes or understands it (RFC 6532).
        let mail = format!(
            "From: {name} <{address}>\r\nTo: {reply_to}\r\nSubject: {subject}\r\nDate: {date}\r\n\
             Message-ID: <{number}.{address}>\r\nIn-Reply-To: <{message_id}>\r\nReferences: <{message_id}>\r\n{more}\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}"
        );
        mail.into_bytes()
    }

    /// A report that there is no such user, from the server that took the letter (RFC 3464).
    pub(super) fn bounce(&self, at: Timestamp) -> Vec<u8> {
        let Self { address, bounces, head, .. } = self;
        let host = format!("mx.{}", address.rsplit_once('@').map_or("", |(_, domain)| domain));
        let (date, number) = (date(at), at.as_second());
        let mail = format!(
            "From: Mail Delivery System <MAILER-DAEMON@{host}>\r\nTo: {bounces}\r\n\
             Subject: Undelivered Mail Returned to Sender\r\nDate: {date}\r\nMessage-ID: <{number}@{host}>\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"report\"\r\n\r\n\
             --report\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
             This is the mail system at {host}. Your message could not be delivered.\r\n\r\n\
             --report\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; {host}\r\n\r\n\
             Final-Recipient: rfc822; {address}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
             Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n\
             --report\r\nContent-Type: text/rfc822-headers\r\n\r\n{head}\r\n\r\n--report--\r\n"
        );
        mail.into_bytes()
    }
}

/// The address of the one-click POST (RFC 8058): the first https (here http) one of the header.
fn one_click(message: &Message<'_>) -> Option<String> {
    let list = message.header_raw("List-Unsubscribe")?;
    let links = list.split(['<', '>']).map(|part| part.split_whitespace().collect::<String>());
    message.header_raw("List-Unsubscribe-Post")?;
    links.into_iter().find(|link| link.starts_with("http"))
}

/// A date as mail writes it.
fn date(at: Timestamp) -> String {
    at.to_zoned_datetime(company::zone()).strftime("%a, %-d %b %Y %H:%M:%S %z").to_string()
}
