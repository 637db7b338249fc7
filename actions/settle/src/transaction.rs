//! EIP-1559 transactions, as far as a payment needs them.

use alloy_rlp::Encodable;
use ruint::aliases::U256;
use withdrawal::Address;

/// EIP-2718's type of an EIP-1559 transaction.
const TYPE: u8 = 2;

/// The first four bytes of `keccak256("transfer(address,uint256)")`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];

/// An EIP-1559 transaction without access list and signature.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) chain_id: u64,
    pub(crate) nonce: u64,
    pub(crate) max_priority_fee_per_gas: U256,
    pub(crate) max_fee_per_gas: U256,
    pub(crate) gas_limit: u64,
    pub(crate) to: Address,
    pub(crate) value: U256,
    pub(crate) data: Vec<u8>,
}

impl Transaction {
    /// `0x02 || rlp([...])`: the bytes whose keccak256 is signed.
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        // A list, whatever its items would be; encodes to 0xc0.
        let access_list = Vec::<u64>::new();
        let fields: [&dyn Encodable; 9] = [
            &self.chain_id,
            &self.nonce,
            &self.max_priority_fee_per_gas,
            &self.max_fee_per_gas,
            &self.gas_limit,
            &self.to.0,
            &self.value,
            &self.data.as_slice(),
            &access_list,
        ];
        let mut bytes = vec![TYPE];
        alloy_rlp::encode_list::<_, dyn Encodable>(&fields, &mut bytes);
        bytes
    }
}

/// The call `transfer(to, amount)` of an ERC-20 contract, in Solidity's ABI:
/// the selector and two words of 32 bytes.
pub(crate) fn erc20_transfer(to: Address, amount: withdrawal::Amount) -> Vec<u8> {
    let mut data = TRANSFER.to_vec();
    data.extend([0; 12]);
    data.extend(to.0);
    data.extend(amount.0.to_be_bytes::<32>());
    data
}
