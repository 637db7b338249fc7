/** The signed message; the host has verified signature and schema. */
export interface Message<Payload> {
  /** Issued by the host, used once. */
  msgId: string;
  msgType: string;
  clientId: string;
  /** RFC 3339. */
  creationDate: string;
  /** The EIP-55 address recovered from the signature. */
  signer: string;
  /** Exactly what was signed. */
  text: string;
  /** The member `payload` of the text. */
  payload: Payload;
}

/**
 * One invocation. For one `step` everything but `seq`, `attempt` and `nowMs`
 * is the same over all attempts.
 */
export interface Call<Payload = unknown, Ext = unknown, Settings = unknown> {
  message: Message<Payload>;
  /** The state whose action this is. */
  state: string;
  /** The revision that this invocation starts from. */
  seq: number;
  /** With `msgId` the idempotency key towards the outside. */
  step: number;
  /** 1 for the first attempt of a step. */
  attempt: number;
  /** When this attempt became due, in milliseconds since the Unix epoch. */
  nowMs: number;
  /** Msg_Ext: what earlier actions wrote. */
  ext: Ext;
  /** The deployment's settings, of the manifest's schema. */
  settings: Settings;
}

/** The message moves on. */
export interface Advance {
  /** One of the states that the manifest's `returns` names. */
  state: string;
  /** A JSON Merge Patch (RFC 7396) for Msg_Ext; none changes nothing. */
  patch?: object;
  /** A line for the message's history. */
  note?: string;
}

/** Lines for the host's log, which limits their number and size. */
export const log: Record<"debug" | "info" | "warn" | "error", (text: string) => void>;

/** A failure that is worth another attempt; to be thrown. */
export function transient(reason: string): Error;

/** A failure that will not get better; to be thrown, as any other error is. */
export function permanent(reason: string): Error;

/** Makes of a function the export `run`. */
export function action<Payload, Ext, Settings>(
  decide: (call: Call<Payload, Ext, Settings>) => Advance,
): (call: unknown) => unknown;
