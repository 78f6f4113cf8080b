/**
 * JSON that all readers take for the same: no object has a name twice, or one that a library takes for
 * a sign of its own, and every number is a whole one that is kept exactly, or kept as its text.
 */

export type Json = null | boolean | number | string | Inexact | Json[] | JsonObject;
export type JsonObject = Map<string, Json>;

/** A number that this language cannot be relied on to keep, as it is written. */
export class Inexact {
  constructor(readonly text: string) {}
}

/** How deep objects and lists may lie in each other. */
const DEEPEST = 100;

/** How the names begin by which Rust's `serde_json` tells its own values. */
const OF_SERDE = "$serde_json::private::";

const TOKEN = /[ \t\n\r]*("(?:[^"\\]|\\.)*"|[[\]{},:]|[^ \t\n\r[\]{},:"]+)/y;

/** Reads it; an error says what is wrong, as the rest of a sentence. */
export function read(text: string): Json {
  try {
    // Then the words below are all words of JSON, and where they may be.
    JSON.parse(text);
  } catch {
    throw new Error("is not JSON");
  }
  const token = new RegExp(TOKEN);
  const next = (): string => token.exec(text)?.[1] ?? "";
  return value(next(), next, 0);
}

function value(first: string, next: () => string, depth: number): Json {
  if (depth > DEEPEST) throw new Error("is nested too deeply");
  if (first === "{") return object(next, depth);
  if (first === "[") return list(next, depth);
  if (/^[-0-9]/.test(first)) {
    const number = Number(first);
    return /^-?\d+$/.test(first) && Number.isSafeInteger(number) ? number : new Inexact(first);
  }
  return JSON.parse(first) as string | boolean | null;
}

function object(next: () => string, depth: number): JsonObject {
  const members: JsonObject = new Map();
  for (let word = next(); word !== "}"; word = next()) {
    if (word === ",") continue;
    const name = JSON.parse(word) as string;
    if (name.startsWith(OF_SERDE)) throw new Error("has a name that makes JSON of a text");
    if (members.has(name)) throw new Error("has a name twice");
    next();
    members.set(name, value(next(), next, depth + 1));
  }
  return members;
}

function list(next: () => string, depth: number): Json[] {
  const items: Json[] = [];
  for (let word = next(); word !== "]"; word = next()) {
    if (word !== ",") items.push(value(word, next, depth + 1));
  }
  return items;
}

/** Whether both say the same; members may be in another order. */
export function same(one: Json | undefined, other: Json | undefined): boolean {
  if (one instanceof Map && other instanceof Map) {
    return (
      one.size === other.size &&
      [...one].every(([name, value]) => other.has(name) && same(value, other.get(name)))
    );
  }
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((value, index) => same(value, other[index]));
  }
  if (one instanceof Inexact && other instanceof Inexact) return one.text === other.text;
  return one === other;
}
