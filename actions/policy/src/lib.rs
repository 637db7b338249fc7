//! What a withdrawal must be before it is accepted, where a schema sees only text:
//! the recipient's checksum, amounts of at most 256 bits, a fee within reason.
//! All that is wrong is said at once, and nothing is kept of what is refused.

use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;
use surety_sdk::{Finding, Submission};
use withdrawal::{Address, Amount};

/// What the client signed. Texts here, because what they mean is the question.
#[derive(Debug, Deserialize)]
pub struct Payload {
    amount: String,
    to: String,
    max_fee_per_gas: String,
    max_priority_fee_per_gas: String,
}

/// What the platform team decides.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// The most wei per gas that anybody can have meant.
    fee_per_gas_max: Amount,
}

/// The validator.
pub fn validate(submission: Submission<Payload, Settings>) -> Vec<Finding> {
    let Payload { amount, to, max_fee_per_gas, max_priority_fee_per_gas } =
        &submission.message.payload;
    let mut findings = Vec::new();
    let _: Option<Address> = read("to", to, &mut findings);
    let _: Option<Amount> = read("amount", amount, &mut findings);
    let fee: Option<Amount> = read("max_fee_per_gas", max_fee_per_gas, &mut findings);
    let _: Option<Amount> =
        read("max_priority_fee_per_gas", max_priority_fee_per_gas, &mut findings);
    let most = submission.settings.fee_per_gas_max;
    if fee.is_some_and(|fee| fee > most) {
        let detail = format!("is above {most} wei per gas, which nobody means");
        findings.push(Finding::at("/payload/max_fee_per_gas", detail));
    }
    findings
}

surety_sdk::validator!(validate);

/// What a member means, or a finding why it means nothing.
fn read<T: FromStr<Err: Display>>(
    member: &str,
    text: &str,
    findings: &mut Vec<Finding>,
) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            findings.push(Finding::at(format!("/payload/{member}"), error.to_string()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use surety_sdk::testing;

    use super::*;

    const SETTINGS: &str = r#"{"fee_per_gas_max": "1000"}"#;

    fn findings(amount: &str, to: &str, fee: &str) -> Vec<(String, String)> {
        let payload = format!(
            r#"{{"amount": "{amount}", "to": "{to}", "max_fee_per_gas": "{fee}", "max_priority_fee_per_gas": "1"}}"#
        );
        let found = validate(testing::submission(&payload, SETTINGS).unwrap());
        found.into_iter().map(|finding| (finding.pointer, finding.detail)).collect()
    }

    #[test]
    fn the_fixtures_hold() {
        testing::validator_fixtures("fixtures", validate);
    }

    #[test]
    fn what_is_meant_passes() {
        assert_eq!(findings("1", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "1000"), []);
        assert_eq!(findings("1", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "2"), []);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        // 2^256, one wrong letter in the checksum, one zero too many.
        let amount =
            "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        let found = findings(amount, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed", "10000");
        let pointers: Vec<_> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/payload/to", "/payload/amount", "/payload/max_fee_per_gas"]);
        assert!(found[0].1.contains("EIP-55"), "{found:?}");
        assert!(found[1].1.contains("2^256"), "{found:?}");
        assert!(found[2].1.contains("1000 wei"), "{found:?}");
    }

    #[test]
    fn a_payload_of_another_form_is_a_finding() {
        let unread = testing::submission::<Payload, Settings>("{}", SETTINGS).unwrap_err();
        assert!(unread.detail.contains("missing field"), "{unread:?}");
    }
}
