// Signs the cases on stdin as typed data with ethers and with viem; make_eip712.py calls it and keeps the result.
// `require`, because `import` ignores NODE_PATH.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const ethers = require("ethers");
const viem = require("viem");
const { privateKeyToAccount } = require("viem/accounts");
const viemVersion = require("viem/package.json").version;

async function byEthers({ private_key, text, typed_data: { domain, types } }) {
  const wallet = new ethers.Wallet(private_key);
  const message = JSON.parse(text);
  return {
    by: "ethers",
    version: ethers.version,
    address: wallet.address,
    signature: await wallet.signTypedData(domain, types, message),
    hash: ethers.TypedDataEncoder.hash(domain, types, message),
  };
}

async function byViem({ private_key, text, typed_data }) {
  const account = privateKeyToAccount(private_key);
  const whole = { ...typed_data, message: JSON.parse(text) };
  return {
    by: "viem",
    version: viemVersion,
    address: account.address,
    signature: await account.signTypedData(whole),
    hash: viem.hashTypedData(whole),
  };
}

const cases = JSON.parse(readFileSync(0, "utf8"));
const entries = await Promise.all(cases.map((one) => Promise.all([byEthers(one), byViem(one)])));
process.stdout.write(JSON.stringify(entries));
