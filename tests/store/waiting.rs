//! What waits, how it is counted, and how it is found again.

use jiff::{Timestamp, ToSpan};
use outreachd::model::delivery::DeliveryState;
use outreachd::store::{Claimed, DeliveryFilter, Release};

use crate::support::databases::databases;
use crate::{act, now, two_claimed};

fn put_back(claimed: &Claimed, to: DeliveryState, due_at: Option<Timestamp>) -> Release {
    Release { delivery: claimed.row.id, to, due_at, not_after: None, reason: None }
}

#[tokio::test]
async fn what_waits_is_found_to_the_minute_within_its_five_and_beyond() {
    for database in databases("five_minutes").await {
        let store = &database.store;
        let (daemon, claimed) = two_claimed(store).await;
        let minute = |count: i64| now() + count.minutes();
        // By their ids the later one comes first: both are of the same five minutes.
        let back = [
            put_back(&claimed[0], DeliveryState::Scheduled, Some(minute(3))),
            put_back(&claimed[1], DeliveryState::Scheduled, Some(minute(1))),
        ];
        assert_eq!(store.release(&act(), daemon, &back).await.unwrap(), 2);
        let waiting = || async { store.waiting_lanes().await.unwrap() };
        assert_eq!(waiting().await, [("email/main".to_owned(), minute(1))]);
        assert_eq!(store.claim(daemon, "email/main", now(), 10).await.unwrap(), []);
        assert_eq!(store.next_due_at("email/main", now()).await.unwrap(), Some(minute(1)));
        assert_eq!(store.next_due_at("email/main", now() - 1.hour()).await.unwrap(), Some(minute(1)));
        assert_eq!(store.status(minute(2)).await.unwrap().oldest_due, Some(minute(1)));
        let taken = store.claim(daemon, "email/main", minute(1), 10).await.unwrap();
        assert_eq!(taken.iter().map(|one| one.row.id).collect::<Vec<_>>(), [claimed[1].row.id]);
        let back = [put_back(&claimed[1], DeliveryState::Scheduled, Some(minute(7)))];
        store.release(&act(), daemon, &back).await.unwrap();
        assert_eq!(waiting().await, [("email/main".to_owned(), minute(3))]);
        assert_eq!(store.next_due_at("email/main", minute(3)).await.unwrap(), Some(minute(7)));
        assert_eq!(store.status(minute(2)).await.unwrap().oldest_due, None);
        assert_eq!(store.claim(daemon, "email/main", minute(7), 1).await.unwrap()[0].row.id, claimed[0].row.id);
    }
}

#[tokio::test]
async fn status_and_lists_find_each_delivery_once_whatever_its_state() {
    for database in databases("each_once").await {
        let store = &database.store;
        let (daemon, claimed) = two_claimed(store).await;
        let counts = || async {
            let status = store.status(now()).await.unwrap();
            status.deliveries.iter().map(|row| (row.state, row.count)).collect::<Vec<_>>()
        };
        assert_eq!(counts().await, [(DeliveryState::Claimed, 2)]);
        let back =
            [put_back(&claimed[0], DeliveryState::Held, None), put_back(&claimed[1], DeliveryState::Skipped, None)];
        assert_eq!(store.release(&act(), daemon, &back).await.unwrap(), 2);
        assert_eq!(counts().await, [(DeliveryState::Held, 1), (DeliveryState::Skipped, 1)]);
        let (held, skipped) = (&claimed[0].row, &claimed[1].row);
        let list = |filter: DeliveryFilter| async move {
            store.deliveries(&filter, 10).await.unwrap().iter().map(|row| row.id).collect::<Vec<_>>()
        };
        let states = vec![DeliveryState::Uncertain, DeliveryState::Held];
        assert_eq!(list(DeliveryFilter { states, ..Default::default() }).await, [held.id]);
        let (contact, campaign) = (skipped.contact, Some("led".to_owned()));
        let of_one = DeliveryFilter { contact, campaign, ..Default::default() };
        assert_eq!(list(of_one).await, [skipped.id]);
        assert_eq!(list(DeliveryFilter { id: Some(held.id), ..Default::default() }).await, [held.id]);
        assert_eq!(list(DeliveryFilter::default()).await, [skipped.id, held.id]);
        store.resolve_delivery(&act(), held.id, DeliveryState::Retry, "asked").await.unwrap();
        assert_eq!(counts().await, [(DeliveryState::Retry, 1), (DeliveryState::Skipped, 1)]);
    }
}
