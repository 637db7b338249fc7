"""Makes eip191.json: texts signed by eth-account, ethers and viem, which must agree to the byte.

Run with the interop folder's Python; it calls make_eip191.mjs for the two JavaScript libraries.
See README.md. All three sign by RFC 6979, so the file is the same every time it is made.
"""

import importlib.metadata
import json
import pathlib
import subprocess

from eth_account import Account
from eth_account.messages import encode_defunct

HERE = pathlib.Path(__file__).resolve().parent

NOTE = (
    "EIP-191 personal_sign (version 0x45) over the UTF-8 bytes of `text`. Every private key here is a "
    "PUBLIC TEST KEY, printed in documentation and in tools' default output: never send anything to "
    "its address. Made by make_eip191.py; do not edit."
)

# Where each key is public.
KEYS = {
    "anvil0": "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",  # anvil and hardhat, account 0
    "anvil1": "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",  # anvil and hardhat, account 1
    "ganache0": "0x4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d",  # ganache --deterministic, account 0
    "web3js": "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318",  # web3.js documentation
    "eth-account": "0xb25c7db31feed9122727bf0939dc769a96564b2de4c4726d035b36ecf1e5b364",  # eth-account documentation
    "one": "0x" + "1".rjust(64, "0"),  # the smallest key there is
}

WITHDRAWAL = {
    "msg_id": "01JDC5V8Q0EXAMPLE0000000000",
    "msg_type": "withdrawal",
    "client_id": "acme",
    "creation_date": "2026-01-15T09:30:00.000Z",
    "payload": {
        "asset": "ETH",
        "amount": "250000000000000000",
        "to": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "nonce": 7,
        "max_fee_per_gas": "30000000000",
        "max_priority_fee_per_gas": "1000000000",
    },
}
UNICODE = {**WITHDRAWAL, "client_id": "café-東京-🎉"}

# (key, text). The prefix carries the length in bytes as decimal digits, so the texts stand on both
# sides of every added digit, and several have more bytes than characters or UTF-16 units.
TEXTS = [
    ("anvil0", ""),
    ("anvil1", "a"),
    ("ganache0", "123456789"),
    ("ganache0", "1234567890"),
    ("web3js", "x" * 99),
    ("web3js", "x" * 100),
    ("anvil0", "é" * 49 + "x"),  # 50 characters, 99 bytes
    ("anvil0", "é" * 50),  # 50 characters, 100 bytes
    ("anvil1", "y" * 999),
    ("anvil1", "y" * 1000),
    ("eth-account", "line one\nline two\n\n  indented\n"),
    ("eth-account", "carriage\r\nreturn\tand tab"),
    ("anvil0", "NUL \x00 and \x7f inside"),
    ("anvil0", "caf\u00e9"),  # composed
    ("anvil0", "cafe\u0301"),  # combining accent: other bytes, other signature, never normalised
    ("anvil1", "👩‍👩‍👧‍👦 🇨🇭 👍🏽"),  # joiners, flags, skin tones: up to seven code points a glyph
    ("anvil1", "Здравствуй, 世界! שלום مرحبا"),
    ("ganache0", "\ufeffbyte order mark first"),
    ("ganache0", "astral 𝒳 and last \U0010fffd"),
    ("anvil0", "0xdeadbeef"),  # a text, although it looks like hex data
    ("web3js", "\x19Ethereum Signed Message:\n5hello"),  # the prefix itself as text
    ("one", "the smallest key"),
    # As each language's own serialiser writes one and the same message.
    ("anvil0", json.dumps(WITHDRAWAL)),
    ("anvil0", json.dumps(WITHDRAWAL, separators=(",", ":"))),
    ("anvil0", json.dumps(WITHDRAWAL, indent=2)),
    ("anvil1", json.dumps(UNICODE)),
    ("anvil1", json.dumps(UNICODE, ensure_ascii=False, separators=(",", ":"))),
    ("anvil1", "0123456789abcdef" * 640),  # 10 KiB
]

# (source, key, text, hash or None, signature): the three libraries must give what was published.
PUBLISHED = [
    (
        "eth-account documentation, Account.sign_message",
        "eth-account",
        "I♥SF",
        "0x1476abb745d423bf09273f1afd887d951181d25adc66c4834a70491911b7f750",
        "0xe6ca9bba58c88611fad66a6ce8f996908195593807c4b38bd528d2cff09d4eb3"
        "3e5bfbbf4d3e39b1a2fd816a7680c19ebebaf3a141b239934ad43cb33fcec8ce1c",
    ),
    (
        "web3.js 1.x documentation, web3.eth.accounts.sign; also eth-account's tests",
        "web3js",
        "Some data",
        "0x1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655",
        "0xb91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd"
        "6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c",
    ),
    (
        "web3.py's and eth-account's tests, 31byte_r_and_s: both halves start with a zero byte",
        "web3js",
        "10284",
        "0x0a162a5efbba02f38db3114531c8acba39fe676f09f7e471d93e8a06c471821c",
        "0x00515bc8fd32264e21ec0820e8c5123ed58c1195c9ea17cb018b1ad4073cc5a6"
        "0080f5dcec397a5a8c523082bfa41771568903aa554ec06ba8475ca9050fb7d51b",
    ),
    (
        "viem documentation, signMessage (local account) and hashMessage",
        "anvil0",
        "hello world",
        "0xd9eba16ed0ecae432b71fe008c98cc872bb4cc214d3220a36f365326cf807d68",
        "0xa461f509887bd19e312c0c58467ce8ff8e300d3c1a90b608a760c5b80318eaf1"
        "5fe57c96f9175d6cd4daad4663763baa7e78836e067d0163e9a2ccf2ff753f5b1b",
    ),
    (
        "viem's tests, src/accounts/utils/signMessage.test.ts",
        "anvil0",
        "🥵",
        None,
        "0x05c99bbbe9fac3ad61721a815d19d6771ad39f3e8dffa7ae7561358f20431d8e"
        "7f9e1d487c77355790c79c6eb0b0d63690f690615ef99ee3e4f25eef0317d0701b",
    ),
]


def by_eth_account(case):
    signed = Account.sign_message(encode_defunct(text=case["text"]), case["private_key"])
    return {
        "by": "eth-account",
        "version": importlib.metadata.version("eth-account"),
        "private_key": case["private_key"],
        "address": Account.from_key(case["private_key"]).address,
        "text": case["text"],
        "signature": "0x" + bytes(signed.signature).hex(),
        "hash": "0x" + bytes(signed.message_hash).hex(),
    }


def by_javascript(cases):
    """[[ethers entry, viem entry]] for each case, over a pipe so that no file is half made."""
    command = ["node", str(HERE / "make_eip191.mjs")]
    done = subprocess.run(command, input=json.dumps(cases), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main():
    cases = [{"private_key": KEYS[key], "text": text} for key, text in TEXTS]
    published = [{"private_key": KEYS[key], "text": text} for _, key, text, _, _ in PUBLISHED]

    vectors = []
    for case, javascript in zip(cases + published, by_javascript(cases + published), strict=True):
        entries = [by_eth_account(case), *javascript]
        for entry in entries:
            for name in ("private_key", "address", "text", "signature", "hash"):
                assert entry[name] == entries[0][name], f"{entry['by']} disagrees on {name} of {case['text']!r}"
        vectors += entries

    for source, key, text, hash_, signature in PUBLISHED:
        ours = next(v for v in vectors if v["text"] == text and v["private_key"] == KEYS[key])
        assert ours["signature"] == signature and hash_ in (None, ours["hash"]), f"{source} disagrees"
        vectors.append({**ours, "by": source, "version": "published", "signature": signature})

    # ASCII escapes, so that no editor or checkout can normalise what was signed.
    (HERE / "eip191.json").write_text(json.dumps({"note": NOTE, "vectors": vectors}, indent=1) + "\n")
    print(f"eip191.json: {len(vectors)} vectors")


main()
