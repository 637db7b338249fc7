//! Changes of a row L under a condition, by themselves or in a transaction.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use surety_core::ports::Fault;
use surety_core::types::MsgId;

use super::ids::key;
use super::item::{Item, names};
use super::{Aws, table_fault};

/// A change in the making.
pub(super) struct Change {
    pub(super) id: MsgId,
    /// Attributes and what they become.
    pub(super) set: Vec<(&'static str, AttributeValue)>,
    /// Attributes that go.
    pub(super) remove: Vec<&'static str>,
    /// What must hold before.
    pub(super) condition: &'static str,
    /// The values of the condition.
    pub(super) values: Item,
}

impl Change {
    fn expression(&self) -> String {
        let set: Vec<_> =
            self.set.iter().map(|(name, _)| format!("#{name} = :set_{name}")).collect();
        let remove: Vec<_> = self.remove.iter().map(|name| format!("#{name}")).collect();
        let clause = |word: &str, list: Vec<String>| match list.is_empty() {
            true => String::new(),
            false => format!("{word} {} ", list.join(", ")),
        };
        clause("SET", set) + &clause("REMOVE", remove)
    }

    fn values(&self) -> Item {
        let set = self.set.iter().map(|(name, value)| (format!(":set_{name}"), value.clone()));
        self.values.clone().into_iter().chain(set).collect()
    }

    /// The change as a part of a transaction.
    pub(super) fn in_transaction(&self, table: String) -> Result<TransactWriteItem, Fault> {
        let expression = self.expression();
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key(self.id)))
            .set_expression_attribute_names(Some(names(&[&expression, self.condition])))
            .update_expression(expression)
            .condition_expression(self.condition)
            .set_expression_attribute_values(Some(self.values()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|e| Fault::Corrupt(e.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// Why a row was not changed.
pub(super) enum NotChanged {
    /// It is this, or not there.
    Is(Item),
    Fault(Fault),
}

impl From<Fault> for NotChanged {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Aws {
    /// Changes a row; gives it as it was before.
    pub(super) async fn change_row(&self, change: &Change) -> Result<Item, NotChanged> {
        let table = self.names.messages();
        let expression = change.expression();
        let update = self
            .sdk
            .dynamodb
            .update_item()
            .table_name(&table)
            .set_key(Some(key(change.id)))
            .set_expression_attribute_names(Some(names(&[&expression, change.condition])))
            .update_expression(expression)
            .condition_expression(change.condition)
            .set_expression_attribute_values(Some(change.values()))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(changed) => Ok(changed.attributes.unwrap_or_default()),
            Err(SdkError::ServiceError(e)) if e.err().is_conditional_check_failed_exception() => {
                Err(NotChanged::Is(match e.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(e) => {
                        e.item.unwrap_or_default()
                    }
                    _ => Item::new(),
                }))
            }
            Err(e) => Err(table_fault("writing to", &table, e).into()),
        }
    }
}
