//! The backend for more than one machine: Guarantee on SQS and DynamoDB,
//! Reference on DynamoDB, what is large on an object store.

mod admin;
mod archive;
mod batch;
mod catalog;
mod clients;
mod config;
mod deployments;
mod entries;
mod fault;
mod item;
mod meta;
mod names;
mod objects;
mod reference;
mod sdk;
mod tables;
mod transact;

use std::sync::Arc;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use surety_core::ports::{Clock, Fault};

use self::names::Names;
use self::objects::Objects;
use self::sdk::Sdk;

pub use admin::{AwsAdmin, Change as AwsChange, Plan as AwsPlan, Role, policy as aws_policy};
pub use config::{AwsConfig, Bodies, QueueKind};

/// The open backend.
pub(crate) struct Aws {
    sdk: Sdk,
    names: Names,
    objects: Objects,
    clock: Arc<dyn Clock>,
    clients: clients::Known,
}

/// The fault that an error of a call on a table is.
fn table_fault<E, R>(doing: &str, table: &str, error: SdkError<E, R>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    fault::fault(&format!("{doing} the table {table}"), error)
}
