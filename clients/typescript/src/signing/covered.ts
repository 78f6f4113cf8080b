/**
 * What a token for a file has to cover, read from the file itself: a service could have read another.
 * It does not judge the file; the service does, and refuses whatever fails here too.
 */

import { createHash, type Hash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { PassThrough, type Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { createGunzip } from "node:zlib";
import { SigningError, said } from "../errors.js";
import { escaped } from "../escape.js";
import { type Hashes, MOST_ENTRIES } from "./token.js";

/** The largest file, and the most that an archive holds. */
const LARGEST = 16 * 2 ** 30;
const CHUNK = 1 << 20;
const CUSTOM = 0;
/** The sections of a module or component that hold its token; wascap before 0.9 wrote `jwt`. */
const TOKEN_SECTIONS = ["wasmcloud_jwt", "jwt"];
const LONGEST_NAME = 13;
const BLOCK = 512;

/** What a token for the file has to cover. It is an absolute path, or a `file:` URI. */
export async function covered(path: string, signal?: AbortSignal): Promise<Hashes> {
  try {
    const file = path.startsWith("file:") ? fileURLToPath(path) : path;
    // A pipe would keep who opens it waiting.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const about = await handle.stat();
      if (!about.isFile()) throw new Error("it is not a regular file");
      if (about.size > LARGEST) throw new Error(tooLarge);
      const stream = createReadStream("", {
        fd: handle,
        autoClose: false,
        end: Math.max(about.size - 1, 0),
        highWaterMark: CHUNK,
        signal,
      });
      return await of(stream);
    } finally {
      await handle.close();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new SigningError("file", `cannot hash ${path}: ${said(error)}`);
  }
}

const tooLarge = `it has more than ${String(LARGEST / 2 ** 30)} GiB`;

/** The same of what is read. */
export async function of(stream: Readable): Promise<Hashes> {
  const from = new Bytes(stream);
  try {
    const start = await from.peek(4);
    if (start.equals(Buffer.from("\0asm"))) return await rest(from);
    if (start[0] !== 0x1f || start[1] !== 0x8b) return await entries(from);
    const gunzip = createGunzip();
    const inflated = new Bytes(from.rest().pipe(gunzip));
    try {
      return await entries(inflated);
    } finally {
      inflated.end();
    }
  } finally {
    from.end();
  }
}

/** Bytes of a stream, as many as are wanted at a time. */
class Bytes {
  readonly #pieces: AsyncIterator<Buffer>;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(private readonly stream: Readable) {
    this.#pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  end(): void {
    this.stream.destroy();
  }

  async #more(): Promise<boolean> {
    const next = await this.#pieces.next();
    if (next.done === true) return false;
    this.#buffer = this.#buffer.length === 0 ? next.value : Buffer.concat([this.#buffer, next.value]);
    return true;
  }

  /** Looks at the next bytes, or as many as there are. */
  async peek(count: number): Promise<Buffer> {
    while (this.#buffer.length < count && (await this.#more()));
    return this.#buffer.subarray(0, count);
  }

  async take(count: number): Promise<Buffer> {
    const bytes = await this.peek(count);
    if (bytes.length < count) throw new Error("it is cut off");
    this.#buffer = this.#buffer.subarray(count);
    return bytes;
  }

  /** Passes so many bytes on. */
  async pass(count: number, to?: Hash): Promise<void> {
    for (let left = count; left > 0; ) {
      if (this.#buffer.length === 0 && !(await this.#more())) throw new Error("it is cut off");
      const piece = this.#buffer.subarray(0, left);
      to?.update(piece);
      this.#buffer = this.#buffer.subarray(piece.length);
      left -= piece.length;
    }
  }

  /** All that is left, as a stream. */
  rest(): Readable {
    const out = new PassThrough({ highWaterMark: CHUNK });
    const pour = async (): Promise<void> => {
      do {
        const ready = this.#buffer.length === 0 || out.write(this.#buffer);
        this.#buffer = Buffer.alloc(0);
        if (!ready && !out.destroyed) {
          await new Promise((resolve) => out.once("drain", resolve).once("close", resolve));
        }
      } while (!out.destroyed && (await this.#more()));
      out.end();
    };
    pour().catch((error: unknown) => out.destroy(error instanceof Error ? error : undefined));
    return out;
  }
}

/** The hash of a module or component without the section of its token. */
async function rest(file: Bytes): Promise<string> {
  const hash = createHash("sha256");
  let hasToken = false;
  await file.pass(8, hash);
  while ((await file.peek(1)).length > 0) {
    // What stands before a section's content counts only where that is not the token.
    const start: Buffer[] = [await file.take(1)];
    let left = await number(file, start);
    let isToken = false;
    if (start[0]?.[0] === CUSTOM) {
      const before = start.length;
      const length = await number(file, start);
      left -= start.length - before;
      if (left < 0 || length > left) {
        throw new Error("a custom section's name is larger than the section");
      }
      if (length <= LONGEST_NAME) {
        const name = await file.take(length);
        start.push(name);
        left -= length;
        isToken = TOKEN_SECTIONS.includes(name.toString("latin1"));
      }
    }
    if (isToken && hasToken) throw new Error("it carries two tokens");
    hasToken ||= isToken;
    if (!isToken) start.forEach((bytes) => hash.update(bytes));
    await file.pass(left, isToken ? undefined : hash);
  }
  return hash.digest("hex").toUpperCase();
}

/** An unsigned LEB128 of 32 bits; its bytes, each for itself, are added to those seen. */
async function number(file: Bytes, seen: Buffer[]): Promise<number> {
  let value = 0;
  for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
    const bytes = await file.take(1);
    const byte = bytes[0] ?? 0;
    seen.push(bytes);
    value += (byte & 0x7f) * scale;
    if ((byte & 0x80) === 0 && value < 2 ** 32) return value;
  }
  throw new Error("a number is longer than 32 bits");
}

/** The hashes of an archive's entries, but for its token: of `<target>.bin` by its target. */
async function entries(archive: Bytes): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  let hasToken = false;
  let held = 0;
  for (let count = 0; ; count += 1) {
    const header = await archive.peek(BLOCK);
    if (header.length === 0 || (header.length === BLOCK && header.every((byte) => byte === 0))) break;
    const { name, size, isFile } = entry(await archive.take(BLOCK));
    const shown = escaped(JSON.stringify(name));
    held += size;
    if (held > LARGEST) throw new Error(tooLarge);
    if (count >= MOST_ENTRIES) throw new Error(`it has more than ${String(MOST_ENTRIES)} entries`);
    if (!isFile) throw new Error(`its entry ${shown} is not a plain file`);
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (name === "claims.jwt") {
      if (hasToken) throw new Error(`it has two entries ${shown}`);
      hasToken = true;
      await archive.pass(size + padding);
      continue;
    }
    const target = targetOf(name);
    if (target === undefined) {
      throw new Error(`its entry ${shown} is neither claims.jwt, world.wasm nor <target>.bin`);
    }
    if (hashes.has(target)) throw new Error(`it has two entries ${shown}`);
    const hash = createHash("sha256");
    await archive.pass(size, hash);
    hashes.set(target, hash.digest("hex").toUpperCase());
    // The last one's may be missing.
    const zeros = await archive.peek(padding);
    await archive.pass(zeros.length);
  }
  if (hashes.size === 0) throw new Error("it has no entries");
  return hashes;
}

/** What a header of POSIX.1-1988 or ustar says. */
function entry(header: Buffer): { name: string; size: number; isFile: boolean } {
  const octal = (from: number, length: number): number => {
    const text = header.subarray(from, from + length).toString("latin1");
    const digits = /^ *([0-7]+)[ \0]*$/.exec(text)?.[1];
    if (digits === undefined) throw new Error("a header of it has a number that is not plain");
    return Number.parseInt(digits, 8);
  };
  const text = (from: number, length: number): string => {
    const bytes = header.subarray(from, from + length);
    const end = bytes.indexOf(0);
    return bytes.subarray(0, end < 0 ? length : end).toString("utf8");
  };
  const sum = header.reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (sum !== octal(148, 8)) throw new Error("it is not a tar: a check sum is wrong");
  const isUstar = header.subarray(257, 263).toString("latin1") === "ustar\0";
  const prefix = isUstar ? text(345, 155) : "";
  const name = text(0, 100);
  const type = header[156];
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    size: octal(124, 12),
    isFile: type === 0 || type === 0x30,
  };
}

/** The name under which a token covers an entry. No target may have the world's. */
function targetOf(name: string): string | undefined {
  if (name === "world.wasm") return name;
  const target = /^([A-Za-z0-9_-][A-Za-z0-9_.-]*)\.bin$/.exec(name)?.[1];
  const taken = ["claims", "world", "world.wasm"];
  return target !== undefined && taken.includes(target) ? undefined : target;
}
