// What the editor shows of messages and questions. It makes a link of `[text](command:…)` in them, and
// a click runs that command, also in a folder that nobody trusts. File names, registries and signers
// could bring such links along: nothing is shown but through here, which the linter holds.

import * as vscode from "vscode";
import { unlinked } from "./words.js";

export function information(text: string, ...choices: string[]): Thenable<string | undefined> {
  return vscode.window.showInformationMessage(unlinked(text), ...choices);
}

export function warning(text: string, ...choices: string[]): Thenable<string | undefined> {
  return vscode.window.showWarningMessage(unlinked(text), ...choices);
}

export function error(text: string): void {
  void vscode.window.showErrorMessage(unlinked(text));
}

/** A bar that can be cancelled, for as long as `run` takes. */
export function progress<Result>(
  title: string,
  run: (token: vscode.CancellationToken) => Thenable<Result>,
): Thenable<Result> {
  const location = vscode.ProgressLocation.Notification;
  return vscode.window.withProgress({ location, title: unlinked(title), cancellable: true }, (_, token) => run(token));
}

export function question(prompt: string, password: boolean): Thenable<string | undefined> {
  return vscode.window.showInputBox({ prompt: unlinked(prompt), password, ignoreFocusOut: true });
}
