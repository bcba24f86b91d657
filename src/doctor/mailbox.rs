//! Each mailbox: opened as `run` opens it, and left as it was; and whether answers
//! and bounces have a mailbox to come to.

use std::time::Duration;

use tokio::time::timeout;

use crate::config::{Config, Mailbox, Sender};
use crate::inbox::{Inbox, InboxError};
use crate::model::address::EmailAddress;

use super::{Check, Finding};

/// Connecting, logging in, opening and searching a large folder.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the mailbox and fetches nothing.
pub(super) async fn examine(mailbox: &Mailbox) -> Check {
    match timeout(PATIENCE, open(mailbox)).await {
        Ok(Ok(())) => Finding::ok(seen(mailbox)),
        Ok(Err(error)) => Finding::from_error(error),
        Err(_) => Finding::failed(
            format!("no answer within {} s", PATIENCE.as_secs()),
            "check host, port and tls, and that no firewall is between",
        ),
    }
    .of(format!("mailbox {}", mailbox.id))
}

async fn open(mailbox: &Mailbox) -> Result<(), InboxError> {
    // With a limit of none the folder is opened and looked through, and no message comes.
    Inbox::open(mailbox).await?.fetch(None, 0).await.map(drop)
}

fn seen(mailbox: &Mailbox) -> String {
    match (&mailbox.maildir, &mailbox.host) {
        (None, Some(host)) => format!("{host}:{}, login works, folder `{}` opens", mailbox.port, mailbox.folder),
        (maildir, _) => format!("Maildir `{}` is readable", maildir.as_deref().unwrap_or("".as_ref()).display()),
    }
}

/// Looks whether what letters name as the way back leads to a mailbox that is read.
pub(super) fn examine_coverage(config: &Config) -> Check {
    judge_coverage(&config.senders, &config.mailboxes).of("way back")
}

fn judge_coverage(senders: &[Sender], mailboxes: &[Mailbox]) -> Finding {
    if mailboxes.is_empty() {
        return Finding::failed(
            "no [[mailbox]]: answers and bounces are read by nobody, and plans go on after an answer",
            "add a [[mailbox]] that reads `reply_to` and `bounces`",
        );
    }
    if let Some(sender) = senders.iter().find(|sender| sender.bounces.is_none()) {
        return Finding::warning(
            format!("sender `{}` has no `bounces`: bounces go where its letters come from", sender.id),
            "set `bounces` to an address whose mail, with +token too, ends in a [[mailbox]]",
        );
    }
    let unknown: Vec<_> = senders.iter().flat_map(ways_back).filter(|way| !is_read(way, mailboxes)).collect();
    let mut names: Vec<_> = unknown.iter().map(|way| way.as_str()).collect();
    names.dedup();
    if names.is_empty() {
        return Finding::ok("answers and bounces go to a mailbox that is read");
    }
    Finding {
        advice: Some(format!("send a letter to {} and look for it in the mailbox", names.join(" and "))),
        ..Finding::skipped("whether answers and bounces end in a mailbox below cannot be seen from here")
    }
}

fn ways_back(sender: &Sender) -> [&EmailAddress; 2] {
    [sender.reply_to.as_ref().unwrap_or(&sender.from), sender.bounces.as_ref().unwrap_or(&sender.from)]
}

/// A login is often the mailbox's address; an alias or a Maildir says nothing.
fn is_read(address: &EmailAddress, mailboxes: &[Mailbox]) -> bool {
    let same = |name: &String| name.eq_ignore_ascii_case(address.as_str());
    mailboxes.iter().any(|mailbox| mailbox.username.as_ref().is_some_and(same))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::config::Tls;
    use crate::model::text::Line;

    fn sender(reply_to: &str, bounces: Option<&str>) -> Sender {
        let address = |text| EmailAddress::parse(text).unwrap();
        Sender {
            id: "fyrljus".into(),
            legal_name: Line::parse("Fyrljus AB").unwrap(),
            postal_address: Line::parse("Lyktgatan 4").unwrap(),
            from: address("hej@fyrljus.example"),
            reply_to: Some(address(reply_to)),
            bounces: bounces.map(address),
            relay: None,
            fax: None,
            phone: None,
            dkim: Vec::new(),
            feedback_id: "fyrljus".into(),
            auto_submitted: false,
        }
    }

    fn mailbox(username: &str) -> Mailbox {
        Mailbox {
            id: "svar".into(),
            maildir: None,
            host: Some("imap.fyrljus.example".into()),
            port: 993,
            tls: Tls::Implicit,
            ca_file: None,
            username: Some(username.into()),
            password: None,
            oauth: None,
            folder: "INBOX".into(),
            sent: None,
            poll_s: 30,
        }
    }

    #[test]
    fn fails_where_nobody_reads_the_answers() {
        assert_eq!(judge_coverage(&[sender("svar@fyrljus.example", None)], &[]).state, State::Failed);
    }

    #[test]
    fn knows_a_mailbox_by_its_login() {
        let both = sender("svar@fyrljus.example", Some("Svar@fyrljus.example"));
        let mailboxes = [mailbox("svar@fyrljus.example")];
        assert_eq!(judge_coverage(&[both], &mailboxes).state, State::Ok);
        let alias = judge_coverage(&[sender("svar@fyrljus.example", Some("studs@fyrljus.example"))], &mailboxes);
        assert_eq!(alias.state, State::Skipped);
        assert_eq!(alias.advice.unwrap(), "send a letter to studs@fyrljus.example and look for it in the mailbox");
        assert_eq!(judge_coverage(&[sender("svar@fyrljus.example", None)], &mailboxes).state, State::Warning);
    }
}
