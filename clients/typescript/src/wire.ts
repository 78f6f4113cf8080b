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


/** Reads messages. */
export class LineReader extends AbstractMessageReader implements MessageReader {
  #parts: Buffer[] = [];
  #length = 0;
  #over = false;
  #callback: DataCallback | undefined;

  constructor(
    private readonly from: Readable,
    /** Is told once how reading ended. */
    private readonly ended: (why: Error) => void,
  ) {
    super();
  }

  /** Passes on a message that did not come from the server, after all those that did. */
  pass(message: Message): void {
    this.#callback?.(message);
  }

  listen(callback: DataCallback): Disposable {
    this.#callback = callback;
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
    this.ended(why);
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
    const { id, error, method } = message;
    // What the server asks is refused at once, so there is nothing that it could cancel.
    if (method === "$/cancelRequest") return;
    if (id === null && isObject(error)) {
      // It could not read whose answer this is: the connection is of no use any more.
      this.#end(serverError(error));
      return;
    }
    if (error !== undefined) message["error"] = plain(error);
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

/** Where messages go. A stream that can still be read when it cannot be written any more says why. */
export type Outgoing = Writable & { readonly unwritable?: Error | undefined };

/** Writes messages. */
export class LineWriter extends AbstractMessageWriter implements MessageWriter {
  #before: Promise<void> = Promise.resolve();

  constructor(private readonly to: Outgoing) {
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

  /**
   * One after the other: Node would write those that wait in one piece, and say of all of them that
   * they failed where some have arrived.
   */
  async write(message: Message): Promise<void> {
    const line = LineWriter.line(message);
    const written = this.#before.then(() => this.#write(line));
    this.#before = written.catch(() => undefined);
    return written;
  }

  #write(line: string): Promise<void> {
    const { to } = this;
    return new Promise((resolve, reject) => {
      const end = (error?: Error | null): void => {
        const why = error ?? to.unwritable;
        if (why) reject(new Unwritten(why.message));
        else resolve();
      };
      if (to.unwritable !== undefined) end();
      // Node would keep it, and never say that it was not written.
      else if (!to.writable) end(to.errored ?? new Error("the connection takes no more"));
      else to.write(line, end);
    });
  }

  end(): void {
    this.to.end();
  }
}
