"""A real client of a running surety: eth-account signs, the standard library does the HTTP.

It does what an integrator would do from the documentation alone, and shares no code with the
host, so an agreement between the two is worth something. client.mjs is the same in JavaScript.

  client.py --base http://127.0.0.1:8080 --token-file FILE --client acme --private-key 0x… [--count N]
    [--scheme eip191|eip712]

Prints one JSON line and exits 0; at the first deviation says what it was on stderr and exits 1.
"""

import argparse
import importlib.metadata
import json
import re
import sys
import time
import traceback
import urllib.error
import urllib.request
from datetime import datetime, timezone

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_utils import keccak

RECEIPT_FIELDS = ["msg_id", "msg_state", "content_hash", "accepted_at", "host", "signature"]
FINAL_STATE = "notified"
WAIT_S = 20  # one long poll
FINAL_S_MAX = 120  # a slow, loaded test machine; a healthy host needs milliseconds
TO = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55's first example


class Deviation(Exception):
    """The host did something that the contract does not allow."""


def check(condition, text):
    if not condition:
        raise Deviation(text)


# A test host is on loopback: a proxy from the environment must not see these calls.
http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(base, method, path, body=None, token=None):
    """Returns (status, JSON body, content type); refusals are answers like any other."""
    headers = {"Accept": "application/json"}
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(base + path, data=data, headers=headers, method=method)
    try:
        with http.open(request, timeout=WAIT_S + 10) as answer:
            status, raw, kind = answer.status, answer.read(), answer.headers.get_content_type()
    except urllib.error.HTTPError as refusal:
        status, raw, kind = refusal.code, refusal.read(), refusal.headers.get_content_type()
    except OSError as error:
        raise Deviation(f"{method} {path}: no answer: {error}") from error
    try:
        return status, json.loads(raw), kind
    except ValueError as error:
        raise Deviation(f"{method} {path}: {status} with a body that is not JSON: {raw[:200]!r}") from error


def expect(status, answer, what):
    got, body, _ = answer
    check(got == status, f"{what}: expected {status}, got {got}: {json.dumps(body)}")
    return body


def issue(base, client, count):
    # No token: issuing needs a registered client_id only.
    body = expect(201, call(base, "POST", "/v1/msg-ids", {"client_id": client, "count": count}), "issue")
    ids = body.get("msg_ids", [])
    check(len(set(ids)) == count, f"issue: asked for {count} different ids, got {ids}")
    check(str(body.get("expires_at", "")).endswith("Z"), f"issue: expires_at is not a UTC time: {body}")
    return ids


def withdrawal(msg_id, client, nonce, amount):
    return {
        "msg_id": msg_id,
        "msg_type": "withdrawal",
        "client_id": client,
        "creation_date": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "payload": {
            "asset": "ETH",
            "amount": amount,
            "to": TO,
            "nonce": nonce,
            "max_fee_per_gas": "30000000000",
            "max_priority_fee_per_gas": "1000000000",
        },
    }


class Eip191:
    """Python's own serialiser on purpose: its spaces and \\u escapes are what gets signed."""

    def __init__(self, base, token):
        pass

    def text(self, message):
        return json.dumps(message)

    def signable(self, message, text):
        return encode_defunct(text=text)


class Eip712:
    """What the host says of the message type is all that it takes to show and sign a message."""

    def __init__(self, base, token):
        answer = call(base, "GET", "/v1/message-types/withdrawal/typed-data", token=token)
        self.typed_data = expect(200, answer, "typed data")

    def text(self, message):
        return json.dumps(message, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def signable(self, message, text):
        return encode_typed_data(self.typed_data["domain"], self.typed_data["types"], message)


SCHEMES = {"eip191": Eip191, "eip712": Eip712}


def envelope(account, scheme, name, message):
    text = scheme.text(message)
    signed = account.sign_message(scheme.signable(message, text))
    return {"scheme": name, "message": text, "signature": "0x" + bytes(signed.signature).hex()}


def check_receipt(receipt, msg_id, text):
    missing = [name for name in RECEIPT_FIELDS if not isinstance(receipt.get(name), str)]
    check(not missing, f"receipt of {msg_id}: no string in {missing}: {receipt}")
    check(receipt["msg_id"] == msg_id, f"receipt of {msg_id} is for {receipt['msg_id']}")
    hash_ = "0x" + keccak(text.encode()).hex()
    check(receipt["content_hash"] == hash_, f"receipt of {msg_id}: content_hash {receipt['content_hash']}, ours {hash_}")
    lines = ["surety receipt v1", *(receipt[name] for name in RECEIPT_FIELDS[:4])]
    signer = Account.recover_message(encode_defunct(text="\n".join(lines)), signature=receipt["signature"])
    check(signer == receipt["host"], f"receipt of {msg_id}: signed by {signer}, but its host is {receipt['host']}")


def follow(base, token, msg_id, signer):
    """Long-polls until the message is final."""
    deadline = time.monotonic() + FINAL_S_MAX
    while True:
        answer = call(base, "GET", f"/v1/messages/{msg_id}?wait={WAIT_S}", token=token)
        message = expect(200, answer, f"get {msg_id}")
        check(message["parked"] is False, f"{msg_id} is parked: {message}")
        if message["final"] is True:
            break
        check(time.monotonic() < deadline, f"{msg_id} is not final after {FINAL_S_MAX} s: {message}")
    state = message["msg_state"]
    check(state == FINAL_STATE, f"{msg_id} ended as {state}, not {FINAL_STATE}: {message}")
    check(message["signer"] == signer, f"{msg_id}: signer is {message['signer']}, ours {signer}")


def check_history(base, token, msg_id, content_hash):
    """The chain starts at the signed content and every record names the one before."""
    answer = call(base, "GET", f"/v1/messages/{msg_id}/history", token=token)
    records = expect(200, answer, f"history of {msg_id}")["records"]
    check(records, f"history of {msg_id} is empty")
    prev = content_hash
    for seq, record in enumerate(records):
        at = f"history of {msg_id}: record {seq}"
        check(record["seq"] == seq, f"{at} has seq {record['seq']}")
        check(record["prev"] == prev, f"{at} has prev {record['prev']}, expected {prev}")
        prev = record["hash"]
        check(re.fullmatch("0x[0-9a-f]{64}", prev), f"{at} has hash {prev!r}")
    check(records[-1]["to"] == FINAL_STATE, f"history of {msg_id} ends at {records[-1]['to']}")


def check_again(base, sent, receipt):
    again = expect(200, call(base, "POST", "/v1/messages", sent), "submit the same again")
    for name in RECEIPT_FIELDS:
        check(again.get(name) == receipt[name], f"second receipt: {name} is {again.get(name)!r}, was {receipt[name]!r}")


def check_conflict(base, other):
    answer = call(base, "POST", "/v1/messages", other)
    problem = expect(409, answer, "submit other content under a used Msg_ID")
    check(answer[2] == "application/problem+json", f"the 409 is {answer[2]}, not application/problem+json")
    check(problem.get("status") == 409 and problem.get("code"), f"the 409 names no code: {problem}")


def run(args):
    base = args.base.rstrip("/")
    account = Account.from_key(args.private_key)
    with open(args.token_file) as file:
        token = file.read().strip()
    scheme = SCHEMES[args.scheme](base, token)

    def sign(msg_id, nonce, amount):
        return envelope(account, scheme, args.scheme, withdrawal(msg_id, args.client, nonce, amount))

    sent = []
    for nonce, msg_id in enumerate(issue(base, args.client, args.count)):
        signed = sign(msg_id, nonce, "250000000000000000")
        receipt = expect(202, call(base, "POST", "/v1/messages", signed), f"submit {msg_id}")
        check_receipt(receipt, msg_id, signed["message"])
        sent.append((nonce, msg_id, signed, receipt))

    for nonce, msg_id, signed, receipt in sent:
        follow(base, token, msg_id, account.address)
        check_history(base, token, msg_id, receipt["content_hash"])
        check_again(base, signed, receipt)
        check_conflict(base, sign(msg_id, nonce, "250000000000000001"))

    version = importlib.metadata.version("eth-account")
    summary = {"library": "eth-account", "version": version, "scheme": args.scheme}
    print(json.dumps({**summary, "submitted": len(sent), "final": len(sent)}))


def main():
    parser = argparse.ArgumentParser(description="submit withdrawals signed by eth-account and check every answer")
    parser.add_argument("--base", required=True)
    parser.add_argument("--token-file", required=True)
    parser.add_argument("--client", required=True)
    parser.add_argument("--private-key", required=True)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--scheme", choices=SCHEMES, default="eip191")
    try:
        run(parser.parse_args())
    except (Deviation, OSError) as error:
        sys.exit(f"client.py: {error}")
    except Exception:
        # Most likely an answer without the shape that was expected; the trace shows where.
        sys.exit(f"client.py: {traceback.format_exc()}")


main()
