"""Makes malformed_signatures.json: what can be done to one good signature, and what we answer.

Every entry is wrong in one way only, so that the code does not depend on the order of the checks;
but an s beyond the order is also a high one, so the range has to be checked first.
Run with the interop folder's Python; see README.md.
"""

import json
import pathlib

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils import keccak

HERE = pathlib.Path(__file__).resolve().parent
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # order of secp256k1
G_X = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798  # its generator; y is even
MAX = 2**256 - 1

NOTE = (
    "Forms of a signature over `text` by a PUBLIC TEST KEY (anvil's account 0), and the code with which each is "
    "refused. A null code means accepted: then the signature recovers to `address`. Made by make_malformed.py; "
    "do not edit."
)
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
TEXT = (
    '{"msg_id":"01JDC5V8Q0EXAMPLE0000000000","msg_type":"withdrawal","client_id":"acme",'
    '"creation_date":"2026-01-15T09:30:00.000Z","payload":{}}'
)


def sign(text):
    signed = Account.sign_message(encode_defunct(text=text), KEY)
    return text, signed.r, signed.s, signed.v


def bytes65(r, s, v):
    return f"0x{r:064x}{s:064x}{v:02x}"


def recovered(text, signature):
    return Account.recover_message(encode_defunct(text=text), signature=signature)


def with_v(v):
    """A text whose good signature has this v: the signer cannot choose v, so the text is varied."""
    return next(made for made in (sign(TEXT + " " * pad) for pad in range(64)) if made[3] == v)


def at_infinity():
    """With R = G and s = the text's own hash, the recovered key s*R - hash*G is no point at all."""
    for pad in range(64):
        text = TEXT + " " * pad
        prefix = f"\x19Ethereum Signed Message:\n{len(text)}".encode()
        s = int.from_bytes(keccak(prefix + text.encode()), "big")
        if 0 < s <= N // 2:
            return text, bytes65(G_X, s, 27)


def main():
    vectors = []

    def add(code, text, signature, note):
        entry = {"code": code, "text": text, "signature": signature, "note": note}
        if code is None:
            # eth-account reads v and hex case as loosely as we do, so it is a fair second opinion.
            entry["address"] = recovered(text, signature)
        vectors.append(entry)

    even, odd = with_v(27), with_v(28)
    text, r, s, v = even
    good = bytes65(r, s, v)
    digits = good[2:]

    for name, (t, r_, s_, v_) in (("even y", even), ("odd y", odd)):
        add(None, t, bytes65(r_, s_, v_), f"{name}, v = {v_}, as wallets give it")
        add(None, t, bytes65(r_, s_, v_ - 27), f"{name}, v = {v_ - 27}, as some hardware wallets give it")
    add(None, text, "0x" + digits.upper(), "upper-case hex digits")
    half = N // 2  # the largest s that EIP-2 allows; with another s it is another address's signature
    add(None, text, bytes65(r, half, v), "s = n / 2 rounded down, the largest allowed; of another address")
    add(None, text, bytes65(r, 1, v), "s = 1, the smallest allowed; of another address")

    for name, (t, r_, s_, v_) in (("even y", even), ("odd y", odd)):
        twin = bytes65(r_, N - s_, 55 - v_)
        # This is why a high s is refused: without the rule, anyone can make a second good signature.
        assert recovered(t, twin) == recovered(t, bytes65(r_, s_, v_))
        add("signature_high_s", t, twin, f"{name}: s' = n - s with v flipped, recovers to the same address")
        add("signature_high_s", t, bytes65(r_, N - s_, 28 - v_), f"{name}: the same with v as 0 or 1")
    add("signature_high_s", text, bytes65(r, N - s, v), "s' = n - s, v not flipped")
    add("signature_high_s", text, bytes65(r, half + 1, v), "s = n / 2 rounded up, the smallest high s")
    add("signature_high_s", text, bytes65(r, N - 1, v), "s = n - 1, the largest in range")

    add("signature_zero", text, bytes65(0, s, v), "r = 0")
    add("signature_zero", text, bytes65(r, 0, v), "s = 0")
    add("signature_zero", text, bytes65(0, 0, v), "r = 0 and s = 0")

    for name, value in (("n", N), ("n + 1", N + 1), ("2^256 - 1", MAX)):
        add("signature_out_of_range", text, bytes65(value, s, v), f"r = {name}")
        add("signature_out_of_range", text, bytes65(r, value, v), f"s = {name}")
    add("signature_out_of_range", text, bytes65(N, N, v), "r = n and s = n")

    for bad, note in (
        (2, "a recovery id for r + n, which no wallet gives"),
        (3, "a recovery id for r + n, which no wallet gives"),
        (26, "one below 27"),
        (29, "one above 28"),
        (31, "Bitcoin's form for compressed keys"),
        (35, "EIP-155 for chain 0: a transaction's v, not a message's"),
        (37, "EIP-155 for chain 1: a transaction's v, not a message's"),
        (128, "top bit set"),
        (255, "all bits set"),
    ):
        add("signature_bad_v", text, bytes65(r, s, bad), f"v = {bad}: {note}")

    add("signature_unrecoverable", text, bytes65(5, s, 27), "r = 5: no point of the curve has this x")
    add("signature_unrecoverable", text, bytes65(5, s, 28), "r = 5: no point of the curve has this x, odd y")
    add("signature_unrecoverable", *at_infinity(), "R = G and s = the hash: the key would be the point at infinity")

    for length in (0, 1, 32, 63, 66, 96, 130):
        body = (digits * 3)[: 2 * length]
        add("signature_length", text, "0x" + body, f"{length} bytes")

    for name, (t, r_, s_, v_) in (("even y", even), ("odd y", odd)):
        compact = f"0x{r_:064x}{s_ | (v_ - 27) << 255:064x}"
        add("signature_compact", t, compact, f"EIP-2098, {name}")
    add("signature_compact", odd[0], bytes65(*odd[1:])[:-2], "64 bytes without v: any 64 bytes are taken for EIP-2098")

    for bad, note in (
        ("", "empty text"),
        (digits, "no 0x"),
        ("0X" + digits, "0X with a capital X"),
        ("x" + digits, "x without the zero"),
        ("0x0x" + digits, "0x twice"),
        (good[:-1], "odd number of digits"),
        ("0x0", "a single digit"),
        (good[:10] + "g" + good[11:], "the letter g"),
        (good[:10] + "-" + good[11:], "a minus sign"),
        (good[:10] + "+f" + good[12:], "a plus sign, which some integer parsers let pass"),
        (good[:10] + "_" + good[11:], "an underscore, which some integer parsers let pass"),
        (good[:10] + "\uff11" + good[11:], "a full-width digit one: as many characters, more bytes"),
        (good[:10] + "\x00" + good[11:], "a NUL"),
        (" " + good, "a space before"),
        (good + " ", "a space after"),
        (good + "\n", "a line feed after"),
        (good[:66] + " " + good[66:], "a space between r and s"),
        (good[:66] + "\n" + good[66:130] + "\n" + good[130:], "line feeds between r, s and v"),
    ):
        add("signature_hex", text, bad, note)

    document = {"note": NOTE, "address": recovered(text, good), "vectors": vectors}
    (HERE / "malformed_signatures.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"malformed_signatures.json: {len(vectors)} vectors")


main()
