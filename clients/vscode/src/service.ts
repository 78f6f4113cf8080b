// The connection: `vouchd connect`, as a language server, started again where it ends.

import * as vscode from "vscode";
import {
  CloseAction,
  ErrorAction,
  InlayHintRefreshRequest,
  InlayHintRequest,
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  ShowMessageNotification,
  State,
} from "vscode-languageclient/node";
import type { InitializeResult } from "../../typescript/src/protocol.js";
import { type Place, commandLine, find } from "./program.js";
import * as say from "./say.js";
import { failure, plain } from "./words.js";

/** What this extension calls. */
const NEEDED = ["verify", "inspect", "push", "pull", "session/login", "session/list", "session/logout", "server/restart"];
/** How often it is started again within how long. */
const RESTARTS = 4;
const WITHIN = 180_000;

const INSTALL =
  'Install it from its source with `npm install -g $(dist/npm)`, `pipx install "$(dist/wheel)"` or ' +
  "`cargo install --path . --locked`, or name it in the setting vouch.path.";

export class Service implements vscode.Disposable {
  readonly #status = vscode.window.createStatusBarItem("vouch", vscode.StatusBarAlignment.Left);
  readonly #judged = new vscode.EventEmitter<undefined>();
  /** What was verified before may be judged in another way now. */
  readonly onJudgedAgain = this.#judged.event;
  #client: LanguageClient | undefined;
  #program: string | undefined;
  #ends: number[] = [];
  #told = false;
  // One start after the other.
  #starting: Promise<void> | undefined;

  constructor(private readonly log: vscode.LogOutputChannel) {
    this.#status.name = "vouch";
  }

  get isRunning(): boolean {
    return this.#client?.state === State.Running;
  }

  /** Calls a method of the service. */
  async call<Result>(method: string, params: object, token?: vscode.CancellationToken): Promise<Result> {
    if (!this.#client || !this.isRunning) throw new Error("vouchd is not running");
    return token
      ? await this.#client.sendRequest<Result>(method, params, token)
      : await this.#client.sendRequest<Result>(method, params);
  }

  judgedAgain(): void {
    this.#judged.fire(undefined);
  }

  /** The command line, for terminals. */
  get commandLine(): string | undefined {
    return this.#program && commandLine(this.#program, place());
  }

  /** Whether there was something to do for it. */
  get isAwake(): boolean {
    return this.#starting !== undefined;
  }

  /** Starts it, unless that was done. */
  wake(): Promise<void> {
    return this.#starting ?? this.start(false);
  }

  /** Starts it, or starts it anew. `asked`: by a person, who hears what is wrong each time. */
  start(asked: boolean): Promise<void> {
    this.#starting = (this.#starting ?? Promise.resolve()).then(() => this.#start(asked));
    return this.#starting;
  }

  async #start(asked: boolean): Promise<void> {
    await this.#end();
    this.#ends = [];
    this.#program = find(place());
    if (!this.#program) {
      const setting = place().setting;
      const what = setting ? `vouch.path names no program: ${plain(setting)}.` : "vouchd is not installed.";
      this.#show("$(circle-slash) vouch", `${what} ${INSTALL}`, true);
      this.#tell(`${what} ${INSTALL}`, asked);
      return;
    }
    this.#show("$(loading~spin) vouch", `Starting ${this.#program}`, false);
    const client = new Client("vouchd", "vouchd", { command: this.#program, args: ["connect"] }, this.#options());
    this.#client = client;
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Running) this.#running(client);
    });
    try {
      await client.start();
    } catch (error) {
      this.#show("$(error) vouch", `${this.#program} connect could not be started: ${failure(error)}`, true);
      this.#tell(
        `${this.#program} connect could not be started. It may be too old: \`vouchd connect\` has to exist. The log says more.`,
        asked,
      );
    }
  }

  #running(client: LanguageClient): void {
    const told = client.initializeResult as (Partial<InitializeResult> & object) | undefined;
    const version = plain(told?.serverInfo?.version ?? "of an unknown version");
    const methods = told?.capabilities?.methods ?? [];
    const lacking = NEEDED.filter((method) => !methods.includes(method));
    if (told?.protocolVersion?.split(".")[0] !== "1" || lacking.length > 0) {
      const why = lacking.length > 0 ? ` (it does not know ${lacking.join(", ")})` : "";
      const what = `The vouchd ${version} that runs does not fit this extension${why}. Install one that does, then run \`vouch restart\`.`;
      this.#show("$(error) vouch", what, true);
      void this.#end().then(() => {
        this.#tell(what, true);
      });
      return;
    }
    // The client's own answer asks for hints again; badges are to be asked for again, too.
    client.onRequest(InlayHintRefreshRequest.type, () => {
      const hints = client.getFeature(InlayHintRequest.method);
      const providers = vscode.workspace.textDocuments.map((document) => hints.getProvider(document));
      for (const provider of new Set(providers)) provider?.onDidChangeInlayHints.fire();
      this.judgedAgain();
    });
    client.onNotification(ShowMessageNotification.type, ({ message }) => void say.information(plain(message)));
    this.#show("$(verified) vouch", `vouchd ${version}, ${this.#program ?? ""}`, false);
    this.judgedAgain();
  }

  #options(): LanguageClientOptions {
    const files = ["**/*.{yaml,yml,json,toml}", "**/{wkg.lock,wasm.lock.toml}"];
    return {
      documentSelector: files.map((pattern) => ({ scheme: "file", pattern })),
      outputChannel: this.log,
      // The library would show others' words as they are, links and all.
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      markdown: { isTrusted: false, supportHtml: false },
      initializationFailedHandler: (error) => {
        this.log.error(failure(error));
        return false;
      },
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => this.#closed(),
      },
      middleware: {
        executeCommand: async (command, args, next) => {
          if (command === "vouch.pull" && !vscode.workspace.isTrusted) {
            throw new Error("Nothing is pulled before you trust this workspace");
          }
          const text: unknown = args[0];
          // The service has a text shown: a command that a person may run.
          if (command === "vouch.show" && typeof text === "string") {
            if ((await say.information(plain(text), "Copy")) === "Copy") await vscode.env.clipboard.writeText(text);
            return undefined;
          }
          try {
            return (await next(command, args)) as unknown;
          } catch (error) {
            // What a command fails with, the editor shows.
            throw error instanceof vscode.CancellationError ? error : new Error(failure(error));
          }
        },
      },
    };
  }

  #closed() {
    const now = Date.now();
    this.#ends = this.#ends.filter((end) => now - end < WITHIN);
    this.#ends.push(now);
    if (this.#client?.state === State.Starting || this.#ends.length > RESTARTS) {
      this.#show("$(error) vouch", `vouchd ended ${this.#ends.length} times, and is not started again. Click to do so.`, true);
      return { action: CloseAction.DoNotRestart, handled: true };
    }
    this.#show("$(loading~spin) vouch", "vouchd ended, and is started again", false);
    return { action: CloseAction.Restart, handled: true };
  }

  #show(text: string, tooltip: string, wrong: boolean): void {
    this.#status.text = text;
    this.#status.tooltip = tooltip;
    this.#status.command = wrong ? "vouch.restart" : "vouch.log";
    this.#status.backgroundColor = wrong ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
    this.#status.show();
    this.log.info(tooltip);
  }

  /** Says once what is wrong, and each time to a person who asked. */
  #tell(what: string, asked: boolean): void {
    if (this.#told && !asked) return;
    this.#told = true;
    void say.warning(what, "Settings", "Try Again").then((chosen) => {
      if (chosen === "Settings") void vscode.commands.executeCommand("workbench.action.openSettings", "vouch.path");
      if (chosen === "Try Again") void this.start(true);
    });
  }

  async #end(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    // One that did not come up has nothing to be ended.
    await client?.dispose().catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    this.dispose();
  }

  dispose(): void {
    this.#status.dispose();
    this.#judged.dispose();
  }
}

/** The library's own words on a start that failed come as a popup each time: they belong in the log. */
class Client extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

function place(): Place {
  return {
    setting: vscode.workspace.getConfiguration("vouch").get("path", "").trim(),
    path: process.env["PATH"] ?? "",
    folders: (vscode.workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath),
    trusted: vscode.workspace.isTrusted,
  };
}
