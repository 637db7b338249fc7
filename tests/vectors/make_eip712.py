"""Makes eip712.json: messages signed as typed data by eth-account, ethers and viem, which must agree.

The types come from the schemas by a second reading of docs/signing.md, below, which shares no code
with the host. Run with the interop folder's Python; it calls make_eip712.mjs for the two JavaScript
libraries. See README.md. All sign by RFC 6979, so the file is the same every time it is made.

With --given it signs the cases on stdin instead, and prints them: schema, name, version, chain_id,
text and private_key of each.
"""

import importlib.metadata
import json
import pathlib
import subprocess
import sys

from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_utils import keccak

HERE = pathlib.Path(__file__).resolve().parent
SCHEMAS = HERE.parent.parent / "schemas"

NOTE = (
    "EIP-712. The typed data belong to `schema`, `name`, `version` and `chain_id` by docs/signing.md; `text` "
    "is what was signed by them. Every private key here is a PUBLIC TEST KEY: never send anything to its "
    "address. Made by make_eip712.py; do not edit."
)

KEYS = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",  # anvil and hardhat, account 0
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",  # anvil and hardhat, account 1
    "0x" + "1".rjust(64, "0"),  # the smallest key there is
]

INTEGER_MAX = 2**53 - 1
HEX = {"^0x[0-9a-f]{40}$": "address", "^0x[0-9a-f]{64}$": "bytes32"}


def canonical(value):
    """RFC 8785, for values with whole numbers and names of ASCII letters."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def types_of(schema):
    types = {}

    def kind(at, name):
        if "type" not in at:
            values = [at["const"]] if "const" in at else at.get("enum")
            if values is None:
                place = schema
                for step in at["$ref"].removeprefix("#/").split("/"):
                    place = place[step]
                return kind(place, name)
            if all(isinstance(value, str) for value in values):
                return "string"
            if all(isinstance(value, bool) for value in values):
                return "bool"
            return "uint256" if min(values) >= 0 else "int256"
        match at["type"]:
            case "string":
                return HEX.get(at.get("pattern"), "string")
            case "boolean":
                return "bool"
            case "integer":
                return "uint256" if at["minimum"] >= 0 else "int256"
            case "array":
                return kind(at["items"], name) + "[]"
            case "object":
                types[name] = [
                    {"name": p, "type": kind(at["properties"][p], name + titled(p))} for p in sorted(at["properties"])
                ]
                return name

    def titled(property_):
        return "".join(word[:1].upper() + word[1:] for word in property_.split("_"))

    assert kind(schema, "Message") == "Message"
    return types


def typed_data(case):
    salt = "0x" + keccak(canonical(case["schema"]).encode()).hex()
    domain = {"name": case["name"], "version": case["version"], "chainId": case["chain_id"], "salt": salt}
    return {"domain": domain, "types": types_of(case["schema"]), "primaryType": "Message"}


def object_of(**properties):
    return {
        "type": "object",
        "required": sorted(properties),
        "additionalProperties": False,
        "properties": properties,
    }


STRING = {"type": "string"}
INTEGER = {"type": "integer", "minimum": -INTEGER_MAX, "maximum": INTEGER_MAX}
UNSIGNED = {"type": "integer", "minimum": 0, "maximum": INTEGER_MAX}
WITHDRAWAL = {
    "msg_id": "01a3185c-5000-7000-8000-000000000002",
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
# Nested arrays, empty ones, a struct that is used twice by `$ref`, struct names in another order than
# their members, and every type that there is.
WIDE = {
    **object_of(
        zone={"enum": ["a", "b"]},
        flags={"type": "array", "items": {"type": "array", "items": {"type": "boolean"}}},
        level={"enum": [-1, 0, 1]},
        step={"const": 3},
        legs={"type": "array", "items": {"$ref": "#/$defs/leg"}},
        first_leg={"$ref": "#/$defs/leg"},
        a=object_of(b=object_of(on={"type": "boolean"}), n=INTEGER, u=UNSIGNED),
        to_account={"type": "string", "pattern": "^0x[0-9a-f]{40}$"},
        hash={"type": "string", "pattern": "^0x[0-9a-f]{64}$"},
    ),
    "$defs": {"leg": object_of(note=STRING, stops={"type": "array", "items": object_of(name=STRING)})},
}


def wide(**changes):
    leg = {"note": "0xdeadbeef", "stops": [{"name": ""}, {"name": "b"}]}
    return {
        "zone": "b",
        "flags": [[True, False], [], [False]],
        "level": -1,
        "step": 3,
        "legs": [leg, {"note": "", "stops": []}],
        "first_leg": leg,
        "a": {"b": {"on": True}, "n": -INTEGER_MAX, "u": INTEGER_MAX},
        "to_account": "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "hash": "0x" + "0f" * 32,
        **changes,
    }


TEXT = object_of(text=STRING)
# Each looks like something else, or has more bytes than characters, or an escape in JSON.
TEXTS = ["", "0x", "0xdeadbeef", "12", "é", "cafe\u0301", "👩‍👩‍👧‍👦", 'quote " \\ / \b\f\n\r\t\x00\x1f\x7f', "\u2028\ufeff\U0010fffd", "x" * 1000]


def cases():
    withdrawal = json.loads((SCHEMAS / "withdrawal.schema.json").read_text())
    acme = {"schema": withdrawal, "name": "surety withdrawals", "version": "1", "chain_id": 1}
    messages = [(acme, WITHDRAWAL), ({**acme, "name": "käse 🧀", "version": "2.0-β", "chain_id": INTEGER_MAX}, WITHDRAWAL)]
    about = {"schema": WIDE, "name": "wide", "version": "2", "chain_id": 137}
    messages += [(about, wide()), (about, wide(legs=[], flags=[], level=1, zone="a"))]
    messages += [(about, wide(a={"b": {"on": False}, "n": n, "u": abs(n)})) for n in (0, 1, -1, 255, -256)]
    about = {"schema": TEXT, "name": "text", "version": "1", "chain_id": 1}
    messages += [(about, {"text": text}) for text in TEXTS]
    for number, (about, message) in enumerate(messages):
        yield {**about, "text": canonical(message), "private_key": KEYS[number % len(KEYS)]}


def by_eth_account(case):
    data = case["typed_data"]
    signable = encode_typed_data(data["domain"], data["types"], json.loads(case["text"]))
    signed = Account.sign_message(signable, case["private_key"])
    return {
        "by": "eth-account",
        "version": importlib.metadata.version("eth-account"),
        "address": Account.from_key(case["private_key"]).address,
        "signature": "0x" + bytes(signed.signature).hex(),
        "hash": "0x" + bytes(_hash_eip191_message(signable)).hex(),
    }


def by_javascript(all_cases):
    """[[ethers entry, viem entry]] for each case, over a pipe so that no file is half made."""
    command = ["node", str(HERE / "make_eip712.mjs")]
    done = subprocess.run(command, input=json.dumps(all_cases), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def signed(given):
    """The cases with what all three make of them."""
    given = [{**case, "typed_data": typed_data(case)} for case in given]
    for case, javascript in zip(given, by_javascript(given), strict=True):
        entries = [by_eth_account(case), *javascript]
        for entry in entries:
            for name in ("address", "signature", "hash"):
                assert entry[name] == entries[0][name], f"{entry['by']} disagrees on {name} of {case}"
        by = [f"{entry['by']} {entry['version']}" for entry in entries]
        yield {"by": by, **case, **{name: entries[0][name] for name in ("address", "signature", "hash")}}


def main():
    if sys.argv[1:] == ["--given"]:
        print(json.dumps(list(signed(json.load(sys.stdin)))))
        return
    vectors = list(signed(cases()))
    # ASCII escapes, so that no editor or checkout can normalise what was signed.
    (HERE / "eip712.json").write_text(json.dumps({"note": NOTE, "vectors": vectors}, indent=1) + "\n")
    print(f"eip712.json: {len(vectors)} vectors")


main()
