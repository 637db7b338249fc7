//! `surety aws plan|apply|policy`, `surety doctor`, and the start of a host: the real
//! binary against DynamoDB and SQS on loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate,
    PointInTimeRecoverySpecification, TimeToLiveSpecification,
};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;
use surety_cloud::{Chaos, Dynamo, FaultPlan, Knob, RealClock, Sqs};
use surety_tests::host::{Host, binary, path};
use surety_tests::servers::credentials;
use tempfile::TempDir;

const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    // Nobody is asked for credentials when there are some.
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// How long a host may take to say that it does not start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it is looked again whether it has ended.
const LOOK_EACH: Duration = Duration::from_millis(20);

/// How a command ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        let code = output.status.code();
        let code = code.unwrap_or_else(|| panic!("it had to be killed\n{out}\n{err}"));
        Self { code, out, err }
    }

    #[track_caller]
    fn with(self, code: i32) -> Self {
        let Self { code: was, out, err } = &self;
        assert_eq!(*was, code, "ended with {was}\n{out}\n{err}");
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// The command with no other of AWS's variables than these.
fn command(config: &Path, args: &[&str], who: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).arg("--config").arg(config);
    let keys = KEYS.map(|(key, _)| key);
    let foreign =
        ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION", "SURETY_DATA"];
    for variable in keys.iter().chain(&foreign) {
        command.env_remove(variable);
    }
    command.envs(who.iter().copied());
    command
}

async fn surety(config: &Path, args: &[&str]) -> Ended {
    surety_as(config, args, &KEYS).await
}

async fn surety_as(config: &Path, args: &[&str], who: &[(&str, &str)]) -> Ended {
    let mut command = command(config, args, who);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Ended::of(output)
}

/// The same of a command that goes on for ever if it is not refused.
async fn refused(config: &Path, args: &[&str]) -> Ended {
    let mut command = command(config, args, &KEYS);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let wait = move || {
        let (mut child, begun) = (command.spawn().unwrap(), Instant::now());
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > PATIENCE {
                child.kill().unwrap();
            }
            std::thread::sleep(LOOK_EACH);
        }
        child.wait_with_output().unwrap()
    };
    Ended::of(tokio::task::spawn_blocking(wait).await.unwrap())
}

/// An account of AWS.
struct Cloud {
    dynamo: Dynamo,
    sqs: Sqs,
    folder: TempDir,
}

impl Cloud {
    async fn start() -> Self {
        let dynamo = Dynamo::start(FaultPlan::none()).await.unwrap();
        let sqs = Sqs::start(Arc::new(RealClock), Chaos::none()).await.unwrap();
        let cloud = Self { dynamo, sqs, folder: TempDir::new().unwrap() };
        cloud.configure("");
        cloud
    }

    /// Writes the configuration, with further keys of `[store.aws]`.
    fn configure(&self, more: &str) {
        let folder = self.folder.path().display();
        let text = format!(
            "[store]\nbackend = \"aws\"\n[store.aws]\nprefix = \"t\"\nregion = \"eu-central-1\"\nsqs_endpoint = \"{}\"\ndynamodb_endpoint = \"{}\"\nobjects = \"file://{folder}/objects\"\nfeeder_queues = 2\n{more}",
            self.sqs.url(),
            self.dynamo.url(),
        );
        std::fs::write(self.folder.path().join("surety.toml"), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("surety.toml")
    }

    async fn surety(&self, args: &[&str]) -> Ended {
        surety(&self.config(), args).await
    }

    /// What is to be changed.
    async fn plan(&self) -> Vec<String> {
        let plan = self.surety(&["aws", "plan", "--json"]).await.with(0).json();
        assert_eq!(plan["refused"], Value::Array(vec![]));
        serde_json::from_value(plan["changes"].clone()).unwrap()
    }

    async fn apply(&self) -> u64 {
        let applied = self.surety(&["aws", "apply", "--json"]).await.with(0);
        let last: Value = serde_json::from_str(applied.out.lines().last().unwrap()).unwrap();
        last["changes"].as_u64().unwrap()
    }

    fn tables(&self) -> aws_sdk_dynamodb::Client {
        surety_tests::servers::tables(&self.dynamo.url())
    }

    fn queues(&self) -> aws_sdk_sqs::Client {
        surety_tests::servers::queues(&self.sqs.url())
    }

    /// Writes a number into the note of what the tables are.
    async fn note(&self, name: &str, number: u64) {
        let key = |text: &str| AttributeValue::S(text.to_owned());
        let update = self.tables().update_item().table_name("t-catalog");
        update
            .key("kind", key("meta"))
            .key("name", key("tables"))
            .update_expression("SET #name = :number")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":number", AttributeValue::N(number.to_string()))
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_nothing_everything_is_made_once() {
    let cloud = Cloud::start().await;
    let plan = cloud.plan().await;
    let count = |what: &str| plan.iter().filter(|line| line.contains(what)).count();
    assert_eq!(count("make the table t-"), 4, "{plan:#?}");
    assert_eq!(count("make the queue t-feeder-"), 3);
    assert_eq!(count("point in time"), 4);
    assert_eq!(count("forget"), 1);
    cloud.surety(&["aws", "plan", "--check"]).await.with(5);

    assert_eq!(cloud.apply().await, plan.len() as u64);
    assert_eq!(cloud.plan().await, [""; 0]);
    cloud.surety(&["aws", "plan", "--check"]).await.with(0);
    let before = cloud.dynamo.calls();
    let applied = cloud.surety(&["aws", "apply"]).await.with(0);
    assert_eq!(applied.out, "Nothing was to be changed.\n");
    let after = cloud.dynamo.calls();
    for change in ["CreateTable", "UpdateTable", "UpdateTimeToLive", "PutItem", "TagResource"] {
        assert_eq!(before.get(change), after.get(change), "{change}");
    }

    let queues = cloud.queues();
    let url = queues.get_queue_url().queue_name("t-feeder-1").send().await.unwrap();
    let set = queues
        .get_queue_attributes()
        .queue_url(url.queue_url().unwrap())
        .attribute_names(QueueAttributeName::All)
        .send()
        .await
        .unwrap();
    let set = set.attributes().unwrap();
    assert_eq!(set[&QueueAttributeName::MessageRetentionPeriod], "1209600");
    assert_eq!(set[&QueueAttributeName::VisibilityTimeout], "30");
    let redrive: Value = serde_json::from_str(&set[&QueueAttributeName::RedrivePolicy]).unwrap();
    assert!(redrive["deadLetterTargetArn"].as_str().unwrap().ends_with(":t-feeder-dead"));
    let described = cloud.tables().describe_table().table_name("t-reference").send().await;
    let described = described.unwrap().table.unwrap();
    assert_eq!(described.global_secondary_indexes().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_by_hand_is_found_and_mended() {
    let cloud = Cloud::start().await;
    cloud.apply().await;
    let (tables, queues) = (cloud.tables(), cloud.queues());
    let delete = DeleteGlobalSecondaryIndexAction::builder().index_name("by_state");
    let delete = GlobalSecondaryIndexUpdate::builder().delete(delete.build().unwrap()).build();
    let update = tables.update_table().table_name("t-reference");
    update.global_secondary_index_updates(delete).send().await.unwrap();
    let off = TimeToLiveSpecification::builder().attribute_name("forget_at").enabled(false);
    let update = tables.update_time_to_live().table_name("t-messages");
    update.time_to_live_specification(off.build().unwrap()).send().await.unwrap();
    let off = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(false);
    let update = tables.update_continuous_backups().table_name("t-records");
    update.point_in_time_recovery_specification(off.build().unwrap()).send().await.unwrap();
    let url = |name: &'static str| {
        let get = queues.get_queue_url().queue_name(name);
        async move { get.send().await.unwrap().queue_url.unwrap() }
    };
    let set = queues.set_queue_attributes().queue_url(url("t-feeder-0").await);
    set.attributes(QueueAttributeName::VisibilityTimeout, "7")
        .attributes(QueueAttributeName::RedrivePolicy, "")
        .send()
        .await
        .unwrap();
    queues.delete_queue().queue_url(url("t-feeder-1").await).send().await.unwrap();

    let expected = [
        "let the table t-messages forget items at their `forget_at`",
        "keep the table t-records so that it can be put back to a point in time",
        "make the index by_state of the table t-reference",
        "set of the queue t-feeder-0: VisibilityTimeout from 7 to 30, RedrivePolicy to t-feeder-dead after 1000 receives",
        "make the queue t-feeder-1",
    ];
    assert_eq!(cloud.plan().await, expected);
    let found = cloud.surety(&["doctor", "--json"]).await.with(3).json();
    let found: Vec<_> = found.as_array().unwrap().iter().collect();
    for line in expected {
        let said = |f: &&&Value| f["found"].as_str().unwrap().ends_with(line);
        let finding = found.iter().find(said).unwrap_or_else(|| panic!("{line}: {found:#?}"));
        assert_eq!(finding["grade"], "problem");
        assert_eq!(finding["remedy"], "run `surety aws apply`");
    }
    assert_eq!(cloud.apply().await, 5);
    assert_eq!(cloud.plan().await, [""; 0]);
    cloud.surety(&["doctor"]).await.with(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_lose_data_is_refused() {
    let cloud = Cloud::start().await;
    cloud.apply().await;
    // Tables of a later surety.
    cloud.note("version", 99).await;
    let plan = cloud.surety(&["aws", "plan"]).await.with(3);
    assert!(plan.out.contains("version 99"), "{}", plan.out);
    assert!(plan.out.contains("use the surety that wrote them"));
    let applied = cloud.surety(&["aws", "apply"]).await.with(1);
    assert!(applied.err.contains("nothing is changed"), "{}", applied.err);
    let found = cloud.surety(&["doctor"]).await.with(3);
    assert!(found.out.contains("use the surety that wrote them"), "{}", found.out);
    cloud.note("version", 1).await;
    assert_eq!(cloud.plan().await, [""; 0]);
    // Indexes that were spread otherwise.
    cloud.configure("index_shards = 8\n");
    let plan = cloud.surety(&["aws", "plan"]).await.with(3);
    assert!(plan.out.contains("`index_shards` is 4"), "{}", plan.out);
    // Open messages lie elsewhere, or under other names.
    let places = [
        ("guarantee = \"dynamodb\"\n", "`guarantee` is \"sqs\""),
        ("queues = \"fifo\"\n", "`queues` is \"standard\""),
    ];
    for (other, is) in places {
        cloud.configure(other);
        let plan = cloud.surety(&["aws", "plan"]).await.with(3);
        assert!(plan.out.contains(is) && plan.out.contains("surety import"), "{}", plan.out);
        let applied = cloud.surety(&["aws", "apply"]).await.with(1);
        assert!(applied.err.contains("nothing is changed"), "{}", applied.err);
        let found = cloud.surety(&["doctor"]).await.with(3);
        assert!(found.out.contains(is), "{}", found.out);
    }
    // What may be changed is.
    cloud.configure("lease_s = 60\n");
    let changed = cloud.plan().await;
    assert_eq!(changed.len(), 2, "{changed:?}");
    assert!(changed.iter().all(|line| line.ends_with("VisibilityTimeout from 30 to 60")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_does_not_start_on_tables_of_another_version() {
    let cloud = Cloud::start().await;
    cloud.apply().await;
    let data = cloud.folder.path().join("data");
    let (config, data_folder) = (path(&cloud.config()), path(&data));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--development", "--data", &data_folder];
    // Of a later surety, and of one that is not there yet.
    for version in [99, 0] {
        cloud.note("version", version).await;
        let before = cloud.dynamo.calls();
        let ended = refused(&cloud.config(), &serve).await.with(1);
        let words = ["t-catalog", &format!("version {version}"), "use the surety that wrote them"];
        for word in words {
            assert!(ended.err.contains(word), "{word}: {}", ended.err);
        }
        assert_eq!(ended.out, "", "it says where it listens");
        let after = cloud.dynamo.calls();
        for change in ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"] {
            assert_eq!(before.get(change), after.get(change), "{change}");
        }
    }
    // Nothing else was in the way.
    cloud.note("version", 1).await;
    let started = move || {
        credentials();
        Host::start_with(&data, &["--config", &config]).stop()
    };
    assert!(tokio::task::spawn_blocking(started).await.unwrap(), "the host stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_apply_at_once_and_lost_replies_do_no_harm() {
    let cloud = Cloud::start().await;
    let (one, two) =
        tokio::join!(cloud.surety(&["aws", "apply"]), cloud.surety(&["aws", "apply"]),);
    one.with(0);
    two.with(0);
    assert_eq!(cloud.plan().await, [""; 0]);

    // Queues are seen a second after they were made: it is waited for.
    let cloud = Cloud::start().await;
    cloud.sqs.set_chaos(Chaos { slow_create: Knob::always(), ..Chaos::none() });
    cloud.apply().await;
    assert_eq!(cloud.plan().await, [""; 0]);

    let cloud = Cloud::start().await;
    let lost = |seed| FaultPlan { seed, lost_after: Knob::chance(0.2), ..FaultPlan::none() };
    cloud.dynamo.set_plan(lost(3));
    cloud.sqs.set_chaos(Chaos {
        seed: 3,
        lost_after: Knob::chance(0.2),
        slow_create: Knob::always(),
        ..Chaos::none()
    });
    for round in 1.. {
        let applied = cloud.surety(&["aws", "apply"]).await;
        if applied.code == 0 {
            break;
        }
        assert!(round < 5, "{}", applied.err);
    }
    cloud.dynamo.set_plan(FaultPlan::none());
    cloud.sqs.set_chaos(Chaos::none());
    assert_eq!(cloud.plan().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_says_what_to_do() {
    let cloud = Cloud::start().await;
    let found = cloud.surety(&["doctor"]).await.with(3);
    assert!(found.out.contains("run `surety aws apply`"), "{}", found.out);
    cloud.apply().await;
    let found = cloud.surety(&["doctor", "--json"]).await.with(0).json();
    let good = |what: &str| {
        let of = |f: &&Value| f["what"].as_str().unwrap().starts_with(what);
        let all: Vec<_> = found.as_array().unwrap().iter().filter(of).collect();
        assert!(!all.is_empty() && all.iter().all(|f| f["grade"] == "good"), "{what}: {found:#}");
    };
    for what in [
        "the clock against DynamoDB's",
        "the clock against SQS's",
        "resources",
        "the table t-messages",
        "the index open of the table t-messages",
        "the table t-reference",
        "the queue t-feeder-1",
        "the queues of messages",
        "the objects in",
    ] {
        good(what);
    }
    // It leaves nothing behind.
    let left = cloud.queues().list_queues().queue_name_prefix("t-g-").send().await.unwrap();
    assert_eq!(left.queue_urls(), [""; 0]);
    let probes = cloud.folder.path().join("objects/doctor");
    let left = std::fs::read_dir(probes)
        .map(|folder| folder.filter(|entry| entry.as_ref().unwrap().path().is_file()).count());
    assert_eq!(left.unwrap_or(0), 0);

    // Tickets that were put aside.
    let queues = cloud.queues();
    let url = queues.get_queue_url().queue_name("t-feeder-dead").send().await.unwrap();
    let send = queues.send_message().queue_url(url.queue_url().unwrap());
    send.message_body("{}").send().await.unwrap();
    let found = cloud.surety(&["doctor", "--deep"]).await.with(0);
    assert!(found.out.contains("about 1 tickets"), "{}", found.out);
    assert!(found.out.contains("the open messages: 0 are open"), "{}", found.out);

    // Nobody there.
    let dynamo = cloud.dynamo.url();
    let text = std::fs::read_to_string(cloud.folder.path().join("surety.toml")).unwrap();
    let text = text.replace(&dynamo, "http://127.0.0.1:1");
    std::fs::write(cloud.folder.path().join("surety.toml"), text).unwrap();
    let found = cloud.surety(&["doctor"]).await.with(3);
    assert!(found.out.contains("DynamoDB: does not answer"), "{}", found.out);
}

/// An object store that lets nobody in, and the heads of the requests that came.
fn closed_store() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&heads);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
            });
            stream.read_exact(&mut vec![0; length.unwrap_or(0)]).unwrap();
            if head.is_empty() {
                // A connection that was made ahead.
                continue;
            }
            heard.lock().unwrap().push(head);
            let refused =
                b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.get_mut().write_all(refused).unwrap();
        }
    });
    (url, heads)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_says_who_the_host_is_for_objects_too() {
    let cloud = Cloud::start().await;
    cloud.apply().await;
    let folder = cloud.folder.path();
    let (url, heads) = closed_store();
    let config = folder.join("surety.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let files = format!("file://{}/objects", folder.display());
    let text = text.replace(&files, "s3://bucket/folder");
    std::fs::write(&config, format!("{text}objects_endpoint = \"{url}\"\n")).unwrap();

    let keys = folder.join("keys.json");
    let of_profile = r#"{"Version": 1, "AccessKeyId": "OFPROFILE", "SecretAccessKey": "test"}"#;
    std::fs::write(&keys, of_profile).unwrap();
    let profiles = folder.join("profiles");
    let profile = format!("[profile treasury]\ncredential_process = cat {}\n", keys.display());
    std::fs::write(&profiles, profile).unwrap();
    let nowhere = folder.join("nowhere");
    let who = [
        ("AWS_PROFILE", "treasury"),
        ("AWS_CONFIG_FILE", profiles.to_str().unwrap()),
        ("AWS_SHARED_CREDENTIALS_FILE", nowhere.to_str().unwrap()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let found = surety_as(&config, &["doctor"], &who).await.with(3);
    // Queues and tables let it in; objects do not, and know who it is.
    assert!(found.out.contains("the objects in s3://bucket/folder"), "{}", found.out);
    assert!(!found.out.contains("DynamoDB: does not answer"), "{}", found.out);
    let heads = heads.lock().unwrap();
    assert!(!heads.is_empty(), "{}", found.out);
    for head in &*heads {
        assert!(head.contains("Credential=OFPROFILE/"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_each_call_that_an_identity_may_not_make() {
    let cloud = Cloud::start().await;
    cloud.apply().await;
    cloud.surety(&["doctor"]).await.with(0);
    for feeder in ["t-feeder-0", "t-feeder-1"] {
        assert_eq!(cloud.sqs.messages(feeder), [], "{feeder}");
    }
    let denied = async |call: &str| {
        let found = cloud.surety(&["doctor"]).await.with(3);
        let said = found.out.contains("surety aws policy") && found.out.contains("Denied");
        assert!(said, "{call}: {}", found.out);
    };
    let queues = [
        "SendMessageBatch",
        "DeleteMessageBatch",
        "ChangeMessageVisibilityBatch",
        "SendMessage",
        "DeleteMessage",
        "ChangeMessageVisibility",
    ];
    for call in queues {
        cloud.sqs.set_chaos(Chaos { refuse: Knob::always().of(&[call]), ..Chaos::none() });
        denied(call).await;
    }
    cloud.sqs.set_chaos(Chaos::none());
    for call in ["BatchWriteItem", "TransactWriteItems", "BatchGetItem"] {
        let refuse = Knob::always().of(&[call]);
        cloud.dynamo.set_plan(FaultPlan { refuse, ..FaultPlan::none() });
        denied(call).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_name_the_deployments_resources() {
    let cloud = Cloud::start().await;
    for role in ["host", "operator", "reader"] {
        let args = ["aws", "policy", role, "--account", "123456789012"];
        let policy = cloud.surety(&args).await.with(0).json();
        assert_eq!(policy["Version"], "2012-10-17");
        for statement in policy["Statement"].as_array().unwrap() {
            let Some(resources) = statement["Resource"].as_array() else { continue };
            for resource in resources.iter().map(|r| r.as_str().unwrap()) {
                let of = resource.contains(":eu-central-1:123456789012:");
                assert!(of || resource == "*", "{resource}");
            }
        }
    }
    let wrong = cloud.surety(&["aws", "policy", "host", "--account", "12"]).await.with(1);
    assert!(wrong.err.contains("twelve digits"), "{}", wrong.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_configured_is_said() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("surety.toml");
    std::fs::write(&config, "[store]\nbackend = \"embedded\"\n").unwrap();
    let refused = surety(&config, &["aws", "plan"]).await.with(1);
    assert!(refused.err.contains("`[store.aws]`"), "{}", refused.err);
    assert!(refused.err.contains("`objects` is"), "{}", refused.err);
    // The doctor of the embedded backend.
    let data = folder.path().join("data");
    let args = ["doctor", "--data", data.to_str().unwrap()];
    let found = surety(&config, &args).await.with(0);
    assert!(found.out.contains("is not there"), "{}", found.out);
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("surety.db"), "no database at all ".repeat(99)).unwrap();
    let found = surety(&config, &args).await.with(3);
    assert!(found.out.contains("restore the folder from a backup"), "{}", found.out);
    let args = [&args[..], &["--deep"]].concat();
    let found = surety(&config, &args).await.with(3);
    assert!(found.out.contains("the open messages: cannot be read"), "{}", found.out);
}
