/**
 * What stands between an action and the raw contract in `wit/`: texts are
 * parsed, and whatever is thrown becomes a failure.
 */
import raw from "surety:action/log@1.0.0";

/** Lines for the host's log, which limits their number and size. */
export const log = {
  debug: (text) => raw.write("debug", String(text)),
  info: (text) => raw.write("info", String(text)),
  warn: (text) => raw.write("warn", String(text)),
  error: (text) => raw.write("error", String(text)),
};

class Failure extends Error {
  constructor(tag, reason) {
    super(reason);
    this.tag = tag;
  }
}

/** A failure that is worth another attempt; to be thrown. */
export const transient = (reason) => new Failure("transient", reason);

/** A failure that will not get better; to be thrown, as any other error is. */
export const permanent = (reason) => new Failure("permanent", reason);

function parse(part, text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw permanent(`failed to read ${part}: ${error.message}`);
  }
}

/** Makes of a function the export `run`. */
export function action(decide) {
  return (call) => {
    try {
      const { payload } = parse("message", call.message.text);
      const { state, patch = {}, note = null } = decide({
        ...call,
        message: { ...call.message, payload },
        ext: parse("ext", call.ext),
        settings: parse("settings", call.settings),
      });
      return { state, extPatch: JSON.stringify(patch), note };
    } catch (error) {
      const tag = error instanceof Failure ? error.tag : "permanent";
      throw { tag, val: String(error?.message ?? error) };
    }
  };
}
