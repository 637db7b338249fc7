"""Makes transactions.json: unsigned EIP-1559 transactions by eth-account and ethers, which must agree.

Run with the interop folder's Python; it calls make_transactions.mjs for ethers. See README.md.
"""

import importlib.metadata
import json
import pathlib
import subprocess

import rlp
from eth_abi import encode
from eth_account.typed_transactions import DynamicFeeTransaction
from eth_account._utils.transaction_utils import transaction_rpc_to_rlp_structure
from eth_utils import keccak, to_checksum_address

HERE = pathlib.Path(__file__).resolve().parent

NOTE = (
    "Unsigned EIP-1559 transactions: `raw` is 0x02 || rlp([...]) and `signing_hash` its keccak256. With `token` "
    "the transaction calls its transfer(recipient, amount); without, it sends `amount` itself. Made by "
    "make_transactions.py; do not edit."
)

ALICE = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
LEADING_ZEROS = "0x000000000000000000000000000000000000dEaD"
HIGH = "0xFFfFfFffFFfffFFfFFfFFFFFffFFFffffFfFFFfF"
USDC = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
ETHER = 10**18
GWEI = 10**9
UINT256_MAX = 2**256 - 1
SAFE_MAX = 2**53 - 1

# (name, chain_id, nonce, priority fee, fee, gas limit, recipient, amount, token). RLP writes a number
# without leading zeros and one below 0x80 as itself, so the values stand on both sides of such edges.
CASES = [
    ("an ordinary payment", 1, 7, GWEI, 30 * GWEI, 21_000, ALICE, ETHER, None),
    ("the first transaction", 1, 0, GWEI, 30 * GWEI, 21_000, ALICE, ETHER, None),
    ("nothing sent and nothing paid", 1, 0, 0, 0, 21_000, ALICE, 0, None),
    ("one wei", 10, 1, 1, 1, 21_000, ALICE, 1, None),
    ("single bytes at the edge", 0x7F, 0x7F, 0x7F, 0x7F, 0x7F, ALICE, 0x7F, None),
    ("just above the edge", 0x80, 0x80, 0x80, 0x80, 0x80, ALICE, 0x80, None),
    ("a byte boundary", 0x100, 0x100, 0xFF, 0x100, 0xFFFF, LEADING_ZEROS, 0x10000, None),
    ("the largest numbers", SAFE_MAX, SAFE_MAX, UINT256_MAX, UINT256_MAX, SAFE_MAX, HIGH, UINT256_MAX, None),
    ("above 64 bits", 137, 300, 2**64, 2**65, 21_000, ALICE, 2**64, None),
    ("a test chain", 11_155_111, 42, GWEI, 2 * GWEI, 21_000, LEADING_ZEROS, ETHER // 3, None),
    ("a token payment", 1, 7, GWEI, 30 * GWEI, 90_000, ALICE, 2_500_000, USDC),
    ("no token", 1, 8, GWEI, 30 * GWEI, 90_000, ALICE, 0, USDC),
    ("all tokens", 8453, 9, 0, GWEI, 65_000, HIGH, UINT256_MAX, USDC),
    ("a token to leading zeros", 42_161, 10**6, 1, 10**8, 10**6, LEADING_ZEROS, 2**128, USDC),
]


def fields(case):
    """One case as the file holds it: amounts as decimal strings."""
    name, chain_id, nonce, priority_fee, fee, gas_limit, recipient, amount, token = case
    return {
        "name": name,
        "chain_id": chain_id,
        "nonce": nonce,
        "max_priority_fee_per_gas": str(priority_fee),
        "max_fee_per_gas": str(fee),
        "gas_limit": gas_limit,
        "recipient": to_checksum_address(recipient),
        "amount": str(amount),
        "token": token,
    }


def by_eth_account(case):
    data = b""
    if case["token"]:
        selector = keccak(text="transfer(address,uint256)")[:4]
        data = selector + encode(["address", "uint256"], [case["recipient"], int(case["amount"])])
    transaction = DynamicFeeTransaction.from_dict({
        "type": 2,
        "chainId": case["chain_id"],
        "nonce": case["nonce"],
        "maxPriorityFeePerGas": int(case["max_priority_fee_per_gas"]),
        "maxFeePerGas": int(case["max_fee_per_gas"]),
        "gas": case["gas_limit"],
        "to": case["token"] or case["recipient"],
        "value": 0 if case["token"] else int(case["amount"]),
        "data": data,
    })
    # The library has no call that gives the unsigned bytes; these are its own parts of `hash`.
    serializer = DynamicFeeTransaction._unsigned_transaction_serializer
    structure = transaction_rpc_to_rlp_structure(transaction.dictionary)
    raw = bytes([DynamicFeeTransaction.transaction_type]) + rlp.encode(serializer.from_dict(structure))
    return {
        "data": "0x" + data.hex(),
        "raw": "0x" + raw.hex(),
        "signing_hash": "0x" + bytes(transaction.hash()).hex(),
    }


def by_ethers(cases):
    """Over a pipe, so that no file is half made."""
    command = ["node", str(HERE / "make_transactions.mjs")]
    done = subprocess.run(command, input=json.dumps(cases), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main():
    cases = [fields(case) for case in CASES]
    ethers = by_ethers(cases)
    vectors = []
    for case, other in zip(cases, ethers["results"], strict=True):
        ours = by_eth_account(case)
        assert ours == other, f"eth-account and ethers disagree on {case['name']!r}: {ours} {other}"
        vectors.append({**case, **ours})
    made_by = {"eth-account": importlib.metadata.version("eth-account"), "ethers": ethers["version"]}
    text = json.dumps({"note": NOTE, "made_by": made_by, "vectors": vectors}, indent=1)
    (HERE / "transactions.json").write_text(text + "\n")
    print(f"transactions.json: {len(vectors)} vectors")


main()
