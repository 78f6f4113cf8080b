// A person's first minutes with the extension, in a real editor in a real browser. The scene (a
// registry, a service, a folder) is laid out by tests/journey.rs, which starts this with
//
//   node build/journey.mjs CODE_SERVER VSIX FOLDER PLACE
//
// and looks at what it prints: one line for each thing that was seen. PLACE is for what the editor
// keeps, and for screenshots. All that has to come is waited for: only a journey that fails waits as
// long as it may.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Locator, type Page, chromium, errors } from "playwright-core";

const PATIENCE = 300_000;
/** The editor is ended after that, whatever it does. */
const LONGEST = 1_800_000;
const [codeServer = "", vsix = "", folder = "", place = ""] = process.argv.slice(2);

const data = join(place, "data");
const shared = ["--user-data-dir", data, "--extensions-dir", join(place, "extensions"), "--config", join(place, "config.yaml")];

function settings(more: object): void {
  mkdirSync(join(data, "User"), { recursive: true });
  const all = {
    "chat.commandCenter.enabled": false,
    "editor.minimap.enabled": false,
    "editor.stickyScroll.enabled": false,
    "files.exclude": { "**/.vscode": true },
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

/** A folder's own settings, which name a program of the folder. Answers what is there once that has run. */
function hostile(folder: string): string {
  const marker = join(place, "it-ran");
  mkdirSync(join(folder, ".vscode"), { recursive: true });
  const program = join(folder, ".vscode/vouchd");
  writeFileSync(program, `#!/bin/sh\ntouch ${marker}\n`, { mode: 0o755 });
  writeFileSync(join(folder, ".vscode/settings.json"), JSON.stringify({ "vouch.path": program }));
  return marker;
}

/** Starts the editor, and answers its address. All that it starts ends with this process. */
async function served(): Promise<string> {
  const server = spawn(process.execPath, [codeServer, ...shared, "--auth", "none", "--bind-addr", "127.0.0.1:0",
    "--disable-telemetry", "--disable-update-check", "--disable-getting-started-override"], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
    // As if it was started in a shell: else it takes what a new login shell has for the environment.
    env: { ...process.env, VSCODE_CLI: "1" },
  });
  const end = () => {
    try {
      process.kill(-(server.pid ?? 0), "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  process.on("exit", end);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
  setTimeout(end, LONGEST).unref();
  for await (const line of createInterface(server.stdout)) {
    const address = /listening on (http:\S+)/.exec(line)?.[1];
    if (!address) continue;
    server.stdout.resume();
    return address;
  }
  throw new Error("code-server does not start");
}

interface Said {
  messages: Set<string>;
  status: Set<string>;
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

/**
 * Keeps what the editor says in its corner and in its status bar: messages leave by themselves, and a
 * slow machine might not look in time.
 */
async function listen(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const said = { messages: new Set<string>(), status: new Set<string>() };
    Object.assign(window, { said });
    const look = () => {
      for (const item of document.querySelectorAll(".notification-list-item-message")) {
        if (item.textContent) said.messages.add(item.textContent);
      }
      for (const item of document.querySelectorAll(".statusbar-item, .statusbar-item *")) {
        said.status.add(item.getAttribute("aria-label") ?? "");
      }
    };
    const options = { attributeFilter: ["aria-label"], attributes: true, characterData: true, childList: true, subtree: true };
    new MutationObserver(look).observe(document, options);
  });
}

/** Waits until that was said. */
async function told(page: Page, where: keyof Said, text: RegExp): Promise<void> {
  await page.waitForFunction(
    ([where, pattern]) => [...(window as unknown as { said: Said }).said[where]].some((said) => new RegExp(pattern).test(said)),
    [where, text.source] as const,
  );
}

/** Runs a command by its title. */
async function command(page: Page, title: string): Promise<void> {
  await page.keyboard.press("F1");
  await choose(page.locator(".quick-input-widget input").first(), `>${title}`, title);
}

/** Chooses a file where the extension asks for one. */
async function file(page: Page, name: string): Promise<void> {
  await choose(page.locator('.quick-input-widget input[placeholder="Which file?"]'), name, name);
}

/** Types that, and takes what is marked in the list below: a click might come when the list has moved. */
async function choose(input: Locator, typed: string, label: string): Promise<void> {
  await input.fill(typed);
  await input.page().locator(".quick-input-list .monaco-list-row.focused").filter({ hasText: label }).waitFor();
  await input.press("Enter");
}

/** The mouse comes to rest there, until it shows that: what moves in between takes a hover away. */
async function hover(page: Page, over: Locator, text: RegExp): Promise<void> {
  const shown = page.locator(".monaco-hover").filter({ hasText: text }).first();
  for (const end = Date.now() + PATIENCE; ;) {
    // By the mouse alone: `hover` would scroll the editor's own parts.
    const at = await over.boundingBox();
    assert(at);
    await page.mouse.move(at.x + at.width / 2, at.y - 40);
    await page.mouse.move(at.x + at.width / 2, at.y + at.height / 2);
    try {
      await shown.waitFor({ timeout: 20_000 });
      return;
    } catch (error) {
      if (!(error instanceof errors.TimeoutError) || Date.now() > end) throw error;
    }
  }
}

async function open(page: Page, address: string, folder: string): Promise<void> {
  await page.goto(`${address}?folder=${encodeURIComponent(folder)}`);
  await page.locator(".monaco-workbench").waitFor();
}

async function journey(page: Page, address: string): Promise<void> {
  const marker = hostile(folder);
  await listen(page);
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
  // The picture in the README: nothing lies over it, and each reference has its hint.
  await badge(page, "policy.yaml", "1");
  await page.waitForFunction(() => {
    const hints = [...document.querySelectorAll(".view-line")].filter((line) => /0\.[12]\.0.*[0-9a-f]{12}/.test(line.textContent));
    return hints.length === 2;
  });
  await page.screenshot({ path: join(place, "screenshot.png"), clip: { x: 0, y: 0, width: 1000, height: 340 } });
  await hover(page, wrong, /not signed/);
  saw("hover");
  await page.screenshot({ path: join(place, "hover.png") });
  await page.mouse.move(600, 450);
  await page.locator(".monaco-hover").filter({ hasText: /not signed/ }).first().waitFor({ state: "hidden" });

  // A command, and what it says.
  await command(page, "vouch: Verify File");
  await file(page, "echo.wasm");
  await told(page, "messages", /echo\.wasm: signed by acme/);
  saw("verify");
  await page.screenshot({ path: join(place, "verify.png") });

  // Signing, in a terminal.
  await command(page, "vouch: Sign File in a Terminal");
  await file(page, "unsigned.wasm");
  await badge(page, "unsigned.wasm", "✓");
  await page.screenshot({ path: join(place, "sign.png") });

  // A service that dies is there again, without a word.
  await command(page, "Notifications: Clear All Notifications");
  await page.locator(".notification-toast").waitFor({ state: "detached" });
  await page.evaluate(() => {
    const { said } = window as unknown as { said: Said };
    said.messages.clear();
    said.status.clear();
  });
  process.kill(Number(process.env["SERVICE"]), "SIGKILL");
  await told(page, "status", /is started again/);
  await status(page, /vouchd \d+\.\d+\.\d+/);
  const popups = await page.evaluate(() => [...(window as unknown as { said: Said }).said.messages]);
  assert.deepEqual(popups, [], "nothing pops up");
  saw("died, and is there again");

  // One that is absent, or too old.
  program(join(place, "absent"));
  await told(page, "messages", /names no program.*pipx install/);
  saw("absent");
  const old = join(place, "old");
  writeFileSync(old, `#!${process.execPath}
const body = JSON.stringify({ jsonrpc: "2.0", id: 0, result: { serverInfo: { name: "vouchd", version: "0.0.1" },
  protocolVersion: "1.0", capabilities: { methods: ["verify"] } } });
process.stdin.once("data", () => process.stdout.write("Content-Length: " + body.length + "\\r\\n\\r\\n" + body));
process.stdin.on("end", () => process.exit());
`, { mode: 0o755 });
  program(old);
  await told(page, "messages", /vouchd 0\.0\.1 that runs does not fit.*does not know inspect/);
  saw("too old");
  program();
  await status(page, /vouchd \d+\.\d+\.\d+/);
  await badge(page, "echo.wasm", "✓");

  assert(!existsSync(marker), "a program of the folder was run");
  saw("a trusted folder's settings name no program");

  // Nor of one that nobody trusts.
  const strange = join(place, "hostile");
  hostile(strange);
  writeFileSync(join(strange, "bad.wasm"), "\0asm");
  settings({ "security.workspace.trust.startupPrompt": "never" });
  await open(page, address, strange);
  await badge(page, "bad.wasm", "✗");
  assert(!existsSync(marker), "a program of the folder was run");
  saw("nothing of a folder that is not trusted is run");
}

settings({});
program();
writeFileSync(join(place, "config.yaml"), "auth: none\n");
execFileSync(process.execPath, [codeServer, ...shared, "--install-extension", vsix], { stdio: "inherit", timeout: PATIENCE });
const address = await served();
const browser = await chromium.launch({
  timeout: PATIENCE,
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
}
// The editor still runs.
process.exit();
