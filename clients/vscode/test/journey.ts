// A person's first minutes with the extension, in a real editor in a real browser. The scene (a
// registry, a service, a folder) is laid out by tests/journey.rs, which starts this with
//
//   node build/journey.mjs CODE_SERVER VSIX FOLDER PLACE
//
// and looks at what it prints: one line for each thing that was seen. PLACE is for what the editor
// keeps, and for screenshots. All that has to come is waited for, two minutes each.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Page, chromium } from "playwright-core";

const PATIENCE = 120_000;
const [codeServer = "", vsix = "", folder = "", place = ""] = process.argv.slice(2);

const data = join(place, "data");
const shared = ["--user-data-dir", data, "--extensions-dir", join(place, "extensions"), "--config", join(place, "config.yaml")];

function settings(more: object): void {
  mkdirSync(join(data, "User"), { recursive: true });
  const all = {
    "chat.commandCenter.enabled": false,
    "editor.minimap.enabled": false,
    "editor.stickyScroll.enabled": false,
    "extensions.autoCheckUpdates": false,
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "window.commandCenter": false,
    "workbench.colorTheme": "Default Light Modern",
    "workbench.layoutControl.enabled": false,
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": false,
    ...more,
  };
  writeFileSync(join(data, "User/settings.json"), JSON.stringify(all));
}

/** A setting of the machine that the editor's server runs on: there alone it takes a program's path. */
function program(path?: string): void {
  mkdirSync(join(data, "Machine"), { recursive: true });
  writeFileSync(join(data, "Machine/settings.json"), JSON.stringify(path === undefined ? {} : { "vouch.path": path }));
}

/** Starts the editor; answers its address, and what ends it. */
async function served(): Promise<[string, () => void]> {
  const server = spawn(process.execPath, [codeServer, ...shared, "--auth", "none", "--bind-addr", "127.0.0.1:0",
    "--disable-telemetry", "--disable-update-check", "--disable-getting-started-override"], {
    stdio: ["ignore", "pipe", "inherit"],
    // As if it was started in a shell: else it takes what a new login shell has for the environment.
    env: { ...process.env, VSCODE_CLI: "1" },
  });
  const end = () => { server.kill(); };
  for await (const line of createInterface(server.stdout)) {
    const address = /listening on (http:\S+)/.exec(line)?.[1];
    if (!address) continue;
    server.stdout.resume();
    return [address, end];
  }
  throw new Error("code-server does not start");
}

function saw(what: string): void {
  console.log(`seen: ${what}`);
}

/** A file's row in the explorer, once its badge is this. */
async function badge(page: Page, file: string, mark: string): Promise<void> {
  await page.waitForFunction(
    ([file, mark]) =>
      [...document.querySelectorAll(".explorer-folders-view .monaco-icon-label")].some(
        (row) =>
          row.querySelector(".label-name")?.textContent === file &&
          [row, ...row.querySelectorAll("*")].some((part) => getComputedStyle(part, "::after").content === `"${String(mark)}"`),
      ),
    [file, mark],
  );
  saw(`${file} ${mark}`);
}

async function status(page: Page, text: RegExp): Promise<void> {
  await page.waitForFunction(
    (pattern) => [...document.querySelectorAll(".statusbar-item")].some((item) => {
      const label = [item, ...item.querySelectorAll("*")].map((part) => part.getAttribute("aria-label") ?? "").join(" ");
      return new RegExp(pattern).test(label);
    }),
    text.source,
  );
}

/** What the editor says in its corner. */
async function toast(page: Page, text: RegExp): Promise<void> {
  await page.locator(".notification-toast, .notification-list-item").filter({ hasText: text }).first().waitFor();
}

async function command(page: Page, title: string): Promise<void> {
  await page.keyboard.press("F1");
  await page.locator(".quick-input-widget input").first().fill(`>${title}`);
  await page.locator(".quick-input-list .monaco-list-row").filter({ hasText: title }).first().click();
}

async function choose(page: Page, label: string): Promise<void> {
  await page.locator(".quick-input-list .monaco-list-row").filter({ hasText: label }).first().click();
}

async function open(page: Page, address: string, folder: string): Promise<void> {
  await page.goto(`${address}?folder=${encodeURIComponent(folder)}`);
  await page.locator(".monaco-workbench").waitFor();
}

async function journey(page: Page, address: string): Promise<void> {
  await open(page, address, folder);
  await page.getByRole("button", { name: "Yes, I trust the authors" }).click();

  // Badges.
  await badge(page, "echo.wasm", "✓");
  await badge(page, "kv.par.gz", "✓");
  await badge(page, "unsigned.wasm", "✗");

  // A diagnostic, and hover.
  await page.locator(".explorer-folders-view .monaco-list-row").filter({ hasText: "policy.yaml" }).click();
  const wrong = page.locator(".squiggly-error").first();
  await wrong.waitFor();
  saw("a diagnostic");
  // By the mouse alone: `hover` would scroll the editor's own parts.
  const at = await wrong.boundingBox();
  assert(at);
  await page.mouse.move(at.x + at.width / 2, at.y + at.height / 2);
  await page.locator(".monaco-hover").filter({ hasText: /not signed/ }).first().waitFor();
  saw("hover");
  await page.screenshot({ path: join(place, "hover.png") });
  await page.keyboard.press("Escape");

  // A command, and what it says.
  await command(page, "vouch: Verify File");
  await choose(page, "echo.wasm");
  await toast(page, /echo\.wasm: signed by acme/);
  saw("verify");
  await page.screenshot({ path: join(place, "verify.png") });

  // Signing, in a terminal.
  await command(page, "vouch: Sign File in a Terminal");
  await choose(page, "unsigned.wasm");
  await badge(page, "unsigned.wasm", "✓");
  await page.screenshot({ path: join(place, "sign.png") });

  // A service that dies is there again, without a word.
  await command(page, "Notifications: Clear All Notifications");
  // It says so for a moment only.
  await page.evaluate(() => {
    const seen = new Set<string | null>();
    Object.assign(window, { seen });
    const look = () => {
      for (const item of document.querySelectorAll(".statusbar-item, .statusbar-item *")) seen.add(item.getAttribute("aria-label"));
    };
    new MutationObserver(look).observe(document.body, { attributes: true, childList: true, subtree: true });
  });
  process.kill(Number(process.env["SERVICE"]), "SIGKILL");
  await page.waitForFunction(() =>
    [...(window as unknown as { seen: Set<string | null> }).seen].some((label) => label?.includes("is started again")));
  await status(page, /vouchd \d+\.\d+\.\d+/);
  assert.equal(await page.locator(".notification-toast").count(), 0, "nothing pops up");
  saw("died, and is there again");

  // One that is absent, or too old.
  program(join(place, "absent"));
  await toast(page, /names no program.*pipx install/);
  saw("absent");
  const old = join(place, "old");
  writeFileSync(old, `#!${process.execPath}
const body = JSON.stringify({ jsonrpc: "2.0", id: 0, result: { serverInfo: { name: "vouchd", version: "0.0.1" },
  protocolVersion: "1.0", capabilities: { methods: ["verify"] } } });
process.stdin.once("data", () => process.stdout.write("Content-Length: " + body.length + "\\r\\n\\r\\n" + body));
process.stdin.on("end", () => process.exit());
`, { mode: 0o755 });
  program(old);
  await toast(page, /vouchd 0\.0\.1 that runs does not fit.*does not know inspect/);
  saw("too old");
  program();
  await status(page, /vouchd \d+\.\d+\.\d+/);
  await badge(page, "echo.wasm", "✓");

  // A folder that nobody trusts names a program of its own.
  const hostile = join(place, "hostile");
  const marker = join(place, "it-ran");
  mkdirSync(join(hostile, ".vscode"), { recursive: true });
  const evil = join(hostile, "vouchd");
  writeFileSync(evil, `#!/bin/sh\ntouch ${marker}\n`, { mode: 0o755 });
  writeFileSync(join(hostile, ".vscode/settings.json"), JSON.stringify({ "vouch.path": evil }));
  writeFileSync(join(hostile, "bad.wasm"), "\0asm");
  settings({ "security.workspace.trust.startupPrompt": "never" });
  await open(page, address, hostile);
  await badge(page, "bad.wasm", "✗");
  assert(!existsSync(marker), "a program of the folder was run");
  saw("nothing of a folder that is not trusted is run");
}

settings({});
program();
writeFileSync(join(place, "config.yaml"), "auth: none\n");
execFileSync(process.execPath, [codeServer, ...shared, "--install-extension", vsix], { stdio: "inherit" });
const [address, end] = await served();
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1000, height: 560 } });
  page.setDefaultTimeout(PATIENCE);
  try {
    await journey(page, address);
  } catch (error) {
    await page.screenshot({ path: join(place, "failed.png") }).catch(() => undefined);
    throw error;
  }
} finally {
  await browser.close();
  end();
}
