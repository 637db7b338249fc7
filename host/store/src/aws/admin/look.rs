//! What there is. Only asks.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndexDescription, IndexStatus,
    KeySchemaElement, KeyType, PointInTimeRecoveryStatus, ProjectionType, ScalarAttributeType,
    TableDescription, TableStatus, TimeToLiveStatus,
};
use surety_core::ports::Fault;

use super::AwsAdmin;
use super::plan::{IndexIs, Is, Key, QueueIs, TableIs, queues};
use crate::aws::fault::{bare, fault};
use crate::aws::table_fault;
use crate::aws::tables::{Kind, tables};

/// Whether the endpoint does not know what it was asked, as some that stand in for
/// AWS.
pub(super) fn is_unknown<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let unknown = ["UnknownOperationException", "UnknownOperation", "InvalidAction"];
    error
        .as_service_error()
        .and_then(|e| e.code())
        .is_some_and(|code| unknown.contains(&bare(code)))
}

impl AwsAdmin {
    /// Everything that the deployment has.
    pub(super) async fn look(&self) -> Result<Is, Fault> {
        let mut is = Is::default();
        for table in tables(&self.names) {
            if let Some(found) = self.look_at_table(&table.name).await? {
                is.tables.insert(table.name, found);
            }
        }
        for queue in queues(&self.names, &self.config) {
            if let Some(found) = self.look_at_queue(&queue.name).await? {
                is.queues.insert(queue.name, found);
            }
        }
        if is.tables.contains_key(&self.names.catalog()) {
            is.meta = self.look_at_meta().await?;
        }
        Ok(is)
    }

    /// A table with all that is asked for apart.
    pub(super) async fn look_at_table(&self, name: &str) -> Result<Option<TableIs>, Fault> {
        let Some(table) = self.describe(name).await? else { return Ok(None) };
        let mut is = table_is(&table);
        let call = self.sdk.dynamodb.describe_time_to_live().table_name(name);
        let ttl = call.send().await.map_err(|e| table_fault("looking at", name, e))?;
        is.ttl = ttl.time_to_live_description.and_then(|ttl| {
            let on = [TimeToLiveStatus::Enabled, TimeToLiveStatus::Enabling];
            let on = ttl.time_to_live_status.is_some_and(|status| on.contains(&status));
            ttl.attribute_name.filter(|_| on)
        });
        let call = self.sdk.dynamodb.describe_continuous_backups().table_name(name);
        is.recovery = match call.send().await {
            Ok(backups) => {
                let backups = backups.continuous_backups_description;
                let recovery = backups.and_then(|b| b.point_in_time_recovery_description);
                let status = recovery.and_then(|r| r.point_in_time_recovery_status);
                Some(status == Some(PointInTimeRecoveryStatus::Enabled))
            }
            Err(e) if is_unknown(&e) => None,
            Err(e) => return Err(table_fault("looking at", name, e)),
        };
        let call = self.sdk.dynamodb.list_tags_of_resource().resource_arn(&is.arn);
        let tags = call.send().await.map_err(|e| table_fault("looking at", name, e))?;
        let tags = tags.tags.unwrap_or_default();
        is.tags = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
        Ok(Some(is))
    }

    async fn look_at_queue(&self, name: &str) -> Result<Option<QueueIs>, Fault> {
        let Some(url) = self.queue_url(name).await? else { return Ok(None) };
        let Some(attributes) = self.queue_attributes(name, &url).await? else { return Ok(None) };
        let tags = self.sdk.sqs.list_queue_tags().queue_url(&url).send().await;
        let tags = tags.map_err(|e| fault(&format!("looking at the queue {name}"), e))?;
        let tags = tags.tags.unwrap_or_default().into_iter().collect();
        Ok(Some(QueueIs { url, attributes, tags }))
    }
}

/// What a description says.
pub(super) fn table_is(table: &TableDescription) -> TableIs {
    let keys = |schema: &[KeySchemaElement]| keys(schema, table.attribute_definitions());
    let index = |index: &GlobalSecondaryIndexDescription| {
        let (hash, range) = keys(index.key_schema());
        let projection = index.projection();
        let is = IndexIs {
            active: index.index_status() == Some(&IndexStatus::Active),
            hash,
            range,
            include: projection
                .map(|p| p.non_key_attributes().iter().cloned().collect())
                .unwrap_or_default(),
            all: projection.and_then(|p| p.projection_type()) == Some(&ProjectionType::All),
        };
        (index.index_name().unwrap_or_default().to_owned(), is)
    };
    let (hash, range) = keys(table.key_schema());
    let billing = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    TableIs {
        arn: table.table_arn().unwrap_or_default().to_owned(),
        active: table.table_status() == Some(&TableStatus::Active),
        hash,
        range,
        on_demand: billing == Some(&BillingMode::PayPerRequest),
        indexes: table.global_secondary_indexes().iter().map(index).collect(),
        ttl: None,
        recovery: None,
        tags: BTreeMap::new(),
    }
}

/// The keys of a schema, with their kinds.
fn keys(schema: &[KeySchemaElement], defined: &[AttributeDefinition]) -> (Key, Option<Key>) {
    let key = |part: &KeySchemaElement| {
        let name = part.attribute_name();
        let attribute = defined.iter().find(|a| a.attribute_name() == name);
        let kind = attribute.and_then(|a| match a.attribute_type() {
            ScalarAttributeType::S => Some(Kind::S),
            ScalarAttributeType::N => Some(Kind::N),
            _ => None,
        });
        (name.to_owned(), kind)
    };
    let of = |kind| schema.iter().find(|part| *part.key_type() == kind).map(key);
    (of(KeyType::Hash).unwrap_or_default(), of(KeyType::Range))
}
