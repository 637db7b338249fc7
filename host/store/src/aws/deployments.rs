//! The history of modules in the table `catalog`. The entry of a module says which
//! deployments there are and which have ended; each deployment has an entry of its
//! own with what never changes, because the settings of all would not fit in one
//! item. A change writes all of them, the canary and the counter in one transaction,
//! fenced by the module's revision.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};
use semver::Version;
use serde::{Deserialize, Serialize};
use surety_core::canary::{Canary, Counts};
use surety_core::deployment::{self, Change, Deployed, NewDeployment};
use surety_core::endorse::Endorsements;
use surety_core::ports::{Busy, DeployError, Deployment, Fault};
use surety_core::types::{Digest, ModuleName, Time};

use super::entries::{Entry, fitting, putting};
use super::item::{Fields, Item, item, n, s, t};
use super::transact::{Canceled, transact};
use super::{Aws, names};

/// How often a change is tried that others were faster than. People and pipelines
/// deploy; more at one moment is not seen.
const ATTEMPTS_MAX: u32 = 8;

/// The delay before another attempt, at most doubled by chance.
const DELAY: std::time::Duration = std::time::Duration::from_millis(25);

/// The most deployments that a change forgets: with the rest of it less than the 100
/// items of a transaction. The next change forgets what is left.
const FORGOTTEN_MAX: usize = 50;

/// A deployment in its module's entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    number: u64,
    version: Version,
    digest: Digest,
    deployed_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Time>,
}

/// A module's entry.
pub(super) struct History {
    name: ModuleName,
    /// How often it was changed; 0 of one that is not there yet.
    pub(super) revision: u64,
    /// By their numbers. Their settings and endorsements are left out.
    pub(super) deployed: Vec<Deployed>,
}

impl History {
    fn new(name: ModuleName) -> Self {
        Self { name, revision: 0, deployed: Vec::new() }
    }

    pub(super) fn read(entry: &Item) -> Result<Self, Fault> {
        let fields = Fields::of(entry, "the entry of a module");
        let name: ModuleName = fields.parsed("name")?;
        let lines: Vec<Line> = fields.json("lines")?;
        let deployed = |line: Line| Deployed {
            number: line.number,
            deployment: Deployment {
                name: name.clone(),
                version: line.version,
                digest: line.digest,
                settings: "".into(),
                deployed_at: line.deployed_at,
            },
            endorsements: Endorsements::NONE,
            ended_at: line.ended_at,
        };
        let deployed = lines.into_iter().map(deployed).collect();
        Ok(Self { revision: fields.number("revision")?, deployed, name })
    }

    /// The other content that a version has.
    fn taken(&self, new: &Deployment) -> Option<Digest> {
        let mut same = self.deployed.iter().filter(|d| d.deployment.version == new.version);
        same.find(|d| d.deployment.digest != new.digest).map(|d| d.deployment.digest)
    }

    /// The write of it, if nobody else wrote it meanwhile.
    pub(super) fn write(&self, table: &str) -> Result<TransactWriteItem, Fault> {
        let line = |d: &Deployed| Line {
            number: d.number,
            version: d.deployment.version.clone(),
            digest: d.deployment.digest,
            deployed_at: d.deployment.deployed_at,
            ended_at: d.ended_at,
        };
        let lines: Vec<_> = self.deployed.iter().map(line).collect();
        let lines = json(&lines)?;
        // Only what is in effect is without a bound.
        let what =
            format!("the list of all versions of the module {} that are deployed", self.name);
        fitting(&what, &lines)?;
        let mut entry = Entry::Module.key(&self.name);
        entry.extend(item([("lines", s(lines)), ("revision", n(self.revision + 1))]));
        let (condition, values) = match self.revision {
            0 => ("attribute_not_exists(#revision)", Item::new()),
            revision => ("#revision = :revision", item([(":revision", n(revision))])),
        };
        Ok(putting(table, entry, Some(condition), values))
    }
}

fn json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::Corrupt(e.to_string()))
}

/// The name of a deployment's entry.
pub(super) fn name(number: u64) -> String {
    format!("{number:020}")
}

/// The entry of a deployment.
pub(super) fn entry_of(deployed: &Deployed) -> Result<Item, Fault> {
    let Deployed { number, deployment, endorsements, .. } = deployed;
    let Deployment { name: module, version, digest, settings, deployed_at } = deployment;
    let (number, endorsements) = (*number, json(endorsements)?);
    let mut entry = Entry::Deployment.key(name(number));
    entry.extend(item([
        ("number", n(number)),
        ("module", s(module)),
        ("version", s(version)),
        ("digest", s(digest)),
        ("settings", s(settings)),
        ("deployed_at", t(*deployed_at)),
        ("endorsements", s(endorsements)),
    ]));
    Ok(entry)
}

/// A deployment's entry; when it ended, the module's entry knows.
fn read(entry: &Item) -> Result<Deployed, Fault> {
    let fields = Fields::of(entry, "the entry of a deployment");
    let deployment = Deployment {
        name: fields.parsed("module")?,
        version: fields.parsed("version")?,
        digest: fields.parsed("digest")?,
        settings: fields.text("settings")?.into(),
        deployed_at: fields.time("deployed_at")?,
    };
    let endorsements = fields.json("endorsements")?;
    Ok(Deployed { number: fields.number("number")?, deployment, endorsements, ended_at: None })
}

fn deleting(table: &str, key: Item) -> TransactWriteItem {
    let delete = Delete::builder().table_name(table).set_key(Some(key)).build();
    TransactWriteItem::builder().delete(delete.expect("table and key are set")).build()
}

/// The entry of a canary.
fn canary(canary: &Canary) -> Result<Item, Fault> {
    let mut entry = Entry::Canary.key(&canary.name);
    entry.insert("canary".to_owned(), s(json(canary)?));
    Ok(entry)
}

impl Aws {
    /// Makes a whole change of one module.
    pub(super) async fn change(&self, change: &Change) -> Result<(), DeployError> {
        let mut name = change.put.as_ref().map(|new| new.deployment.name.clone());
        if name.is_none()
            && let Some(number) = change.end.first()
        {
            name = self.module_of(*number).await?;
        }
        let Some(name) = name else {
            return Ok(self.put_canary(change.canary.as_ref()).await?);
        };
        for _ in 0..ATTEMPTS_MAX {
            match self.try_change(&name, change).await? {
                Ok(()) => return Ok(()),
                Err(Canceled::Fault(fault)) => return Err(fault.into()),
                Err(Canceled::Conditions(_)) => self.rest_a_little().await,
            }
        }
        let why = format!("others change what is deployed of `{name}` all the time");
        Err(Fault::Busy(Busy { why, after: DELAY * ATTEMPTS_MAX }).into())
    }

    /// The module that a deployment is of, unless it is forgotten.
    async fn module_of(&self, number: u64) -> Result<Option<ModuleName>, Fault> {
        let entry = self.entry(Entry::Deployment, &name(number)).await?;
        Ok(entry.as_ref().map(read).transpose()?.map(|d| d.deployment.name))
    }

    async fn put_canary(&self, new: Option<&Canary>) -> Result<(), Fault> {
        let Some(new) = new else { return Ok(()) };
        let write = putting(&self.names.catalog(), canary(new)?, None, Item::new());
        match self.write_entries(vec![write], None).await {
            Ok(()) => Ok(()),
            Err(Canceled::Fault(fault)) => Err(fault),
            Err(Canceled::Conditions(_)) => {
                let why = "a write without a condition was refused by one".to_owned();
                Err(Fault::Unavailable(why))
            }
        }
    }

    /// Adds to what was counted of a canary, unless it has ended.
    pub(super) async fn count(
        &self,
        name: &ModuleName,
        started_at: Time,
        counts: &Counts,
    ) -> Result<Option<Canary>, Fault> {
        let table = self.names.catalog();
        for _ in 0..ATTEMPTS_MAX {
            let entry = self.entry(Entry::Canary, name.as_str()).await?.unwrap_or_default();
            let fields = Fields::of(&entry, "the entry of a canary");
            let there =
                fields.has("canary").then(|| fields.json::<Canary>("canary")).transpose()?;
            let Some(mut counted) = there.filter(|there| there.is_trial_of(started_at)) else {
                return Ok(None);
            };
            if *counts == Counts::default() {
                return Ok(Some(counted));
            }
            counted.add(counts);
            let before = item([(":before", s(fields.text("canary")?))]);
            let put = putting(&table, canary(&counted)?, Some("#canary = :before"), before);
            let what = format!("counting calls of the canary of {name}");
            match transact(&self.sdk, &self.clock, vec![put], &what).await {
                Ok(()) => return Ok(Some(counted)),
                Err(Canceled::Conditions(_)) => self.rest_a_little().await,
                Err(Canceled::Fault(fault)) => return Err(fault),
            }
        }
        let why = format!("others count calls of the canary of `{name}` all the time");
        Err(Fault::Busy(Busy { why, after: DELAY * ATTEMPTS_MAX }))
    }

    async fn rest_a_little(&self) {
        let chance = u32::from(self.clock.random()[9]);
        tokio::time::sleep(DELAY + DELAY * chance / 256).await;
    }

    /// Makes the change, unless another is made in between.
    async fn try_change(
        &self,
        name: &ModuleName,
        change: &Change,
    ) -> Result<Result<(), Canceled>, DeployError> {
        let (table, mut history) = (self.names.catalog(), self.module(name).await?);
        if let Some(digest) = change.put.as_ref().and_then(|new| history.taken(&new.deployment)) {
            return Err(DeployError::AlreadyExists(digest));
        }
        history.deployed = deployment::without(&history.deployed, &change.end, change.at);
        let mut writes = Vec::new();
        let mut numbers = None;
        if let Some(new) = &change.put {
            // Before what names it. One that nothing names does no harm.
            self.objects
                .put(&names::component(new.deployment.digest), new.component.clone())
                .await?;
            let (_, last) = self.counter().await?;
            let number = last.unwrap_or(0) + 1;
            numbers = Some((last, number));
            let NewDeployment { deployment, endorsements, .. } = new;
            let deployed = Deployed {
                number,
                deployment: deployment.clone(),
                endorsements: endorsements.clone(),
                ended_at: None,
            };
            writes.push(putting(&table, entry_of(&deployed)?, None, Item::new()));
            history.deployed.push(deployed);
            let mut forgotten = deployment::forgettable(&history.deployed);
            forgotten.truncate(FORGOTTEN_MAX);
            history.deployed.retain(|d| !forgotten.contains(&d.number));
            let key = |number: &u64| Entry::Deployment.key(self::name(*number));
            writes.extend(forgotten.iter().map(|number| deleting(&table, key(number))));
        }
        writes.push(history.write(&table)?);
        if let Some(canary) = &change.canary {
            writes.push(putting(&table, self::canary(canary)?, None, Item::new()));
        }
        Ok(self.write_entries(writes, numbers).await)
    }

    pub(super) async fn module(&self, name: &ModuleName) -> Result<History, Fault> {
        match self.entry(Entry::Module, name.as_str()).await? {
            Some(entry) => History::read(&entry),
            None => Ok(History::new(name.clone())),
        }
    }

    /// The deployments that are in effect, by name and version.
    pub(super) async fn in_effect(&self) -> Result<Vec<Deployed>, Fault> {
        let mut all = Vec::new();
        for entry in self.entries(Entry::Module).await? {
            all.extend(History::read(&entry)?.deployed);
        }
        self.whole(deployment::in_effect(&all).into_iter().cloned().collect()).await
    }

    /// All deployments of a name that are kept, the last one first.
    pub(super) async fn deployed(&self, name: &ModuleName) -> Result<Vec<Deployed>, Fault> {
        let mut history = self.module(name).await?.deployed;
        history.reverse();
        self.whole(history).await
    }

    /// The same deployments with their settings and endorsements.
    pub(super) async fn whole(&self, lines: Vec<Deployed>) -> Result<Vec<Deployed>, Fault> {
        let key = |d: &Deployed| Entry::Deployment.key(self::name(d.number));
        let table = self.names.catalog();
        let entries = self.batch_get(&table, lines.iter().map(key).collect()).await?;
        let mut found = std::collections::HashMap::new();
        for entry in &entries {
            let deployed = read(entry)?;
            found.insert(deployed.number, deployed);
        }
        let mut whole = Vec::with_capacity(lines.len());
        for line in lines {
            match found.remove(&line.number) {
                Some(deployed) => whole.push(Deployed { ended_at: line.ended_at, ..deployed }),
                // Forgotten between the two reads.
                None if line.ended_at.is_some() => {}
                None => {
                    let Deployment { name, version, .. } = line.deployment;
                    let number = line.number;
                    return Err(Fault::Corrupt(format!(
                        "the table {table} has no entry for the deployment {number}, {name}@{version}; restore the table to a time before it was lost"
                    )));
                }
            }
        }
        Ok(whole)
    }
}
