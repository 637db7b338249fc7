//! Whether a withdrawal may go on: `received` → `screened` or `rejected`.
//!
//! Refused are an amount, fee or address that means nothing, the zero address,
//! an address on the deny list, and an amount above the client's limit for the
//! asset. A client without a limit of its own has the default one; an asset
//! without any limit is not on offer.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use surety_sdk::{Advance, Call, Failure, Unused};
use withdrawal::{Address, Amount, Refusal};

/// What the client signed. Amounts and address are texts here, because what
/// their schema cannot rule out is the client's mistake and no failure of ours.
#[derive(Debug, Deserialize)]
pub struct Payload {
    asset: String,
    amount: String,
    to: String,
    max_fee_per_gas: String,
    max_priority_fee_per_gas: String,
}

/// An asset's symbol → the most that one withdrawal may send, in base units.
type Limits = BTreeMap<String, Amount>;

/// What the platform team decides.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// Addresses that nothing is sent to. Compared as texts: a list can be
    /// long, and a checksum costs more than all the rest of a call.
    deny: Vec<String>,
    /// The limits of clients that have their own, by client_id.
    limits: BTreeMap<String, Limits>,
    /// The limits of everyone else, and of assets that a client's do not name.
    default_limits: Limits,
    /// Above which amounts a withdrawal is held for a moment, and above which it
    /// needs approval. An asset that is not named always is, and always does.
    hold_above: Limits,
    approval_above: Limits,
}

/// What is known about a withdrawal that passed.
#[derive(Debug, Serialize)]
struct Screening {
    /// The screened address, with its checksum; what `settle` pays.
    to: String,
    /// The limit that it stayed within.
    limit: Amount,
    /// What the workflow compares the amount with.
    hold_above: Amount,
    approval_above: Amount,
}

#[derive(Serialize)]
struct Patch {
    screening: Screening,
}

/// The action.
pub fn run(call: Call<Payload, Unused, Settings>) -> Result<Advance, Failure> {
    match screen(&call) {
        Ok(screening) => Advance::to("screened").patch(&Patch { screening }),
        Err(refusal) => refusal.advance(),
    }
}

surety_sdk::action!(run);

fn screen(call: &Call<Payload, Unused, Settings>) -> Result<Screening, Refusal> {
    let payload = &call.message.payload;
    let amount = amount_of(payload)?;
    check_fees(payload)?;
    let to = recipient(payload, &call.settings.deny)?;
    let settings = &call.settings;
    let limit = limit(settings, &call.message.client_id, &payload.asset)?;
    if amount > limit {
        let reason = format!("{amount} {} is above the limit of {limit}", payload.asset);
        return Err(Refusal::new("over_limit", reason));
    }
    let of_asset = |limits: &Limits| limits.get(&payload.asset).copied().unwrap_or(Amount::ZERO);
    let hold_above = of_asset(&settings.hold_above);
    let approval_above = of_asset(&settings.approval_above);
    Ok(Screening { to, limit, hold_above, approval_above })
}

fn amount_of(payload: &Payload) -> Result<Amount, Refusal> {
    match parse("amount", "amount", &payload.amount)? {
        Amount::ZERO => Err(Refusal::new("amount", "the amount is zero")),
        amount => Ok(amount),
    }
}

/// EIP-1559: a transaction whose priority fee is above its fee is invalid.
fn check_fees(payload: &Payload) -> Result<(), Refusal> {
    let fee: Amount = parse("fee", "max_fee_per_gas", &payload.max_fee_per_gas)?;
    let priority_fee: Amount =
        parse("fee", "max_priority_fee_per_gas", &payload.max_priority_fee_per_gas)?;
    if priority_fee > fee {
        let reason =
            format!("max_priority_fee_per_gas {priority_fee} is above max_fee_per_gas {fee}");
        return Err(Refusal::new("fee", reason));
    }
    Ok(())
}

/// The recipient's address, with its checksum.
fn recipient(payload: &Payload, deny: &[String]) -> Result<String, Refusal> {
    let to: Address = parse("address", "to", &payload.to)?;
    if to == Address::ZERO {
        return Err(Refusal::new("zero_address", "to is the zero address"));
    }
    let to = to.to_string();
    if deny.iter().any(|denied| denied.eq_ignore_ascii_case(&to)) {
        return Err(Refusal::new("denied_address", format!("{to} is on the deny list")));
    }
    Ok(to)
}

/// The client's own limit for an asset, else everyone's.
fn limit(settings: &Settings, client_id: &str, asset: &str) -> Result<Amount, Refusal> {
    let own = settings.limits.get(client_id).and_then(|limits| limits.get(asset));
    own.or_else(|| settings.default_limits.get(asset))
        .copied()
        .ok_or_else(|| Refusal::new("unknown_asset", format!("{asset} is not on offer")))
}

fn parse<T>(code: &'static str, member: &str, text: &str) -> Result<T, Refusal>
where
    T: FromStr<Err: Display>,
{
    text.parse().map_err(|error| Refusal::new(code, format!("{member}: {error}")))
}

#[cfg(test)]
mod tests {
    use surety_sdk::testing;

    use super::*;

    const TO: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    const DENIED: &str = "0xde709f2102306220921060314715629080e2fb77";
    const SETTINGS: &str = r#"{
        "deny": ["0xDE709F2102306220921060314715629080E2FB77"],
        "limits": { "acme": { "ETH": "100" } },
        "default_limits": { "ETH": "10", "USDC": "1000" },
        "hold_above": { "ETH": "3" },
        "approval_above": { "ETH": "5" }
    }"#;

    fn outcome(client_id: &str, asset: &str, amount: &str, to: &str) -> Advance {
        let payload = format!(
            r#"{{"asset": "{asset}", "amount": "{amount}", "to": "{to}", "nonce": 0,
                "max_fee_per_gas": "2", "max_priority_fee_per_gas": "1"}}"#
        );
        let mut call = testing::call(&payload, "{}", SETTINGS).unwrap();
        call.message.client_id = client_id.into();
        run(call).unwrap()
    }

    #[test]
    fn a_withdrawal_within_its_limit_is_screened() {
        // Own limit, default limit, and the default one for an asset that the own ones
        // omit; that one is always held, and always needs approval.
        for (client_id, asset, amount, hold_above, approval_above) in [
            ("acme", "ETH", "100", 3, 5),
            ("bob", "ETH", "10", 3, 5),
            ("acme", "USDC", "1000", 0, 0),
        ] {
            let advance = outcome(client_id, asset, amount, TO);
            assert_eq!(advance.state, "screened", "{advance:?}");
            let above =
                format!(r#""hold_above":"{hold_above}","approval_above":"{approval_above}""#);
            let patch = format!(r#"{{"screening":{{"to":"{TO}","limit":"{amount}",{above}}}}}"#);
            assert_eq!(advance.ext_patch, patch);
        }
    }

    #[test]
    fn an_address_in_one_case_is_accepted_and_written_with_its_checksum() {
        let advance = outcome("acme", "ETH", "1", &TO.to_lowercase());
        assert!(advance.ext_patch.contains(TO), "{advance:?}");
    }

    #[test]
    fn anything_else_is_rejected_with_its_reason() {
        let wrong_case = TO.replace('A', "a");
        let zero = Address::ZERO.to_string();
        let denied_upper = format!("0x{}", DENIED[2..].to_uppercase());
        let table = [
            ("acme", "ETH", "101", TO, "over_limit"),
            ("bob", "ETH", "11", TO, "over_limit"),
            ("acme", "DOGE", "1", TO, "unknown_asset"),
            ("acme", "ETH", "1", &wrong_case, "address"),
            ("acme", "ETH", "1", &zero, "zero_address"),
            ("acme", "ETH", "1", DENIED, "denied_address"),
            ("acme", "ETH", "1", &denied_upper, "denied_address"),
            ("acme", "ETH", "0", TO, "amount"),
        ];
        for (client_id, asset, amount, to, code) in table {
            let advance = outcome(client_id, asset, amount, to);
            assert_eq!(advance.state, "rejected");
            let start = format!(r#"{{"rejection":{{"code":"{code}","reason":"#);
            assert!(advance.ext_patch.starts_with(&start), "{advance:?}");
            assert!(advance.note.is_some());
        }
    }

    #[test]
    fn numbers_that_mean_nothing_are_rejected() {
        let table = [
            (r#""amount": "1""#, format!(r#""amount": "{}""#, "9".repeat(78)), "amount"),
            (r#""max_fee_per_gas": "2""#, r#""max_fee_per_gas": "0""#.into(), "fee"),
        ];
        let payload = format!(
            r#"{{"asset": "ETH", "amount": "1", "to": "{TO}",
                "max_fee_per_gas": "2", "max_priority_fee_per_gas": "1"}}"#
        );
        for (good, wrong, code) in table {
            let payload = payload.replace(good, &wrong);
            let advance = run(testing::call(&payload, "{}", SETTINGS).unwrap()).unwrap();
            assert!(advance.ext_patch.contains(&format!(r#""code":"{code}""#)), "{advance:?}");
        }
    }
}
