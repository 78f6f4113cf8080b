/**
 * Where the service listens, and whose it is. Nothing may be sent to another user's service: anybody
 * can put a socket into `/tmp`.
 *
 * Node cannot ask the kernel who is at the other end. So the socket must be one that nobody else can
 * have put there: it and every folder on the way to it belong to this user or to root, and nobody else
 * can write in them. (A sticky folder like `/tmp` will do: what is in it stays its owner's.)
 */

import { lstat, realpath } from "node:fs/promises";
import { Socket } from "node:net";
import { dirname, isAbsolute, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionError, said, systemCode } from "./errors.js";

/** How long a service's queue of connections may stay full, in milliseconds. */
const FULL_QUEUE = 5000;
const PAUSE = 5;

/** The socket of those who are told of no other: `VOUCHD_SOCKET`, else the user's own place. */
export function defaultSocket(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment["VOUCHD_SOCKET"];
  if (named) return named;
  const runtime = environment["XDG_RUNTIME_DIR"];
  return runtime && isAbsolute(runtime)
    ? join(runtime, "vouchd", "vouchd.sock")
    : `/tmp/vouchd-${String(user())}/vouchd.sock`;
}

/** Connects to who listens there, once it is certain whose service it is; nothing where nobody does. */
export async function find(path: string): Promise<ReadableToTheEnd | undefined> {
  const deadline = Date.now() + FULL_QUEUE;
  for (;;) {
    try {
      // By the path that was looked at: a link on the other may lead elsewhere by now.
      return await attempt(await ours(path));
    } catch (error) {
      if (error instanceof ConnectionError) throw error;
      const code = systemCode(error);
      // A socket that was left behind refuses.
      if (code === "ENOENT" || code === "ECONNREFUSED") return undefined;
      if (code !== "EAGAIN" || Date.now() >= deadline) {
        throw new ConnectionError(`cannot connect to ${path}: ${said(error)}`, { cause: error });
      }
    }
    await sleep(PAUSE);
  }
}

/**
 * A service that is being replaced reads no more, but what it has answered can still be read. Node
 * gives up both directions where one write fails, and then never says that reading has ended. So it
 * does not learn of that: who writes looks here.
 */
class ReadableToTheEnd extends Socket {
  unwritable: Error | undefined;

  override _write(
    chunk: unknown,
    encoding: BufferEncoding,
    callback: (error?: Error | null) => void,
  ): void {
    super._write(chunk, encoding, (error) => {
      if (error) this.unwritable ??= error;
      callback();
    });
  }
}

function attempt(path: string): Promise<ReadableToTheEnd> {
  return new Promise((resolve, reject) => {
    const socket = new ReadableToTheEnd();
    socket.once("error", reject);
    socket.connect(path, () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** The path of the socket, without links, which nobody else can have put there; fails where somebody could. */
async function ours(path: string): Promise<string> {
  // A system's error says enough.
  const real = await realpath(path);
  const found = await lstat(real);
  if (!found.isSocket()) throw new ConnectionError(`${path} is not a socket`);
  if (!trusted(found.uid)) {
    throw new ConnectionError(
      `the service at ${path} runs as another user (uid ${String(found.uid)})`,
    );
  }
  for (let folder = dirname(real); ; folder = dirname(folder)) {
    const { uid, gid, mode } = await lstat(folder);
    if (!trusted(uid)) {
      throw new ConnectionError(
        `the service at ${path} may be another user's: ${folder} belongs to uid ${String(uid)}`,
      );
    }
    const sticky = (mode & 0o1000) !== 0;
    // A group of the user's own has the user's number, as Debian and others make them.
    const byGroup = (mode & 0o020) !== 0 && gid !== 0 && gid !== user();
    if (!sticky && ((mode & 0o002) !== 0 || byGroup)) {
      throw new ConnectionError(
        `the service at ${path} may be another user's: others can write in ${folder}`,
      );
    }
    if (folder === dirname(folder)) return real;
  }
}

function trusted(owner: number): boolean {
  return owner === user() || owner === 0;
}

function user(): number {
  return process.geteuid?.() ?? 0;
}
