/**
 * A client for vouchd, the service that lets only signed WebAssembly artifacts through.
 *
 * | file | what is in it |
 * |---|---|
 * | `protocol` | the types of params and results, made from `openrpc.json` |
 * | `errors`, `escape` | why a call failed; other people's words |
 * | `place`, `program` | where the service listens, and whose it is; which program that is |
 * | `wire`, `connection` | lines; calls side by side on one connection |
 * | `start` | finding a service, and starting one where none listens |
 * | `follow`, `client` | calls that report how far they are; the client |
 * | `signing/` | what is signed, checked against what was asked for and the file; ssh-agent |
 */

import type {
  Verification,
  VerificationAccepted,
  VerificationRefused,
  VerifyResult,
} from "./protocol.js";
import { account } from "./signing/nkey.js";

export type * from "./protocol.js";
export { KINDS, PROTOCOL_VERSION } from "./protocol.js";
export { Client, type CallOptions, type ConnectOptions, type Reporting } from "./client.js";
export {
  ConnectionError,
  ProtocolError,
  ServerError,
  SigningError,
  StartError,
  VouchError,
  type SigningErrorKind,
} from "./errors.js";
export { escaped } from "./escape.js";
export { type Followed, type Progress } from "./follow.js";
export { defaultSocket } from "./place.js";
export { type StartOptions } from "./start.js";
export { Agent, type AgentKey } from "./signing/agent.js";
export { type Claims, type SigningInput } from "./signing/input.js";
export { type SignParams, type Signer } from "./signing/sign.js";

/** Whether an artifact is accepted. A verdict of a later version is not. */
export function isAccepted(
  verification: Verification | VerifyResult,
): verification is VerificationAccepted {
  return verification.verdict === "accepted";
}

/** Whether it is refused, and says why. */
export function isRefused(
  verification: Verification | VerifyResult,
): verification is VerificationRefused {
  return verification.verdict === "refused";
}

/** The account of an Ed25519 public key, 32 bytes: `A…`. */
export function accountOf(publicKey: Uint8Array): string {
  if (publicKey.length !== 32) throw new TypeError("an Ed25519 public key has 32 bytes");
  return account(publicKey);
}
