//! T2: the connection breaks at each moment in each way, with and without pipelining.
//!
//! [`expected`] is the table of the promise, row by row. After each break the relay is
//! well again: what never left goes then, once; what may have left does not.

use outreachd::demo::mail_server::{Answer, MailServer, Options};
use outreachd::model::delivery::DeliveryState;
use outreachd::store::DeliveryRow;

use crate::bench::Bench;
use crate::support::daemon::soon;
use crate::support::proxy::{Fault, MOMENTS, Moment, Proxy};

/// What a break makes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// As it was: nothing was tried.
    Ready,
    /// It is tried again.
    Retry,
    /// Refused for good.
    Rejected,
    /// Nobody knows.
    Uncertain,
    /// Taken.
    Accepted,
}

/// A message so long that its sender is still in the middle of it when it breaks.
const LONG: usize = 6 << 20;

const FOR_NOW: Fault = Fault::Say("451 4.3.0 not now");
const FOR_GOOD: Fault = Fault::Say("554 5.0.0 no");
const GOING: Fault = Fault::Say("421 4.3.2 going down");
const NONSENSE: Fault = Fault::Say("what?");

/// The class, and how many copies the relay has; nothing where the two make no sense together.
fn expected(moment: Moment, fault: Fault) -> Option<(Class, usize)> {
    let is_reply = matches!(fault, Fault::Say(_));
    Some(match moment {
        // Whatever a relay says before MAIL is about us, not about a letter.
        Moment::Greeting | Moment::Hello => (Class::Ready, 0),
        Moment::Mail | Moment::Recipient | Moment::Data if fault == FOR_GOOD => (Class::Rejected, 0),
        Moment::Mail | Moment::Recipient | Moment::Data => (Class::Retry, 0),
        // The dot provably did not leave: the relay must forget the message (RFC 5321 4.1.1.10).
        Moment::Body if !is_reply => (Class::Retry, 0),
        Moment::Dot if fault == FOR_NOW || fault == GOING => (Class::Retry, 0),
        Moment::Dot if fault == FOR_GOOD => (Class::Rejected, 0),
        Moment::Dot => (Class::Uncertain, 0),
        Moment::Taken if !is_reply || fault == NONSENSE => (Class::Uncertain, 1),
        Moment::Answered if !is_reply => (Class::Accepted, 1),
        Moment::Body | Moment::Taken | Moment::Answered => return None,
    })
}

/// Both ways of a relay, side by side.
async fn breaks(fault: Fault) {
    tokio::join!(breaks_with(fault, true), breaks_with(fault, false));
}

async fn breaks_with(fault: Fault, pipelining: bool) {
    let relay = MailServer::start(|_| Answer::Accept, Options { pipelining, ..Options::default() }).await.unwrap();
    let proxy = Proxy::start(relay.addr()).await;
    let bench = Bench::new(proxy.port(), 1).await;
    for moment in MOMENTS {
        let Some((class, copies)) = expected(moment, fault) else { continue };
        let case = format!("{fault:?} at {moment:?}, pipelining {pipelining}");
        let name = format!("{moment:?}").to_lowercase();
        bench.notices(std::slice::from_ref(&name), if moment == Moment::Body { LONG } else { 100 }).await;
        proxy.break_at(moment, fault);
        match fault {
            Fault::Stall => soon(&case, bench.impatient_turn()).await,
            _ => soon(&case, bench.turn()).await,
        }
        let row = bench.row(&name).await;
        assert_eq!((class_of(&row), copies_of(&relay, &name)), (Some(class), copies), "{case}: {row:?}");

        proxy.heal();
        bench.pass_hours(2);
        soon(&case, bench.turn()).await;
        let row = bench.row(&name).await;
        let (state, copies) = match class {
            Class::Ready | Class::Retry | Class::Accepted => (DeliveryState::Accepted, 1),
            Class::Rejected => (DeliveryState::Rejected, 0),
            Class::Uncertain => (DeliveryState::Uncertain, copies),
        };
        assert_eq!((row.state, copies_of(&relay, &name)), (state, copies), "later, {case}: {row:?}");
    }
}

fn class_of(row: &DeliveryRow) -> Option<Class> {
    match (row.state, row.tries) {
        (DeliveryState::Scheduled, 0) => Some(Class::Ready),
        (DeliveryState::Retry, 1) => Some(Class::Retry),
        (DeliveryState::Rejected, 1) => Some(Class::Rejected),
        (DeliveryState::Uncertain, 1) => Some(Class::Uncertain),
        (DeliveryState::Accepted, 1) => Some(Class::Accepted),
        _ => None,
    }
}

fn copies_of(relay: &MailServer, name: &str) -> usize {
    let to = [format!("{name}@fyrljus.example")];
    relay.received().iter().filter(|mail| mail.to == to).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_closed_at_each_moment() {
    breaks(Fault::Close).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_reset_at_each_moment() {
    breaks(Fault::Reset).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_half_closed_at_each_moment() {
    breaks(Fault::HalfClose).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_refused_for_now_at_each_moment() {
    breaks(FOR_NOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_refused_for_good_at_each_moment() {
    breaks(FOR_GOOD).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_sent_away_at_each_moment() {
    breaks(GOING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_answered_with_nonsense_at_each_moment() {
    breaks(NONSENSE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_stalled_at_each_moment() {
    breaks(Fault::Stall).await;
}
