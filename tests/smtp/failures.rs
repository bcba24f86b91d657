//! Connections that end at the worst moment: not sent, or uncertain, and never mixed up.

use std::sync::Arc;

use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options, Stage};
use outreachd::transport::Verdict;
use tokio::sync::Notify;

use crate::support::*;

#[tokio::test]
async fn a_drop_before_the_354_is_not_sent() {
    for stage in [Stage::Mail, Stage::Recipient, Stage::Data] {
        let server = server_that(stage, Answer::Drop).await;
        let mut session = session(&clear(server.addr())).await;
        let begun = session.begin(&envelope("anna@granvik.example", LETTER)).await;
        assert!(matches!(begun, Err(Verdict::NotSent(_))), "{stage:?}: {begun:?}");
        assert!(!session.is_usable());
    }
}

#[tokio::test]
async fn a_drop_in_the_middle_of_the_letter_is_not_sent() {
    let server = server_that(Stage::Body, Answer::Drop).await;
    let mut session = session(&clear(server.addr())).await;
    let verdict = send(&mut session, "anna@granvik.example", &large_letter()).await;
    assert!(matches!(verdict, Verdict::NotSent(_)), "{verdict:?}");
    assert!(!session.is_usable());
}

#[tokio::test]
async fn a_drop_after_the_dot_is_uncertain() {
    let server = server_that(Stage::Dot, Answer::Drop).await;
    let mut session = session(&clear(server.addr())).await;
    let verdict = send(&mut session, "anna@granvik.example", LETTER).await;
    assert!(matches!(verdict, Verdict::Uncertain(_)), "{verdict:?}");
    assert!(!session.is_usable());
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn a_drop_before_the_250_is_uncertain_though_the_letter_came() {
    let server = server_that(Stage::Dot, Answer::KeepAndDrop).await;
    let mut session = session(&clear(server.addr())).await;
    let verdict = send(&mut session, "anna@granvik.example", LETTER).await;
    assert!(matches!(verdict, Verdict::Uncertain(_)), "{verdict:?}");
    assert_eq!(server.wait_for(1).await[0].message, LETTER);
}

#[tokio::test]
async fn a_stall_before_the_letter_fires_the_command_timer() {
    let server = server_that(Stage::Recipient, Answer::Stall).await;
    let mut session = session(&hasty(server.addr())).await;
    let verdict = send(&mut session, "anna@granvik.example", LETTER).await;
    assert_eq!(verdict, Verdict::NotSent("lost at RCPT: nothing moved within 1 s".to_owned()));
    assert!(!session.is_usable());
}

#[tokio::test]
async fn a_stall_in_the_letter_fires_the_block_timer() {
    let peer = Peer::saying(&["220 hi", "250 PIPELINING", "250 Ok", "250 Ok", "354 go"], true).await;
    let mut session = session(&hasty(peer.addr)).await;
    let verdict = send(&mut session, "anna@granvik.example", &large_letter()).await;
    peer.heard.abort();
    assert_eq!(verdict, Verdict::NotSent("lost before the end of the message: nothing moved within 1 s".to_owned()));
}

#[tokio::test]
async fn a_stall_after_the_dot_fires_the_final_timer_and_is_uncertain() {
    let server = server_that(Stage::Dot, Answer::Stall).await;
    let mut session = session(&hasty(server.addr())).await;
    let verdict = send(&mut session, "anna@granvik.example", LETTER).await;
    assert_eq!(verdict, Verdict::Uncertain("the message left and no answer came: nothing moved within 1 s".to_owned()));
    assert!(!session.is_usable());
}

#[tokio::test]
async fn a_421_ends_the_session_and_is_for_later() {
    for stage in [Stage::Mail, Stage::Recipient, Stage::Dot] {
        let server = server_that(stage, Answer::Reply("421 4.3.2 closing".to_owned())).await;
        let mut session = session(&clear(server.addr())).await;
        let Verdict::Retry(reply) = send(&mut session, "anna@granvik.example", LETTER).await else { panic!() };
        assert_eq!(reply.code, 421);
        assert!(!session.is_usable());
    }
}

#[tokio::test]
async fn an_abandoned_transaction_ends_without_a_dot() {
    let peer = Peer::saying(&["220 hi", "250 hi", "250 Ok", "250 Ok", "354 go on"], false).await;
    let mut session = session(&clear(peer.addr)).await;
    session.begin(&envelope("anna@granvik.example", LETTER)).await.unwrap();
    assert!(!session.is_usable());
    session.abandon();
    assert!(peer.heard.await.unwrap().ends_with("DATA\r\n"));
}

#[tokio::test]
async fn a_cancelled_exchange_spoils_the_session() {
    let reached = Arc::new(Notify::new());
    let signal = reached.clone();
    let script = move |facts: &Facts<'_>| match facts.stage {
        Stage::Recipient => {
            signal.notify_one();
            Answer::Stall
        }
        _ => Answer::Accept,
    };
    let server = MailServer::start(script, Options::default()).await.unwrap();
    let mut session = session(&clear(server.addr())).await;
    tokio::select! {
        verdict = send(&mut session, "anna@granvik.example", LETTER) => panic!("{verdict:?}"),
        () = reached.notified() => {}
    }
    assert!(!session.is_usable());
    let verdict = send(&mut session, "lars@dalkarra.example", LETTER).await;
    assert_eq!(verdict, Verdict::NotSent("the session cannot be used any more".to_owned()));
}

#[tokio::test]
async fn sends_no_dot_after_a_354_without_a_recipient() {
    let lines = &["220 hi", "250-hi\r\n250 PIPELINING", "250 Ok\r\n550 5.1.1 no\r\n354 go on then"];
    let peer = Peer::saying(lines, false).await;
    let mut session = session(&clear(peer.addr)).await;
    let verdict = send(&mut session, "anna@granvik.example", LETTER).await;
    assert!(matches!(verdict, Verdict::Rejected(_)), "{verdict:?}");
    assert!(!session.is_usable());
    session.quit().await;
    assert!(peer.heard.await.unwrap().ends_with("DATA\r\n"));
}

#[tokio::test]
async fn an_answer_before_the_dot_holds_the_dot_back() {
    let peer = Peer::saying(&["220 hi", "250 hi", "250 Ok", "250 Ok", "354 go on\r\n250 queued already"], false).await;
    let mut session = session(&clear(peer.addr)).await;
    let verdict = send(&mut session, "anna@granvik.example", LETTER).await;
    assert!(matches!(verdict, Verdict::NotSent(_)), "{verdict:?}");
    assert!(!session.is_usable());
    session.quit().await;
    assert!(peer.heard.await.unwrap().ends_with("\r\nHej Anna!\r\n"));
}
