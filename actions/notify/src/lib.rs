//! What the client is told: `settled` → `notified`.
//!
//! Amounts are written exactly, in the asset's own unit. Nothing is sent from
//! here; whoever delivers notifications reads `notification` from Msg_Ext.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use surety_sdk::{Advance, Call, Failure};
use withdrawal::Amount;

/// What the client signed, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Payload {
    asset: String,
}

/// What the platform team decides.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// By the asset's symbol.
    assets: BTreeMap<String, Asset>,
}

#[derive(Debug, Deserialize)]
struct Asset {
    /// The unit is this power of ten of base units; 18 for ether.
    decimals: u8,
}

/// What earlier actions wrote.
#[derive(Debug, Deserialize)]
pub struct Ext {
    screening: Screening,
    quote: Quote,
    settlement: Settlement,
}

#[derive(Debug, Deserialize)]
struct Screening {
    to: String,
}

#[derive(Debug, Deserialize)]
struct Quote {
    amount: Amount,
    fee: Amount,
    net: Amount,
}

#[derive(Debug, Deserialize)]
struct Settlement {
    chain_id: u64,
    signing_hash: String,
}

#[derive(Debug, Serialize)]
struct Notification {
    subject: String,
    body: String,
}

#[derive(Serialize)]
struct Patch {
    notification: Notification,
}

/// The action.
pub fn run(call: Call<Payload, Ext, Settings>) -> Result<Advance, Failure> {
    let symbol = &call.message.payload.asset;
    let asset = (call.settings.assets.get(symbol))
        .ok_or_else(|| Failure::permanent(format!("the settings have no asset {symbol}")))?;
    let units = |amount| format!("{} {symbol}", in_units(amount, asset.decimals));
    let Ext { screening, quote, settlement } = &call.ext;
    let notification = Notification {
        subject: format!("Your withdrawal of {} is ready", units(quote.amount)),
        body: format!(
            "Withdrawal {} of {}\n\n\
             Amount     {}\nFee        {}\nRecipient  {}\ngets       {}\nChain      {}\n\n\
             The transaction awaits its signature over {}.\n",
            call.message.msg_id,
            call.message.client_id,
            units(quote.amount),
            units(quote.fee),
            screening.to,
            units(quote.net),
            settlement.chain_id,
            settlement.signing_hash,
        ),
    };
    Advance::to("notified").patch(&Patch { notification })
}

surety_sdk::action!(run);

/// Base units as a decimal fraction: exact, without trailing zeros.
fn in_units(amount: Amount, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    // At least one digit before the point.
    let digits = format!("{:0>width$}", amount.to_string(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use surety_sdk::testing;

    use super::*;

    const PAYLOAD: &str = r#"{"asset": "ETH", "amount": "1500000000000000001"}"#;
    const EXT: &str = r#"{
        "screening": {"to": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "limit": "9"},
        "quote": {"amount": "1500000000000000001", "fee": "1500000000000001",
                  "net": "1498500000000000000", "fee_bps": 10},
        "settlement": {"chain_id": 1, "signing_hash": "0xabcd", "raw": "0x"}
    }"#;

    #[test]
    fn amounts_in_units_are_exact() {
        let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        let table = [
            ("0", 18, "0"),
            ("1", 18, "0.000000000000000001"),
            ("1000000000000000000", 18, "1"),
            ("1500000000000000000", 18, "1.5"),
            ("1234567", 6, "1.234567"),
            ("100", 0, "100"),
            ("100", 2, "1"),
            (max, 0, max),
        ];
        for (amount, decimals, text) in table {
            assert_eq!(in_units(amount.parse().unwrap(), decimals), text);
        }
        let smallest = format!("0.{}1", "0".repeat(76));
        assert_eq!(in_units("1".parse().unwrap(), 77), smallest);
    }

    #[test]
    fn the_client_is_told_every_amount() {
        let call = testing::call(PAYLOAD, EXT, r#"{"assets": {"ETH": {"decimals": 18}}}"#).unwrap();
        let advance = run(call).unwrap();
        assert_eq!(advance.state, "notified");
        for part in [
            r#""subject":"Your withdrawal of 1.500000000000000001 ETH is ready""#,
            r"Withdrawal test-message of acme\n",
            r"Fee        0.001500000000000001 ETH\n",
            r"gets       1.4985 ETH\n",
            r"Recipient  0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\n",
            r"Chain      1\n",
            "0xabcd",
        ] {
            assert!(advance.ext_patch.contains(part), "{part:?} is not in {advance:?}");
        }
    }

    #[test]
    fn an_unknown_asset_fails() {
        let call = testing::call(PAYLOAD, EXT, r#"{"assets": {}}"#).unwrap();
        assert!(matches!(run(call), Err(Failure::Permanent(_))));
    }
}
