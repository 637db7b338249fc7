//! What is to be changed. Pure: of what there is and what there must be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Serialize, Serializer};

use crate::aws::AwsConfig;
use crate::aws::meta::Meta;
use crate::aws::names::Names;
use crate::aws::tables::{Index, Kind, Table, tables};

/// The tag of all tables and queues; its value is the prefix.
pub(super) const TAG: &str = "surety";

/// For how long a feeder queue keeps a ticket: the most that SQS can.
pub(super) const RETENTION_S: u32 = 1_209_600;

/// How often a ticket is received before it is put aside: the most that SQS counts.
/// A ticket is a hint, and comes again until its message moves; one that came that
/// often names a message that surety cannot read, and the sweep makes another.
pub(super) const RECEIVES_MAX: u32 = 1_000;

/// A key's attribute, as it is there.
pub(super) type Key = (String, Option<Kind>);

/// A table as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableIs {
    pub(super) arn: String,
    pub(super) active: bool,
    pub(super) hash: Key,
    pub(super) range: Option<Key>,
    pub(super) on_demand: bool,
    pub(super) indexes: BTreeMap<String, IndexIs>,
    pub(super) ttl: Option<String>,
    /// Whether it can be put back to a point in time; none where the endpoint does
    /// not know of that.
    pub(super) recovery: Option<bool>,
    pub(super) tags: BTreeMap<String, String>,
}

/// An index as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexIs {
    pub(super) active: bool,
    pub(super) hash: Key,
    pub(super) range: Option<Key>,
    pub(super) include: BTreeSet<String>,
    /// Whether it carries all attributes.
    pub(super) all: bool,
}

/// A queue as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct QueueIs {
    pub(super) url: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Is {
    pub(super) tables: BTreeMap<String, TableIs>,
    pub(super) queues: BTreeMap<String, QueueIs>,
    pub(super) meta: Option<Meta>,
}

/// A feeder queue, or the one for tickets that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) name: String,
    /// For how long a ticket in hand is kept from others; none where nobody receives.
    pub(super) visibility_s: Option<u16>,
    /// Where tickets go that were received too often.
    pub(super) dead: Option<String>,
}

/// The queues of a deployment, the one that others name first.
pub(super) fn queues(names: &Names, config: &AwsConfig) -> Vec<Queue> {
    let dead = names.dead_tickets();
    let mut all = vec![Queue { name: dead.clone(), visibility_s: None, dead: None }];
    all.extend(names.feeders().into_iter().map(|name| Queue {
        name,
        visibility_s: Some(config.lease_s),
        dead: Some(dead.clone()),
    }));
    all
}

impl Queue {
    /// What it must be set to, given the ARN of the queue that it names.
    pub(super) fn attributes(&self, dead_arn: Option<&str>) -> BTreeMap<String, String> {
        let mut set = BTreeMap::new();
        set.insert("MessageRetentionPeriod".to_owned(), RETENTION_S.to_string());
        if let Some(seconds) = self.visibility_s {
            set.insert("VisibilityTimeout".to_owned(), seconds.to_string());
        }
        if let Some(arn) = dead_arn {
            let redrive = serde_json::json!({
                "deadLetterTargetArn": arn,
                "maxReceiveCount": RECEIVES_MAX,
            });
            set.insert("RedrivePolicy".to_owned(), redrive.to_string());
        }
        set
    }

    /// What of it is set otherwise.
    fn differs(&self, is: &QueueIs) -> Vec<String> {
        let mut differs = Vec::new();
        for (name, wanted) in self.attributes(None) {
            let set = is.attributes.get(&name).map_or("not set", String::as_str);
            if set != wanted {
                differs.push(format!("{name} from {set} to {wanted}"));
            }
        }
        if let Some(dead) = &self.dead
            && !redrives(is, dead)
        {
            differs.push(format!("RedrivePolicy to {dead} after {RECEIVES_MAX} receives"));
        }
        differs
    }
}

/// Whether a queue puts aside what was received too often.
fn redrives(is: &QueueIs, dead: &str) -> bool {
    let policy = is.attributes.get("RedrivePolicy");
    let policy = policy.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let Some(policy) = policy else { return false };
    let target = policy["deadLetterTargetArn"].as_str().unwrap_or("");
    // A number, or a text of one.
    let count = policy["maxReceiveCount"].to_string();
    target.rsplit(':').next() == Some(dead) && count.trim_matches('"') == RECEIVES_MAX.to_string()
}

/// One thing that is to be done.
#[derive(Debug, Clone)]
pub struct Change(pub(super) Act);

#[derive(Debug, Clone)]
pub(super) enum Act {
    MakeTable(Table),
    BillByRequest(String),
    MakeIndex(Table, Index),
    SetTtl(String, &'static str),
    KeepRecovery(String),
    TagTable(String, String),
    MakeQueue(Queue),
    SetQueue(Queue, Vec<String>),
    TagQueue(String),
    SayMeta(String, Meta),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Act::MakeTable(table) => {
                write!(f, "make the table {} with the key {}", table.name, table.hash.0)?;
                if let Some((range, _)) = table.range {
                    write!(f, ", {range}")?;
                }
                if !table.indexes.is_empty() {
                    let names: Vec<_> = table.indexes.iter().map(|index| index.name).collect();
                    write!(f, " and the indexes {}", names.join(", "))?;
                }
                Ok(())
            }
            Act::BillByRequest(table) => write!(f, "bill the table {table} by request"),
            Act::MakeIndex(table, index) => {
                write!(f, "make the index {} of the table {}", index.name, table.name)
            }
            Act::SetTtl(table, attribute) => {
                write!(f, "let the table {table} forget items at their `{attribute}`")
            }
            Act::KeepRecovery(table) => {
                write!(f, "keep the table {table} so that it can be put back to a point in time")
            }
            Act::TagTable(table, _) => write!(f, "tag the table {table}"),
            Act::MakeQueue(queue) => write!(f, "make the queue {}", queue.name),
            Act::SetQueue(queue, differs) => {
                write!(f, "set of the queue {}: {}", queue.name, differs.join(", "))
            }
            Act::TagQueue(queue) => write!(f, "tag the queue {queue}"),
            Act::SayMeta(table, meta) => write!(
                f,
                "note in the table {table}: version {}, index_shards {}, feeder_queues {}, guarantee {}, queues {}",
                meta.version, meta.index_shards, meta.feeder_queues, meta.guarantee, meta.queues
            ),
        }
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    /// The changes.
    pub changes: Vec<Change>,
    /// What is otherwise than it must be and is not changed, because data could be
    /// lost; each with what to do instead. While there is any, nothing is done.
    pub refused: Vec<String>,
}

/// What is to be done.
pub(super) fn plan(names: &Names, config: &AwsConfig, wanted: &Meta, is: &Is) -> Plan {
    let mut plan = Plan::default();
    let catalog = names.catalog();
    if let Some(meta) = &is.meta
        && let Some(why) = meta.unfit(&catalog, wanted)
    {
        plan.refused.push(why);
        // Everything else was made for the other one as well.
        return plan;
    }
    for table in tables(names) {
        of_table(&mut plan, config, &table, is.tables.get(&table.name));
    }
    for queue in queues(names, config) {
        let mut act = |act| plan.changes.push(Change(act));
        let Some(is) = is.queues.get(&queue.name) else {
            act(Act::MakeQueue(queue));
            continue;
        };
        if is.tags.get(TAG) != Some(&config.prefix) {
            act(Act::TagQueue(queue.name.clone()));
        }
        let differs = queue.differs(is);
        if !differs.is_empty() {
            act(Act::SetQueue(queue, differs));
        }
    }
    // Last: a host starts when it is there.
    if is.meta.as_ref() != Some(wanted) {
        plan.changes.push(Change(Act::SayMeta(catalog, wanted.clone())));
    }
    plan
}

fn of_table(plan: &mut Plan, config: &AwsConfig, table: &Table, is: Option<&TableIs>) {
    let name = || table.name.clone();
    let mut acts = Vec::new();
    let Some(is) = is else {
        acts.push(Act::MakeTable(table.clone()));
        acts.extend(table.ttl.map(|attribute| Act::SetTtl(name(), attribute)));
        acts.push(Act::KeepRecovery(name()));
        plan.changes.extend(acts.into_iter().map(Change));
        return;
    };
    let same = |key: &Key, wanted: (&str, Kind)| key.0 == wanted.0 && key.1 == Some(wanted.1);
    let same_range = |key: Option<&Key>, wanted: Option<(&str, Kind)>| match (key, wanted) {
        (None, None) => true,
        (Some(key), Some(wanted)) => same(key, wanted),
        _ => false,
    };
    if !same(&is.hash, table.hash) || !same_range(is.range.as_ref(), table.range) {
        plan.refused.push(format!(
            "the table {} has other keys than surety's; use another `prefix`, or move that table away",
            table.name
        ));
        return;
    }
    if !is.on_demand {
        acts.push(Act::BillByRequest(name()));
    }
    for index in table.indexes {
        let Some(made) = is.indexes.get(index.name) else {
            acts.push(Act::MakeIndex(table.clone(), *index));
            continue;
        };
        let includes = made.all || index.include.iter().all(|name| made.include.contains(*name));
        if !same(&made.hash, index.hash)
            || !same_range(made.range.as_ref(), Some(index.range))
            || !includes
        {
            plan.refused.push(format!(
                "the index {} of the table {} is of other attributes than surety's; stop the hosts, delete that index, and apply again",
                index.name, table.name
            ));
        }
    }
    match (&is.ttl, table.ttl) {
        (None, Some(attribute)) => acts.push(Act::SetTtl(name(), attribute)),
        (Some(other), wanted) if wanted != Some(other) => plan.refused.push(format!(
            "the table {} forgets items at their `{other}`; switch its time to live off, and apply again",
            table.name
        )),
        _ => {}
    }
    if is.recovery == Some(false) {
        acts.push(Act::KeepRecovery(name()));
    }
    if is.tags.get(TAG) != Some(&config.prefix) {
        acts.push(Act::TagTable(name(), is.arn.clone()));
    }
    plan.changes.extend(acts.into_iter().map(Change));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes something otherwise than it must be.
    type Spoil = fn(&mut Is);

    fn config() -> AwsConfig {
        AwsConfig {
            region: "eu-central-1".to_owned(),
            objects: "s3://bucket/surety".to_owned(),
            feeder_queues: 2,
            ..AwsConfig::default()
        }
    }

    fn planned(is: &Is) -> Plan {
        let config = config();
        plan(&Names::new(&config), &config, &Meta::wanted(&config), is)
    }

    fn lines(plan: &Plan) -> Vec<String> {
        plan.changes.iter().map(Change::to_string).collect()
    }

    /// Everything as it must be.
    fn made() -> Is {
        let config = config();
        let names = Names::new(&config);
        let tags = BTreeMap::from([(TAG.to_owned(), config.prefix.clone())]);
        let key = |(name, kind): (&str, Kind)| (name.to_owned(), Some(kind));
        let index = |index: &Index| IndexIs {
            active: true,
            hash: key(index.hash),
            range: Some(key(index.range)),
            include: index.include.iter().map(|&name| name.to_owned()).collect(),
            all: false,
        };
        let table = |table: Table| {
            let is = TableIs {
                arn: format!("arn:aws:dynamodb:eu-central-1:1:table/{}", table.name),
                active: true,
                hash: key(table.hash),
                range: table.range.map(key),
                on_demand: true,
                indexes: table.indexes.iter().map(|i| (i.name.to_owned(), index(i))).collect(),
                ttl: table.ttl.map(str::to_owned),
                recovery: Some(true),
                tags: tags.clone(),
            };
            (table.name, is)
        };
        let queue = |queue: Queue| {
            let arn = queue.dead.as_ref().map(|dead| format!("arn:aws:sqs:eu-central-1:1:{dead}"));
            let is = QueueIs {
                url: String::new(),
                attributes: queue.attributes(arn.as_deref()),
                tags: tags.clone(),
            };
            (queue.name, is)
        };
        Is {
            tables: tables(&names).map(table).into(),
            queues: queues(&names, &config).into_iter().map(queue).collect(),
            meta: Some(Meta::wanted(&config)),
        }
    }

    #[test]
    fn of_nothing_everything_is_made_and_the_note_last() {
        let lines = lines(&planned(&Is::default()));
        let made = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
        assert_eq!(made("make the table"), 4, "{lines:#?}");
        assert_eq!(made("make the queue"), 3);
        assert_eq!(made("forget"), 1);
        assert_eq!(made("point in time"), 4);
        assert!(lines.last().unwrap().starts_with("note in the table surety-catalog"));
    }

    #[test]
    fn of_everything_nothing_is_changed() {
        let plan = planned(&made());
        assert_eq!((lines(&plan), plan.refused), (vec![], vec![]));
    }

    #[test]
    fn what_is_missing_is_made() {
        let cases: [(&str, Spoil); 8] = [
            ("make the index by_state of the table surety-reference", |is| {
                is.tables.get_mut("surety-reference").unwrap().indexes.remove("by_state");
            }),
            ("let the table surety-messages forget items at their `forget_at`", |is| {
                is.tables.get_mut("surety-messages").unwrap().ttl = None;
            }),
            ("bill the table surety-records by request", |is| {
                is.tables.get_mut("surety-records").unwrap().on_demand = false;
            }),
            ("tag the table surety-records", |is| {
                is.tables.get_mut("surety-records").unwrap().tags.clear();
            }),
            ("keep the table surety-records so that it can be put back to a point in time", |is| {
                is.tables.get_mut("surety-records").unwrap().recovery = Some(false)
            }),
            ("set of the queue surety-feeder-1: VisibilityTimeout from 7 to 30", |is| {
                let queue = is.queues.get_mut("surety-feeder-1").unwrap();
                queue.attributes.insert("VisibilityTimeout".to_owned(), "7".to_owned());
            }),
            (
                "set of the queue surety-feeder-0: RedrivePolicy to surety-feeder-dead after 1000 receives",
                |is| {
                    let queue = is.queues.get_mut("surety-feeder-0").unwrap();
                    queue.attributes.remove("RedrivePolicy");
                },
            ),
            (
                "note in the table surety-catalog: version 1, index_shards 4, feeder_queues 2, guarantee sqs, queues standard",
                |is| is.meta.as_mut().unwrap().feeder_queues = 1,
            ),
        ];
        for (expected, spoil) in cases {
            let mut is = made();
            spoil(&mut is);
            assert_eq!(lines(&planned(&is)), [expected]);
        }
    }

    #[test]
    fn what_would_lose_data_is_refused() {
        let cases: [(&str, Spoil); 7] = [
            ("version 2", |is| is.meta.as_mut().unwrap().version = 2),
            ("`index_shards` is 8", |is| is.meta.as_mut().unwrap().index_shards = 8),
            ("`guarantee` is \"dynamodb\"", |is| {
                is.meta.as_mut().unwrap().guarantee = "dynamodb".to_owned();
            }),
            ("`queues` is \"fifo\"", |is| is.meta.as_mut().unwrap().queues = "fifo".to_owned()),
            ("other keys", |is| {
                is.tables.get_mut("surety-records").unwrap().range = None;
            }),
            ("delete that index", |is| {
                let table = is.tables.get_mut("surety-messages").unwrap();
                table.indexes.get_mut("open").unwrap().include.clear();
            }),
            ("switch its time to live off", |is| {
                is.tables.get_mut("surety-records").unwrap().ttl = Some("other".to_owned());
            }),
        ];
        for (expected, spoil) in cases {
            let mut is = made();
            spoil(&mut is);
            let plan = planned(&is);
            assert_eq!(plan.refused.len(), 1, "{plan:?}");
            assert!(plan.refused[0].contains(expected), "{plan:?}");
        }
    }
}
