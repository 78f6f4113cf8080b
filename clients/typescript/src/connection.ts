/** One connection: calls side by side on it, their reports, and what becomes of them when it ends. */

import { EventEmitter, once } from "node:events";
import type { Readable } from "node:stream";
import {
  CancellationTokenSource,
  ErrorCodes,
  NullLogger,
  ParameterStructures,
  ProgressType,
  ResponseError,
  createMessageConnection,
  type Message,
  type MessageConnection,
} from "vscode-jsonrpc/node";
import { ConnectionError, ProtocolError, ServerError, said } from "./errors.js";
import { LineReader, LineWriter, type Outgoing } from "./wire.js";

/** How long a call that was aborted waits for the service's answer, in milliseconds. */
const LAST_ANSWER = 30_000;

/** Goes through the queue of what came, as the last of it. */
const LAST = { jsonrpc: "2.0", method: "$/last" };

/** The server has certainly not received the call. */
export class Unsent extends ConnectionError {}

export interface Sending {
  signal?: AbortSignal | undefined;
  /** Gets what the service reports of the call. */
  report?: ((value: unknown) => void) | undefined;
}

/** A writer that remembers which messages it could not write. */
class Writer extends LineWriter {
  /** The id of the message that was written last. */
  last: unknown;
  readonly unwritten = new Set<unknown>();

  override async write(message: Message): Promise<void> {
    const { id } = message as { id?: unknown };
    this.last = id;
    try {
      await super.write(message);
    } catch (error) {
      if (id !== undefined) this.unwritten.add(id);
      throw error;
    }
  }
}

export class Connection {
  readonly #rpc: MessageConnection;
  readonly #reader: LineReader;
  readonly #writer: Writer;
  readonly #ends = new EventEmitter<{ end: [] }>();
  #ended: Error | undefined;
  #tokens = 0;

  constructor(
    private readonly from: Readable,
    private readonly to: Outgoing,
  ) {
    this.#reader = new LineReader(from, (why) => {
      this.#end(why);
    });
    this.#writer = new Writer(to);
    this.#rpc = createMessageConnection(this.#reader, this.#writer, NullLogger, {
      messageStrategy: {
        handleMessage: (message, next) => {
          // A response is settled at once; reports are taken at once, too.
          if (message === LAST) this.#over();
          else void next(message);
        },
      },
    });
    // Fails what cannot be written by itself.
    this.#rpc.onError(() => undefined);
    this.#rpc.listen();
  }

  /** Why it has ended, once it has. */
  get ended(): Error | undefined {
    return this.#ended;
  }

  /** Waits until it has ended. */
  async end(): Promise<void> {
    if (this.#ended === undefined) await once(this.#ends, "end");
  }

  /** Closes it: what is under way on it is cancelled. */
  close(): void {
    this.#end(new ConnectionError("the connection was closed"));
  }

  #end(why: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.to.end();
    this.#ends.emit("end");
    // What came before the end is handled before the end is.
    this.#reader.pass(LAST);
  }

  /** Fails what is still not answered. */
  #over(): void {
    this.#rpc.dispose();
    this.from.destroy();
    this.to.destroy();
  }

  /** Calls a method. `params` is an object, or nothing. */
  async request(method: string, params: object | undefined, sending: Sending = {}): Promise<unknown> {
    const { signal, report } = sending;
    signal?.throwIfAborted();
    if (this.#ended !== undefined) throw new Unsent(said(this.#ended));
    let asked = params;
    let listening: { dispose(): void } | undefined;
    if (report !== undefined) {
      const token = (this.#tokens += 1);
      listening = this.#rpc.onProgress(new ProgressType<unknown>(), token, report);
      asked = { ...params, workDoneToken: token };
    }
    // Before it has an id.
    LineWriter.line({ jsonrpc: "2.0", id: Number.MAX_SAFE_INTEGER, method, params: asked });
    const source = new CancellationTokenSource();
    const cancel = (): void => {
      source.cancel();
    };
    signal?.addEventListener("abort", cancel, { once: true });
    let id: unknown;
    try {
      // An `undefined` among the arguments would be sent as an array with a null.
      const answer =
        asked === undefined
          ? this.#rpc.sendRequest<unknown>(method, source.token)
          : this.#rpc.sendRequest<unknown>(method, ParameterStructures.byName, asked, source.token);
      id = this.#writer.last;
      return await (signal === undefined ? answer : Promise.race([answer, expired(signal)]));
    } catch (error) {
      const why = this.#failure(error, id);
      const wasCancelled = why instanceof ServerError && why.kind === "cancelled";
      if (signal?.aborted && (wasCancelled || why instanceof ConnectionError)) throw signal.reason;
      throw why;
    } finally {
      this.#writer.unwritten.delete(id);
      signal?.removeEventListener("abort", cancel);
      source.dispose();
      listening?.dispose();
    }
  }

  #failure(error: unknown, id: unknown): unknown {
    if (this.#writer.unwritten.has(id)) return new Unsent(said(error));
    if (!(error instanceof ResponseError)) return error;
    const isOver = error.code === (ErrorCodes.PendingResponseRejected as number);
    if (isOver && this.#ended !== undefined) return copy(this.#ended);
    return new ServerError(error.code, error.message, error.data);
  }

  async notify(method: string, params?: object): Promise<void> {
    if (params === undefined) await this.#rpc.sendNotification(method);
    else await this.#rpc.sendNotification(method, ParameterStructures.byName, params);
  }
}

/** A connection ends once for all of its calls, so each gets an error of its own. */
function copy(error: Error): Error {
  if (error instanceof ServerError) return new ServerError(error.code, error.message, error.data);
  if (error instanceof ProtocolError) return new ProtocolError(error.message, { cause: error });
  return new ConnectionError(error.message, { cause: error });
}

/** Fails some time after the signal, for calls that are not answered even then. */
function expired(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const wait = (): void => {
      const timer = setTimeout(() => {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- It is the caller's.
        reject(signal.reason);
      }, LAST_ANSWER);
      timer.unref();
    };
    signal.addEventListener("abort", wait, { once: true });
  });
}
