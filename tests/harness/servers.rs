//! Doubles of AWS in this process, and what asks a server of AWS beside all hosts.

use std::sync::{Arc, LazyLock};

use surety_cloud::{Chaos, Dynamo, FaultPlan, Sqs};
use tokio::runtime::Runtime;

/// Where all of the servers run, apart from the tests that ask them.
static SERVERS: LazyLock<Runtime> = LazyLock::new(|| {
    for (name, value) in CREDENTIALS {
        #[expect(unsafe_code, reason = "once, before any client of AWS is made")]
        // SAFETY: nothing else in the tests writes the environment, and what reads it
        // at the same time is Rust's own, which locks.
        unsafe {
            std::env::set_var(name, value);
        }
    }
    let builder =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    builder.expect("a runtime")
});

/// What the SDK finds its credentials in. Any do.
const CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    // Nobody is asked for credentials when there are some.
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// Starts the double of SQS on the machine's clock, for processes that share it.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn sqs(chaos: Chaos) -> Sqs {
    wait(Sqs::start(Arc::new(surety_cloud::RealClock), chaos)).expect("SQS starts")
}

/// Starts DynamoDB for processes that share it.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn dynamo(plan: FaultPlan) -> Dynamo {
    wait(Dynamo::start(plan)).expect("DynamoDB starts")
}

/// What asks a DynamoDB beside all hosts.
#[must_use]
pub fn tables(url: &str) -> aws_sdk_dynamodb::Client {
    use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// What asks an SQS beside all hosts.
#[must_use]
pub fn queues(url: &str) -> aws_sdk_sqs::Client {
    use aws_sdk_sqs::config::{BehaviorVersion, Builder, Credentials, Region};
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url);
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// Sets what the SDK finds its credentials in, for this process and its children.
pub fn credentials() {
    LazyLock::force(&SERVERS);
}

/// Waits for something from outside of any runtime, on the servers' own.
pub(crate) fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        scope.spawn(|| SERVERS.block_on(work)).join().expect("the servers work")
    })
}
