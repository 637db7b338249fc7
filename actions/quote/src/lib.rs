//! What a withdrawal costs: `screened` → `quoted`, or `rejected` where the fee
//! would eat the whole amount.
//!
//! The fee is a share of the amount in basis points (1/10,000), rounded **up**
//! to a whole base unit, in the house's favour: a rounding that favours the
//! client lets many small withdrawals go for free. Then the floor, then the cap.

use std::collections::BTreeMap;

use ruint::aliases::U256;
use serde::{Deserialize, Serialize};
use surety_sdk::{Advance, Call, Failure, Unused};
use withdrawal::{Amount, Refusal};

/// Basis points in the whole.
const BPS: u64 = 10_000;

/// What the client signed, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Payload {
    asset: String,
    amount: Amount,
}

/// What the platform team decides.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// By the asset's symbol.
    assets: BTreeMap<String, Tariff>,
}

/// The price of withdrawing one asset.
#[derive(Debug, Deserialize)]
struct Tariff {
    /// The fee's share of the amount, in basis points; at most 10,000.
    fee_bps: u64,
    /// The least fee, in base units.
    fee_floor: Amount,
    /// The most, in base units; not below the floor.
    fee_cap: Option<Amount>,
}

/// The fee and what is left.
#[derive(Debug, Serialize)]
struct Quote {
    amount: Amount,
    fee: Amount,
    net: Amount,
    fee_bps: u64,
}

#[derive(Serialize)]
struct Patch {
    quote: Quote,
}

/// The action.
pub fn run(call: Call<Payload, Unused, Settings>) -> Result<Advance, Failure> {
    let Payload { asset, amount } = call.message.payload;
    let tariff = (call.settings.assets.get(&asset))
        .ok_or_else(|| Failure::permanent(format!("the settings have no tariff for {asset}")))?;
    let fee = tariff.fee(amount)?;
    if fee >= amount {
        let reason = format!("the fee of {fee} {asset} leaves nothing of {amount}");
        return Refusal::new("fee_exceeds_amount", reason).advance();
    }
    let quote = Quote {
        amount,
        fee,
        // Cannot wrap: the fee is below the amount.
        net: Amount(amount.0.wrapping_sub(fee.0)),
        fee_bps: tariff.fee_bps,
    };
    Advance::to("quoted").patch(&Patch { quote })
}

surety_sdk::action!(run);

impl Tariff {
    fn fee(&self, amount: Amount) -> Result<Amount, Failure> {
        if self.fee_bps > BPS {
            return Err(Failure::permanent(format!("fee_bps {} is above {BPS}", self.fee_bps)));
        }
        if self.fee_cap.is_some_and(|cap| cap < self.fee_floor) {
            return Err(Failure::permanent("fee_cap is below fee_floor"));
        }
        let fee = Amount(share_rounded_up(amount.0, self.fee_bps)).max(self.fee_floor);
        Ok(self.fee_cap.map_or(fee, |cap| fee.min(cap)))
    }
}

/// `ceil(amount * bps / 10_000)` without the product, which may need more than
/// 256 bits: with `amount = q * 10_000 + r` it is `q * bps + ceil(r * bps / 10_000)`,
/// and for `bps <= 10_000` neither part is above `amount`.
fn share_rounded_up(amount: U256, bps: u64) -> U256 {
    let (whole, rest) = amount.div_rem(U256::from(BPS));
    let rest = (rest.to::<u64>() * bps).div_ceil(BPS);
    whole * U256::from(bps) + U256::from(rest)
}

#[cfg(test)]
mod tests {
    use surety_sdk::testing;

    use super::*;

    fn outcome(amount: &str, tariff: &str) -> Result<Advance, Failure> {
        let payload = format!(r#"{{"asset": "ETH", "amount": "{amount}"}}"#);
        let settings = format!(r#"{{"assets": {{"ETH": {tariff}}}}}"#);
        run(testing::call(&payload, "{}", &settings)?)
    }

    #[test]
    fn the_share_is_exact_and_rounded_up() {
        let max = U256::MAX;
        let table = [
            (U256::from(10_000), 25, U256::from(25)),
            (U256::from(10_001), 25, U256::from(26)),
            (U256::from(1), 1, U256::from(1)),
            (U256::from(9_999), 0, U256::ZERO),
            (max, 10_000, max),
            (max, 5_000, max / U256::from(2) + U256::from(1)),
        ];
        for (amount, bps, fee) in table {
            assert_eq!(share_rounded_up(amount, bps), fee, "{amount} at {bps}");
        }
    }

    #[test]
    fn the_share_agrees_with_wide_arithmetic() {
        for amount in (0..200_000_u128).step_by(37).chain([u128::from(u64::MAX) * 7]) {
            for bps in [0, 1, 3, 25, 9_999, 10_000] {
                let expected = (amount * u128::from(bps)).div_ceil(10_000);
                assert_eq!(share_rounded_up(U256::from(amount), bps), U256::from(expected));
            }
        }
    }

    #[test]
    fn floor_and_cap_bound_the_fee() {
        let tariff = r#"{"fee_bps": 100, "fee_floor": "5", "fee_cap": "50"}"#;
        for (amount, fee, net) in [("100", 5, 95), ("1000", 10, 990), ("9000", 50, 8950)] {
            let patch = format!(
                r#"{{"quote":{{"amount":"{amount}","fee":"{fee}","net":"{net}","fee_bps":100}}}}"#
            );
            let advance = outcome(amount, tariff).unwrap();
            assert_eq!((advance.state.as_str(), advance.ext_patch), ("quoted", patch));
        }
    }

    #[test]
    fn a_fee_that_leaves_nothing_rejects() {
        for amount in ["4", "5"] {
            let advance = outcome(amount, r#"{"fee_bps": 0, "fee_floor": "5"}"#).unwrap();
            assert_eq!(advance.state, "rejected");
            assert!(advance.ext_patch.contains("fee_exceeds_amount"), "{advance:?}");
        }
    }

    #[test]
    fn settings_that_mean_nothing_fail() {
        let table = [
            (r#"{"fee_bps": 10001, "fee_floor": "0"}"#, "above 10000"),
            (r#"{"fee_bps": 1, "fee_floor": "2", "fee_cap": "1"}"#, "below fee_floor"),
            (r#"{"fee_bps": 1, "fee_floor": 2}"#, "assets.ETH.fee_floor"),
        ];
        for (tariff, expected) in table {
            match outcome("100", tariff) {
                Err(Failure::Permanent(reason)) => assert!(reason.contains(expected), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
