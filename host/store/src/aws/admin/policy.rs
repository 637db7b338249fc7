//! Who may do what: policy documents of IAM, with no more than what is called.

use serde_json::{Value, json};

use crate::aws::names::{BUNDLES, DOCTOR, LARGE, Names};
use crate::aws::{AwsConfig, Bodies};

/// Who.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A process that serves; and `surety doctor`, which tries what it needs.
    Host,
    /// Who makes and changes tables and queues: `surety aws plan` and `apply`. Beside a
    /// host's, who reads all messages at once: `surety doctor --deep`, `surety export`.
    Operator,
    /// Who looks at messages without a host: Reference and the archive.
    Reader,
}

/// What a host calls on the tables of Guarantee.
const TRUTH: &[&str] = &[
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
];
/// On Reference.
const SHOWN: &[&str] = &[
    "dynamodb:BatchGetItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
];
/// On the catalog.
const CATALOG: &[&str] = &[
    "dynamodb:BatchGetItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
];
/// On the feeder queues.
const FEEDER: &[&str] = &[
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
];
/// On the messages' own queues.
const QUEUES: &[&str] = &[
    "sqs:ChangeMessageVisibility",
    "sqs:CreateQueue",
    "sqs:DeleteMessage",
    "sqs:DeleteQueue",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
    "sqs:TagQueue",
];
/// What an operator calls on tables.
const TABLES: &[&str] = &[
    "dynamodb:CreateTable",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:ListTagsOfResource",
    "dynamodb:TagResource",
    "dynamodb:UpdateContinuousBackups",
    "dynamodb:UpdateTable",
    "dynamodb:UpdateTimeToLive",
];
/// On the catalog: the note of what the tables are.
const NOTE: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem"];
/// On the messages: to look at all of them.
const ALL: &[&str] = &["dynamodb:Scan"];
/// On feeder queues.
const FEEDERS_MADE: &[&str] = &[
    "sqs:CreateQueue",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ListQueueTags",
    "sqs:SetQueueAttributes",
    "sqs:TagQueue",
];
/// What a reader calls on Reference.
const READ: &[&str] =
    &["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"];

/// The ARNs of a deployment's resources.
struct Arns<'a> {
    config: &'a AwsConfig,
    names: Names,
    /// Twelve digits, or `*`.
    account: &'a str,
}

impl Arns<'_> {
    fn arn(&self, service: &str, resource: &str) -> String {
        let region = &self.config.region;
        format!("arn:{}:{service}:{region}:{}:{resource}", self.partition(), self.account)
    }

    fn partition(&self) -> &'static str {
        match &*self.config.region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    fn tables(&self, names: &[String]) -> Vec<String> {
        names.iter().map(|name| self.arn("dynamodb", &format!("table/{name}"))).collect()
    }

    /// With all of their indexes.
    fn indexed(&self, names: &[String]) -> Vec<String> {
        let indexes =
            names.iter().map(|name| self.arn("dynamodb", &format!("table/{name}/index/*")));
        self.tables(names).into_iter().chain(indexes).collect()
    }

    fn feeders(&self) -> Vec<String> {
        let prefix = &self.config.prefix;
        vec![self.arn("sqs", &format!("{prefix}-feeder-*"))]
    }

    fn queues(&self) -> Vec<String> {
        vec![self.arn("sqs", &format!("{}*", self.names.queue_prefix()))]
    }

    /// What is below a folder of the bucket, and the bucket; none when objects are files.
    fn below(&self, folder: &str) -> Option<(String, &str)> {
        let place = self.config.objects.strip_prefix("s3://")?;
        let (bucket, root) = place.split_once('/').unwrap_or((place, ""));
        let parts = [root.trim_matches('/'), folder, "*"];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Some((parts.join("/"), bucket))
    }

    /// A statement on the objects below these folders.
    fn objects(&self, sid: &str, actions: &[&str], folders: &[&str]) -> Option<Value> {
        let arn = |folder: &&str| {
            let (below, bucket) = self.below(folder)?;
            Some(format!("arn:{}:s3:::{bucket}/{below}", self.partition()))
        };
        Some(allow(sid, actions, folders.iter().map(arn).collect::<Option<_>>()?))
    }

    /// A statement on the list of the objects below a folder.
    ///
    /// It has another use: S3 says of an object that it is missing only to who may list the
    /// bucket, and otherwise that it is forbidden, which is no answer to go on with. AWS does
    /// not tell with which `s3:prefix` it asks then, the object's name or none; so none is
    /// allowed as well. Who lists without a prefix sees the names of the whole bucket, and
    /// can read no more than before.
    fn list(&self, folder: &str) -> Option<Value> {
        let (below, bucket) = self.below(folder)?;
        Some(json!({
            "Sid": "ListOfObjects",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": format!("arn:{}:s3:::{bucket}", self.partition()),
            "Condition": { "StringLikeIfExists": { "s3:prefix": below } },
        }))
    }
}

fn allow(sid: &str, actions: &[&str], resources: Vec<String>) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources })
}

/// The policy document of a role. `account` has twelve digits; without it the document
/// holds for the account whose identity gets it, whichever that is.
#[must_use]
pub fn policy(config: &AwsConfig, role: Role, account: Option<&str>) -> Value {
    let names = Names::new(config);
    let arns = Arns { config, names: names.clone(), account: account.unwrap_or("*") };
    let (messages, records) = (names.messages(), names.records());
    let (reference, catalog) = (names.reference(), names.catalog());
    let all = [messages.clone(), records.clone(), reference.clone(), catalog.clone()];
    let mut statements = Vec::new();
    match role {
        Role::Host => {
            statements.push(allow("Guarantee", TRUTH, arns.indexed(&[messages, records])));
            statements.push(allow("Reference", SHOWN, arns.indexed(&[reference])));
            statements.push(allow("Catalog", CATALOG, arns.tables(&[catalog])));
            statements.push(allow("Tables", &["dynamodb:DescribeTable"], arns.tables(&all)));
            statements.push(allow("Feeder", FEEDER, arns.feeders()));
            if config.guarantee == Bodies::Sqs {
                statements.push(allow("Queues", QUEUES, arns.queues()));
                // It cannot be given for some queues alone.
                statements.push(allow("ListOfQueues", &["sqs:ListQueues"], vec!["*".to_owned()]));
            }
            let kept = ["s3:GetObject", "s3:PutObject"];
            statements.extend(arns.objects("Objects", &kept, &[""]));
            // Never what proves something.
            let passing = [LARGE, DOCTOR];
            statements.extend(arns.objects("PassingObjects", &["s3:DeleteObject"], &passing));
            statements.extend(arns.list(""));
        }
        Role::Operator => {
            statements.push(allow("Tables", TABLES, arns.indexed(&all)));
            statements.push(allow("Note", NOTE, arns.tables(&[catalog])));
            statements.push(allow("Messages", ALL, arns.tables(&[messages])));
            statements.push(allow("Feeder", FEEDERS_MADE, arns.feeders()));
        }
        Role::Reader => {
            statements.push(allow("Reference", READ, arns.indexed(&[reference])));
            statements.extend(arns.objects("Objects", &["s3:GetObject"], &[BUNDLES]));
            statements.extend(arns.list(BUNDLES));
        }
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// Calls of the SDK, and what IAM wants for each.
    const CALLS: &[(&str, &[&str])] = &[
        ("batch_get_item", &["dynamodb:BatchGetItem"]),
        ("batch_write_item", &["dynamodb:BatchWriteItem"]),
        ("create_table", &["dynamodb:CreateTable"]),
        ("delete_item", &["dynamodb:DeleteItem"]),
        ("delete_table", &["dynamodb:DeleteTable"]),
        ("describe_continuous_backups", &["dynamodb:DescribeContinuousBackups"]),
        ("describe_table", &["dynamodb:DescribeTable"]),
        ("describe_time_to_live", &["dynamodb:DescribeTimeToLive"]),
        ("get_item", &["dynamodb:GetItem"]),
        ("list_tables", &["dynamodb:ListTables"]),
        ("list_tags_of_resource", &["dynamodb:ListTagsOfResource"]),
        ("put_item", &["dynamodb:PutItem"]),
        ("query", &["dynamodb:Query"]),
        ("scan", &["dynamodb:Scan"]),
        ("tag_resource", &["dynamodb:TagResource"]),
        ("transact_get_items", &["dynamodb:GetItem"]),
        (
            "transact_write_items",
            &[
                "dynamodb:ConditionCheckItem",
                "dynamodb:DeleteItem",
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
            ],
        ),
        ("update_continuous_backups", &["dynamodb:UpdateContinuousBackups"]),
        ("update_item", &["dynamodb:UpdateItem"]),
        ("update_table", &["dynamodb:UpdateTable"]),
        ("update_time_to_live", &["dynamodb:UpdateTimeToLive"]),
        ("change_message_visibility", &["sqs:ChangeMessageVisibility"]),
        ("change_message_visibility_batch", &["sqs:ChangeMessageVisibility"]),
        ("create_queue", &["sqs:CreateQueue", "sqs:TagQueue"]),
        ("delete_message", &["sqs:DeleteMessage"]),
        ("delete_message_batch", &["sqs:DeleteMessage"]),
        ("delete_queue", &["sqs:DeleteQueue"]),
        ("get_queue_attributes", &["sqs:GetQueueAttributes"]),
        ("get_queue_url", &["sqs:GetQueueUrl"]),
        ("list_queue_tags", &["sqs:ListQueueTags"]),
        ("list_queues", &["sqs:ListQueues"]),
        ("purge_queue", &["sqs:PurgeQueue"]),
        ("receive_message", &["sqs:ReceiveMessage"]),
        ("send_message", &["sqs:SendMessage"]),
        ("send_message_batch", &["sqs:SendMessage"]),
        ("set_queue_attributes", &["sqs:SetQueueAttributes"]),
        ("tag_queue", &["sqs:TagQueue"]),
    ];

    fn config() -> AwsConfig {
        AwsConfig {
            region: "eu-central-1".to_owned(),
            objects: "s3://bucket/surety".to_owned(),
            ..AwsConfig::default()
        }
    }

    /// What is called in these files.
    fn called(files: &[PathBuf]) -> BTreeSet<String> {
        let mut actions = BTreeSet::new();
        for file in files {
            let text = fs::read_to_string(file).unwrap();
            for (call, wants) in CALLS {
                if text.contains(&format!(".{call}()")) {
                    actions.extend(wants.iter().map(|&action| action.to_owned()));
                }
            }
        }
        actions
    }

    fn granted(role: Role) -> BTreeSet<String> {
        let policy = policy(&config(), role, None);
        let statements = policy["Statement"].as_array().unwrap();
        let actions = statements.iter().filter_map(|statement| statement["Action"].as_array());
        let actions = actions.flatten().map(|action| action.as_str().unwrap().to_owned());
        actions.filter(|action| !action.starts_with("s3:")).collect()
    }

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aws")
    }

    #[test]
    fn a_host_may_do_what_it_calls_and_no_more() {
        let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
        assert!(files.len() > 10);
        files.extend(
            ["ask.rs", "doctor.rs", "probe.rs"].map(|name| folder().join("admin").join(name)),
        );
        assert_eq!(granted(Role::Host), called(&files));
    }

    #[test]
    fn an_operator_may_do_what_it_calls_and_no_more() {
        let files = ["apply.rs", "ask.rs", "deep.rs", "look.rs"]
            .map(|name| folder().join("admin").join(name));
        assert_eq!(granted(Role::Operator), called(&files));
    }

    #[test]
    fn a_reader_may_only_read() {
        let text = policy(&config(), Role::Reader, None).to_string();
        for word in ["Put", "Delete", "Update", "Write", "sqs:", "catalog", "messages", "records"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
        assert!(text.contains("arn:aws:s3:::bucket/surety/bundles/*"));
    }

    #[test]
    fn who_reads_objects_is_told_that_one_is_missing() {
        for (role, below) in [(Role::Host, "surety/*"), (Role::Reader, "surety/bundles/*")] {
            let policy = policy(&config(), role, None);
            let statements = policy["Statement"].as_array().unwrap();
            let list = statements.iter().find(|s| s["Action"] == "s3:ListBucket").unwrap();
            assert_eq!(list["Resource"], "arn:aws:s3:::bucket");
            // Also when it is asked without a prefix, as a condition that must be met is not.
            let condition = json!({ "StringLikeIfExists": { "s3:prefix": below } });
            assert_eq!(list["Condition"], condition);
        }
    }

    #[test]
    fn resources_are_those_of_the_deployment() {
        let policy = |config: &AwsConfig| {
            let policy = policy(config, Role::Host, Some("123456789012"));
            policy["Statement"].as_array().unwrap().clone()
        };
        let statements = policy(&config());
        assert_eq!(
            statements[0]["Resource"][0],
            "arn:aws:dynamodb:eu-central-1:123456789012:table/surety-messages"
        );
        let deleted = statements.iter().find(|s| s["Action"][0] == "s3:DeleteObject").unwrap();
        let passing = ["arn:aws:s3:::bucket/surety/large/*", "arn:aws:s3:::bucket/surety/doctor/*"];
        assert_eq!(deleted["Resource"], json!(passing), "no proof is");
        let queues = statements.iter().find(|s| s["Sid"] == "Queues").unwrap();
        assert_eq!(queues["Resource"][0], "arn:aws:sqs:eu-central-1:123456789012:surety-g-*");
        // Without queues of their own, and on files.
        let other = AwsConfig {
            guarantee: Bodies::Dynamodb,
            objects: "file:///srv/surety".to_owned(),
            region: "cn-north-1".to_owned(),
            ..config()
        };
        let text = Value::from(policy(&other)).to_string();
        assert!(!text.contains("s3:") && !text.contains("-g-*"), "{text}");
        assert!(text.contains("arn:aws-cn:dynamodb:cn-north-1"));
    }
}
