//! Provisioning: what there is, what there must be, and making it so; who may do
//! what; and whether all of it works.
//!
//! ```text
//!  look ──what there is──→ plan ──changes──→ apply
//!           tables, names, config ─┘
//! ```

mod apply;
mod ask;
mod deep;
mod doctor;
mod look;
mod plan;
mod policy;
mod probe;

use std::sync::Arc;

use surety_core::ports::{Clock, Fault};

use super::AwsConfig;
use super::meta::Meta;
use super::names::Names;
use super::sdk::Sdk;
use crate::OpenError;

pub use plan::{Change, Plan};
pub use policy::{Role, policy};

/// What looks after the resources of a deployment.
pub struct AwsAdmin {
    config: AwsConfig,
    sdk: Sdk,
    names: Names,
    clock: Arc<dyn Clock>,
}

impl AwsAdmin {
    /// For these resources. Nothing is asked of AWS yet.
    ///
    /// # Errors
    /// When the configuration is not valid.
    pub fn new(config: &AwsConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        config.check().map_err(OpenError::Config)?;
        let sdk = Sdk::new(config).map_err(|e| OpenError::Config(format!("the SDK: {e}")))?;
        Ok(Self { config: config.clone(), sdk, names: Names::new(config), clock })
    }

    /// What is to be changed so that hosts can work. Changes nothing.
    ///
    /// # Errors
    /// When AWS does not answer, or this identity may not ask.
    pub async fn plan(&self) -> Result<Plan, Fault> {
        let is = self.look().await?;
        Ok(plan::plan(&self.names, &self.config, &Meta::wanted(&self.config), &is))
    }
}
