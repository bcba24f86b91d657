//! The tests that need real servers: they run where the variables of
//! `support/services.rs` name some, and always under CI.

mod clients;
mod company;
mod main_job;
#[path = "../support/mod.rs"]
mod support;
mod uncertain;
mod verify;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use support::services::{RealMail, delivered_to, postgres_url, real_mail};

/// A connection to one of the mail servers, spoken to a line at a time.
struct Talk(BufReader<TcpStream>);

impl Talk {
    fn open(host: &str, port: u16) -> Self {
        let stream = TcpStream::connect((host, port)).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time above zero");
        Self(BufReader::new(stream))
    }

    fn say(&mut self, line: &str) {
        write!(self.0.get_mut(), "{line}\r\n").expect("the server reads");
    }

    /// Reads lines until one begins with `last`, and gives all of them.
    fn hear(&mut self, last: &str) -> String {
        let mut heard = String::new();
        loop {
            let start = heard.len();
            let read = self.0.read_line(&mut heard).expect("the server answers in time");
            assert_ne!(read, 0, "the server hung up after: {heard}");
            if heard[start..].starts_with(last) {
                return heard;
            }
        }
    }
}

#[tokio::test]
async fn postgres_answers() {
    let Some(url) = postgres_url() else { return };
    let mut connection = PgConnection::connect(&url).await.expect("the database takes the connection");
    connection.ping().await.expect("the database answers");
}

#[test]
fn postfix_offers_starttls_and_no_password_before_it() {
    let Some(mail) = real_mail() else { return };
    let mut smtp = Talk::open(&mail.host, mail.smtp_port);
    smtp.hear("220 ");
    smtp.say("EHLO test.example");
    let offers = smtp.hear("250 ");
    assert!(offers.contains("STARTTLS"), "no STARTTLS in: {offers}");
    assert!(!offers.contains("AUTH"), "a password could be sent in clear: {offers}");
}

#[test]
fn postfix_sends_nothing_outside() {
    let Some(mail) = real_mail() else { return };
    let mut smtp = Talk::open(&mail.host, mail.smtp_port);
    smtp.hear("220 ");
    for (say, hear) in [
        ("HELO test.example", "250 "),
        ("MAIL FROM:<anna.lind@clients.example>", "250 "),
        ("RCPT TO:<someone@elsewhere.example>", "554 "),
        ("RCPT TO:<outreach@fyrljus.example>", "250 "),
        ("QUIT", "221 "),
    ] {
        smtp.say(say);
        smtp.hear(hear);
    }
}

#[test]
fn an_answer_to_a_plus_address_lands_in_our_mailbox() {
    let Some(mail) = real_mail() else { return };
    let mut imap = Talk::open(&mail.host, mail.imap_port);
    imap.hear("* OK");
    imap.say(&format!("a LOGIN {} {}", mail.outreach.user, mail.outreach.password));
    imap.hear("a OK");
    imap.say("b SELECT INBOX");
    imap.hear("b OK");
    imap.say("c IDLE");
    imap.hear("+ ");

    let recipient = format!("outreach+smoke{}@fyrljus.example", std::process::id());
    let mut smtp = Talk::open(&mail.host, mail.smtp_port);
    smtp.hear("220 ");
    for (say, hear) in [
        ("HELO test.example", "250 "),
        ("MAIL FROM:<anna.lind@clients.example>", "250 "),
        (&*format!("RCPT TO:<{recipient}>"), "250 "),
        ("DATA", "354 "),
        ("Subject: tack\r\n\r\nJa, ring mig.\r\n.", "250 "),
        ("QUIT", "221 "),
    ] {
        smtp.say(say);
        smtp.hear(hear);
    }

    let landed = || {
        let mails = RealMail::mails(&mail.outreach_maildir);
        mails.iter().filter(|mail| delivered_to(mail).as_ref() == Some(&recipient)).count()
    };
    // Other tests' mails wake the mailbox too; each wake-up is a reason to look again.
    while landed() == 0 {
        imap.hear("* ");
    }
    assert_eq!(landed(), 1);
}

#[test]
fn a_description_gives_each_of_its_entries() {
    let text = "host=localhost\nsmtp_port=2525\nimap_port=1143\nimaps_port=1993\nca_file=/x/ca.pem\nsmtp_user=s\n\
                smtp_password=a=b\noutreach_user=o\noutreach_password=p\nclients_user=c\nclients_password=q\n\
                outreach_maildir=/x/o\nclients_maildir=/x/c\npostfix_log=/x/log\n";
    let mail = RealMail::parse(text);
    assert_eq!((mail.smtp_port, mail.imap_port, mail.imaps_port), (2525, 1143, 1993));
    assert_eq!(mail.smtp.password, "a=b");
    assert_eq!(mail.clients.user, "c");
}
