// The commands of the palette and of a file's menu. The service does the work.

import * as vscode from "vscode";
import type {
  InspectResult,
  PullResult,
  PushResult,
  SessionListResult,
  SessionStatus,
  VerifyResult,
} from "../../typescript/src/protocol.js";
import type { Service } from "./service.js";
import * as say from "./say.js";
import { badge, failure, plain } from "./words.js";

export function register(service: Service): vscode.Disposable {
  const commands: Record<string, (uri?: vscode.Uri) => Promise<void>> = {
    verifyFile: (uri) => withFile(uri, (file) => verify(service, file)),
    inspectFile: (uri) => withFile(uri, (file) => inspect(service, file)),
    signFile: (uri) => withFile(uri, (file) => sign(service, file)),
    pushFile: (uri) => withFile(uri, (file) => push(service, file)),
    pullReference: () => pull(service),
    login: () => login(service),
    sessions: () => sessions(service),
    refresh: () => {
      service.judgedAgain();
      return Promise.resolve();
    },
    restart: () => restart(service),
    log: () => log(service),
  };
  return vscode.Disposable.from(
    ...Object.entries(commands).map(([name, run]) =>
      vscode.commands.registerCommand(`vouch.${name}`, async (uri?: vscode.Uri) => {
        try {
          await service.wake();
          await run(uri);
        } catch (error) {
          if (!(error instanceof vscode.CancellationError)) say.error(failure(error));
        }
      }),
    ),
  );
}

/** The file of a menu, else one that is picked. */
async function withFile(uri: vscode.Uri | undefined, run: (file: vscode.Uri) => Promise<void>): Promise<void> {
  const file = uri ?? (await pick());
  if (file) await run(file);
}

async function pick(): Promise<vscode.Uri | undefined> {
  const found = await vscode.workspace.findFiles("**/*.{wasm,par,par.gz}", undefined, 1000);
  if (found.length === 0) throw new Error("There is no .wasm, .par or .par.gz file in this workspace");
  const items = found.map((uri) => ({ label: named(uri), uri }));
  return (await vscode.window.showQuickPick(items, { placeHolder: "Which file?" }))?.uri;
}

/** A file's name, as it is shown. */
function named(file: vscode.Uri): string {
  return plain(vscode.workspace.asRelativePath(file));
}

/** Calls with a bar that can be cancelled. */
function slowly<Result>(service: Service, title: string, method: string, params: object): Thenable<Result> {
  return say.progress(title, (token) => service.call<Result>(method, params, token));
}

async function verify(service: Service, file: vscode.Uri): Promise<void> {
  const name = named(file);
  const verified = await slowly<VerifyResult>(service, `Verifying ${name}`, "verify", { path: file.fsPath });
  const { is, tooltip } = badge(verified);
  const said = `${name}: ${tooltip.replace(/^vouch: /, "")}`;
  if (is !== "refused") void say.information(said);
  else {
    const help = "refusal" in verified && verified.refusal.help ? ` ${plain(verified.refusal.help)}` : "";
    say.error(said + help);
  }
}

async function inspect(service: Service, file: vscode.Uri): Promise<void> {
  const name = named(file);
  const found = await slowly<InspectResult>(service, `Inspecting ${name}`, "inspect", { path: file.fsPath });
  const content = JSON.stringify(found, undefined, 2);
  const document = await vscode.workspace.openTextDocument({ language: "json", content });
  await vscode.window.showTextDocument(document, { preview: true });
}

/** A key's passphrase and questions are for a terminal. Arguments pass no shell. */
async function sign(service: Service, file: vscode.Uri): Promise<void> {
  // The editor would put something else in its place, and for `${command:…}` run that command.
  if (file.fsPath.includes("${")) throw new Error(`${named(file)} has \${ in its path: sign it with \`vouch sign\` in a terminal`);
  const run = new vscode.ProcessExecution(program(service), ["sign", file.fsPath]);
  const scope = vscode.workspace.getWorkspaceFolder(file) ?? vscode.TaskScope.Workspace;
  const task = new vscode.Task({ type: "vouch" }, scope, "sign", "vouch", run);
  task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, focus: true, clear: false };
  const execution = await vscode.tasks.executeTask(task);
  const ended = vscode.tasks.onDidEndTask((end) => {
    if (end.execution !== execution) return;
    ended.dispose();
    service.judgedAgain();
  });
}

async function push(service: Service, file: vscode.Uri): Promise<void> {
  const reference = await ask("Where to? For example ghcr.io/acme/echo:0.1.0");
  const title = `Pushing ${named(file)}`;
  const pushed = await slowly<PushResult>(service, title, "push", { path: file.fsPath, reference });
  service.judgedAgain();
  await shown(`Pushed ${plain(pushed.reference)}`, pushed.reference);
}

async function pull(service: Service): Promise<void> {
  const reference = await ask("What? For example ghcr.io/acme/echo:0.1.0");
  const [folder] =
    (await vscode.window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true, openLabel: "Pull here" })) ?? [];
  if (!folder) return;
  const params = { reference, destination: folder.fsPath };
  const pulled = await slowly<PullResult>(service, `Pulling ${plain(reference)}`, "pull", params);
  await shown(`Pulled ${plain(pulled.path)}`, pulled.reference);
}

async function shown(said: string, reference: string): Promise<void> {
  const copy = "Copy Reference";
  if ((await say.information(said, copy)) === copy) await vscode.env.clipboard.writeText(reference);
}

async function login(service: Service): Promise<void> {
  const registry = await ask("Which registry? For example ghcr.io");
  const username = await ask(`Who logs in to ${plain(registry)}?`);
  const password = await ask("Password or access token. It stays in the service's memory.", true);
  const session = await service.call<SessionStatus>("session/login", { registry, username, password });
  service.judgedAgain();
  void say.information(`Logged in to ${plain(session.registry)} as ${plain(session.user ?? username)}`);
}

async function sessions(service: Service): Promise<void> {
  const { sessions } = await service.call<SessionListResult>("session/list", {});
  if (sessions.length === 0) {
    void say.information("There are no sessions. A login of docker or podman is used once it is needed.");
    return;
  }
  const items = sessions.map((session) => ({
    label: plain(session.registry),
    description: plain(`${session.user ?? "nobody"}, ${session.state}`),
    detail: plain(session.path ?? session.source),
    session,
  }));
  const chosen = await vscode.window.showQuickPick(items, { placeHolder: "Sessions; choose one to log out" });
  if (!chosen) return;
  const { registry, source } = chosen.session;
  if (source !== "session/login") {
    throw new Error(`That login is not the service's own: it comes from ${chosen.session.path ?? source}`);
  }
  await service.call("session/logout", { registry });
  service.judgedAgain();
}

/** The service replaces itself, which ends its connections: this one comes back by itself. */
async function restart(service: Service): Promise<void> {
  if (!service.isRunning) await service.start(true);
  else await service.call("server/restart", {});
}

function log(service: Service): Promise<void> {
  const terminal = vscode.window.createTerminal({ name: "vouch log", shellPath: program(service), shellArgs: ["log", "-f"] });
  terminal.show();
  return Promise.resolve();
}

function program(service: Service): string {
  const found = service.commandLine;
  if (!found) throw new Error("vouch, the command line, is not installed beside vouchd, nor in PATH");
  return found;
}

async function ask(prompt: string, password = false): Promise<string> {
  const told = (await say.question(prompt, password))?.trim();
  if (!told) throw new vscode.CancellationError();
  return told;
}
