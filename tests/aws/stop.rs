//! A host that stops lets others have at once what it has in hand, however long its
//! leases are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use futures_util::poll;
use serde_json::json;
use surety_core::ports::{Clock, Found, Ticket};
use surety_core::types::MsgId;
use surety_store::{AwsConfig, Bodies, Config, Stores};
use surety_tests::clock::{RealClock, VirtualClock};
use surety_tests::cloud::Cloud;
use surety_tests::rig::Rig;

use crate::work::begin;

/// Longer than any of these tests, on whatever clock.
const LEASE_S: u16 = 3_600;

/// How long a ticket may take, on the machine's clock, that is there.
const PATIENCE: Duration = Duration::from_secs(10);

const FEEDER: &str = "surety-feeder-0";

fn open(cloud: &Cloud, clock: Arc<dyn Clock>) -> Stores {
    let config = AwsConfig { lease_s: LEASE_S, ..cloud.config() };
    surety_store::open(&Config::Aws(config), clock).unwrap()
}

fn ticket(n: u8) -> Ticket {
    Ticket { msg_id: MsgId::from_bytes([n; 16]), seq: 0 }
}

async fn lease(stores: &Stores) -> Ticket {
    let lease = tokio::time::timeout(PATIENCE, stores.feeder.lease()).await;
    lease.expect("a ticket that is there comes").unwrap().ticket
}

/// Of several tickets that came together, one is in hand, and nobody waits any more for
/// the others.
#[tokio::test]
async fn a_stop_gives_back_what_came() {
    let clock = Arc::new(VirtualClock::default());
    let cloud = Cloud::start_at(Bodies::Sqs, clock.clone());
    let (first, second) = (open(&cloud, clock.clone()), open(&cloud, clock.clone()));
    let all: Vec<_> = (1..6).map(ticket).collect();
    for ticket in &all {
        first.feeder.push(*ticket, clock.now()).await.unwrap();
    }
    let (in_hand, _, waiting) = select_all(all.iter().map(|_| first.feeder.lease())).await;
    in_hand.unwrap();
    drop(waiting);
    assert_eq!(cloud.sqs().visible(FEEDER), 0, "all of them came");

    let before = clock.now();
    first.close().await;
    let mut found = BTreeSet::new();
    for _ in &all {
        found.insert(lease(&second).await.msg_id);
    }
    assert_eq!(found, all.iter().map(|ticket| ticket.msg_id).collect());
    assert!(clock.now() < before.after(Duration::from_secs(LEASE_S.into())), "they were hidden");
}

/// SQS has answered, and who waited is gone before it heard of it.
#[tokio::test]
async fn a_stop_gives_back_what_is_on_its_way() {
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let cloud = Cloud::start_at(Bodies::Sqs, Arc::clone(&clock));
    let (first, second) = (open(&cloud, Arc::clone(&clock)), open(&cloud, Arc::clone(&clock)));
    second.feeder.push(ticket(1), clock.now()).await.unwrap();
    let mut waiting = first.feeder.lease();
    while !cloud.sqs().messages(FEEDER)[0].in_flight {
        assert!(poll!(&mut waiting).is_pending(), "it was to be dropped before");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(waiting);
    first.close().await;
    assert_eq!(lease(&second).await, ticket(1));
}

/// A receive that is under way at a stop may be answered until it ends.
#[tokio::test]
async fn a_stop_gives_back_what_comes_meanwhile() {
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let cloud = Cloud::start_at(Bodies::Sqs, Arc::clone(&clock));
    let (first, second) = (open(&cloud, Arc::clone(&clock)), open(&cloud, Arc::clone(&clock)));
    let moment = Duration::from_millis(300);
    assert!(tokio::time::timeout(moment, first.feeder.lease()).await.is_err());
    let push = async {
        tokio::time::sleep(moment).await;
        second.feeder.push(ticket(1), clock.now()).await.unwrap();
    };
    tokio::join!(first.clone().close(), push);
    // It went to the receive that was there first, which nobody had cut off.
    let seen = cloud.sqs().messages(FEEDER);
    assert_eq!((seen[0].receive_count, seen[0].in_flight), (1, false));
    assert_eq!(lease(&second).await, ticket(1));
    let closed = first.feeder.lease().await.expect_err("it is closed").to_string();
    assert!(closed.contains("closed"), "{closed}");
}

/// A turn that is given up leaves its message to others, not only its ticket.
#[tokio::test]
async fn a_stop_gives_back_the_messages_in_hand() {
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let (cloud, rig) = begin(bodies).await;
        let open = || Rig::new(open(&cloud, rig.clock.clone()), &rig.clock, &rig.actions);
        let id = rig.submit(json!({"first": "ok"})).await;
        let before = rig.clock.now();
        let first = open();
        assert_eq!(lease(&first.stores).await.msg_id, id);
        assert!(matches!(first.stores.guarantee.load(id).await.unwrap(), Found::Open(_)));
        first.stores.close().await;

        let second = open();
        // Admitted, the two actions, and its end.
        for _ in 0..3 {
            let lease = tokio::time::timeout(PATIENCE, second.stores.feeder.lease()).await;
            let lease = lease.expect("its ticket").unwrap();
            second.controller.handle(lease).await.unwrap();
        }
        assert!(matches!(second.stores.guarantee.load(id).await.unwrap(), Found::Archived));
        let lease = Duration::from_secs(LEASE_S.into());
        assert!(rig.clock.now() < before.after(lease), "it was hidden");
    }
}
