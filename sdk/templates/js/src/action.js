/**
 * {{name}}: accepts an amount that is at most the deployment's limit.
 *
 * @import { Call, Advance } from "./surety.js"
 */
import { action, log, permanent } from "./surety.js";

/**
 * @param {Call<{ amount: string }, object, { limit: string }>} call
 * @returns {Advance}
 */
function decide({ message, settings }) {
  const { amount } = message.payload;
  const { limit } = settings;
  if (typeof amount !== "string" || !/^[0-9]+$/.test(amount)) {
    throw permanent(`the amount ${JSON.stringify(amount)} is no number`);
  }
  // Amounts are 256-bit integers: a number would round them.
  if (BigInt(amount) > BigInt(limit)) {
    return { state: "refused", note: `${amount} is above ${limit}` };
  }
  log.info(`${amount} is within ${limit}`);
  return {
    state: "accepted",
    patch: { checked: { amount, limit } },
    note: `${amount} is within ${limit}`,
  };
}

export const run = action(decide);
