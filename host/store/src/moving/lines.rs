//! The lines of an export's lists, as JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use surety_core::canary::Canary;
use surety_core::deployment::{Deployed, Revocation};
use surety_core::endorse::Endorsements;
use surety_core::ports::{Deployment, Issued, Use};
use surety_core::types::{ClientId, Digest, ModuleName, MsgId, MsgType, Time};

/// What used a Msg_ID, with the digest of the message's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UsedBy {
    Signal,
    Open(Digest),
    Archived(Digest),
}

/// A Msg_ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdLine {
    pub(super) msg_id: MsgId,
    pub(super) client_id: ClientId,
    pub(super) expires_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) used_by: Option<UsedBy>,
}

impl IdLine {
    pub(super) fn issued(&self) -> Issued {
        let used = match self.used_by {
            None => None,
            Some(UsedBy::Signal) => Some(Use::Signal),
            Some(UsedBy::Open(_) | UsedBy::Archived(_)) => Some(Use::Message),
        };
        let Self { msg_id, client_id, expires_at, .. } = self.clone();
        Issued { msg_id, client_id, expires_at, used }
    }
}

/// What is known of modules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ModuleLine {
    Component(Digest),
    Deployment(Box<DeploymentLine>),
    Canary(Box<Canary>),
    Revocation(RevocationLine),
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeploymentLine {
    number: u64,
    name: ModuleName,
    version: semver::Version,
    digest: Digest,
    settings: Arc<str>,
    deployed_at: Time,
    endorsements: Endorsements,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Time>,
}

impl From<Deployed> for DeploymentLine {
    fn from(deployed: Deployed) -> Self {
        let Deployed { number, deployment, endorsements, ended_at } = deployed;
        let Deployment { name, version, digest, settings, deployed_at } = deployment;
        Self { number, name, version, digest, settings, deployed_at, endorsements, ended_at }
    }
}

impl From<DeploymentLine> for Deployed {
    fn from(line: DeploymentLine) -> Self {
        let DeploymentLine { number, name, version, digest, settings, deployed_at, .. } = line;
        let deployment = Deployment { name, version, digest, settings, deployed_at };
        let DeploymentLine { endorsements, ended_at, .. } = line;
        Self { number, deployment, endorsements, ended_at }
    }
}

/// A revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevocationLine {
    digest: Digest,
    reason: String,
    revoked_at: Time,
    revoked_by: String,
}

impl From<Revocation> for RevocationLine {
    fn from(revocation: Revocation) -> Self {
        let Revocation { digest, reason, revoked_at, revoked_by } = revocation;
        Self { digest, reason, revoked_at, revoked_by }
    }
}

impl From<RevocationLine> for Revocation {
    fn from(line: RevocationLine) -> Self {
        let RevocationLine { digest, reason, revoked_at, revoked_by } = line;
        Self { digest, reason, revoked_at, revoked_by }
    }
}

/// A workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkflowLine {
    pub(super) msg_type: MsgType,
    pub(super) version: u32,
    pub(super) text: Arc<str>,
}
