// Verdicts as people read them. Nothing here knows the editor.

import type { VerifyResult } from "../../typescript/src/protocol.js";

/** What is shown beside a file's name. */
export interface Badge {
  /** `accepted`: its signer is one that the policy names. `signed`: nobody checked whose signature it is. */
  is: "accepted" | "signed" | "refused";
  mark: string;
  tooltip: string;
}

const LONGEST = 400;

/** Other people's words on one line: control characters, those that turn a line round and links are left out. */
export function plain(text: string): string {
  const bare = text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+/g, " ");
  return unlinked(bare.length > LONGEST ? `${bare.slice(0, LONGEST)}…` : bare);
}

/** Words in which the editor finds no link: it takes `[text](…)` for one in what it shows as a message. */
export function unlinked(text: string): string {
  return text.replaceAll("](", "] (");
}

/** Who signed: by the name that the owner's config has for them, else as the method names them. */
export function signer(verified: VerifyResult): string | undefined {
  if (!("signature" in verified)) return undefined;
  const who = verified.signature.signer;
  const name = "trust" in verified ? verified.trust.signer : undefined;
  const id = who["account"] ?? who["workflow"] ?? who["email"] ?? who["uri"] ?? who["key"] ?? who.id;
  return plain(name ? `${name} (${id})` : id);
}

/** A verdict that is not known counts as refused, and a mode that is not known as `any`. */
export function badge(verified: VerifyResult): Badge {
  if (verified.verdict !== "accepted" || !("trust" in verified)) {
    const why = "refusal" in verified ? verified.refusal.message : verified.verdict;
    return { is: "refused", mark: "✗", tooltip: `vouch: refused. ${plain(why)}` };
  }
  const who = signer(verified) ?? "";
  const { mode, rule } = verified.trust;
  if (mode === "named" || mode === "pinned") {
    const why = mode === "named" ? `accepted by the rule for ${plain(rule)}` : "the signer that it has had before";
    return { is: "accepted", mark: "✓", tooltip: `vouch: signed by ${who}, ${why}` };
  }
  const why = mode === "firstUse" ? "seen for the first time" : "nobody checked whose signature it is";
  return { is: "signed", mark: "S", tooltip: `vouch: signed by ${who}; ${why}` };
}

/** An error of the service: what happened, and what to do next. */
export function failure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const data: unknown = typeof error === "object" && error !== null && "data" in error ? error.data : undefined;
  const help: unknown = typeof data === "object" && data !== null && "help" in data ? data.help : undefined;
  return plain(typeof help === "string" ? `${message}. ${help}` : message);
}
