//! Lines of Postfix's log: which message got which queue id, and what is in the queue.
//!
//! A log is written by many and repeats what strangers say, so a line counts only by its
//! beginning: `TIME HOST postfix/PROGRAM[PID]: QUEUE-ID: ...`. Whether an id in it is
//! genuine is for the reader to know.

/// Bytes of a line that is looked at; ours are far shorter.
const LONGEST: usize = 2_000;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueLine {
    /// The headers of a message were read. It may still be refused or break off.
    Named {
        /// The queue id.
        queue_id: String,
        /// The Message-ID.
        message_id: String,
    },
    /// A message is in the queue: it was taken, and a 250 was given or about to be.
    Queued {
        /// The queue id.
        queue_id: String,
        /// The return path.
        from: String,
        /// When, as the log has it.
        at: String,
    },
}

/// Reads a line, if it is one of these.
pub fn parse(line: &str) -> Option<QueueLine> {
    if line.len() > LONGEST {
        return None;
    }
    let (head, said) = line.split_once("]: ")?;
    let (head, pid) = head.rsplit_once('[')?;
    let (head, process) = head.rsplit_once(' ')?;
    let (instance, program) = process.rsplit_once('/')?;
    let (queue_id, said) = said.split_once(": ")?;
    let is_number = !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit());
    if !is_number || !instance.starts_with("postfix") || !is_queue_id(queue_id) {
        return None;
    }
    let queue_id = queue_id.to_owned();
    match program {
        "cleanup" => {
            let message_id = said.strip_prefix("message-id=<")?.strip_suffix('>')?.to_owned();
            Some(QueueLine::Named { queue_id, message_id })
        }
        "qmgr" => {
            let from = said.strip_suffix("(queue active)")?.strip_prefix("from=<")?.split_once(">,")?.0.to_owned();
            let at = head.rsplit_once(' ').map_or(head, |(at, _host)| at).trim();
            let at = at.chars().filter(|c| !c.is_control()).take(40).collect();
            Some(QueueLine::Queued { queue_id, from, at })
        }
        _ => None,
    }
}

/// Short ones are hexadecimal, long ones letters and digits.
fn is_queue_id(text: &str) -> bool {
    (5..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> Option<String> {
        match parse(line)? {
            QueueLine::Named { queue_id, message_id } => Some(format!("{queue_id} {message_id}")),
            QueueLine::Queued { .. } => None,
        }
    }

    fn queued(line: &str) -> Option<String> {
        match parse(line)? {
            QueueLine::Queued { queue_id, from, at } => Some(format!("{queue_id} {from} {at}")),
            QueueLine::Named { .. } => None,
        }
    }

    #[test]
    fn reads_both_ways_of_writing_the_time_and_every_instance() {
        let at = "Mar  1 08:34:10 mail";
        let line = format!("{at} postfix/cleanup[91]: 4Zk1Xb0Vq1z: message-id=<abc@fyrljus.example>");
        assert_eq!(named(&line).as_deref(), Some("4Zk1Xb0Vq1z abc@fyrljus.example"));
        let line =
            format!("{at} postfix/qmgr[7]: 3F2A19: from=<ut+abc@fyrljus.example>, size=1, nrcpt=1 (queue active)");
        assert_eq!(queued(&line).as_deref(), Some("3F2A19 ut+abc@fyrljus.example Mar  1 08:34:10"));
        let line =
            "2027-03-01T08:34:10.5+01:00 mail postfix-out/submission/qmgr[7]: 3F2A19: from=<>, size=1 (queue active)";
        assert_eq!(queued(line).as_deref(), Some("3F2A19  2027-03-01T08:34:10.5+01:00"));
    }

    #[test]
    fn takes_no_strangers_words_for_the_queues() {
        let ours = "postfix/qmgr[7]: 3F2A19: from=<ut+abc@fyrljus.example>, size=1 (queue active)";
        let hostile = [
            format!("Mar  1 08:34:10 mail postfix/smtpd[8]: NOQUEUE: reject: helo=<{ours}>"),
            format!("Mar  1 08:34:10 mail postfix/smtpd[8]: 3F2A19: client={ours}"),
            format!("Mar  1 08:34:10 mail postfix/cleanup[8]: 3F2A19: warning: header Subject: x {ours} from x"),
            format!("Mar  1 08:34:10 mail sshd[8]: {ours}"),
            "Mar  1 08:34:10 mail postfix/qmgr[7]: 3F2A19: from=<a@b.example>, size=1 (queue active) x".into(),
            "Mar  1 08:34:10 mail postfix/qmgr[7]: 3F2A19: removed".into(),
            "Mar  1 08:34:10 mail postfix/qmgr[x]: 3F2A19: from=<a>, size=1 (queue active)".into(),
            "Mar  1 08:34:10 mail other/qmgr[7]: 3F2A19: from=<a>, size=1 (queue active)".into(),
            "Mar  1 08:34:10 mail postfix/qmgr[7]: 3F/../19: from=<a>, size=1 (queue active)".into(),
            format!("Mar  1 08:34:10 mail postfix/cleanup[8]: 3F2A19: message-id=<{}>", "x".repeat(LONGEST)),
            String::new(),
            "]: [".into(),
            "[1]: ".into(),
        ];
        for line in hostile {
            assert_eq!(parse(&line), None, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_fails_on_any_line(line in ".{0,300}") {
            let _ = parse(&line);
        }
    }
}
