//! What the treasury must hold for a withdrawal: `approved` → `reserved`, or
//! `rejected` where its transaction could cost more than there can be.
//!
//! Held are what the recipient gets, in the asset, and the most that the
//! transaction can cost, in the chain's own coin. Whoever keeps the treasury's
//! books reads `reservation` from Msg_Ext; [`release`](../release) ends it.

use std::collections::BTreeMap;

use ruint::aliases::U256;
use serde::{Deserialize, Serialize};
use surety_sdk::{Advance, Call, Failure};
use withdrawal::{Amount, Refusal};

/// What the client signed, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Payload {
    asset: String,
    max_fee_per_gas: Amount,
}

/// What the platform team decides.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// By the asset's symbol.
    assets: BTreeMap<String, Asset>,
}

#[derive(Debug, Deserialize)]
struct Asset {
    gas_limit: u64,
}

/// What earlier actions wrote.
#[derive(Debug, Deserialize)]
pub struct Ext {
    quote: Quote,
}

#[derive(Debug, Deserialize)]
struct Quote {
    net: Amount,
}

#[derive(Debug, Serialize)]
struct Reservation {
    asset: String,
    /// What the recipient gets.
    amount: Amount,
    /// The most that the transaction can cost, in wei.
    gas: Amount,
}

#[derive(Serialize)]
struct Patch {
    reservation: Reservation,
}

/// The action.
pub fn run(call: Call<Payload, Ext, Settings>) -> Result<Advance, Failure> {
    let Payload { asset, max_fee_per_gas } = call.message.payload;
    let gas_limit = (call.settings.assets.get(&asset))
        .ok_or_else(|| Failure::permanent(format!("the settings have no asset {asset}")))?
        .gas_limit;
    let Some(gas) = max_fee_per_gas.0.checked_mul(U256::from(gas_limit)) else {
        let reason = format!("{gas_limit} gas at {max_fee_per_gas} wei is more than there can be");
        return Refusal::new("fee", reason).advance();
    };
    let reservation = Reservation { asset, amount: call.ext.quote.net, gas: Amount(gas) };
    Advance::to("reserved").patch(&Patch { reservation })
}

surety_sdk::action!(run);

#[cfg(test)]
mod tests {
    use surety_sdk::testing;

    use super::*;

    const SETTINGS: &str = r#"{"assets": {"ETH": {"gas_limit": 21000}}}"#;

    fn outcome(asset: &str, fee: &str) -> Result<Advance, Failure> {
        let payload = format!(r#"{{"asset": "{asset}", "max_fee_per_gas": "{fee}"}}"#);
        run(testing::call(&payload, r#"{"quote": {"net": "990"}}"#, SETTINGS)?)
    }

    #[test]
    fn the_amount_and_the_dearest_transaction_are_held() {
        let advance = outcome("ETH", "30000000000").unwrap();
        assert_eq!(advance.state, "reserved");
        let patch = r#"{"reservation":{"asset":"ETH","amount":"990","gas":"630000000000000"}}"#;
        assert_eq!(advance.ext_patch, patch);
    }

    #[test]
    fn a_cost_beyond_256_bits_is_rejected() {
        let advance = outcome("ETH", &U256::MAX.to_string()).unwrap();
        assert_eq!(advance.state, "rejected");
        assert!(advance.ext_patch.contains(r#""code":"fee""#), "{advance:?}");
    }

    #[test]
    fn an_unknown_asset_fails() {
        assert!(matches!(outcome("DOGE", "1"), Err(Failure::Permanent(_))));
    }
}
