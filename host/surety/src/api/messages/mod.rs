//! Messages: submitting them, and asking what became of them.

pub mod bundle;
pub mod cancel;
pub mod get;
pub mod history;
pub mod list;
pub mod redrive;
pub mod signals;
pub mod submit;

use serde::{Deserialize, Serialize};
use surety_core::bundle::Bundle;
use surety_core::ports::{Fault, Found};
use surety_core::projection::Projection;
use surety_core::refusal::Code;
use surety_core::types::{Address, ClientId, MsgId, MsgState, MsgType, Seq, Time};
use utoipa::ToSchema;

use super::App;
use super::problem::Problem;

/// A message as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Message)]
pub struct MessageView {
    /// Its id.
    #[schema(value_type = String)]
    pub msg_id: MsgId,
    /// Its type.
    #[schema(value_type = String)]
    pub msg_type: MsgType,
    /// Whose it is.
    #[schema(value_type = String)]
    pub client_id: ClientId,
    /// When the client made it, as the client wrote it.
    #[schema(format = DateTime)]
    pub creation_date: String,
    /// Who signed it.
    #[schema(value_type = String)]
    pub signer: Address,
    /// Its state.
    #[schema(value_type = String)]
    pub msg_state: MsgState,
    /// Its revision: one more with every transition.
    #[schema(value_type = u64)]
    pub seq: Seq,
    /// Whether it is done.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Whether it waits for a person.
    pub parked: bool,
    /// How the last attempt failed, if it did.
    pub last_error: Option<String>,
    /// Of a message that is parked: how many attempts failed before.
    pub attempts: Option<u32>,
    /// Of a message that is parked: the module that failed, as `name@version`.
    pub module: Option<String>,
    /// Of a message that waits for signals: when its wait ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub waits_until: Option<Time>,
    /// When the last transition was made.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

impl From<Projection> for MessageView {
    fn from(p: Projection) -> Self {
        Self {
            msg_id: p.msg_id,
            msg_type: p.msg_type,
            client_id: p.client_id,
            creation_date: p.creation_date.as_ref().to_owned(),
            signer: p.signer,
            msg_state: p.msg_state,
            seq: p.seq,
            is_final: p.is_final,
            parked: p.parked,
            last_error: p.last_error.as_deref().map(str::to_owned),
            attempts: p.attempts,
            module: p.module.as_deref().map(str::to_owned),
            waits_until: p.waits_until,
            updated_at: p.updated_at,
        }
    }
}

/// A message as Reference shows it. What Reference does not have may have been
/// lost in a crash, so Guarantee is asked before anybody is told that there is
/// no such message.
async fn current(app: &App, id: MsgId) -> Result<Projection, Problem> {
    use surety_core::ports::Reference as _;
    if let Some(shown) = app.watched.get(id).await? {
        return Ok(shown);
    }
    match app.guarantee.load(id).await? {
        Found::Open(loaded) => Ok(Projection::of(&loaded)),
        Found::Archived => {
            let bundle = archived(app, id).await?;
            Ok(Projection::of_bundle(&bundle).map_err(Fault::from)?)
        }
        Found::Nothing => Err(unknown(id)),
    }
}

/// The bundle of a message that is archived.
async fn archived(app: &App, id: MsgId) -> Result<Bundle, Fault> {
    let packed = app.archive.get(id).await?;
    let packed = packed.ok_or_else(|| Fault::Corrupt(format!("message {id} has no bundle")))?;
    Ok(Bundle::unpack(&packed)?)
}

fn unknown(id: MsgId) -> Problem {
    Problem::new(Code::NotFound, format!("no message was accepted under the msg_id {id}"))
}
