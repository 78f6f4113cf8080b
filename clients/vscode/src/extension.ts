// What the editor calls. `words` and `program` know nothing of it; `service` is the connection,
// `badges` and `commands` use that.

import * as vscode from "vscode";
import { Badges } from "./badges.js";
import { register } from "./commands.js";
import { Service } from "./service.js";

let service: Service | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("vouch", { log: true });
  const started = (service = new Service(log));
  context.subscriptions.push(
    log,
    new Badges(started, log),
    register(started),
    vscode.workspace.onDidGrantWorkspaceTrust(() => {
      if (!started.isRunning) void started.start(false);
    }),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("vouch.path")) void started.start(true);
    }),
    // Somebody may have signed a file or changed a rule elsewhere. What did not change costs nothing.
    vscode.window.onDidChangeWindowState((state) => {
      if (state.focused && started.isRunning) started.judgedAgain();
    }),
  );
  void started.start(false);
}

export async function deactivate(): Promise<void> {
  await service?.[Symbol.asyncDispose]();
}
