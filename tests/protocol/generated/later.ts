// What a later server may say, read by the types that are generated from the document of today.
import later from "./later.json";
import type { Protocol, SessionLoginParams, Verification, VerifyParams } from "./protocol";

export const read: Protocol = later;

export function isAccepted(verification: Verification): boolean {
  return verification.verdict === "accepted";
}

export const file: VerifyParams = { path: "/a", workDoneToken: 1 };
export const reference: VerifyParams = { reference: "r.io/a:1" };
export const login: SessionLoginParams = { registry: "r.io", identityToken: "x" };

// @ts-expect-error one of `path` and `reference` is required
export const neither: VerifyParams = { workDoneToken: 1 };
// @ts-expect-error params are closed
export const unknown: VerifyParams = { path: "/a", force: true };
// @ts-expect-error a password needs a name
export const nameless: SessionLoginParams = { registry: "r.io", password: "x" };
