/** Signing: the service says what is to be signed, and puts the token in; the key is the client's. */

import { SigningError } from "../errors.js";
import type { Methods, SignCompleteResult, SignPrepareParams } from "../protocol.js";
import { covered } from "./covered.js";
import { type SigningInput, check } from "./input.js";
import { verifies } from "./nkey.js";

/** A key that signs, wherever it is: in an agent, an HSM, a cloud. */
export interface Signer {
  /** The account whose tokens it signs: an nkey that starts with `A`; see {@link accountOf}. */
  account: string;
  /**
   * Signs `input.bytes` with Ed25519, without a prehash; 64 bytes. What it says is in `input.claims`,
   * and what it replaces in `input.replaces`: to refuse, throw.
   */
  sign(input: SigningInput, options?: { signal?: AbortSignal | undefined }): Promise<Uint8Array> | Uint8Array;
}

/** What is to be signed, as `sign/prepare` takes it; and where the signed artifact goes. */
export type SignParams = Omit<SignPrepareParams, "account" | "workDoneToken"> & {
  /** Where the signed artifact goes; otherwise it replaces the file. */
  destination?: string;
  /** Replace what is at the destination. */
  overwrite?: boolean;
};

/** What makes the two calls. */
interface Calls {
  call<M extends "sign/prepare" | "sign/complete">(
    method: M,
    params: Methods[M]["params"],
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Methods[M]["result"]>;
}

export async function sign(
  client: Calls,
  params: SignParams,
  signer: Signer,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<SignCompleteResult> {
  const { signal } = options;
  const { destination, overwrite, ...rest } = params;
  const asked: SignPrepareParams = { ...rest, account: signer.account };
  // Both read the file: at a time, it takes hardly longer. Where one fails, the other need not go on.
  const failed = new AbortController();
  const both = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const first = Promise.all([
    client.call("sign/prepare", asked, { signal: both }),
    covered(params.path, both),
  ]);
  const [prepared, file] = await first.finally(() => {
    failed.abort();
  });
  const input = check(prepared, asked, file);
  const signature = await signer.sign(input, { signal });
  if (!verifies(input.publicKey, input.bytes, signature)) {
    throw new SigningError("keyUnusable", `the signature does not verify with ${signer.account}`);
  }
  const complete = {
    path: params.path,
    signingInput: input.text,
    signature: Buffer.from(signature).toString("base64url"),
    ...(destination === undefined ? {} : { destination }),
    ...(overwrite === undefined ? {} : { overwrite }),
  };
  return client.call("sign/complete", complete, { signal });
}
