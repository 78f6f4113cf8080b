/**
 * A token, or the two parts of it that are signed, read to the letter. The reasons in errors are the
 * rest of a sentence about it.
 */

import { escaped, needsEscape } from "../escape.js";
import { type Json, type JsonObject, read } from "./json.js";
import { ACCOUNT, MODULE, SERVICE, decode as decodeKey, verifies } from "./nkey.js";

/** The longest token, in bytes. */
const LONGEST = 256 << 10;
/** The most entries of an archive that are believed. */
export const MOST_ENTRIES = 256;
/** The longest name or the like that is signed, in bytes. */
const LONGEST_TEXT = 256;
/** The header of all that is signed here. */
const HEADER = '{"typ":"jwt","alg":"Ed25519"}';
/** The revision of wascap from which on its readers look at the hash of a module. */
const REVISION = 3;

/** The names that claims may have where they are going to be signed. */
const NAMES = ["exp", "jti", "iat", "iss", "sub", "nbf", "wascap", "wascap_revision"];
const OF_WASM = ["name", "hash", "tags", "rev", "ver", "call_alias", "prov", "caps"];
const OF_ARCHIVES = ["name", "vendor", "rev", "ver", "target_hashes", "config_schema", "caps"];

/** What a token covers: the hash of all but the token, or those of an archive's entries by their names. */
export type Hashes = string | ReadonlyMap<string, string>;

/** What a token says, and whose it is. */
export interface Said {
  key: Buffer;
  isArchive: boolean;
  covers: Hashes;
  issuer: string;
  subject: string;
  issuedAt: number;
  notBefore: number | undefined;
  expires: number | undefined;
  name: string | undefined;
  version: string | undefined;
  revision: number | undefined;
  vendor: string | undefined;
  callAlias: string | undefined;
  tags: string[];
  capabilities: string[];
  isProvider: boolean;
  configSchema: Json | undefined;
  id: string;
}

/** Reads what is going to be signed: nothing may stand in it whose meaning is not known here. */
export function toBeSigned(text: string): Said {
  if (text.length > LONGEST) throw new Error(`is longer than ${String(LONGEST)} bytes`);
  const [header = "", payload, more] = text.split(".");
  if (payload === undefined || more !== undefined) throw new Error("does not have two parts");
  if (decode(header).toString("utf8") !== HEADER) {
    throw new Error("does not have a token's header");
  }
  const claims = object(payload);
  const wascap = wascapOf(claims);
  const names = wascap.has("target_hashes") ? OF_ARCHIVES : OF_WASM;
  const unknown =
    [...claims.keys()].find((name) => !NAMES.includes(name)) ??
    [...wascap.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`says something unknown, ${escaped(JSON.stringify(unknown))}`);
  if (claims.get("wascap_revision") !== REVISION) {
    throw new Error(`is not of wascap's revision ${String(REVISION)}`);
  }
  const said = saidBy(claims, wascap);
  if (!texts(said).every(canBeSeen)) {
    throw new Error("says something that is too long, or contains invisible characters");
  }
  return said;
}

/** Reads a token whose signature holds, whatever its dates. */
export function signed(token: string): Said {
  if (token.length > LONGEST) throw new Error(`is longer than ${String(LONGEST)} bytes`);
  const [header, payload, signature, more] = token.split(".");
  if (header === undefined || payload === undefined || signature === undefined || more !== undefined) {
    throw new Error("does not have three parts");
  }
  const head = object(header);
  if (head.size !== 2 || head.get("typ") !== "jwt" || head.get("alg") !== "Ed25519") {
    throw new Error("does not have a token's header");
  }
  const claims = object(payload);
  const said = saidBy(claims, wascapOf(claims));
  if (!verifies(said.key, Buffer.from(`${header}.${payload}`), decode(signature))) {
    throw new Error("has a signature that does not verify");
  }
  return said;
}

function texts(said: Said): string[] {
  const { id, name, version, vendor, callAlias, tags, capabilities, covers } = said;
  const targets = typeof covers === "string" ? [] : [...covers.keys()];
  const single = [id, name, version, vendor, callAlias].filter((text) => text !== undefined);
  return [...single, ...tags, ...capabilities, ...targets];
}

/** Whether people who look at a text see all of it. */
function canBeSeen(text: string): boolean {
  return Buffer.byteLength(text) <= LONGEST_TEXT && !needsEscape(text);
}

/** Base64url has one spelling without padding: others are refused. */
function decode(part: string): Buffer {
  const bytes = Buffer.from(part, "base64url");
  if (bytes.toString("base64url") !== part) throw new Error("is not base64url without padding");
  return bytes;
}

function object(part: string): JsonObject {
  const bytes = decode(part);
  const text = bytes.toString("utf8");
  if (!Buffer.from(text).equals(bytes)) throw new Error("is not JSON");
  const value = read(text);
  if (!(value instanceof Map)) throw new Error("is not a JSON object");
  return value;
}

function wascapOf(claims: JsonObject): JsonObject {
  const wascap = claims.get("wascap");
  if (!(wascap instanceof Map)) throw new Error("has no object `wascap`");
  return wascap;
}

const broken = (): Error => new Error("does not have the claims of a token");

/** A member that may be absent or null, and otherwise is what it should be. */
function optional<T extends Json>(
  object: JsonObject,
  name: string,
  is: (value: Json) => value is T,
): T | undefined {
  const value = object.get(name) ?? undefined;
  if (value !== undefined && !is(value)) throw broken();
  return value;
}

function required<T extends Json>(
  object: JsonObject,
  name: string,
  is: (value: Json) => value is T,
): T {
  const value = optional(object, name, is);
  if (value === undefined) throw broken();
  return value;
}

const isText = (value: Json): value is string => typeof value === "string";
const isTexts = (value: Json): value is string[] => Array.isArray(value) && value.every(isText);
const isTime = (value: Json): value is number => typeof value === "number" && value >= 0;
const isRevision = (value: Json): value is number =>
  typeof value === "number" && value >= -(2 ** 31) && value < 2 ** 31;
const isFlag = (value: Json): value is boolean => typeof value === "boolean";
const isMap = (value: Json): value is JsonObject => value instanceof Map;

function saidBy(claims: JsonObject, wascap: JsonObject): Said {
  const isArchive = wascap.has("target_hashes");
  const issuer = required(claims, "iss", isText);
  const subject = required(claims, "sub", isText);
  const key = decodeKey(ACCOUNT, issuer);
  if (key === undefined) throw new Error("names an issuer that is not an account");
  if (decodeKey(isArchive ? SERVICE : MODULE, subject) === undefined) {
    const letter = isArchive ? "V" : "M";
    throw new Error(`names a subject that is not an nkey that starts with \`${letter}\``);
  }
  return {
    key,
    isArchive,
    covers: coveredBy(wascap, isArchive),
    issuer,
    subject,
    id: required(claims, "jti", isText),
    issuedAt: required(claims, "iat", isTime),
    notBefore: optional(claims, "nbf", isTime),
    expires: optional(claims, "exp", isTime),
    name: optional(wascap, "name", isText),
    version: optional(wascap, "ver", isText),
    revision: optional(wascap, "rev", isRevision),
    vendor: optional(wascap, "vendor", isText),
    callAlias: optional(wascap, "call_alias", isText),
    tags: optional(wascap, "tags", isTexts) ?? [],
    capabilities: optional(wascap, "caps", isTexts) ?? [],
    isProvider: optional(wascap, "prov", isFlag) ?? false,
    configSchema: wascap.get("config_schema") ?? undefined,
  };
}

function coveredBy(wascap: JsonObject, isArchive: boolean): Hashes {
  const hash = optional(wascap, "hash", isText);
  const vendor = optional(wascap, "vendor", isText);
  const unusual = new Error("does not say what it covers as a token does");
  if (!isArchive) {
    if (hash === undefined || !isHash(hash)) throw unusual;
    return hash;
  }
  const hashes = new Map<string, string>();
  for (const [name, value] of required(wascap, "target_hashes", isMap)) {
    if (name === "" || !isText(value) || !isHash(value)) throw unusual;
    hashes.set(name, value);
  }
  const count = hashes.size;
  if (hash !== undefined || vendor === undefined || count === 0 || count > MOST_ENTRIES) throw unusual;
  return hashes;
}

/** SHA-256 as wascap writes it. */
function isHash(text: string): boolean {
  return /^[0-9A-F]{64}$/.test(text);
}
