//! What provisioning and the doctor both ask, so that hosts may ask it too.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::TableDescription;
use aws_sdk_sqs::types::QueueAttributeName;
use surety_core::ports::Fault;

use super::AwsAdmin;
use crate::aws::fault::{bare, fault};
use crate::aws::meta::Meta;
use crate::aws::table_fault;

/// Whether what was asked for is not there.
fn is_missing<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let missing = ["ResourceNotFoundException", "QueueDoesNotExist", "NonExistentQueue"];
    error
        .as_service_error()
        .and_then(|e| e.code())
        .is_some_and(|code| missing.contains(&bare(code)))
}

impl AwsAdmin {
    /// What DynamoDB says of a table.
    pub(super) async fn describe(&self, name: &str) -> Result<Option<TableDescription>, Fault> {
        match self.sdk.dynamodb.describe_table().table_name(name).send().await {
            Ok(described) => Ok(described.table),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(table_fault("looking at", name, e)),
        }
    }

    /// The URL of a queue.
    pub(super) async fn queue_url(&self, name: &str) -> Result<Option<String>, Fault> {
        match self.sdk.sqs.get_queue_url().queue_name(name).send().await {
            Ok(found) => Ok(found.queue_url),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(fault(&format!("looking at the queue {name}"), e)),
        }
    }

    /// The attributes of a queue, with those that SQS counts; none when it is not there.
    pub(super) async fn queue_attributes(
        &self,
        name: &str,
        url: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Fault> {
        let call = self.sdk.sqs.get_queue_attributes().queue_url(url);
        let set = match call.attribute_names(QueueAttributeName::All).send().await {
            Ok(got) => got.attributes.unwrap_or_default(),
            Err(e) if is_missing(&e) => return Ok(None),
            Err(e) => return Err(fault(&format!("looking at the queue {name}"), e)),
        };
        let named = |(name, value): (QueueAttributeName, _)| (name.as_str().to_owned(), value);
        Ok(Some(set.into_iter().map(named).collect()))
    }

    /// What the tables are said to be.
    pub(super) async fn look_at_meta(&self) -> Result<Option<Meta>, Fault> {
        let table = self.names.catalog();
        let get = self.sdk.dynamodb.get_item().table_name(&table).consistent_read(true);
        let got = get.set_key(Some(Meta::key())).send().await;
        let got = got.map_err(|e| table_fault("reading", &table, e))?;
        got.item.as_ref().map(Meta::read).transpose()
    }
}
