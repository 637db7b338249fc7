//! The clients of AWS, and how they try again.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::SharedCredentialsProvider;
use aws_sdk_sqs::config::interceptors::InterceptorContext;
use aws_sdk_sqs::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;

use super::batcher::BATCH_MAX;
use super::config::AwsConfig;
use super::fault::{THROTTLES, bare, fault};

/// How often the SDK makes one call, with its own back-off and jitter between.
/// More is of no use: the ticket comes again.
const ATTEMPTS_MAX: u32 = 4;

/// How long one attempt may take, but for a receive, which waits. A healthy call
/// takes a hundredth of it.
const ATTEMPT_MAX: Duration = Duration::from_secs(5);

/// How long a receive may take beyond what it waits. The SDK would cut the long
/// poll otherwise, and what it received would stay in flight for nobody.
const RECEIVE_MARGIN: Duration = Duration::from_secs(5);

/// The clients.
#[derive(Debug, Clone)]
pub(super) struct Sdk {
    pub(super) sqs: aws_sdk_sqs::Client,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
    receive: TimeoutConfig,
}

impl Sdk {
    /// Puts the clients together. Nothing is asked yet: credentials are looked for
    /// when they are needed, in the places where AWS's tools look.
    pub(super) fn new(config: &AwsConfig) -> std::io::Result<Self> {
        let shared = shared(config.region.clone())?;
        let endpoint = |endpoint: &str| (!endpoint.is_empty()).then(|| endpoint.to_owned());
        let mut sqs = aws_sdk_sqs::config::Builder::from(&shared).retry_classifier(Throttles);
        if let Some(endpoint) = endpoint(&config.sqs_endpoint) {
            sqs = sqs.endpoint_url(endpoint);
        }
        let mut dynamodb =
            aws_sdk_dynamodb::config::Builder::from(&shared).retry_classifier(Throttles);
        if let Some(endpoint) = endpoint(&config.dynamodb_endpoint) {
            dynamodb = dynamodb.endpoint_url(endpoint);
        }
        let wait = Duration::from_secs(config.receive_wait_s.into()) + RECEIVE_MARGIN;
        Ok(Self {
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            // Both, because the SDK takes what is not said here from the client: its time
            // for a whole call is shorter than the longest wait.
            receive: TimeoutConfig::builder()
                .operation_attempt_timeout(wait)
                .operation_timeout(wait)
                .build(),
        })
    }

    /// What a receive is sent with instead of the client's own.
    pub(super) fn receive(&self) -> aws_sdk_sqs::config::Builder {
        // Not tried again by itself: an answer that was lost has taken its messages
        // with it, and another receive would find fewer.
        aws_sdk_sqs::config::Builder::new()
            .timeout_config(self.receive.clone())
            .retry_config(RetryConfig::disabled())
    }
}

impl Sdk {
    /// Keeps messages of a queue from others for so long, or shows them again with
    /// none. A hint: SQS says yes to who has lost them already.
    pub(super) async fn hide(&self, queue: &str, handles: &[String], seconds: i32) {
        for batch in handles.chunks(BATCH_MAX) {
            let entries = batch.iter().enumerate().filter_map(|(i, handle)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(i.to_string());
                entry.receipt_handle(handle).visibility_timeout(seconds).build().ok()
            });
            let entries = Some(entries.collect());
            let change = self.sqs.change_message_visibility_batch().queue_url(queue);
            if let Err(e) = change.set_entries(entries).send().await {
                let error = fault("changing a lease", e);
                tracing::debug!(queue, %error, "a lease is as it was");
            }
        }
    }
}

/// Where both clients find who they are.
pub(super) fn credentials(
    config: &AwsConfig,
) -> std::io::Result<Option<SharedCredentialsProvider>> {
    Ok(shared(config.region.clone())?.credentials_provider())
}

/// What both clients share. Reading the profile is asynchronous in the SDK, though
/// it waits for nothing; so it gets a runtime for a moment, wherever this is called.
fn shared(region: String) -> std::io::Result<SdkConfig> {
    let load = async move {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_MAX)
            .operation_timeout(ATTEMPT_MAX * ATTEMPTS_MAX)
            .build();
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .timeout_config(timeouts)
            .load()
            .await
    };
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(load))
        });
        loading.join().unwrap_or_else(|_| Err(std::io::Error::other("the SDK panicked")))
    })
}

/// Tells the SDK which answers mean that it asks too much. It does not know all of
/// the spellings of SQS.
#[derive(Debug)]
struct Throttles;

impl ClassifyRetry for Throttles {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(response) = context.response().filter(|r| !r.status().is_success()) else {
            return RetryAction::NoActionIndicated;
        };
        // The error itself has a type for each operation; its code is in the answer.
        let header = response.headers().get("x-amzn-query-error").unwrap_or("");
        let header = header.split(';').next().unwrap_or("");
        let body: Option<serde_json::Value> =
            response.body().bytes().and_then(|body| serde_json::from_slice(body).ok());
        let body = body.as_ref().and_then(|body| body["__type"].as_str()).unwrap_or("");
        if [header, body].iter().any(|code| THROTTLES.contains(&bare(code))) {
            return RetryAction::throttling_error();
        }
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "every spelling of a throttle"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receive_has_the_time_that_it_waits() {
        // The longest that may be configured.
        let region = "eu-central-1".to_owned();
        let config = AwsConfig { region, receive_wait_s: 20, ..AwsConfig::default() };
        let sdk = Sdk::new(&config).unwrap();
        // As the SDK does when a call has a configuration of its own.
        let client = sdk.sqs.config().timeout_config().expect("the client has times").clone();
        let mut times = sdk.receive.clone();
        times.take_defaults_from(&client);
        let least = Duration::from_secs(20) + RECEIVE_MARGIN;
        for time in [times.operation_attempt_timeout(), times.operation_timeout()] {
            assert!(time.is_some_and(|time| time >= least), "{times:?}");
        }
        assert!(client.operation_timeout().is_some_and(|time| time < least), "nothing to try");
    }
}
