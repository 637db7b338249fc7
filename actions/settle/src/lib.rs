//! The unsigned transaction of a withdrawal: `reserved` → `settled`.
//!
//! It pays what `quote` left to the address that `screen` saw, as an EIP-1559
//! transaction: of the chain's own coin, or of an ERC-20 token where the
//! settings name a contract. Whoever holds the key signs `signing_hash`; no key
//! comes near this action. An offer that the chain does not take fails for good,
//! and the workflow gives back what was reserved.

mod transaction;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use surety_sdk::{Advance, Call, Failure};
use transaction::{Transaction, erc20_transfer};
use withdrawal::{Address, Amount, keccak256};

/// What the client signed, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Payload {
    asset: String,
    nonce: u64,
    max_fee_per_gas: Amount,
    max_priority_fee_per_gas: Amount,
}

/// What the platform team decides.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// By the asset's symbol.
    assets: BTreeMap<String, Asset>,
}

/// Where and how an asset is paid.
#[derive(Debug, Deserialize)]
struct Asset {
    chain_id: u64,
    gas_limit: u64,
    /// The least max_fee_per_gas that the chain takes; none is 0.
    max_fee_per_gas_min: Option<Amount>,
    /// The ERC-20 contract; none for the chain's own coin.
    contract: Option<Address>,
}

/// What earlier actions wrote.
#[derive(Debug, Deserialize)]
pub struct Ext {
    screening: Screening,
    quote: Quote,
}

#[derive(Debug, Deserialize)]
struct Screening {
    to: Address,
}

#[derive(Debug, Deserialize)]
struct Quote {
    net: Amount,
}

/// The transaction, in its fields and as bytes (`0x` hexadecimal).
#[derive(Debug, Serialize)]
struct Settlement {
    chain_id: u64,
    nonce: u64,
    to: Address,
    value: Amount,
    data: String,
    /// `0x02 || rlp([...])`, without a signature.
    raw: String,
    /// keccak256 of `raw`.
    signing_hash: String,
}

#[derive(Serialize)]
struct Patch {
    settlement: Settlement,
}

/// The action.
pub fn run(call: Call<Payload, Ext, Settings>) -> Result<Advance, Failure> {
    let payload = &call.message.payload;
    let asset = (call.settings.assets.get(&payload.asset)).ok_or_else(|| {
        Failure::permanent(format!("the settings have no asset {}", payload.asset))
    })?;
    let (offer, least) = (payload.max_fee_per_gas, asset.max_fee_per_gas_min.unwrap_or_default());
    if offer < least {
        let reason =
            format!("the chain takes no max_fee_per_gas of {offer}, only {least} and more");
        return Err(Failure::permanent(reason));
    }
    let (recipient, net) = (call.ext.screening.to, call.ext.quote.net);
    let (to, value, data) = match asset.contract {
        None => (recipient, net, Vec::new()),
        Some(contract) => (contract, Amount::ZERO, erc20_transfer(recipient, net)),
    };
    let transaction = Transaction {
        chain_id: asset.chain_id,
        nonce: payload.nonce,
        max_priority_fee_per_gas: payload.max_priority_fee_per_gas.0,
        max_fee_per_gas: payload.max_fee_per_gas.0,
        gas_limit: asset.gas_limit,
        to,
        value: value.0,
        data,
    };
    let raw = transaction.unsigned();
    let settlement = Settlement {
        chain_id: transaction.chain_id,
        nonce: transaction.nonce,
        to,
        value,
        data: prefixed_hex(&transaction.data),
        signing_hash: prefixed_hex(&keccak256(&raw)),
        raw: prefixed_hex(&raw),
    };
    Advance::to("settled").patch(&Patch { settlement })
}

surety_sdk::action!(run);

fn prefixed_hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests;
