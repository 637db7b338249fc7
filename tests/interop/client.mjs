// A real client of a running surety: ethers or viem signs, Node's own fetch does the HTTP.
// client.py is the same in Python and says why it is written the way it is.
//
//   NODE_PATH=FOLDER/node_modules node client.mjs --library ethers|viem --base http://127.0.0.1:8080 \
//     --token-file FILE --client acme --private-key 0x… [--count N] [--scheme eip191|eip712]
//
// Prints one JSON line and exits 0; at the first deviation says what it was on stderr and exits 1.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

// `require`, because `import` ignores NODE_PATH and the libraries live in the build folder.
const require = createRequire(import.meta.url);

const RECEIPT_FIELDS = ["msg_id", "msg_state", "content_hash", "accepted_at", "host", "signature"];
const FINAL_STATE = "notified";
const WAIT_S = 20; // one long poll
const FINAL_S_MAX = 120; // a slow, loaded test machine; a healthy host needs milliseconds
const TO = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"; // EIP-55's first example

// What the test needs of a wallet library, each in that library's own everyday calls.
const LIBRARIES = {
  ethers(privateKey) {
    const { Wallet, keccak256, toUtf8Bytes, verifyMessage, version } = require("ethers");
    const wallet = new Wallet(privateKey);
    return {
      version,
      address: wallet.address,
      sign: (text) => wallet.signMessage(text),
      signTypedData: ({ domain, types }, message) => wallet.signTypedData(domain, types, message),
      recover: async (text, signature) => verifyMessage(text, signature),
      keccak: (text) => keccak256(toUtf8Bytes(text)),
    };
  },
  viem(privateKey) {
    const { keccak256, recoverMessageAddress, stringToBytes } = require("viem");
    const account = require("viem/accounts").privateKeyToAccount(privateKey);
    return {
      version: require("viem/package.json").version,
      address: account.address,
      sign: (text) => account.signMessage({ message: text }),
      signTypedData: (typedData, message) => account.signTypedData({ ...typedData, message }),
      recover: (text, signature) => recoverMessageAddress({ message: text, signature }),
      // Not `toBytes`: it takes a text that looks like hex for the bytes themselves.
      keccak: (text) => keccak256(stringToBytes(text)),
    };
  },
};

class Deviation extends Error {}

function check(condition, text) {
  if (!condition) throw new Deviation(text);
}

/** Resolves to {status, body, kind}; refusals are answers like any other. */
async function call(base, method, path, { body, token } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  let answer, raw;
  try {
    answer = await fetch(base + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout((WAIT_S + 10) * 1000),
    });
    raw = await answer.text();
  } catch (error) {
    throw new Deviation(`${method} ${path}: no answer: ${error.cause ?? error}`);
  }
  const kind = (answer.headers.get("content-type") ?? "").split(";")[0].trim();
  try {
    return { status: answer.status, body: JSON.parse(raw), kind };
  } catch {
    throw new Deviation(`${method} ${path}: ${answer.status} with a body that is not JSON: ${raw.slice(0, 200)}`);
  }
}

function expect(status, answer, what) {
  check(answer.status === status, `${what}: expected ${status}, got ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function issue(base, client, count) {
  // No token: issuing needs a registered client_id only.
  const body = expect(201, await call(base, "POST", "/v1/msg-ids", { body: { client_id: client, count } }), "issue");
  const ids = body.msg_ids ?? [];
  check(new Set(ids).size === count, `issue: asked for ${count} different ids, got ${JSON.stringify(ids)}`);
  check(String(body.expires_at).endsWith("Z"), `issue: expires_at is not a UTC time: ${JSON.stringify(body)}`);
  return ids;
}

function withdrawal(msgId, client, nonce, amount) {
  return {
    msg_id: msgId,
    msg_type: "withdrawal",
    client_id: client,
    creation_date: new Date().toISOString(),
    payload: {
      asset: "ETH",
      amount,
      to: TO,
      nonce,
      max_fee_per_gas: "30000000000",
      max_priority_fee_per_gas: "1000000000",
    },
  };
}

/** RFC 8785, for messages that can be signed as typed data: their keys are ASCII, their numbers whole. */
function canonical(value) {
  const sorted = (_, at) =>
    at !== null && typeof at === "object" && !Array.isArray(at)
      ? Object.fromEntries(Object.keys(at).sort().map((key) => [key, at[key]]))
      : at;
  return JSON.stringify(value, sorted);
}

// Each resolves to a function that makes the envelope of a message.
const SCHEMES = {
  async eip191(wallet) {
    return async (message) => {
      const text = JSON.stringify(message);
      return { scheme: "eip191", message: text, signature: await wallet.sign(text) };
    };
  },
  /** What the host says of the message type is all that it takes to show and sign a message. */
  async eip712(wallet, base, token) {
    const answer = await call(base, "GET", "/v1/message-types/withdrawal/typed-data", { token });
    const typedData = expect(200, answer, "typed data");
    return async (message) => {
      const signature = await wallet.signTypedData(typedData, message);
      return { scheme: "eip712", message: canonical(message), signature };
    };
  },
};

async function checkReceipt(wallet, receipt, msgId, text) {
  const missing = RECEIPT_FIELDS.filter((name) => typeof receipt[name] !== "string");
  check(missing.length === 0, `receipt of ${msgId}: no string in ${missing}: ${JSON.stringify(receipt)}`);
  check(receipt.msg_id === msgId, `receipt of ${msgId} is for ${receipt.msg_id}`);
  const hash = wallet.keccak(text);
  check(receipt.content_hash === hash, `receipt of ${msgId}: content_hash ${receipt.content_hash}, ours ${hash}`);
  const lines = ["surety receipt v1", ...RECEIPT_FIELDS.slice(0, 4).map((name) => receipt[name])];
  const signer = await wallet.recover(lines.join("\n"), receipt.signature);
  check(signer === receipt.host, `receipt of ${msgId}: signed by ${signer}, but its host is ${receipt.host}`);
}

/** Long-polls until the message is final. */
async function follow(base, token, msgId, signer) {
  const deadline = performance.now() + FINAL_S_MAX * 1000;
  let message;
  for (;;) {
    message = expect(200, await call(base, "GET", `/v1/messages/${msgId}?wait=${WAIT_S}`, { token }), `get ${msgId}`);
    check(message.parked === false, `${msgId} is parked: ${JSON.stringify(message)}`);
    if (message.final === true) break;
    check(performance.now() < deadline, `${msgId} is not final after ${FINAL_S_MAX} s: ${JSON.stringify(message)}`);
  }
  const { msg_state: state } = message;
  check(state === FINAL_STATE, `${msgId} ended as ${state}, not ${FINAL_STATE}: ${JSON.stringify(message)}`);
  check(message.signer === signer, `${msgId}: signer is ${message.signer}, ours ${signer}`);
}

/** The chain starts at the signed content and every record names the one before. */
async function checkHistory(base, token, msgId, contentHash) {
  const answer = await call(base, "GET", `/v1/messages/${msgId}/history`, { token });
  const { records } = expect(200, answer, `history of ${msgId}`);
  check(records.length > 0, `history of ${msgId} is empty`);
  let prev = contentHash;
  records.forEach((record, seq) => {
    check(record.seq === seq, `history of ${msgId}: record ${seq} has seq ${record.seq}`);
    check(record.prev === prev, `history of ${msgId}: record ${seq} has prev ${record.prev}, expected ${prev}`);
    prev = record.hash;
    check(/^0x[0-9a-f]{64}$/.test(prev), `history of ${msgId}: record ${seq} has hash ${prev}`);
  });
  check(records.at(-1).to === FINAL_STATE, `history of ${msgId} ends at ${records.at(-1).to}`);
}

async function checkAgain(base, sent, receipt) {
  const again = expect(200, await call(base, "POST", "/v1/messages", { body: sent }), "submit the same again");
  for (const name of RECEIPT_FIELDS) {
    check(again[name] === receipt[name], `second receipt: ${name} is ${again[name]}, was ${receipt[name]}`);
  }
}

async function checkConflict(base, other) {
  const answer = await call(base, "POST", "/v1/messages", { body: other });
  const problem = expect(409, answer, "submit other content under a used Msg_ID");
  check(answer.kind === "application/problem+json", `the 409 is ${answer.kind}, not application/problem+json`);
  check(problem.status === 409 && problem.code, `the 409 names no code: ${JSON.stringify(problem)}`);
}

async function run(args) {
  for (const name of ["library", "base", "token-file", "client", "private-key"]) {
    check(args[name] !== undefined, `--${name} is missing`);
  }
  check(Object.hasOwn(LIBRARIES, args.library), `--library is ethers or viem, not ${args.library}`);
  check(Object.hasOwn(SCHEMES, args.scheme), `--scheme is eip191 or eip712, not ${args.scheme}`);
  const count = Number(args.count);
  check(Number.isInteger(count) && count > 0, `--count is a positive whole number, not ${args.count}`);
  const wallet = LIBRARIES[args.library](args["private-key"]);
  const base = args.base.replace(/\/+$/, "");
  const token = readFileSync(args["token-file"], "utf8").trim();
  const envelope = await SCHEMES[args.scheme](wallet, base, token);

  const sent = [];
  for (const [nonce, msgId] of (await issue(base, args.client, count)).entries()) {
    const signed = await envelope(withdrawal(msgId, args.client, nonce, "250000000000000000"));
    const receipt = expect(202, await call(base, "POST", "/v1/messages", { body: signed }), `submit ${msgId}`);
    await checkReceipt(wallet, receipt, msgId, signed.message);
    sent.push({ nonce, msgId, signed, receipt });
  }

  for (const { nonce, msgId, signed, receipt } of sent) {
    await follow(base, token, msgId, wallet.address);
    await checkHistory(base, token, msgId, receipt.content_hash);
    await checkAgain(base, signed, receipt);
    const other = withdrawal(msgId, args.client, nonce, "250000000000000001");
    await checkConflict(base, await envelope(other));
  }

  const summary = { library: args.library, version: wallet.version, scheme: args.scheme };
  console.log(JSON.stringify({ ...summary, submitted: sent.length, final: sent.length }));
}

try {
  const option = { type: "string" };
  const { values } = parseArgs({
    options: {
      library: option,
      base: option,
      "token-file": option,
      client: option,
      "private-key": option,
      count: { ...option, default: "1" },
      scheme: { ...option, default: "eip191" },
    },
  });
  await run(values);
} catch (error) {
  // A TypeError here is an answer without the shape that was expected; its stack shows where.
  console.error(`client.mjs: ${error instanceof Deviation ? error.message : error.stack}`);
  process.exitCode = 1;
}
