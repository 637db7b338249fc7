//! {{name}}: refuses an amount that is above the deployment's limit, when it is
//! submitted.

use serde::Deserialize;
use surety_sdk::{Finding, Submission, log};

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

/// The validator: says all that is wrong, each with its place in the message. A
/// message without findings passes.
pub fn validate(submission: Submission<Payload, Settings>) -> Vec<Finding> {
    let Payload { amount } = &submission.message.payload;
    let Settings { limit } = &submission.settings;
    let (Ok(most), Ok(asked)) = (limit.parse::<u128>(), amount.parse::<u128>()) else {
        return vec![Finding::at("/payload/amount", "is no amount")];
    };
    if asked > most {
        return vec![Finding::at("/payload/amount", format!("is above {limit}"))];
    }
    log::info(&format!("{amount} is within {limit}"));
    Vec::new()
}

surety_sdk::validator!(validate);

#[cfg(test)]
mod tests {
    use surety_sdk::testing;

    use super::*;

    /// The same files that `surety action test` runs the component against.
    #[test]
    fn the_fixtures_hold() {
        testing::validator_fixtures("fixtures", validate);
    }

    #[test]
    fn the_limit_itself_passes() {
        let submission = testing::submission(r#"{"amount": "7"}"#, r#"{"limit": "7"}"#).unwrap();
        assert_eq!(validate(submission), []);
    }
}
