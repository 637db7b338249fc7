//! What a reviewer is told, here and by a host: the audit of components under a
//! host's limits and policy.

use std::collections::BTreeMap;

use surety_audit::{Audit, Given};
use surety_core::endorse::Endorsements;
use surety_core::module::World;
use surety_core::policy::Policy;
use surety_core::refusal::Refusal;
use surety_sandbox::Limits;

/// Audits a component. `refusal` is why a host does not take it, if it does not;
/// `endorsements` came with it.
#[must_use]
pub fn audit(
    component: &[u8],
    limits: &Limits,
    policy: &Policy,
    refusal: Option<Refusal>,
    endorsements: &Endorsements,
) -> Audit {
    let limits = |world| by_name(limits, world);
    surety_audit::audit(component, Given { policy, limits: &limits, refusal, endorsements })
}

/// The limits of a world's modules, by their names.
fn by_name(limits: &Limits, world: World) -> BTreeMap<String, u64> {
    // Of a validator they are in the place of the action's.
    let others = ["validator_fuel_max", "validator_wall_ms_max"];
    let value = serde_json::to_value(limits.of_world(world)).unwrap_or_default();
    let members = value.as_object().into_iter().flatten();
    members
        .filter(|(name, _)| !others.contains(&name.as_str()))
        .filter_map(|(name, limit)| Some((name.clone(), limit.as_u64()?)))
        .collect()
}
