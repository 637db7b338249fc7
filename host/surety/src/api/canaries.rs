//! The canary of a module: how it compares, and its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use semver::Version;
use serde::{Deserialize, Serialize};
use surety_core::canary::{Canary, Course, Share, Tally};
use surety_core::refusal::Code;
use surety_core::types::{Digest, ModuleName, Time};
use utoipa::ToSchema;

use super::App;
use super::auth::{Deploy, Read};
use super::extract::{Json, Path};
use super::problem::Problem;
use crate::deploy::End;

/// What became of calls.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Tally)]
pub struct TallyView {
    /// Calls whose end was committed.
    pub calls: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// Those that came to each state.
    pub states: BTreeMap<String, u64>,
    /// Those that failed, by kind.
    pub failures: BTreeMap<String, u64>,
    /// Fuel of a call, on average.
    pub fuel_mean: u64,
    /// Microseconds of a call, on average, waiting for a turn included.
    pub micros_mean: u64,
    /// Microseconds of the longest.
    pub micros_max: u64,
}

impl From<&Tally> for TallyView {
    fn from(tally: &Tally) -> Self {
        Self {
            calls: tally.calls,
            failed: tally.failed(),
            states: tally.states.clone(),
            failures: tally.failures.clone(),
            fuel_mean: tally.fuel.checked_div(tally.calls).unwrap_or(0),
            micros_mean: tally.micros.checked_div(tally.timed).unwrap_or(0),
            micros_max: tally.micros_max,
        }
    }
}

/// A canary, running or the last one of its module.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Canary)]
pub struct CanaryView {
    /// The module's name.
    #[schema(value_type = String)]
    pub name: ModuleName,
    /// The version under trial.
    #[schema(value_type = String)]
    pub version: Version,
    /// keccak256 of its component.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Its share of the calls.
    #[schema(value_type = String)]
    pub share: Share,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Time,
    /// `runs`, `promoted` or `stopped`.
    pub course: String,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Time>,
    /// Why it was stopped.
    pub why: Option<String>,
    /// The calls of those that it would replace, in the same time.
    pub old: TallyView,
    /// Its own calls.
    pub new: TallyView,
}

impl CanaryView {
    fn of(canary: Canary) -> Self {
        let (old, new) = ((&canary.old).into(), (&canary.new).into());
        let (course, ended_at, why) = match canary.course {
            Course::Runs => ("runs", None, None),
            Course::Promoted { at } => ("promoted", Some(at), None),
            Course::Stopped { at, why } => ("stopped", Some(at), Some(why)),
        };
        Self {
            name: canary.name,
            version: canary.version,
            digest: canary.digest,
            share: canary.share,
            started_at: canary.started_at,
            course: course.to_owned(),
            ended_at,
            why,
            old,
            new,
        }
    }
}

/// What to do with a running canary.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndView {
    /// Give it all calls.
    Promote,
    /// Take it out.
    Stop,
}

/// How a canary is to end.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EndCanary)]
pub struct EndRequest {
    /// How.
    pub end: EndView,
}

/// Compare a module's canary with the version before it
#[utoipa::path(
    get,
    path = "/v1/deployments/{name}/canary",
    operation_id = "get_canary",
    tag = "deployment",
    params(("name" = String, Path, description = "The module's name")),
    responses((status = 200, description = "The last canary", body = CanaryView)),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    _: Read,
    Path(name): Path<ModuleName>,
) -> Result<Answer<CanaryView>, Problem> {
    let canary =
        app.routes.canaries().of(&name).ok_or_else(|| {
            Problem::new(Code::NotFound, format!("there was no canary of `{name}`"))
        })?;
    Ok(Answer(CanaryView::of(canary)))
}

/// Promote or stop a module's canary
#[utoipa::path(
    post,
    path = "/v1/deployments/{name}/canary",
    operation_id = "end_canary",
    tag = "deployment",
    params(("name" = String, Path, description = "The module's name")),
    request_body = EndRequest,
    responses((status = 200, description = "The canary as it ended", body = CanaryView)),
    security(("token" = [])),
)]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    _: Deploy,
    Path(name): Path<ModuleName>,
    Json(request): Json<EndRequest>,
) -> Result<Answer<CanaryView>, Problem> {
    let turn =
        app.deployer.turn().ok_or_else(|| Problem::busy("another deployment is under way"))?;
    let end = match request.end {
        EndView::Promote => End::Promote,
        EndView::Stop => End::Stop("stopped by a person".to_owned()),
    };
    Ok(Answer(CanaryView::of(app.deployer.end_canary(name, end, turn).await?)))
}
