// Builds the transactions on stdin with ethers; make_transactions.py calls it and compares the result.
// `require`, because `import` ignores NODE_PATH.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const ethers = require("ethers");

const erc20 = new ethers.Interface(["function transfer(address to, uint256 amount)"]);

function build(one) {
  const amount = BigInt(one.amount);
  const data = one.token ? erc20.encodeFunctionData("transfer", [one.recipient, amount]) : "0x";
  const transaction = ethers.Transaction.from({
    type: 2,
    chainId: one.chain_id,
    nonce: one.nonce,
    maxPriorityFeePerGas: BigInt(one.max_priority_fee_per_gas),
    maxFeePerGas: BigInt(one.max_fee_per_gas),
    gasLimit: one.gas_limit,
    to: one.token ?? one.recipient,
    value: one.token ? 0n : amount,
    data,
  });
  return { data, raw: transaction.unsignedSerialized, signing_hash: transaction.unsignedHash };
}

const cases = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify({ version: ethers.version, results: cases.map(build) }));
