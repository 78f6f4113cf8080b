// Badges in the explorer. A file is asked about when it is shown, and again after it has changed.

import * as vscode from "vscode";
import type { VerifyResult } from "../../typescript/src/protocol.js";
import type { Service } from "./service.js";
import { type Badge, badge, failure } from "./words.js";

const NAMES = /\.(wasm|par|par\.gz)$/;
const COLOURS: Record<Badge["is"], string> = {
  accepted: "charts.green",
  signed: "charts.blue",
  refused: "list.errorForeground",
};
/** Requests at once: the service gives a connection some more, and other things want to be asked, too. */
const AT_ONCE = 4;
/** Files whose badges are remembered. */
const MOST = 5000;

export class Badges implements vscode.FileDecorationProvider {
  readonly #changed = new vscode.EventEmitter<vscode.Uri[] | undefined>();
  readonly onDidChangeFileDecorations = this.#changed.event;
  readonly #known = new Map<string, vscode.FileDecoration | undefined>();
  readonly #waiting: (() => void)[] = [];
  readonly #kept: { dispose(): unknown }[] = [this.#changed];
  #free = AT_ONCE;
  // Counts what made known badges stale: an answer that was asked for before is not kept.
  #age = 0;

  constructor(
    private readonly service: Service,
    private readonly log: vscode.LogOutputChannel,
  ) {
    const watcher = vscode.workspace.createFileSystemWatcher("**/*.{wasm,par,par.gz,sigstore.json}");
    const stale = (uri: vscode.Uri) => {
      this.forget(uri.with({ path: uri.path.replace(/\.sigstore\.json$/, "") }));
    };
    this.#kept.push(
      watcher,
      watcher.onDidChange(stale),
      watcher.onDidCreate(stale),
      watcher.onDidDelete(stale),
      vscode.window.registerFileDecorationProvider(this),
      service.onJudgedAgain(() => {
        this.forget();
      }),
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration("vouch.badges")) this.forget();
      }),
    );
  }

  /** Forgets one file's badge, or all. */
  forget(uri?: vscode.Uri): void {
    this.#age += 1;
    if (uri) this.#known.delete(uri.toString());
    else this.#known.clear();
    this.#changed.fire(uri ? [uri] : undefined);
  }

  async provideFileDecoration(
    uri: vscode.Uri,
    token: vscode.CancellationToken,
  ): Promise<vscode.FileDecoration | undefined> {
    // Nobody would say that a file elsewhere has changed.
    if (uri.scheme !== "file" || !NAMES.test(uri.path) || !vscode.workspace.getWorkspaceFolder(uri)) return undefined;
    if (!vscode.workspace.getConfiguration("vouch").get<boolean>("badges", true)) return undefined;
    void this.service.wake();
    const key = uri.toString();
    if (this.#known.has(key)) return this.#known.get(key);
    await this.#turn();
    const age = this.#age;
    try {
      if (token.isCancellationRequested || !this.service.isRunning) return undefined;
      const { type } = await vscode.workspace.fs.stat(uri);
      if ((type & vscode.FileType.File) === 0) return undefined;
      const verified = await this.service.call<VerifyResult>("verify", { path: uri.fsPath }, token);
      const decoration = decorated(badge(verified));
      if (age === this.#age) this.#keep(key, decoration);
      return decoration;
    } catch (error) {
      // One that could not be looked at has no badge; the log says why.
      this.log.info(`${uri.fsPath}: ${failure(error)}`);
      return undefined;
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }

  dispose(): void {
    for (const one of this.#kept) one.dispose();
  }

  #keep(key: string, decoration: vscode.FileDecoration): void {
    if (this.#known.size >= MOST) this.#known.clear();
    this.#known.set(key, decoration);
  }

  #turn(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function decorated(badge: Badge): vscode.FileDecoration {
  return new vscode.FileDecoration(badge.mark, badge.tooltip, new vscode.ThemeColor(COLOURS[badge.is]));
}
