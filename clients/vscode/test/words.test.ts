import assert from "node:assert/strict";
import { test } from "node:test";
import type { VerifyResult } from "../../typescript/src/protocol.js";
import { badge, failure, plain, unlinked } from "../src/words.js";

const accepted = (trust: object): VerifyResult => ({
  verdict: "accepted",
  artifact: { kind: "module", digest: "sha256:00", size: 8 },
  signature: { method: "token", signer: { id: "token:ADOI", account: "ADOI" }, subject: "M" },
  trust: { rule: "files", mode: "any", ...trust },
});

void test("a badge says what is known", () => {
  const check = (verified: VerifyResult, mark: string, tooltip: RegExp) => {
    const shown = badge(verified);
    assert.equal(shown.mark, mark);
    assert.match(shown.tooltip, tooltip);
  };
  check(accepted({ mode: "named", signer: "acme" }), "✓", /^vouch: signed by acme \(ADOI\), accepted by the rule for files$/);
  check(accepted({ mode: "pinned" }), "✓", /signed by ADOI, the signer that it has had before/);
  check(accepted({ mode: "firstUse" }), "S", /first time/);
  check(accepted({ mode: "any" }), "S", /nobody checked/);
  check(accepted({ mode: "ofALaterVersion" }), "S", /nobody checked/);
  check({ verdict: "refused", refusal: { kind: "unsigned", message: "/a is not signed" } }, "✗", /\/a is not signed/);
  check({ verdict: "postponed" }, "✗", /postponed/);
});

void test("others' words stay on one line and in their direction", () => {
  assert.equal(plain("a\nb\u202ec\u0007"), "a b c ");
  assert.equal(plain("x".repeat(1000)).length, 401);
  // As the editor finds links in messages.
  const link = /\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^)\s]+)(?: (["'])(.+?)(\3))?\)/gi;
  const check = (text: string) => {
    for (const shown of [plain(text), unlinked(text), failure(new Error(text))]) {
      assert.doesNotMatch(shown, link, text);
    }
  };
  assert.match("[Renew](command:workbench.action.terminal.sendSequence?%7B%7D).wasm", link);
  check("[Renew](command:workbench.action.terminal.sendSequence?%7B%7D).wasm");
  check("a [[b](https://example.org \"c\") [d](file:///e)");
  check("[a]\u200b(command:b) [a](\u202ecommand:b) [a]](command:b)");
  assert.match(badge({ verdict: "refused", refusal: { kind: "unsigned", message: "[a](command:b)" } }).tooltip, /\[a\] \(/);
});

void test("an error says what to do next", () => {
  assert.equal(failure(Object.assign(new Error("no"), { data: { help: "Do it." } })), "no. Do it.");
  assert.equal(failure(Object.assign(new Error("no"), { data: { help: 7 } })), "no");
  assert.equal(failure(undefined), "undefined");
});
