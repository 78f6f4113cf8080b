/**
 * Starting a service where none listens. Clients that start at the same time end up with one service:
 * each starts a process, all but one of these find the socket's lock taken and end, and their clients
 * connect to the one that holds it. One is started only if it is certain that nobody listens.
 */

import { spawn, type ChildProcess } from "node:child_process";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Connection } from "./connection.js";
import { ConnectionError, ServerError, StartError, said, systemCode } from "./errors.js";
import { find } from "./place.js";
import { serviceProgram } from "./program.js";
import { PROTOCOL_VERSION, type ClientInfo, type InitializeResult } from "./protocol.js";

/** How long a service may take until it answers, in milliseconds. */
const PATIENCE = 5000;
/** The first pause between two looks at the socket; the next is twice as long, up to the last. */
const FIRST_PAUSE = 2;
const LAST_PAUSE = 50;
/** How often to look again after a service that ended before it answered. */
const LOOKS = 10;
/** If nobody listens this long after another process held the lock, that process was ending. */
const WINNER = 300;
/** An `initialize` is answered at once, even by a busy service. */
const LONGEST_SILENCE = 30_000;
/** What a process that ended has written has arrived by then. */
const LAST_READ = 500;
/** What is kept of what a service says when it starts: lines, and bytes. */
const LAST_LINES = 10;
const LAST_BYTES = 4096;
/** How a process ends where another one serves the socket already. */
const ALREADY_SERVED = 75;

/**
 * Variables by which a service manager speaks to us and not to the service; and those that name keys:
 * the service signs nothing, and what it starts is others' programs.
 */
const NOT_PASSED_ON = [
  "LISTEN_FDS",
  "LISTEN_PID",
  "LISTEN_FDNAMES",
  "NOTIFY_SOCKET",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
  "VOUCH_KEY_FILE",
  "SSH_AUTH_SOCK",
];

/** How to start a service where none listens. */
export interface StartOptions {
  /** The program; otherwise what `VOUCHD` names, else `vouchd` on `PATH`. */
  program?: string | undefined;
  /** How long it may take until it answers, in milliseconds; five seconds otherwise. */
  patience?: number | undefined;
}

/** A connection whose service has answered `initialize`. */
export interface Found {
  connection: Connection;
  server: InitializeResult;
}

/** Says who asks, and answers what the service told of itself. */
export async function introduce(
  connection: Connection,
  client: ClientInfo,
  more: { processId?: number; within?: number } = {},
): Promise<InitializeResult> {
  const params = { clientInfo: client, protocolVersion: PROTOCOL_VERSION };
  const { processId, within = LONGEST_SILENCE } = more;
  const late = new AbortController();
  const asked = connection.request(
    "initialize",
    processId === undefined ? params : { ...params, processId },
  );
  try {
    return (await Promise.race([
      asked,
      sleep(within, undefined, { signal: late.signal }).then(() => {
        throw new Late("the service does not answer");
      }),
    ])) as InitializeResult;
  } catch (error) {
    asked.catch(() => undefined);
    connection.close();
    throw error;
  } finally {
    late.abort();
  }
}

class Late extends ConnectionError {}

/** The service that listens there, once it is certain whether there is one. */
export async function settled(socket: string, client: ClientInfo): Promise<Found | undefined> {
  for (let looks = 0; ; looks += 1) {
    const found = await look(socket, client);
    if (!(found instanceof Gone)) return found;
    if (looks === LOOKS) throw found.why;
    await sleep(LAST_PAUSE);
  }
}

/** A service that ended before it answered: it may have a successor. */
class Gone {
  constructor(readonly why: Error) {}
}

async function look(
  path: string,
  client: ClientInfo,
  deadline?: number,
): Promise<Found | Gone | undefined> {
  const socket = await find(path);
  if (socket === undefined) return undefined;
  const connection = new Connection(socket, socket);
  const left = deadline === undefined ? LONGEST_SILENCE : Math.max(deadline - Date.now(), 0);
  try {
    return { connection, server: await introduce(connection, client, { within: left }) };
  } catch (error) {
    const passes = error instanceof ServerError && ["shuttingDown", "busy"].includes(error.kind);
    // An `initialize` that was lost changed nothing: it may be sent again.
    const lost =
      error instanceof ConnectionError && (deadline !== undefined || !(error instanceof Late));
    if (passes || lost) return new Gone(error);
    throw error;
  }
}

/** Connects to the service on this socket, or starts one. */
export async function connectOrStart(
  socket: string,
  client: ClientInfo,
  options: StartOptions,
): Promise<Found> {
  const found = await settled(socket, client);
  if (found !== undefined) return found;
  // The service runs in another folder.
  const path = resolve(socket);
  let program = options.program;
  try {
    program ??= await serviceProgram();
  } catch (error) {
    throw new StartError(path, undefined, said(error), []);
  }
  const patience = options.patience ?? PATIENCE;
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await attempt(path, client, program, patience, deadline);
    if (found !== undefined) return found;
  }
}

/** Starts a process, and waits for a service; nothing where another process was about to end. */
async function attempt(
  path: string,
  client: ClientInfo,
  program: string,
  patience: number,
  deadline: number,
): Promise<Found | undefined> {
  const starting = new Starting(program, path);
  const failed = async (why: string): Promise<StartError> =>
    new StartError(path, program, why, await starting.lastWords());
  let lostUntil: number | undefined;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LAST_PAUSE)) {
    // First the process, then the socket: a process that has ended did so before we looked.
    const ended = starting.ended;
    const found = await look(path, client, deadline);
    if (found !== undefined && !(found instanceof Gone)) return found;
    const now = Date.now();
    if (ended === ALREADY_SERVED) {
      lostUntil ??= now + WINNER;
      if (now >= deadline) throw await failed("another process holds its lock and does not listen");
      if (now >= lostUntil) return undefined;
    } else if (ended instanceof Error) {
      const code = systemCode(ended);
      const unusable = code === "ENOENT" || code === "EACCES";
      const why = `cannot start ${program}: ${ended.message}`;
      throw new StartError(path, unusable ? undefined : program, why, []);
    } else if (ended !== undefined) {
      throw await failed(`${program} ended: ${typeof ended === "number" ? `exit status ${String(ended)}` : ended}`);
    } else if (now >= deadline) {
      throw await failed(`${program} did not answer in ${String(patience / 1000)} s`);
    }
    await sleep(pause);
  }
}

/** The process of a service that is starting. It lives on when nobody looks at it any more. */
class Starting {
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  #words = Buffer.alloc(0);
  /** Its exit code, the signal that ended it, or why it could not be run; once it has ended. */
  ended: number | string | Error | undefined;

  constructor(program: string, socket: string) {
    const environment = { ...process.env };
    for (const name of NOT_PASSED_ON) Reflect.deleteProperty(environment, name);
    this.#process = spawn(program, ["serve", "--detach", "--socket", socket], {
      // A pipe, not a file: a program that goes on writing cannot fill a disk.
      stdio: ["ignore", "ignore", "pipe"],
      env: environment,
    });
    this.#process.once("exit", (code, signal) => {
      this.ended ??= code ?? signal ?? 1;
    });
    this.#closed = new Promise((resolve) => {
      this.#process.once("close", resolve);
      this.#process.once("error", (error) => {
        this.ended ??= error;
        resolve(error);
      });
    });
    // It is read to its end, so that the program never blocks on it.
    this.#process.stderr?.on("data", (bytes: Buffer) => {
      this.#words = Buffer.concat([this.#words, bytes]).subarray(-LAST_BYTES);
    });
    // Nobody has to wait for either.
    this.#process.unref();
    (this.#process.stderr as { unref?: () => void } | null)?.unref?.();
  }

  async lastWords(): Promise<string[]> {
    // A process that it started may hold the pipe open: then what has come so far is all.
    await Promise.race([this.#closed, sleep(LAST_READ)]);
    const lines = this.#words.toString("utf8").split(/\r?\n/);
    return lines.filter((line) => line !== "").slice(-LAST_LINES);
  }
}
