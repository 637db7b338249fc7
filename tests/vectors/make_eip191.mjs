// Signs the cases on stdin with ethers and with viem; make_eip191.py calls it and keeps the result.
// `require`, because `import` ignores NODE_PATH.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const ethers = require("ethers");
const viem = require("viem");
const { privateKeyToAccount } = require("viem/accounts");
const viemVersion = require("viem/package.json").version;

async function byEthers({ private_key, text }) {
  const wallet = new ethers.Wallet(private_key);
  const signature = await wallet.signMessage(text);
  return {
    by: "ethers",
    version: ethers.version,
    private_key,
    address: wallet.address,
    text,
    signature,
    hash: ethers.hashMessage(text),
  };
}

async function byViem({ private_key, text }) {
  const account = privateKeyToAccount(private_key);
  const signature = await account.signMessage({ message: text });
  return {
    by: "viem",
    version: viemVersion,
    private_key,
    address: account.address,
    text,
    signature,
    hash: viem.hashMessage(text),
  };
}

const cases = JSON.parse(readFileSync(0, "utf8"));
const entries = await Promise.all(cases.map((one) => Promise.all([byEthers(one), byViem(one)])));
process.stdout.write(JSON.stringify(entries));
