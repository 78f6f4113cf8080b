/** The client: a connection, calls on it, and what becomes of them when the service is replaced. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Connection, Unsent, type Sending } from "./connection.js";
import { ConnectionError, ServerError, said } from "./errors.js";
import { Followed } from "./follow.js";
import { defaultSocket } from "./place.js";
import type {
  ClientInfo,
  InitializeResult,
  InspectParams,
  InspectResult,
  Methods,
  PullParams,
  PullResult,
  PushParams,
  PushResult,
  ServerRestartResult,
  ServerStatusResult,
  ServerStopResult,
  SessionListResult,
  SessionLoginParams,
  SessionLogoutResult,
  SessionStatus,
  SignCompleteResult,
  TagsParams,
  TagsResult,
  VerifyParams,
  VerifyResult,
} from "./protocol.js";
import { sign, type SignParams, type Signer } from "./signing/sign.js";
import { connectOrStart, introduce, settled, type Found, type StartOptions } from "./start.js";

/** More under way on one connection would be answered `busy`: see "Limits" in the specification. */
const UNDER_WAY = 64;
/** How long a call waits before it is made once more, where the service was busy; in milliseconds. */
const BUSY_PAUSE = 250;
/** How often a call goes to the next service: they are not replaced that often. */
const REPLACEMENTS = 5;
/** A service has ten seconds to finish what is under way; this is a little more. */
const GRACE = 15_000;

/** Who connects, and where to. */
export interface ConnectOptions {
  /** The socket; otherwise what `VOUCHD_SOCKET` names, else the user's own place. */
  socket?: string | undefined;
  /** The name that the service shows and logs for this client. */
  name?: string | undefined;
  version?: string | undefined;
}

export interface CallOptions {
  /** Cancels the call: the service gives it up, unless the one step has begun that cannot be undone. */
  signal?: AbortSignal | undefined;
}

/** The methods that report how far they are. */
export type Reporting = "verify" | "inspect" | "push" | "pull" | "sign/prepare" | "sign/complete";

type Call = (connection: Connection) => Promise<unknown>;

/** A connection to vouchd. It keeps the process alive until it is closed. */
export class Client implements AsyncDisposable {
  #connection: Connection;
  #server: InitializeResult;
  #replacing: Promise<Connection> | undefined;
  #closed = false;
  #free = UNDER_WAY;
  readonly #waiting: (() => void)[] = [];

  private constructor(
    { connection, server }: Found,
    private readonly origin: { socket: string; client: ClientInfo } | undefined,
    private readonly process?: ChildProcess,
  ) {
    this.#connection = connection;
    this.#server = server;
  }

  /**
   * Connects to the service that listens on the socket, and introduces the client. When that service
   * is replaced later, calls go to the next one. A service of another user, other than root, is
   * refused, and nothing is sent to it.
   */
  static async connect(options: ConnectOptions = {}): Promise<Client> {
    const { socket = defaultSocket() } = options;
    const client = clientInfo(options);
    const found = await settled(socket, client);
    if (found === undefined) throw new ConnectionError(`no service listens on ${socket}`);
    return new Client(found, { socket, client });
  }

  /** The same; starts a service where none listens. It ends after half an hour without clients. */
  static async connectOrStart(options: ConnectOptions & StartOptions = {}): Promise<Client> {
    const { socket = defaultSocket() } = options;
    const client = clientInfo(options);
    return new Client(await connectOrStart(socket, client, options), { socket, client });
  }

  /**
   * Runs a program that speaks the protocol on its standard input and output: `["vouchd", "--stdio"]`
   * for a service of one's own. It ends with the client.
   */
  static async spawn(
    command: readonly [string, ...string[]],
    options: Omit<ConnectOptions, "socket"> = {},
  ): Promise<Client> {
    const [program, ...words] = command;
    const child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
    const failed = new Promise<never>((_, reject) => {
      child.once("error", (error) => {
        reject(new ConnectionError(`cannot run ${program}: ${error.message}`, { cause: error }));
      });
    });
    failed.catch(() => undefined);
    const connection = new Connection(child.stdout, child.stdin);
    const introduced = introduce(connection, clientInfo(options), { processId: process.pid });
    introduced.catch(() => undefined);
    const server = await Promise.race([introduced, failed]);
    return new Client({ connection, server }, undefined, child);
  }

  /** What the service said of itself. */
  get server(): InitializeResult {
    return this.#server;
  }

  /** Calls a method. */
  async call<M extends keyof Methods>(
    method: M,
    params: Methods[M]["params"],
    options: CallOptions = {},
  ): Promise<Methods[M]["result"]> {
    return (await this.request(method, params, options)) as Methods[M]["result"];
  }

  /** Calls a method by name, of a later version for example; the result is what the service sent. */
  async request(method: string, params?: object, options: CallOptions = {}): Promise<unknown> {
    return this.#send(method, params, options);
  }

  /** Calls a method that reports how far it is. */
  follow<M extends Reporting>(
    method: M,
    params: Methods[M]["params"],
    options: CallOptions = {},
  ): Followed<Methods[M]["result"]> {
    return new Followed(
      (report) =>
        this.#send(method, params, { ...options, report }) as Promise<Methods[M]["result"]>,
    );
  }

  /** Judges an artifact by the signature rule. A refused artifact is a result, not an error. */
  verify(params: VerifyParams, options?: CallOptions): Promise<VerifyResult> {
    return this.call("verify", params, options);
  }

  /** Tells all that is known of an artifact, and who says so. */
  inspect(params: InspectParams, options?: CallOptions): Promise<InspectResult> {
    return this.call("inspect", params, options);
  }

  /** Verifies a file and publishes it. */
  push(params: PushParams, options?: CallOptions): Promise<PushResult> {
    return this.call("push", params, options);
  }

  /** Fetches an artifact, and writes the file only if it verifies. */
  pull(params: PullParams, options?: CallOptions): Promise<PullResult> {
    return this.call("pull", params, options);
  }

  /** Lists the tags of a repository, a page at a time. */
  tags(params: TagsParams, options?: CallOptions): Promise<TagsResult> {
    return this.call("tags", params, options);
  }

  /**
   * Signs a file, in place unless a destination is given: asks what to sign, checks that it is what was
   * asked for and that it covers the file, has `signer` sign it, and has the token put in.
   */
  sign(params: SignParams, signer: Signer, options?: CallOptions): Promise<SignCompleteResult> {
    return sign(this, params, signer, options);
  }

  /** Checks a login with its registry and has the service keep it. */
  login(params: SessionLoginParams, options?: CallOptions): Promise<SessionStatus> {
    return this.call("session/login", params, options);
  }

  /** Forgets a login, and ends what is under way with it. */
  logout(registry: string, options?: CallOptions): Promise<SessionLogoutResult> {
    return this.call("session/logout", { registry }, options);
  }

  /** Lists the logins that the service keeps or has used. */
  sessions(options?: CallOptions): Promise<SessionListResult> {
    return this.call("session/list", {}, options);
  }

  /** What the service is doing. */
  status(options?: CallOptions): Promise<ServerStatusResult> {
    return this.call("server/status", {}, options);
  }

  /** Replaces the service by a new process of the installed program; nobody is refused meanwhile. */
  restart(options?: CallOptions): Promise<ServerRestartResult> {
    return this.call("server/restart", {}, options);
  }

  /** Stops the service, whoever else it serves. */
  stop(options?: CallOptions): Promise<ServerStopResult> {
    return this.call("server/stop", {}, options);
  }

  /**
   * Ends the connection in good order: what is under way may finish. A process of this client's own
   * has ended then; one that takes more than 15 seconds is killed.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const connection = this.#connection;
    const orderly = async (): Promise<void> => {
      await connection.request("shutdown", undefined);
      await connection.notify("exit");
      await connection.end();
    };
    try {
      // A connection that has ended meanwhile is closed, too.
      await within(GRACE, orderly().catch(() => undefined));
    } finally {
      connection.close();
      await this.#ended();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ended(): Promise<void> {
    const child = this.process;
    if (child === undefined || hasEnded(child)) return;
    const exit = once(child, "exit");
    await within(GRACE, exit);
    if (hasEnded(child)) return;
    child.kill("SIGKILL");
    await exit;
  }

  async #send(method: string, params: object | undefined, sending: Sending): Promise<unknown> {
    if (this.#closed) throw new ConnectionError("the client is closed");
    await this.#turn();
    try {
      return await this.#again((connection) => connection.request(method, params, sending), sending);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  /** Waits until there is room for one more call. */
  async #turn(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Makes a call; once more where it is certain that the service has not begun with it. */
  async #again(call: Call, { signal }: Sending): Promise<unknown> {
    let connection = this.#connection;
    let replacements = 0;
    let answered = new Set<string>();
    for (;;) {
      try {
        return await call(connection);
      } catch (error) {
        const kind = error instanceof ServerError ? error.kind : "";
        const isNew = !answered.has(kind);
        answered = answered.add(kind);
        if (kind === "busy" && isNew) {
          await sleep(BUSY_PAUSE, undefined, { signal }).catch(() => signal?.throwIfAborted());
        } else if (
          (kind === "shuttingDown" && isNew) ||
          (error instanceof Unsent && replacements < REPLACEMENTS)
        ) {
          replacements += 1;
          const next = await this.#replaced(connection);
          // The error that led here says more than one from there would.
          if (next === undefined) throw error;
          connection = next;
        } else {
          throw error;
        }
      }
    }
  }

  /** The connection to the service that replaced the one at the other end. */
  async #replaced(ended: Connection): Promise<Connection | undefined> {
    if (this.origin === undefined || this.#closed) return undefined;
    if (this.#connection !== ended) return this.#connection;
    this.#replacing ??= this.#reconnect(this.origin).finally(() => {
      this.#replacing = undefined;
    });
    return this.#replacing.catch(() => undefined);
  }

  async #reconnect(origin: { socket: string; client: ClientInfo }): Promise<Connection> {
    const found = await settled(origin.socket, origin.client);
    if (found === undefined) throw new ConnectionError(`no service listens on ${origin.socket}`);
    // The connection before stays open as long as something is under way on it.
    this.#connection = found.connection;
    this.#server = found.server;
    return found.connection;
  }
}

function clientInfo({ name = "vouch-client", version }: ConnectOptions): ClientInfo {
  return version === undefined ? { name } : { name, version };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Waits for that, but not longer. */
async function within(limit: number, done: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([
      done,
      sleep(limit, undefined, { signal: over.signal }).catch((error: unknown) => said(error)),
    ]);
  } finally {
    over.abort();
  }
}

