//! {{name}}: accepts an amount that is at most the deployment's limit.

use serde::{Deserialize, Serialize};
use surety_sdk::{Advance, Call, Failure, Unused, log};

/// What the client signed.
#[derive(Debug, Deserialize)]
pub struct Payload {
    amount: String,
}

/// What the platform team decides.
#[derive(Debug, Deserialize)]
pub struct Settings {
    limit: String,
}

/// What is written to Msg_Ext.
#[derive(Serialize)]
struct Patch {
    checked: Checked,
}

#[derive(Serialize)]
struct Checked {
    amount: String,
    limit: String,
}

/// The action.
pub fn run(call: Call<Payload, Unused, Settings>) -> Result<Advance, Failure> {
    let amount = call.message.payload.amount;
    let limit = call.settings.limit;
    if amount.parse::<u128>()? > limit.parse::<u128>()? {
        return Ok(Advance::to("refused").note(format!("{amount} is above {limit}")));
    }
    let note = format!("{amount} is within {limit}");
    log::info(&note);
    let patch = Patch { checked: Checked { amount, limit } };
    Ok(Advance::to("accepted").patch(&patch)?.note(note))
}

surety_sdk::action!(run);

#[cfg(test)]
mod tests {
    use surety_sdk::testing;

    use super::*;

    /// The same files that `surety action test` runs the component against.
    #[test]
    fn the_fixtures_hold() {
        testing::fixtures("fixtures", run);
    }

    #[test]
    fn the_limit_itself_is_accepted() {
        let call = testing::call(r#"{"amount": "7"}"#, "{}", r#"{"limit": "7"}"#).unwrap();
        assert_eq!(run(call).unwrap().state, "accepted");
    }
}
