/** The subject that follows from account and name: see "The derived subject" in the specification. */

import { createHash } from "node:crypto";
import { isPublicKey } from "./curve.js";
import { MODULE, SERVICE, encode } from "./nkey.js";

export function derived(isArchive: boolean, account: Uint8Array, name: string): string {
  const start = createHash("sha256")
    .update("vouch subject 1\0")
    .update(isArchive ? "V" : "M")
    .update(account)
    .update(name, "utf8");
  // About every second hash is a key.
  for (let i = 0; ; i += 1) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(i);
    const key = start.copy().update(number).digest();
    if (isPublicKey(key)) return encode(isArchive ? SERVICE : MODULE, key);
  }
}
