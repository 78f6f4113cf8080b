/**
 * One JSON value a line, over any pair of streams, as vscode-jsonrpc reads and writes it. A service
 * that misbehaves cannot make the client grow without bound.
 *
 * Lines rather than headers: a service that has no room for a connection says so in a line, whatever
 * the client speaks.
 */

import type { Readable, Writable } from "node:stream";
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  type DataCallback,
  type Disposable,
  type Message,
  type MessageReader,
  type MessageWriter,
} from "vscode-jsonrpc/node";
import { ConnectionError, ProtocolError, ServerError, isObject, said } from "./errors.js";

/** The longest request, in bytes: see "Limits" in the specification. */
export const LONGEST_REQUEST = 1024 * 1024;

/** The longest reply, in bytes: a result has at most 8 MiB, and what surrounds it is small. */
const LONGEST_REPLY = 9 * 1024 * 1024;

const NEWLINE = 0x0a;

/** Who is told of each message before it is passed on, and once how reading ended. */
interface Watcher {
  arrived(): void;
  ended(why: Error): void;
}

/** Reads messages. */
export class LineReader extends AbstractMessageReader implements MessageReader {
  #parts: Buffer[] = [];
  #length = 0;
  #over = false;

  constructor(
    private readonly from: Readable,
    private readonly watcher: Watcher,
  ) {
    super();
  }

  listen(callback: DataCallback): Disposable {
    const onData = (bytes: Buffer): void => {
      this.#take(bytes, callback);
    };
    this.from.on("data", onData);
    this.from.once("end", () => {
      this.#end(new ConnectionError("the server closed the connection"));
    });
    this.from.once("close", () => {
      this.#end(new ConnectionError("the connection is closed"));
    });
    this.from.on("error", (error) => {
      this.#end(new ConnectionError(`the connection broke: ${said(error)}`, { cause: error }));
    });
    return { dispose: () => this.from.off("data", onData) };
  }

  #end(why: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#parts = [];
    this.watcher.ended(why);
  }

  #take(bytes: Buffer, callback: DataCallback): void {
    let rest = bytes;
    while (!this.#over) {
      const end = rest.indexOf(NEWLINE);
      const part = end < 0 ? rest : rest.subarray(0, end);
      this.#length += part.length;
      if (this.#length > LONGEST_REPLY) {
        this.#end(new ProtocolError(`a reply is longer than ${String(LONGEST_REPLY)} bytes`));
        return;
      }
      if (part.length > 0) this.#parts.push(part);
      if (end < 0) return;
      const line = Buffer.concat(this.#parts).toString("utf8");
      this.#parts = [];
      this.#length = 0;
      this.#message(line, callback);
      rest = rest.subarray(end + 1);
    }
  }

  #message(line: string, callback: DataCallback): void {
    if (line.trim() === "") return;
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      this.#end(new ProtocolError("a reply is not JSON"));
      return;
    }
    if (!isObject(message)) {
      this.#end(new ProtocolError("a reply is not an object"));
      return;
    }
    const { id, error } = message;
    if (id === null && isObject(error)) {
      // It could not read whose answer this is: the connection is of no use any more.
      this.#end(serverError(error));
      return;
    }
    if (error !== undefined) message["error"] = plain(error);
    this.watcher.arrived();
    callback(message as unknown as Message);
  }
}

/** An error as JSON-RPC has it, whatever came. */
function plain(error: unknown): { code: number; message: string; data?: unknown } {
  const { code, message, data } = isObject(error) ? error : {};
  return {
    code: typeof code === "number" && Number.isInteger(code) ? code : 0,
    message: typeof message === "string" ? message : "the server said nothing of its error",
    data,
  };
}

function serverError(error: Record<string, unknown>): ServerError {
  const { code, message, data } = plain(error);
  return new ServerError(code, message, data);
}

/** A message that could not be written whole: the server has not got it. */
export class Unwritten extends Error {}

/** Writes messages. */
export class LineWriter extends AbstractMessageWriter implements MessageWriter {
  constructor(private readonly to: Writable) {
    super();
    // Each write is told; what nobody waits for is the reader's to tell.
    to.on("error", () => undefined);
  }

  /** The line of a message; an error where it is too long. */
  static line(message: unknown): string {
    const line = `${JSON.stringify(message)}\n`;
    const length = Buffer.byteLength(line);
    if (length > LONGEST_REQUEST) {
      throw new ProtocolError(
        `the request takes ${String(length)} bytes; it has at most ${String(LONGEST_REQUEST)}`,
      );
    }
    return line;
  }

  write(message: Message): Promise<void> {
    const { errored } = this.to;
    // Node would keep it, and never say that it was not written.
    if (errored != null) return Promise.reject(new Unwritten(errored.message));
    return new Promise((resolve, reject) => {
      this.to.write(LineWriter.line(message), (error) => {
        if (error) reject(new Unwritten(error.message));
        else resolve();
      });
    });
  }

  end(): void {
    this.to.end();
  }
}
