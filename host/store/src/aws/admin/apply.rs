//! Makes the changes of a plan. Each may be made again, and by two at one time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::update_continuous_backups::UpdateContinuousBackupsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, PointInTimeRecoverySpecification,
    Projection, ProjectionType, ScalarAttributeType, Tag, TimeToLiveSpecification,
};
use aws_sdk_sqs::operation::create_queue::CreateQueueError;
use aws_sdk_sqs::types::QueueAttributeName;
use surety_core::ports::Fault;

use super::look::table_is;
use super::plan::{Act, Change, Queue, TAG};
use super::{AwsAdmin, Plan};
use crate::aws::fault::fault;
use crate::aws::meta::Meta;
use crate::aws::table_fault;
use crate::aws::tables::{Index, Kind, Table};

/// How long a table or an index may take to be made: an empty one takes half a
/// minute, an index over a large table hours.
const MADE_WAIT_MAX: Duration = Duration::from_secs(600);

/// How often it is asked whether it is.
const MADE_ASK_EVERY: Duration = Duration::from_secs(1);

/// How long to try what AWS refuses for a while after something else was made or
/// deleted: the name of a deleted queue is free after a minute.
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(90);

/// How often it is tried.
const SETTLE_TRY_EVERY: Duration = Duration::from_secs(5);

/// How long a queue may take to be seen after it was made; AWS says a second.
const SEEN_WAIT_MAX: Duration = Duration::from_secs(10);

/// How often it is looked for.
const SEEN_ASK_EVERY: Duration = Duration::from_millis(250);

/// What is built from what is given.
pub(super) const GIVEN: &str = "all that it needs is given";

impl AwsAdmin {
    /// Makes the changes of a fresh plan, tells of each before it makes it, and waits
    /// until all tables, indexes and queues can be used. Gives what it did.
    ///
    /// # Errors
    /// When something is refused by the plan, or AWS refuses a change; those before it
    /// are made, and applying again goes on behind them.
    pub async fn apply(&self, told: &mut (dyn FnMut(&Change) + Send)) -> Result<Plan, Fault> {
        let plan = self.plan().await?;
        if !plan.refused.is_empty() {
            let why = plan.refused.join("\n");
            return Err(Fault::Unavailable(format!("nothing is changed:\n{why}")));
        }
        for change in &plan.changes {
            told(change);
            self.act(&change.0).await?;
        }
        for table in crate::aws::tables::tables(&self.names) {
            self.made(&table.name).await?;
        }
        for change in &plan.changes {
            if let Act::MakeQueue(queue) = &change.0 {
                self.found(&queue.name).await?;
            }
        }
        Ok(plan)
    }

    async fn act(&self, act: &Act) -> Result<(), Fault> {
        match act {
            Act::MakeTable(table) => self.make_table(table).await,
            Act::BillByRequest(table) => {
                let call = self.sdk.dynamodb.update_table().table_name(table);
                let done = call.billing_mode(BillingMode::PayPerRequest).send().await;
                done.map_err(|e| table_fault("changing", table, e))?;
                self.made(table).await
            }
            Act::MakeIndex(table, index) => self.make_index(table, index).await,
            Act::SetTtl(table, attribute) => {
                let ttl = TimeToLiveSpecification::builder().attribute_name(*attribute);
                let ttl = ttl.enabled(true).build().expect(GIVEN);
                let call = self.sdk.dynamodb.update_time_to_live().table_name(table);
                let done = call.time_to_live_specification(ttl).send().await;
                done.map(|_| ()).map_err(|e| table_fault("changing", table, e))
            }
            Act::KeepRecovery(table) => self.keep_recovery(table).await,
            Act::TagTable(table, arn) => {
                let call = self.sdk.dynamodb.tag_resource().resource_arn(arn).tags(self.tag());
                call.send().await.map(|_| ()).map_err(|e| table_fault("tagging", table, e))
            }
            Act::MakeQueue(queue) => self.make_queue(queue).await,
            Act::SetQueue(queue, _) => {
                let url = self.found(&queue.name).await?.0;
                let call = self.sdk.sqs.set_queue_attributes().queue_url(url);
                let set = Some(self.attributes(queue).await?.into_iter().collect());
                let done = call.set_attributes(set).send().await;
                let doing = format!("changing the queue {}", queue.name);
                done.map(|_| ()).map_err(|e| fault(&doing, e))
            }
            Act::TagQueue(name) => {
                let call = self.sdk.sqs.tag_queue().queue_url(self.found(name).await?.0);
                let done = call.tags(TAG, &self.config.prefix).send().await;
                done.map(|_| ()).map_err(|e| fault(&format!("tagging the queue {name}"), e))
            }
            Act::SayMeta(table, meta) => self.say_meta(table, meta).await,
        }
    }

    fn tag(&self) -> Tag {
        Tag::builder().key(TAG).value(&self.config.prefix).build().expect(GIVEN)
    }

    async fn make_table(&self, table: &Table) -> Result<(), Fault> {
        let mut call = self
            .sdk
            .dynamodb
            .create_table()
            .table_name(&table.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(schema(table.hash, table.range)))
            .tags(self.tag());
        let mut keys = BTreeSet::from([table.hash]);
        keys.extend(table.range);
        for index in table.indexes {
            keys.extend([index.hash, index.range]);
            let index = GlobalSecondaryIndex::builder()
                .index_name(index.name)
                .set_key_schema(Some(schema(index.hash, Some(index.range))))
                .projection(projection(index))
                .build()
                .expect(GIVEN);
            call = call.global_secondary_indexes(index);
        }
        for key in keys {
            call = call.attribute_definitions(definition(key));
        }
        match call.send().await {
            Ok(_) => {}
            // By somebody else at the same time.
            Err(e)
                if e.as_service_error()
                    .is_some_and(CreateTableError::is_resource_in_use_exception) => {}
            Err(e) => return Err(table_fault("making", &table.name, e)),
        }
        self.made(&table.name).await
    }

    async fn make_index(&self, table: &Table, index: &Index) -> Result<(), Fault> {
        // DynamoDB makes one at a time.
        self.made(&table.name).await?;
        let create = CreateGlobalSecondaryIndexAction::builder()
            .index_name(index.name)
            .set_key_schema(Some(schema(index.hash, Some(index.range))))
            .projection(projection(index))
            .build()
            .expect(GIVEN);
        let call = self.sdk.dynamodb.update_table().table_name(&table.name);
        let done = call
            .attribute_definitions(definition(index.hash))
            .attribute_definitions(definition(index.range))
            .global_secondary_index_updates(
                GlobalSecondaryIndexUpdate::builder().create(create).build(),
            )
            .send()
            .await;
        done.map_err(|e| table_fault("making an index of", &table.name, e))?;
        self.made(&table.name).await
    }

    /// Waits until a table and its indexes can be used.
    async fn made(&self, table: &str) -> Result<(), Fault> {
        let waiting = async {
            loop {
                if let Some(is) = self.describe(table).await?.as_ref().map(table_is)
                    && is.active
                    && is.indexes.values().all(|index| index.active)
                {
                    return Ok(());
                }
                tokio::time::sleep(MADE_ASK_EVERY).await;
            }
        };
        let waited = tokio::time::timeout(MADE_WAIT_MAX, waiting).await;
        waited.unwrap_or_else(|_| {
            Err(Fault::Unavailable(format!(
                "the table {table} or one of its indexes is still being made after {} s, as happens to an index over many items; apply again later",
                MADE_WAIT_MAX.as_secs()
            )))
        })
    }

    async fn keep_recovery(&self, table: &str) -> Result<(), Fault> {
        let mut waited = Duration::ZERO;
        loop {
            let recovery = PointInTimeRecoverySpecification::builder();
            let recovery = recovery.point_in_time_recovery_enabled(true).build().expect(GIVEN);
            let call = self.sdk.dynamodb.update_continuous_backups().table_name(table);
            let done = call.point_in_time_recovery_specification(recovery).send().await;
            let error = match done {
                Ok(_) => return Ok(()),
                Err(e) => e,
            };
            // The next plan says so as well.
            if super::look::is_unknown(&error) {
                return Ok(());
            }
            let soon = error.as_service_error().is_some_and(
                UpdateContinuousBackupsError::is_continuous_backups_unavailable_exception,
            );
            if !soon || waited >= SETTLE_WAIT_MAX {
                return Err(table_fault("keeping backups of", table, error));
            }
            tokio::time::sleep(SETTLE_TRY_EVERY).await;
            waited += SETTLE_TRY_EVERY;
        }
    }

    /// What a queue is to be set to.
    async fn attributes(&self, queue: &Queue) -> Result<Vec<(QueueAttributeName, String)>, Fault> {
        let mut dead_arn = None;
        if let Some(dead) = &queue.dead {
            let set = self.found(dead).await?.1;
            let missing = || Fault::Unavailable(format!("the queue {dead} tells no ARN"));
            dead_arn = Some(set.get("QueueArn").cloned().ok_or_else(missing)?);
        }
        let set = queue.attributes(dead_arn.as_deref());
        Ok(set.into_iter().map(|(name, value)| (name.as_str().into(), value)).collect())
    }

    /// The URL and the attributes of a queue that was made, maybe a moment ago.
    async fn found(&self, queue: &str) -> Result<(String, BTreeMap<String, String>), Fault> {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(url) = self.queue_url(queue).await?
                && let Some(set) = self.queue_attributes(queue, &url).await?
            {
                return Ok((url, set));
            }
            if waited >= SEEN_WAIT_MAX {
                return Err(Fault::Unavailable(format!(
                    "the queue {queue} is gone since it was made; apply again"
                )));
            }
            tokio::time::sleep(SEEN_ASK_EVERY).await;
            waited += SEEN_ASK_EVERY;
        }
    }

    async fn make_queue(&self, queue: &Queue) -> Result<(), Fault> {
        let set = self.attributes(queue).await?;
        let mut waited = Duration::ZERO;
        loop {
            let call = self.sdk.sqs.create_queue().queue_name(&queue.name);
            let call = call.set_attributes(Some(set.iter().cloned().collect()));
            let error = match call.tags(TAG, &self.config.prefix).send().await {
                Ok(_) => return Ok(()),
                Err(e) => e,
            };
            let soon =
                error.as_service_error().is_some_and(CreateQueueError::is_queue_deleted_recently);
            if !soon || waited >= SETTLE_WAIT_MAX {
                return Err(fault(&format!("making the queue {}", queue.name), error));
            }
            tokio::time::sleep(SETTLE_TRY_EVERY).await;
            waited += SETTLE_TRY_EVERY;
        }
    }

    async fn say_meta(&self, table: &str, meta: &Meta) -> Result<(), Fault> {
        // Another one may have been written since the plan.
        let condition = "attribute_not_exists(#kind) OR (#version = :version AND #index_shards = :index_shards AND #guarantee = :guarantee AND #queues = :queues)";
        let values = crate::aws::item::item([
            (":version", crate::aws::item::n(meta.version)),
            (":index_shards", crate::aws::item::n(meta.index_shards)),
            (":guarantee", crate::aws::item::s(&meta.guarantee)),
            (":queues", crate::aws::item::s(&meta.queues)),
        ]);
        let put = self.sdk.dynamodb.put_item().table_name(table).set_item(Some(meta.write()));
        let put = put
            .condition_expression(condition)
            .set_expression_attribute_names(Some(crate::aws::item::names(&[condition])))
            .set_expression_attribute_values(Some(values));
        put.send().await.map(|_| ()).map_err(|e| table_fault("writing", table, e))
    }
}

fn schema(hash: (&str, Kind), range: Option<(&str, Kind)>) -> Vec<KeySchemaElement> {
    let part = |(name, _): (&str, Kind), kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect(GIVEN)
    };
    let mut schema = vec![part(hash, KeyType::Hash)];
    schema.extend(range.map(|range| part(range, KeyType::Range)));
    schema
}

fn definition((name, kind): (&str, Kind)) -> AttributeDefinition {
    let kind = match kind {
        Kind::S => ScalarAttributeType::S,
        Kind::N => ScalarAttributeType::N,
    };
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().expect(GIVEN)
}

fn projection(index: &Index) -> Projection {
    let projection = Projection::builder();
    if index.include.is_empty() {
        return projection.projection_type(ProjectionType::KeysOnly).build();
    }
    let include = index.include.iter().map(|&name| name.to_owned()).collect();
    projection
        .projection_type(ProjectionType::Include)
        .set_non_key_attributes(Some(include))
        .build()
}
