//! The targets of `fuzz/`, each driven for a bounded number of cases: random bytes,
//! words that mean something put together without sense, and cut or nested mail.

#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::time::{Duration, Instant};

use proptest::prelude::*;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 6] = [
    ("mail", targets::mail),
    ("delivery_status", targets::delivery_status),
    ("feedback", targets::feedback),
    ("calendar", targets::calendar),
    ("notice", targets::notice),
    ("quotes", targets::quotes),
];

/// Words that each reader looks for, and what may stand between them.
const WORDS: [&str; 48] = [
    "\r\n",
    "\n",
    "\r\n\r\n",
    " ",
    "\t",
    ":",
    "<",
    ">",
    ";",
    "--b\r\n",
    "--b--\r\n",
    "a@b.example",
    "<a@b.example>:",
    "å@ö.example",
    "@",
    "550 5.1.1 user unknown",
    "Content-Type: multipart/mixed; boundary=b\r\n",
    "Content-Type: message/rfc822\r\n",
    "Content-Type: message/delivery-status\r\n",
    "Content-Type: text/html; charset=iso-2022-jp\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "Final-Recipient: rfc822; ",
    "Original-Recipient: utf-8;\\x{",
    "Action: failed\r\n",
    "Status: 5.",
    "Diagnostic-Code: smtp; ",
    "Feedback-Type: abuse\r\n",
    "Original-Rcpt-To: ",
    "Auto-Submitted: auto-replied\r\n",
    "Subject: =?utf-8?Q?=",
    "?=",
    "BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\n",
    "Hi. This is the qmail-send program",
    "did not reach the following recipient(s):",
    "was not delivered to:\r\n  ",
    "because:",
    "----- Transcript of session follows -----",
    "554 <a@b.example>... ",
    "{\"notificationType\":\"Bounce\",\"bounce\":{\"bouncedRecipients\":[{\"emailAddress\":\"",
    "> ",
    "Den 1 mars 2027 skrev Karin Ek <karin@fyrljus.example>:",
    "-----Original Message-----",
    "From: Karin\r\nSent: Monday\r\nTo: Anna\r\nSubject: x\r\n",
    "-- \r\n",
    "\u{202e}",
    "\0",
    "ä",
];

fn senseless() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => proptest::sample::select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
    ];
    proptest::collection::vec(word, 0..80).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn each_target_holds_for_random_bytes(data in proptest::collection::vec(any::<u8>(), 0..1_500)) {
        TARGETS.iter().for_each(|(_, target)| target(&data));
    }

    #[test]
    fn each_target_holds_for_senseless_words(data in senseless()) {
        TARGETS.iter().for_each(|(_, target)| target(&data));
    }
}

#[test]
fn each_target_ends_in_time_whatever_is_repeated() {
    // Debug code on a busy machine has slack; what is quadratic takes minutes all the same.
    let most = Duration::from_secs(10);
    for (name, target) in TARGETS {
        for word in WORDS {
            let data = word.repeat(60_000 / word.len());
            let begun = Instant::now();
            target(data.as_bytes());
            assert!(begun.elapsed() < most, "{name} took {:?} for {word:?}", begun.elapsed());
        }
    }
}
