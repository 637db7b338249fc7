//! Each knob of the SQS server, seen through the real SDK; and that a seed repeats.

mod common;

use std::time::Duration;

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use aws_sdk_sqs::{Client, Config};
use common::{Jumping, bodies, client, config, delete, queue, receive, send};
use surety_cloud::sqs::Throttle;
use surety_cloud::{Chaos, Clock as _, Knob, Sqs};

/// Calls until it happens; fails when it does not in a hundred calls.
const TRIES: usize = 100;

#[tokio::test]
async fn samples_show_a_part() {
    let chaos = Chaos { seed: 1, sample: Knob::chance(0.5), ..Chaos::none() };
    let clock = Jumping::new();
    let sqs = Sqs::start(clock.clone(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[("VisibilityTimeout", "0")]).await;
    for n in 0..5 {
        send(&client, &url, &n.to_string()).await;
    }
    let (mut nothing, mut some, mut all) = (0, 0, 0);
    for _ in 0..TRIES {
        match receive(&client, &url).await.len() {
            0 => nothing += 1,
            5 => all += 1,
            _ => some += 1,
        }
    }
    assert!(nothing > 0 && some > 0 && all > 0, "{nothing} {some} {all}, seed {}", sqs.seed());
    for _ in 0..TRIES {
        let call = client.receive_message().queue_url(&url).max_number_of_messages(10);
        let got = call.wait_time_seconds(20).send().await.unwrap();
        assert!(!got.messages().is_empty(), "a long poll sees something");
    }
    assert!(sqs.hits()["sample"] > 50);
}

#[tokio::test]
async fn a_blind_receive_does_not_see_what_is_there() {
    let chaos = Chaos { blind: Knob::always().times(2), ..Chaos::none() };
    let clock = Jumping::new();
    let sqs = Sqs::start(clock.clone(), chaos.clone()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    send(&client, &url, "m").await;
    assert!(receive(&client, &url).await.is_empty());
    let began = clock.now_ms();
    let call = client.receive_message().queue_url(&url).wait_time_seconds(20);
    let got = call.clone().send().await.unwrap();
    assert_eq!((got.messages().len(), clock.now_ms() - began), (0, 20_000));
    assert_eq!(call.send().await.unwrap().messages().len(), 1);
}

#[tokio::test]
async fn a_blind_long_poll_wakes_while_the_time_stands_still() {
    let chaos = Chaos { blind: Knob::always(), ..Chaos::none() };
    let sqs = Sqs::start(Jumping::still(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    send(&client, &url, "1").await;
    let call = client.receive_message().queue_url(&url).max_number_of_messages(10);
    let poll = tokio::spawn(call.wait_time_seconds(20).send());
    while !sqs.hits().contains_key("blind") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!poll.is_finished());
    send(&client, &url, "2").await;
    let reply = tokio::time::timeout(Duration::from_secs(5), poll).await.unwrap().unwrap();
    assert_eq!(bodies(&reply.unwrap().messages.unwrap()), ["1", "2"]);
}

#[tokio::test]
async fn the_order_is_any() {
    let chaos = Chaos { shuffle: Knob::always(), ..Chaos::none() };
    let sqs = Sqs::start(Jumping::still(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[("VisibilityTimeout", "0")]).await;
    for n in 0..10 {
        send(&client, &url, &n.to_string()).await;
    }
    let got = receive(&client, &url).await;
    let mut sorted = bodies(&got);
    sorted.sort_unstable();
    assert_ne!(bodies(&got), sorted);
    assert_eq!(sorted.len(), 10);
}

#[tokio::test]
async fn fifo_is_sampled_but_keeps_its_order() {
    let chaos = Chaos::hostile(3);
    let quiet = Knob::off();
    let chaos = Chaos {
        sample: Knob::chance(0.7),
        throttle: quiet.clone(),
        lost_before: quiet.clone(),
        lost_after: quiet.clone(),
        error_after: quiet.clone(),
        slow_create: quiet,
        ..chaos
    };
    let clock = Jumping::new();
    let sqs = Sqs::start(clock.clone(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let attributes = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
    let url = queue(&client, "a.fifo", &attributes).await;
    for n in 0..20 {
        let call = client.send_message().queue_url(&url).message_body(format!("{n:02}"));
        call.message_group_id("x").send().await.unwrap();
    }
    let mut got: Vec<String> = Vec::new();
    for _ in 0..10 * TRIES {
        for message in receive(&client, &url).await {
            // One comes again when its delete was ignored, but none before its turn.
            let body = message.body().unwrap().to_owned();
            assert!(got.len() < 20 && *got.last().unwrap_or(&String::new()) <= body, "{got:?}");
            if got.last() != Some(&body) {
                got.push(body);
            }
            let handle = message.receipt_handle().unwrap();
            let gone = client.delete_message().queue_url(&url).receipt_handle(handle);
            let _ = gone.send().await;
            if sqs.messages("a.fifo").iter().any(|m| m.body == *got.last().unwrap()) {
                break; // Ignored: what follows must wait for it.
            }
        }
        clock.advance_ms(30_000);
    }
    assert_eq!(got, (0..20).map(|n| format!("{n:02}")).collect::<Vec<_>>());
    let hits = sqs.hits();
    assert!(hits["sample"] > 0 && !hits.contains_key("shuffle") && !hits.contains_key("zombie"));
}

#[tokio::test]
async fn two_receivers_get_the_same_message() {
    let chaos = Chaos { duplicate: Knob::always().times(1), ..Chaos::none() };
    let sqs = Sqs::start(Jumping::still(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    send(&client, &url, "m").await;
    let first = receive(&client, &url).await.remove(0);
    assert_eq!(sqs.visible("a"), 1);
    let second = receive(&client, &url).await.remove(0);
    assert_eq!(first.message_id(), second.message_id());
    assert_ne!(first.receipt_handle(), second.receipt_handle());
    assert!(receive(&client, &url).await.is_empty());
    delete(&client, &url, &first).await;
    assert!(sqs.messages("a").is_empty());
}

#[tokio::test]
async fn a_deleted_message_comes_back_once() {
    let chaos = Chaos { zombie: Knob::always(), ..Chaos::none() };
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    send(&client, &url, "m").await;
    let message = receive(&client, &url).await.remove(0);
    delete(&client, &url, &message).await;
    assert!(sqs.messages("a")[0].zombie);
    clock.advance_ms(60_000);
    let again = receive(&client, &url).await.remove(0);
    assert_eq!(again.message_id(), message.message_id());
    delete(&client, &url, &again).await;
    clock.advance_ms(60_000);
    assert!(receive(&client, &url).await.is_empty());
    assert!(sqs.messages("a").is_empty());
}

#[tokio::test]
async fn an_old_handle_is_a_coin_toss() {
    let chaos = Chaos { old_handle: Knob::always().times(2), ..Chaos::none() };
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    send(&client, &url, "m").await;
    let old = receive(&client, &url).await.remove(0);
    clock.advance_ms(30_000);
    let handle = old.receipt_handle().unwrap();
    let extend = client.change_message_visibility().queue_url(&url).receipt_handle(handle);
    extend.visibility_timeout(100).send().await.unwrap();
    assert_eq!(sqs.visible("a"), 1, "extended without effect");
    receive(&client, &url).await.remove(0);
    delete(&client, &url, &old).await;
    assert_eq!(sqs.messages("a").len(), 1, "deleted without effect");
    delete(&client, &url, &old).await;
    assert!(sqs.messages("a").is_empty(), "deleted by the old handle");
}

#[tokio::test]
async fn deletes_and_changes_are_ignored_with_200() {
    let once = Knob::always().times(1);
    let chaos = Chaos { delete_ignored: once.clone(), change_ignored: once, ..Chaos::none() };
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    send(&client, &url, "m").await;
    let message = receive(&client, &url).await.remove(0);
    let extend = client.change_message_visibility().queue_url(&url).visibility_timeout(100);
    extend.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
    clock.advance_ms(30_000);
    assert_eq!(sqs.visible("a"), 1);
    delete(&client, &url, &message).await;
    assert_eq!(sqs.messages("a").len(), 1);
    delete(&client, &url, &message).await;
    assert!(sqs.messages("a").is_empty());
    assert_eq!((sqs.hits()["delete_ignored"], sqs.hits()["change_ignored"]), (1, 1));
}

#[tokio::test]
async fn the_name_of_a_deleted_queue_is_blocked_for_a_minute() {
    let chaos = Chaos { name_blocked: Knob::always(), ..Chaos::none() };
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    client.delete_queue().queue_url(&url).send().await.unwrap();
    clock.advance_ms(59_999);
    let error = client.create_queue().queue_name("a").send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_deleted_recently());
    queue(&client, "b", &[]).await;
    clock.advance_ms(1);
    queue(&client, "a", &[]).await;
}

#[tokio::test]
async fn what_is_sent_to_a_deleted_queue_vanishes() {
    let chaos = Chaos { lingers: Knob::always(), ..Chaos::none() };
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    client.delete_queue().queue_url(&url).send().await.unwrap();
    assert!(sqs.queues().is_empty());
    send(&client, &url, "swallowed").await;
    clock.advance_ms(60_000);
    let error = client.send_message().queue_url(&url).message_body("m").send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
    queue(&client, "a", &[]).await;
    assert!(receive(&client, &url).await.is_empty());
}

#[tokio::test]
async fn a_new_queue_is_not_found_for_a_second() {
    let chaos = Chaos { slow_create: Knob::always(), ..Chaos::none() };
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    let error = client.send_message().queue_url(&url).message_body("m").send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
    assert_eq!(queue(&client, "a", &[]).await, url);
    clock.advance_ms(1_000);
    send(&client, &url, "m").await;
}

#[tokio::test]
async fn the_list_is_no_index() {
    let chaos = Chaos { seed: 5, unlisted: Knob::chance(0.5), ..Chaos::none() };
    let sqs = Sqs::start(Jumping::still(), chaos).await.unwrap();
    let client = client(&sqs).await;
    for n in 0..10 {
        queue(&client, &n.to_string(), &[]).await;
    }
    let listed = client.list_queues().send().await.unwrap();
    assert!((1..10).contains(&listed.queue_urls().len()), "{}", listed.queue_urls().len());
    assert_eq!(sqs.queues().len(), 10);
}

#[tokio::test]
async fn throttles_have_several_spellings() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    send(&client, &url, "m").await;
    let cases = [
        (Throttle::RequestThrottled, 400, "RequestThrottled"),
        (Throttle::Throttling, 400, "ThrottlingException"),
        (Throttle::Kms, 400, "KMS.ThrottlingException"),
        (Throttle::OverLimit, 403, "OverLimit"),
        (Throttle::Unavailable, 503, "ServiceUnavailable"),
    ];
    for (spelling, status, code) in cases {
        let throttle = Knob::always();
        sqs.set_chaos(Chaos { throttle, spelling: Some(spelling), ..Chaos::none() });
        let error = client.receive_message().queue_url(&url).send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), status);
        let error = error.into_service_error();
        assert_eq!(error.meta().code(), Some(code));
        let typed = (error.is_request_throttled(), error.is_kms_throttled(), error.is_over_limit());
        let wanted = (
            spelling == Throttle::RequestThrottled,
            spelling == Throttle::Kms,
            spelling == Throttle::OverLimit,
        );
        assert_eq!(typed, wanted, "{error:?}");
    }
    assert!(!sqs.messages("a")[0].in_flight, "a throttle has no effect");
    // Left to chance, each operation gets those that it has.
    sqs.set_chaos(Chaos { throttle: Knob::always(), ..Chaos::none() });
    let mut codes = std::collections::BTreeSet::new();
    for _ in 0..TRIES {
        let error = client.list_queues().send().await.unwrap_err().into_service_error();
        codes.insert(error.meta().code().unwrap().to_owned());
    }
    let all = ["RequestThrottled", "ServiceUnavailable", "ThrottlingException"];
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn replies_are_lost_before_and_after_the_effect() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    let call = || client.send_message().queue_url(&url).message_body("m").send();
    let once = || Knob::always().of(&["SendMessage"]).times(1);
    sqs.set_chaos(Chaos { lost_before: once(), ..Chaos::none() });
    let error = call().await.unwrap_err();
    assert!(error.as_service_error().is_none(), "{error:?}");
    assert!(sqs.messages("a").is_empty());

    sqs.set_chaos(Chaos { lost_after: once(), ..Chaos::none() });
    // Other operations are not touched.
    client.list_queues().send().await.unwrap();
    let error = call().await.unwrap_err();
    assert!(error.as_service_error().is_none(), "{error:?}");
    assert_eq!(sqs.messages("a").len(), 1);

    sqs.set_chaos(Chaos { error_after: once(), ..Chaos::none() });
    let error = call().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 500);
    assert_eq!(sqs.messages("a").len(), 2);
    call().await.unwrap();
    assert_eq!(sqs.messages("a").len(), 3);
}

/// The trap of the SDK: it retries a lost reply by itself, and there are two.
#[tokio::test]
async fn the_sdk_sends_twice_when_a_reply_is_lost() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let shared = config(&sqs.url()).await;
    let config = Config::from(&shared).to_builder().retry_config(RetryConfig::standard());
    let client = Client::from_conf(config.build());
    let url = queue(&client, "a", &[]).await;
    sqs.set_chaos(Chaos { lost_after: Knob::always().times(1), ..Chaos::none() });
    send(&client, &url, "m").await;
    assert_eq!((sqs.messages("a").len(), sqs.calls()["SendMessage"]), (2, 2));
}

#[tokio::test]
async fn a_lost_receive_leaves_its_messages_in_flight() {
    let chaos = Chaos { lost_after: Knob::always().of(&["ReceiveMessage"]), ..Chaos::none() };
    let sqs = Sqs::start(Jumping::still(), chaos).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    send(&client, &url, "m").await;
    client.receive_message().queue_url(&url).send().await.unwrap_err();
    assert!(sqs.messages("a")[0].in_flight);
}

/// What a sequential client sees of a hostile server, as text.
async fn run(seed: u64) -> String {
    let clock = Jumping::new();
    let sqs = Sqs::start(clock.clone(), Chaos::hostile(seed)).await.unwrap();
    let client = client(&sqs).await;
    let mut seen = String::new();
    for round in 0..20 {
        let made = client.create_queue().queue_name(format!("q-{}", round % 3)).send().await;
        seen += &format!("made {}\n", made.is_ok());
        let Ok(made) = made else { continue };
        let url = made.queue_url.unwrap();
        let entries = (0..3).map(|n| {
            let entry = SendMessageBatchRequestEntry::builder().id(n.to_string());
            entry.message_body(format!("{round} {n}")).build().unwrap()
        });
        let call = client.send_message_batch().queue_url(&url);
        let sent = call.set_entries(Some(entries.collect())).send().await;
        seen += &format!("sent {}\n", sent.is_ok());
        let call = client.receive_message().queue_url(&url).max_number_of_messages(10);
        let got = call.wait_time_seconds(1).send().await;
        let got = got.ok().and_then(|g| g.messages).unwrap_or_default();
        seen += &format!("got {:?}\n", bodies(&got));
        for message in got {
            let handle = message.receipt_handle().unwrap();
            let call = client.delete_message().queue_url(&url).receipt_handle(handle);
            seen += &format!("deleted {}\n", call.send().await.is_ok());
        }
        if round % 5 == 4 {
            seen += &format!("{}\n", client.delete_queue().queue_url(&url).send().await.is_ok());
        }
        clock.advance_ms(7_000);
    }
    let left: Vec<_> = sqs.queues().iter().flat_map(|q| sqs.messages(q)).collect();
    format!("{seen}{left:?}\n{:?}", sqs.hits())
}

#[tokio::test]
async fn a_seed_repeats_a_run_exactly() {
    let (first, second, other) = (run(11).await, run(11).await, run(12).await);
    assert_eq!(first, second);
    assert_ne!(first, other);
}

/// However hostile: what was acknowledged is received some time, and what is deleted
/// again and again is gone some time. A test may rely on both.
#[tokio::test]
async fn a_hostile_server_loses_nothing_that_it_acknowledged() {
    let mut hits = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let clock = Jumping::new();
        let sqs = Sqs::start(clock.clone(), Chaos::hostile(seed)).await.unwrap();
        let client = client(&sqs).await;
        let url = loop {
            if let Ok(made) = client.create_queue().queue_name("a").send().await {
                break made.queue_url.unwrap();
            }
        };
        clock.advance_ms(1_000);
        let mut acknowledged = std::collections::BTreeSet::new();
        for n in 0..30 {
            let body = n.to_string();
            let call = client.send_message().queue_url(&url).message_body(&body);
            if call.send().await.is_ok() {
                acknowledged.insert(body);
            }
        }
        let mut received = std::collections::BTreeSet::new();
        let mut rounds = 0;
        while !sqs.messages("a").is_empty() {
            rounds += 1;
            assert!(rounds < 1_000, "{:?}, seed {seed}", sqs.messages("a"));
            let call = client.receive_message().queue_url(&url).max_number_of_messages(10);
            let got = call.wait_time_seconds(20).send().await.ok().and_then(|g| g.messages);
            for message in got.unwrap_or_default() {
                let handle = message.receipt_handle().unwrap();
                let _ = client.delete_message().queue_url(&url).receipt_handle(handle).send().await;
                received.insert(message.body.unwrap());
            }
        }
        assert!(received.is_superset(&acknowledged), "seed {seed}");
        assert!(acknowledged.len() > 20, "seed {seed}");
        hits.extend(sqs.hits().into_keys());
    }
    for knob in [
        "blind",
        "delete_ignored",
        "duplicate",
        "error_after",
        "lost_after",
        "lost_before",
        "sample",
        "shuffle",
        "slow_create",
        "throttle",
        "zombie",
    ] {
        assert!(hits.contains(knob), "{knob} never hit: {hits:?}");
    }
}
