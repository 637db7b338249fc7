//! The plain server, through the real SDK: what AWS documents.

mod common;

use std::time::{Duration, Instant};

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use common::{Jumping, bodies, client, delete, queue, receive, send};
use surety_cloud::{Chaos, RealClock, Sqs};

/// A typed error of the SDK: an operation's error, by its question.
macro_rules! assert_refused {
    ($call:expr, $is:ident) => {
        let error = $call.await.unwrap_err().into_service_error();
        assert!(error.$is(), "{error:?}");
    };
}

/// The code of an error that has no type in the SDK.
macro_rules! code_of {
    ($call:expr) => {
        $call.await.unwrap_err().into_service_error().meta().code().unwrap().to_owned()
    };
}

/// Polls, and returns when the server is at it.
macro_rules! polling {
    ($sqs:expr, $client:expr, $url:expr) => {{
        let poll = $client.receive_message().queue_url($url).wait_time_seconds(20).send();
        let poll = tokio::spawn(poll);
        while !$sqs.calls().contains_key("ReceiveMessage") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!poll.is_finished());
        poll
    }};
}

#[tokio::test]
async fn queues_are_made_once_and_found() {
    let clock = Jumping::still();
    let sqs = Sqs::start(clock, Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[("VisibilityTimeout", "60")]).await;
    assert_eq!(queue(&client, "a", &[("VisibilityTimeout", "60")]).await, url);
    let name = QueueAttributeName::VisibilityTimeout;
    let other = client.create_queue().queue_name("a").attributes(name.clone(), "61");
    assert_refused!(other.send(), is_queue_name_exists);
    let found = client.get_queue_url().queue_name("a").send().await.unwrap();
    assert_eq!(found.queue_url(), Some(&*url));
    assert_refused!(client.get_queue_url().queue_name("b").send(), is_queue_does_not_exist);

    client
        .set_queue_attributes()
        .queue_url(&url)
        .attributes(name.clone(), "5")
        .send()
        .await
        .unwrap();
    let shown = client.get_queue_attributes().queue_url(&url);
    let shown = shown.attribute_names(QueueAttributeName::All).send().await.unwrap();
    let shown = shown.attributes.unwrap();
    assert_eq!(shown[&name], "5");
    assert_eq!(shown[&QueueAttributeName::MessageRetentionPeriod], "345600");
    assert_eq!(shown[&QueueAttributeName::QueueArn], "arn:aws:sqs:us-east-1:000000000000:a");
    let wrong = client.set_queue_attributes().queue_url(&url).attributes(name, "43201");
    assert_refused!(wrong.send(), is_invalid_attribute_value);
    let wrong = client.set_queue_attributes().queue_url(&url);
    let wrong = wrong.attributes(QueueAttributeName::FifoQueue, "true");
    assert_refused!(wrong.send(), is_invalid_attribute_name);

    client.delete_queue().queue_url(&url).send().await.unwrap();
    assert_refused!(client.delete_queue().queue_url(&url).send(), is_queue_does_not_exist);
    let send = client.send_message().queue_url(&url).message_body("m");
    assert_refused!(send.send(), is_queue_does_not_exist);
    assert_refused!(client.receive_message().queue_url(&url).send(), is_queue_does_not_exist);
    assert!(sqs.queues().is_empty());
}

#[tokio::test]
async fn queues_are_listed_by_prefix_and_page() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    for name in ["g-1", "g-2", "g-3", "feeder"] {
        queue(&client, name, &[]).await;
    }
    let page = client.list_queues().queue_name_prefix("g-").max_results(2).send().await.unwrap();
    assert_eq!(page.queue_urls().len(), 2);
    let rest = client.list_queues().queue_name_prefix("g-").max_results(2);
    let rest = rest.set_next_token(page.next_token).send().await.unwrap();
    assert!(rest.queue_urls()[0].ends_with("/g-3"));
    assert_eq!((rest.queue_urls().len(), rest.next_token()), (1, None));
    let none = client.list_queues().queue_name_prefix("x").send().await.unwrap();
    assert!(none.queue_urls().is_empty());
}

#[tokio::test]
async fn tags_are_kept() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let made = client.create_queue().queue_name("a").tags("one", "1").send().await.unwrap();
    let url = made.queue_url.unwrap();
    client.tag_queue().queue_url(&url).tags("two", "2").send().await.unwrap();
    client.untag_queue().queue_url(&url).tag_keys("one").send().await.unwrap();
    let tags = client.list_queue_tags().queue_url(&url).send().await.unwrap().tags.unwrap();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("two".to_owned(), "2".to_owned())]);
    let wrong = client.tag_queue().queue_url(&url).tags("aws:x", "2");
    assert_eq!(code_of!(wrong.send()), "InvalidParameterValue");
}

#[tokio::test]
async fn names_are_checked() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    for (name, fifo) in [("", false), ("a b", false), ("a.fifo", false), ("a", true)] {
        let mut call = client.create_queue().queue_name(name);
        if fifo {
            call = call.attributes(QueueAttributeName::FifoQueue, "true");
        }
        assert_eq!(code_of!(call.send()), "InvalidParameterValue", "{name}");
    }
    let long = client.create_queue().queue_name("a".repeat(81));
    assert_eq!(code_of!(long.send()), "InvalidParameterValue");
}

#[tokio::test]
async fn a_message_is_hidden_then_comes_again_until_deleted() {
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    let id = send(&client, &url, "m").await;
    let call = client.receive_message().queue_url(&url);
    let first = call.message_system_attribute_names(MessageSystemAttributeName::All).send();
    let first = first.await.unwrap().messages.unwrap().remove(0);
    let system = first.attributes.as_ref().unwrap();
    assert_eq!(first.message_id(), Some(&*id));
    assert_eq!(first.md5_of_body(), Some("6f8f57715090da2632453988d9a1501b"));
    assert_eq!(system[&MessageSystemAttributeName::ApproximateReceiveCount], "1");
    assert_eq!(system[&MessageSystemAttributeName::SentTimestamp], "1800000000000");
    assert!(receive(&client, &url).await.is_empty());
    assert!(sqs.messages("a")[0].in_flight);
    assert_eq!(sqs.next_visible_at("a"), Some(1_800_000_030_000));

    clock.advance_ms(29_999);
    assert!(receive(&client, &url).await.is_empty());
    clock.advance_ms(1);
    assert_eq!(sqs.visible(""), 1);
    let call = client.receive_message().queue_url(&url).visibility_timeout(2);
    assert_eq!(call.send().await.unwrap().messages.unwrap().len(), 1);
    clock.advance_ms(2_000);
    let third = receive(&client, &url).await.remove(0);
    assert_eq!(sqs.messages("a")[0].receive_count, 3);

    let handle = third.receipt_handle().unwrap();
    let change = |handle: &str, seconds| {
        client
            .change_message_visibility()
            .queue_url(&url)
            .receipt_handle(handle)
            .visibility_timeout(seconds)
            .send()
    };
    change(handle, 100).await.unwrap();
    clock.advance_ms(99_000);
    assert!(receive(&client, &url).await.is_empty());
    change(handle, 0).await.unwrap();
    assert_eq!(sqs.visible("a"), 1);
    assert_refused!(change(handle, 10), is_message_not_inflight);
    assert_refused!(change("nonsense", 10), is_receipt_handle_is_invalid);
    assert_eq!(code_of!(change(handle, 43_201)), "InvalidParameterValue");

    delete(&client, &url, &third).await;
    delete(&client, &url, &third).await;
    assert_eq!(code_of!(change(handle, 10)), "InvalidParameterValue");
    assert!(sqs.messages("a").is_empty());
}

#[tokio::test]
async fn delays_hide_new_messages() {
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[("DelaySeconds", "5")]).await;
    send(&client, &url, "by queue").await;
    let own = client.send_message().queue_url(&url).message_body("own").delay_seconds(900);
    own.send().await.unwrap();
    let most = client.send_message().queue_url(&url).message_body("own").delay_seconds(901);
    assert_eq!(code_of!(most.send()), "InvalidParameterValue");
    assert!(receive(&client, &url).await.is_empty());
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    clock.advance_ms(5_000);
    assert_eq!(bodies(&receive(&client, &url).await), ["by queue"]);
    let counts = client.get_queue_attributes().queue_url(&url);
    let counts = counts.set_attribute_names(Some(names.to_vec())).send().await.unwrap();
    let counts = counts.attributes.unwrap();
    assert_eq!(names.map(|n| counts[&n].clone()), ["0", "1", "1"]);
    clock.advance_ms(895_000);
    assert_eq!(bodies(&receive(&client, &url).await), ["by queue", "own"]);
}

#[tokio::test]
async fn what_is_too_old_is_gone() {
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[("MessageRetentionPeriod", "1209600")]).await;
    send(&client, &url, "old").await;
    clock.advance_ms(1_209_600_000 - 1);
    send(&client, &url, "new").await;
    assert_eq!(sqs.messages("a").len(), 2);
    clock.advance_ms(1);
    assert_eq!(bodies(&receive(&client, &url).await), ["new"]);
}

#[tokio::test]
async fn bodies_are_checked() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    let call = |body: &str| client.send_message().queue_url(&url).message_body(body).send();
    assert_refused!(call("a\u{1}b"), is_invalid_message_contents);
    assert_refused!(call("\u{FFFE}"), is_invalid_message_contents);
    assert_eq!(code_of!(call("")), "MissingParameter");
    assert_eq!(code_of!(call(&"a".repeat((1 << 20) + 1))), "InvalidParameterValue");
    call(&"a".repeat(1 << 20)).await.unwrap();
    call("\t\n\r \u{D7FF}\u{E000}\u{10FFFF}").await.unwrap();
    let small = queue(&client, "b", &[("MaximumMessageSize", "1024")]).await;
    let call = client.send_message().queue_url(&small).message_body("a".repeat(1025));
    assert_eq!(code_of!(call.send()), "InvalidParameterValue");
}

#[tokio::test]
async fn attributes_go_along_and_have_their_digest() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    let text = MessageAttributeValue::builder().data_type("String").string_value("v");
    let sent = client
        .send_message()
        .queue_url(&url)
        .message_body("m")
        .message_attributes("k", text.build().unwrap())
        .send()
        .await
        .unwrap();
    // md5 of: 1 "k", 6 "String", type 1, 1 "v", with lengths of four bytes.
    assert_eq!(sent.md5_of_message_attributes(), Some("0a77b0642718c3d9dd47090567d11e0d"));
    let call = client.receive_message().queue_url(&url).message_attribute_names("All");
    let message = call.send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(message.md5_of_message_attributes(), sent.md5_of_message_attributes());
    assert_eq!(message.message_attributes.unwrap()["k"].string_value(), Some("v"));
}

#[tokio::test]
async fn batches_fail_in_part() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    let entry = |id: &str, body: &str| {
        SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
    };
    let call = |entries: Vec<_>| {
        client.send_message_batch().queue_url(&url).set_entries(Some(entries)).send()
    };
    let sent = call(vec![entry("a", "1"), entry("b", "\u{1}"), entry("c", "3")]).await.unwrap();
    let ids: Vec<_> = sent.successful().iter().map(|s| s.id()).collect();
    assert_eq!(ids, ["a", "c"]);
    assert_eq!((sent.failed()[0].id(), sent.failed()[0].sender_fault()), ("b", true));
    assert_eq!(sent.failed()[0].code(), "InvalidMessageContents");

    assert_refused!(call(vec![]), is_empty_batch_request);
    assert_refused!(call(vec![entry("a", "1"), entry("a", "2")]), is_batch_entry_ids_not_distinct);
    assert_refused!(call(vec![entry("a b", "1")]), is_invalid_batch_entry_id);
    let eleven = (0..11).map(|n| entry(&n.to_string(), "m")).collect();
    assert_refused!(call(eleven), is_too_many_entries_in_batch_request);
    let half = "a".repeat(600_000);
    let long = vec![entry("a", &half), entry("b", &half)];
    assert_refused!(call(long), is_batch_request_too_long);

    let got = receive(&client, &url).await;
    assert_eq!(bodies(&got), ["1", "3"]);
    let hide = |id: &str, handle: &str| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id);
        entry.receipt_handle(handle).visibility_timeout(0).build().unwrap()
    };
    let shown = client
        .change_message_visibility_batch()
        .queue_url(&url)
        .entries(hide("a", got[0].receipt_handle().unwrap()))
        .entries(hide("b", "nonsense"))
        .send()
        .await
        .unwrap();
    assert_eq!((shown.successful().len(), shown.failed()[0].code()), (1, "ReceiptHandleIsInvalid"));
    assert_eq!(sqs.visible("a"), 1);
    let remove = |id: &str, handle: &str| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(id);
        entry.receipt_handle(handle).build().unwrap()
    };
    let gone = client
        .delete_message_batch()
        .queue_url(&url)
        .entries(remove("a", got[0].receipt_handle().unwrap()))
        .entries(remove("b", got[1].receipt_handle().unwrap()))
        .entries(remove("c", "nonsense"))
        .send()
        .await
        .unwrap();
    assert_eq!((gone.successful().len(), gone.failed()[0].id()), (2, "c"));
    assert!(sqs.messages("a").is_empty());
}

#[tokio::test]
async fn a_reply_has_at_most_ten() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    for n in 0..12 {
        send(&client, &url, &n.to_string()).await;
    }
    assert_eq!(client.receive_message().queue_url(&url).send().await.unwrap().messages().len(), 1);
    assert_eq!(receive(&client, &url).await.len(), 10);
    assert_eq!(receive(&client, &url).await.len(), 1);
    let call = client.receive_message().queue_url(&url);
    assert_eq!(code_of!(call.clone().max_number_of_messages(11).send()), "InvalidParameterValue");
    assert_eq!(code_of!(call.wait_time_seconds(21).send()), "InvalidParameterValue");
}

#[tokio::test]
async fn fifo_keeps_the_order_of_each_group() {
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let attributes = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
    let url = queue(&client, "a.fifo", &attributes).await;
    let put = |group: &str, body: &str| {
        let call = client.send_message().queue_url(&url).message_group_id(group);
        call.message_body(body).send()
    };
    let mut last = String::new();
    for (group, body) in [("x", "x1"), ("x", "x2"), ("y", "y1"), ("x", "x3")] {
        let sequence = put(group, body).await.unwrap().sequence_number.unwrap();
        assert!(sequence > last);
        last = sequence;
    }
    let one = client.receive_message().queue_url(&url).send().await.unwrap().messages.unwrap();
    assert_eq!(bodies(&one), ["x1"]);
    // x is blocked while x1 is in flight.
    assert_eq!(sqs.visible("a"), 1);
    let others = receive(&client, &url).await;
    assert_eq!(bodies(&others), ["y1"]);
    delete(&client, &url, &one[0]).await;
    let rest = receive(&client, &url).await;
    assert_eq!(bodies(&rest), ["x2", "x3"]);
    // The second is in flight, so the first, visible again, waits for it.
    let handle = rest[0].receipt_handle().unwrap();
    let call = client.change_message_visibility().queue_url(&url).receipt_handle(handle);
    call.visibility_timeout(0).send().await.unwrap();
    assert!(receive(&client, &url).await.is_empty());
    clock.advance_ms(30_000);
    assert_eq!(bodies(&receive(&client, &url).await), ["x2", "y1", "x3"]);

    // A handle that has run out is refused by FIFO queues.
    clock.advance_ms(30_000);
    let late = client.delete_message().queue_url(&url).receipt_handle(handle);
    assert_eq!(code_of!(late.send()), "InvalidParameterValue");
    let delayed = client.send_message().queue_url(&url).message_group_id("x").message_body("d");
    assert_eq!(code_of!(delayed.delay_seconds(1).send()), "InvalidParameterValue");
    let lone = client.send_message().queue_url(&url).message_body("no group");
    assert_eq!(code_of!(lone.send()), "MissingParameter");
}

#[tokio::test]
async fn fifo_takes_a_message_once_in_five_minutes() {
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a.fifo", &[("FifoQueue", "true")]).await;
    let put = |dedup: Option<&str>, body: &str| {
        let call = client.send_message().queue_url(&url).message_group_id("x").message_body(body);
        call.set_message_deduplication_id(dedup.map(str::to_owned)).send()
    };
    let first = put(Some("d"), "1").await.unwrap();
    let again = put(Some("d"), "2").await.unwrap();
    assert_eq!(again.message_id, first.message_id);
    assert_eq!(again.sequence_number, first.sequence_number);
    let got = receive(&client, &url).await;
    assert_eq!(bodies(&got), ["1"]);
    delete(&client, &url, &got[0]).await;
    clock.advance_ms(299_999);
    put(Some("d"), "3").await.unwrap();
    assert!(sqs.messages("a.fifo").is_empty());
    clock.advance_ms(1);
    put(Some("d"), "4").await.unwrap();
    assert_eq!(bodies(&receive(&client, &url).await), ["4"]);
    assert_eq!(code_of!(put(None, "5")), "InvalidParameterValue");
}

#[tokio::test]
async fn fifo_deduplicates_by_group_where_it_is_told_so() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let attributes = [
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "true"),
        ("DeduplicationScope", "messageGroup"),
        ("FifoThroughputLimit", "perMessageGroupId"),
    ];
    let url = queue(&client, "a.fifo", &attributes).await;
    for group in ["x", "x", "y"] {
        let call = client.send_message().queue_url(&url).message_group_id(group);
        call.message_body("m").send().await.unwrap();
    }
    let groups: Vec<_> = sqs.messages("a.fifo").into_iter().map(|m| m.group.unwrap()).collect();
    assert_eq!(groups, ["x", "y"]);
}

#[tokio::test]
async fn what_is_received_too_often_becomes_a_dead_letter() {
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let letters = queue(&client, "dead", &[]).await;
    let arn = "arn:aws:sqs:us-east-1:000000000000:dead";
    let policy = format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":2}}");
    let url = queue(&client, "a", &[("RedrivePolicy", &policy)]).await;
    let id = send(&client, &url, "m").await;
    for _ in 0..2 {
        assert_eq!(receive(&client, &url).await.len(), 1);
        clock.advance_ms(30_000);
    }
    assert!(receive(&client, &url).await.is_empty());
    let call = client.receive_message().queue_url(&letters);
    let dead = call.message_system_attribute_names(MessageSystemAttributeName::All).send();
    let dead = dead.await.unwrap().messages.unwrap().remove(0);
    assert_eq!(dead.message_id(), Some(&*id));
    let source = MessageSystemAttributeName::DeadLetterQueueSourceArn;
    assert_eq!(dead.attributes.unwrap()[&source], "arn:aws:sqs:us-east-1:000000000000:a");
    let nowhere = policy.replace("dead\"", "nowhere\"");
    let call = client.set_queue_attributes().queue_url(&url);
    let call = call.attributes(QueueAttributeName::RedrivePolicy, nowhere);
    assert_eq!(code_of!(call.send()), "InvalidParameterValue");
}

#[tokio::test]
async fn a_purge_empties_once_a_minute() {
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    send(&client, &url, "m").await;
    client.purge_queue().queue_url(&url).send().await.unwrap();
    assert!(sqs.messages("a").is_empty());
    assert_refused!(client.purge_queue().queue_url(&url).send(), is_purge_queue_in_progress);
    clock.advance_ms(60_000);
    client.purge_queue().queue_url(&url).send().await.unwrap();
}

#[tokio::test]
async fn a_long_poll_wakes_on_a_send_while_the_time_stands_still() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    let poll = polling!(sqs, client, &url);
    send(&client, &url, "m").await;
    let reply = tokio::time::timeout(Duration::from_secs(5), poll).await.unwrap().unwrap();
    assert_eq!(bodies(&reply.unwrap().messages.unwrap()), ["m"]);
}

#[tokio::test]
async fn a_long_poll_sees_that_the_time_was_moved_by_hand() {
    let clock = Jumping::still();
    let sqs = Sqs::start(clock.clone(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[("DelaySeconds", "5")]).await;
    send(&client, &url, "m").await;
    let poll = polling!(sqs, client, &url);
    clock.advance_ms(5_000);
    sqs.time_moved();
    let reply = tokio::time::timeout(Duration::from_secs(5), poll).await.unwrap().unwrap();
    assert_eq!(bodies(&reply.unwrap().messages.unwrap()), ["m"]);
}

/// A worker that was killed in its long poll takes nothing with it.
#[tokio::test]
async fn a_long_poll_whose_client_is_gone_takes_nothing() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    let poll = polling!(sqs, client, &url);
    poll.abort();
    assert!(poll.await.unwrap_err().is_cancelled());
    tokio::time::sleep(Duration::from_millis(100)).await;
    send(&client, &url, "m").await;
    assert_eq!(bodies(&receive(&client, &url).await), ["m"]);
}

#[tokio::test]
async fn a_long_poll_ends_when_its_queue_is_deleted() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    let poll = polling!(sqs, client, &url);
    assert!(sqs.delete_by_hand("a"));
    let reply = tokio::time::timeout(Duration::from_secs(5), poll).await.unwrap().unwrap();
    assert!(reply.unwrap_err().into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn a_long_poll_moves_the_clock_only_as_far_as_it_must() {
    use surety_cloud::Clock as _;
    let clock = Jumping::new();
    let sqs = Sqs::start(clock.clone(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[("ReceiveMessageWaitTimeSeconds", "20")]).await;
    let began = clock.now_ms();
    let call = client.send_message().queue_url(&url).message_body("m").delay_seconds(3);
    call.send().await.unwrap();
    let reply = client.receive_message().queue_url(&url).send().await.unwrap();
    assert_eq!((reply.messages().len(), clock.now_ms() - began), (1, 3_000));
    let reply = client.receive_message().queue_url(&url).send().await.unwrap();
    assert_eq!((reply.messages().len(), clock.now_ms() - began), (0, 23_000));
}

#[tokio::test]
async fn a_long_poll_on_the_machines_clock_waits() {
    let sqs = Sqs::start(std::sync::Arc::new(RealClock), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    let began = Instant::now();
    let call = client.receive_message().queue_url(&url).wait_time_seconds(1);
    assert!(call.send().await.unwrap().messages().is_empty());
    assert!(began.elapsed() >= Duration::from_millis(990), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_test_may_tamper_and_count() {
    let sqs = Sqs::start(Jumping::still(), Chaos::none()).await.unwrap();
    let client = client(&sqs).await;
    let url = queue(&client, "a", &[]).await;
    send(&client, &url, "m").await;
    assert_eq!(sqs.edit("a", |body| format!("{body}!")), 1);
    assert_eq!(bodies(&receive(&client, &url).await), ["m!"]);
    assert_eq!(sqs.calls()["SendMessage"], 1);
    sqs.reset_calls();
    assert!(sqs.calls().is_empty());
    assert_eq!(sqs.purge("a"), 1);
}
