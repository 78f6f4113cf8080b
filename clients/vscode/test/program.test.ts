import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { commandLine, find } from "../src/program.js";

const root = mkdtempSync(join(tmpdir(), "vouch-"));
const write = (path: string, text: string): string => {
  const whole = join(root, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, text);
  chmodSync(whole, 0o755);
  return whole;
};

/** The two npm packages, as they are installed. */
function npm(folder: string): string {
  write(`${folder}/node_modules/vouchd/package.json`, '{"name": "vouchd", "main": "index.js"}');
  const real = write(`${folder}/node_modules/@vouchd/here/bin/vouchd`, "");
  const of = `exports.path = (name) => require("node:path").join(__dirname, "../@vouchd/here/bin", name);`;
  write(`${folder}/node_modules/vouchd/index.js`, of);
  write(`${folder}/node_modules/vouchd/bin/vouchd.js`, "");
  return real;
}

void test("the program is found, and nothing of a workspace that is not trusted", () => {
  const plain = write("bin/vouchd", "");
  const vouch = write("bin/vouch", "");
  const global = npm("global");
  mkdirSync(join(root, "links"));
  symlinkSync(join(root, "global/node_modules/vouchd/bin/vouchd.js"), join(root, "links/vouchd"));
  const own = npm("work");
  const inWork = write("work/tools/vouchd", "");
  const folders = [join(root, "work")];
  const check = (place: Partial<Parameters<typeof find>[0]>, expected: string | undefined) => {
    assert.equal(find({ setting: "", path: "/nowhere", folders, trusted: true, ...place }), expected);
  };
  check({ setting: plain }, plain);
  check({ setting: "bin/vouchd" }, undefined);
  check({ setting: join(root, "absent"), path: dirname(plain) }, undefined);
  check({ setting: root }, undefined);
  check({ path: `/nowhere:${dirname(plain)}` }, plain);
  check({ path: "bin:." }, own);
  // npm's shim starts Node first.
  check({ path: join(root, "links") }, global);
  check({}, own);
  check({ trusted: false }, undefined);
  check({ path: dirname(inWork) }, inWork);
  check({ path: dirname(inWork), trusted: false }, undefined);
  check({ folders: [] }, undefined);

  const place = { setting: "", path: dirname(plain), folders, trusted: true };
  assert.equal(commandLine(plain, place), vouch);
  assert.equal(commandLine(global, place), vouch);
  assert.equal(commandLine(global, { ...place, path: "" }), undefined);
});
