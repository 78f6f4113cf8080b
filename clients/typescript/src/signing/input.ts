/** What is signed, once it is certain that it was asked for. */

import { SigningError, said as saidOf } from "../errors.js";
import { escaped } from "../escape.js";
import type { SignPrepareParams, SignPrepareResult } from "../protocol.js";
import { same } from "./json.js";
import { derived } from "./subject.js";
import { type Hashes, type Said, signed, toBeSigned } from "./token.js";

/** How far the date of a token may be from now, in seconds. */
const OLDEST = 10 * 60;
const AHEAD = 5 * 60;
/** The longest text that is repeated. */
const LONGEST_SHOWN = 200;

/** What a token says, for people. Escape it: signers choose what is in it. */
export type Claims = Pick<
  Said,
  | "issuer"
  | "subject"
  | "name"
  | "version"
  | "revision"
  | "vendor"
  | "tags"
  | "capabilities"
  | "issuedAt"
  | "notBefore"
  | "expires"
>;

/**
 * What an account signs: the first two parts of a token, which say what was asked for and nothing more.
 * Only {@link check} makes one.
 */
export class SigningInput {
  /** Use {@link check}. */
  constructor(
    /** What is signed, as a text: two parts of base64url with a dot between. */
    readonly text: string,
    /** What it says, decoded: show this, not what the service says of it. */
    readonly claims: Claims,
    /** The account's Ed25519 public key. */
    readonly publicKey: Uint8Array,
    /** What the token says that is replaced, where its signature holds. */
    readonly replaces: Claims | undefined,
  ) {}

  /** The bytes that are signed. */
  get bytes(): Uint8Array {
    return Buffer.from(this.text);
  }

  /** Whether another account's signature is replaced. */
  get replacesAnother(): boolean {
    return this.replaces !== undefined && this.replaces.issuer !== this.claims.issuer;
  }
}

/**
 * Checks what a service answered to `sign/prepare` against what it was asked, and against the file. Its
 * words are not believed: what is to be signed is decoded here. What was not asked for must stand in
 * the token that is replaced, whose signature is verified here, or be derived from what was.
 */
export function check(
  prepared: SignPrepareResult,
  asked: SignPrepareParams,
  file: Hashes,
  now = Math.floor(Date.now() / 1000),
): SigningInput {
  const text = prepared.signingInput;
  const said = reading("what it wants signed", () => toBeSigned(text));
  const token = prepared.replaces?.token ?? undefined;
  const old =
    token === undefined
      ? undefined
      : reading("the token that it would replace", () => signed(token));
  compare(said, asked, old, now);
  covers(said.covers, file);
  return new SigningInput(text, claims(said), said.key, old && claims(old));
}

function claims(said: Said): Claims {
  const { issuer, subject, name, version, revision, vendor } = said;
  const { tags, capabilities, issuedAt, notBefore, expires } = said;
  return {
    issuer,
    subject,
    name,
    version,
    revision,
    vendor,
    tags,
    capabilities,
    issuedAt,
    notBefore,
    expires,
  };
}

function reading(what: string, read: () => Said): Said {
  try {
    return read();
  } catch (error) {
    throw refused(`${what} ${saidOf(error)}`);
  }
}

/** Fails where something was not asked for. */
function compare(said: Said, asked: SignPrepareParams, old: Said | undefined, now: number): void {
  exactly("account", said.issuer, asked.account);
  // Dates are never carried over.
  exactly("start", said.notBefore, asked.notBefore ?? undefined);
  exactly("expiry", said.expires, asked.expires ?? undefined);
  if (said.issuedAt > now + AHEAD || said.issuedAt < now - OLDEST) {
    throw refused(
      `it is dated ${String(said.issuedAt)}, but it is now ${String(now)}, in seconds since 1970`,
      "Compare this machine's clock with the service's.",
    );
  }
  // A name and a version may be the artifact's own.
  if (asked.name != null) exactly("name", said.name, asked.name);
  if (asked.version != null) exactly("version", said.version, asked.version);
  one("revision", said.revision, asked.revision ?? undefined, old?.revision);
  one("vendor", said.vendor, asked.vendor ?? undefined, old?.vendor);
  one("call alias", said.callAlias, undefined, old?.callAlias);
  const provider = (said: Said | undefined): true | undefined => said?.isProvider || undefined;
  one("mark as a provider", provider(said), undefined, provider(old));
  if (said.configSchema !== undefined && !same(said.configSchema, old?.configSchema)) {
    throw added("schema", "");
  }
  list("tags", said.tags, asked.tags ?? undefined, old?.tags);
  // Nobody inherits what another account granted.
  const own = old?.issuer === said.issuer ? old : undefined;
  list("capabilities", said.capabilities, asked.capabilities ?? undefined, own?.capabilities);
  if (asked.subject != null) exactly("subject", said.subject, asked.subject);
  else if (
    said.subject !== old?.subject &&
    said.subject !== derived(said.isArchive, said.key, said.name ?? "")
  ) {
    throw added("subject", said.subject);
  }
}

/** Fails unless the token would cover the file, all of it and nothing else. */
function covers(said: Hashes, file: Hashes): void {
  let what = "its hash is not that of the file";
  if (typeof said === "string" || typeof file === "string") {
    if (said === file) return;
  } else {
    const names = [...said.keys(), ...file.keys()];
    const odd = names.find((name) => said.get(name) !== file.get(name));
    if (odd === undefined) return;
    if (!file.has(odd)) what = `it would cover ${shown(odd)}, which the file does not have`;
    else if (!said.has(odd)) what = `it would not cover ${shown(odd)}, which the file has`;
    else what = `its hash of ${shown(odd)} is not that of the file`;
  }
  throw refused(
    what,
    "If the file was being written, try again. If not, the service may see other files than you do, " +
      "or somebody else may answer in its place: do not sign there.",
  );
}

type Value = string | number | boolean;

function exactly(what: string, found: Value | undefined, asked: Value | undefined): void {
  if (found === asked) return;
  throw refused(`its ${what} would be ${shown(found)}, but ${shown(asked)} was asked for`);
}

/** Fails unless it is as asked; or where nothing was asked, as it was, or absent. */
function one(
  what: string,
  found: Value | undefined,
  asked: Value | undefined,
  was: Value | undefined,
): void {
  if (asked !== undefined) exactly(what, found, asked);
  else if (found !== undefined && found !== was) throw added(what, found);
}

/** Fails unless they are as asked; or where nothing was asked, among those that were. */
function list(
  what: string,
  found: readonly string[],
  asked: readonly string[] | undefined,
  was: readonly string[] | undefined,
): void {
  if (asked !== undefined) {
    const isSame = found.length === asked.length && found.every((one, at) => one === asked[at]);
    if (!isSame) throw refused(`its ${what} would be ${shown(found)}, but ${shown(asked)} was asked for`);
    return;
  }
  const more = found.find((one) => was?.includes(one) !== true);
  if (more !== undefined) throw added(what, more);
}

function added(what: string, found: Value): SigningError {
  return refused(
    `nobody asked for its ${what} ${shown(found)}, and the token that it would replace does not say that`,
  );
}

/** Values as they are quoted; absent ones are `nothing`. */
function shown(value: Value | readonly string[] | undefined): string {
  const text = value === undefined ? "nothing" : escaped(JSON.stringify(value));
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

function refused(
  what: string,
  help = "The client and vouchd may be different versions: run `vouch restart`. If that does not help, " +
    "somebody else may be answering in the service's place: do not sign there.",
): SigningError {
  return new SigningError(
    "notAskedFor",
    `nothing was signed: the service's answer does not match the request: ${what}`,
    help,
  );
}
