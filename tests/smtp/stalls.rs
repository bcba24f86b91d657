//! B1 and T3: a server that says nothing, in each phase, and one that never ends.

use std::net::SocketAddr;
use std::time::Duration;

use outreachd::config::{self, Relay, Timeouts};
use outreachd::demo::mail_server::{Answer, Stage};
use outreachd::transport::Verdict;
use outreachd::transport::smtp::{ConnectError, Connector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::*;

const STAGES: [Stage; 4] = [Stage::Mail, Stage::Recipient, Stage::Data, Stage::Dot];

/// Patient in every phase but one.
fn hasty_at(addr: SocketAddr, stage: Stage) -> Relay {
    let mut timeouts = Timeouts::all(60);
    let hasty = match stage {
        Stage::Greeting => &mut timeouts.greeting_s,
        Stage::Mail => &mut timeouts.mail_s,
        Stage::Recipient => &mut timeouts.recipient_s,
        Stage::Data => &mut timeouts.data_s,
        Stage::Body => &mut timeouts.block_s,
        Stage::Dot => &mut timeouts.dot_s,
    };
    *hasty = 1;
    Relay { timeouts, ..clear(addr) }
}

#[test]
fn b1_waits_as_long_as_rfc_5321_asks_and_as_the_configuration_says() {
    let text = |more: &str| {
        format!(
            "[company]\nname = \"Fyrljus AB\"\nhead = \"mira.holm@fyrljus.example\"\n[database]\nurl = \"sqlite:o.db\"\n\
             [[sender]]\nid = \"fyrljus\"\nlegal_name = \"Fyrljus AB\"\npostal_address = \"Lyktgatan 4\"\n\
             from = \"hej@fyrljus.example\"\n[[relay]]\nid = \"main\"\nhost = \"127.0.0.1\"\nport = 25\ntls = \"none\"\n{more}"
        )
    };
    let read = |more: &str| config::parse("o.toml".as_ref(), &text(more), &[]).unwrap().relays[0].timeouts;
    let Timeouts { greeting_s, mail_s, recipient_s, data_s, block_s, dot_s, .. } = read("");
    assert_eq!((greeting_s, mail_s, recipient_s, data_s, block_s, dot_s), (300, 300, 300, 120, 180, 600));
    let changed = read("timeouts = { data_s = 7, dot_s = 900 }");
    assert_eq!((changed.data_s, changed.dot_s, changed.mail_s), (7, 900, 300));
}

#[tokio::test]
async fn b1_each_phase_has_its_own_timer() {
    let greeting = async {
        let server = server_that(Stage::Greeting, Answer::Stall).await;
        let error = connect_error(&hasty_at(server.addr(), Stage::Greeting)).await;
        assert!(matches!(error, ConnectError::NoGreeting { .. }), "{error}");
    };
    let body = async {
        let peer = Peer::saying(&["220 hi", "250 PIPELINING", "250 Ok", "250 Ok", "354 go"], true).await;
        let mut session = session(&hasty_at(peer.addr, Stage::Body)).await;
        let verdict = send(&mut session, "anna@granvik.example", &large_letter()).await;
        peer.heard.abort();
        assert!(matches!(&verdict, Verdict::NotSent(why) if why.ends_with("within 1 s")), "{verdict:?}");
    };
    let others = STAGES.map(|stage| async move {
        let server = server_that(stage, Answer::Stall).await;
        let mut session = session(&hasty_at(server.addr(), stage)).await;
        let verdict = send(&mut session, "anna@granvik.example", LETTER).await;
        let (Verdict::NotSent(why) | Verdict::Uncertain(why)) = &verdict else { panic!("{stage:?}: {verdict:?}") };
        assert!(why.ends_with("nothing moved within 1 s"), "{stage:?}: {why}");
        assert_eq!(matches!(verdict, Verdict::Uncertain(_)), stage == Stage::Dot);
    });
    tokio::join!(greeting, body, futures_util::future::join_all(others));
}

/// Bytes of memory this process holds.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn t3_a_server_that_stalls_in_any_phase_is_left_by_its_timer_and_costs_no_memory() {
    let before = resident_bytes();
    let stalls = STAGES.map(|stage| async move {
        let server = server_that(stage, Answer::Stall).await;
        let connector = Connector::new(&hasty_at(server.addr(), stage)).unwrap();
        let sessions = (0..25).map(|_| async {
            let mut session = connector.connect().await.unwrap();
            let verdict = send(&mut session, "anna@granvik.example", LETTER).await;
            assert!(!session.is_usable());
            verdict
        });
        let verdicts = futures_util::future::join_all(sessions).await;
        let right = |verdict: &Verdict| match stage {
            Stage::Dot => matches!(verdict, Verdict::Uncertain(_)),
            _ => matches!(verdict, Verdict::NotSent(_)),
        };
        assert!(verdicts.iter().all(right), "{stage:?}: {verdicts:?}");
    });
    let all = tokio::time::timeout(Duration::from_secs(50), futures_util::future::join_all(stalls)).await;
    assert!(all.is_ok(), "a timer did not fire");
    // Other tests of this program run beside this one, hence the room.
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 256 << 20, "100 stalled sessions took {grown} bytes");
}

/// A server whose answer to EHLO never ends: in lines, or in one line.
async fn endless(piece: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"220 hi\r\n").await.unwrap();
        let mut heard = [0; 1024];
        let _command = tcp.read(&mut heard).await;
        while tcp.write_all(piece).await.is_ok() {}
    });
    addr
}

#[tokio::test]
async fn t3_an_answer_without_end_is_cut_off() {
    for piece in [&b"250-and one more\r\n"[..], &[b'2'; 4096]] {
        let error = connect_error(&clear(endless(piece).await)).await;
        assert!(error.to_string().contains("the relay's answer is not SMTP"), "{error}");
    }
}
