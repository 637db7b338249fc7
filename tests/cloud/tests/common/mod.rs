//! Real SDK clients, and clocks that a test moves.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Credentials;
use aws_sdk_sqs::types::{Message, QueueAttributeName};
use surety_cloud::{Clock, Sqs};

/// Jumps when somebody sleeps; or stands still, and sleepers sleep for ever.
pub struct Jumping {
    now: AtomicU64,
    still: AtomicBool,
}

impl Jumping {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { now: AtomicU64::new(1_800_000_000_000), still: AtomicBool::new(false) })
    }

    pub fn still() -> Arc<Self> {
        let clock = Self::new();
        clock.still.store(true, Ordering::SeqCst);
        clock
    }

    pub fn advance_ms(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Jumping {
    fn now_ms(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    async fn sleep_until_ms(&self, time_ms: u64) {
        if self.still.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.now.fetch_max(time_ms, Ordering::SeqCst);
    }
}

/// What every client needs: this server, any credentials, and no retries, so that
/// a test sees each answer.
pub async fn config(url: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .load()
        .await
}

pub async fn client(sqs: &Sqs) -> Client {
    Client::new(&config(&sqs.url()).await)
}

/// Makes a queue; gives its URL.
pub async fn queue(client: &Client, name: &str, attributes: &[(&str, &str)]) -> String {
    let mut call = client.create_queue().queue_name(name);
    for (name, value) in attributes {
        call = call.attributes(QueueAttributeName::from(*name), *value);
    }
    call.send().await.unwrap().queue_url.unwrap()
}

pub async fn send(client: &Client, url: &str, body: &str) -> String {
    client
        .send_message()
        .queue_url(url)
        .message_body(body)
        .send()
        .await
        .unwrap()
        .message_id
        .unwrap()
}

/// Receives up to 10, without waiting.
pub async fn receive(client: &Client, url: &str) -> Vec<Message> {
    let call = client.receive_message().queue_url(url).max_number_of_messages(10);
    call.wait_time_seconds(0).send().await.unwrap().messages.unwrap_or_default()
}

pub fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|m| m.body().unwrap()).collect()
}

pub async fn delete(client: &Client, url: &str, message: &Message) {
    let handle = message.receipt_handle().unwrap();
    client.delete_message().queue_url(url).receipt_handle(handle).send().await.unwrap();
}
