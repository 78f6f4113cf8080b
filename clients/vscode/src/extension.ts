// What the editor calls. `words` and `program` know nothing of it; `service` is the connection,
// `badges` and `commands` use that.

import * as vscode from "vscode";
import { Badges } from "./badges.js";
import { register } from "./commands.js";
import { Service } from "./service.js";

/** A window with none of these leaves the service alone. */
const DOCUMENTS = [
  { language: "yaml" },
  { language: "toml" },
  { language: "json" },
  { pattern: "**/{wkg.lock,wasm.toml,spin.toml}" },
];
const FILES = "**/{*.wasm,*.par,*.par.gz,wkg.lock,wasm.toml,spin.toml}";

let service: Service | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("vouch", { log: true });
  const started = (service = new Service(log));
  const opened = (document: vscode.TextDocument) => {
    if (vscode.languages.match(DOCUMENTS, document) > 0) void started.wake();
  };
  context.subscriptions.push(
    log,
    new Badges(started, log),
    register(started),
    vscode.workspace.onDidGrantWorkspaceTrust(() => {
      if (started.isAwake && !started.isRunning) void started.start(false);
    }),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (started.isAwake && change.affectsConfiguration("vouch.path")) void started.start(true);
    }),
    vscode.workspace.onDidOpenTextDocument(opened),
    // Somebody may have signed a file or changed a rule elsewhere. What did not change costs nothing.
    vscode.window.onDidChangeWindowState((state) => {
      if (state.focused && started.isRunning) started.judgedAgain();
    }),
  );
  vscode.workspace.textDocuments.forEach(opened);
  // As an activation event `workspaceContains` would be given up after seven seconds.
  void vscode.workspace.findFiles(FILES, undefined, 1).then((found) => {
    if (found.length > 0) void started.wake();
  });
}

export async function deactivate(): Promise<void> {
  await service?.[Symbol.asyncDispose]();
}
