//! Point-in-time recovery: switched on and shown, as provisioning does it. dynoxide
//! does not have it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use dynoxide::Database;
use serde_json::{Value, json};

use crate::faults::refuse;
use crate::forward::Reply;

/// Days that can be gone back.
const DAYS: u64 = 35;

/// Which tables have it, with the days.
#[derive(Debug, Default)]
pub(crate) struct Backups {
    on: Mutex<BTreeMap<String, u64>>,
}

impl Backups {
    /// Answers the two operations on it, and no other.
    pub(crate) fn answer(
        &self,
        tables: &Database,
        operation: &str,
        input: &Value,
    ) -> Option<Reply> {
        if !matches!(operation, "DescribeContinuousBackups" | "UpdateContinuousBackups") {
            return None;
        }
        let table = input["TableName"].as_str().unwrap_or_default();
        // By name or by ARN.
        let table = table.rsplit('/').next().unwrap_or_default();
        if !matches!(tables.get_table_metadata(table), Ok(Some(_))) {
            let message = format!("Table not found: {table}");
            return Some(refuse(400, "TableNotFoundException", &message));
        }
        let mut on = self.on.lock().unwrap_or_else(PoisonError::into_inner);
        if operation == "UpdateContinuousBackups" {
            let asked = &input["PointInTimeRecoverySpecification"];
            match asked["PointInTimeRecoveryEnabled"].as_bool() {
                Some(true) => {
                    let days = asked["RecoveryPeriodInDays"].as_u64().unwrap_or(DAYS);
                    on.insert(table.to_owned(), days);
                }
                Some(false) => drop(on.remove(table)),
                None => {
                    let message = "PointInTimeRecoveryEnabled must be given";
                    return Some(refuse(400, "ValidationException", message));
                }
            }
        }
        let recovery = match on.get(table) {
            Some(days) => json!({
                "PointInTimeRecoveryStatus": "ENABLED",
                "RecoveryPeriodInDays": days,
            }),
            None => json!({"PointInTimeRecoveryStatus": "DISABLED"}),
        };
        let description = json!({
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": recovery,
        });
        Some(Reply::json(200, &json!({"ContinuousBackupsDescription": description})))
    }
}
