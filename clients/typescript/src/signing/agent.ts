/**
 * Keys in ssh-agent, or in what speaks as it does: gpg-agent, 1Password, hardware tokens. Two messages
 * of its protocol, each over a connection of its own (draft-ietf-sshm-ssh-agent).
 */

import { createHash } from "node:crypto";
import { createConnection } from "node:net";
import { SigningError, said, systemCode } from "../errors.js";
import { escaped } from "../escape.js";
import type { SigningInput } from "./input.js";
import { account, verifies } from "./nkey.js";
import type { Signer } from "./sign.js";

/** How long an agent may take to list its keys, in milliseconds; and to sign: it may ask somebody. */
const LISTING = 10_000;
const ASKING = 120_000;
/** The longest answer, in bytes: what OpenSSH's agent itself allows. */
const LONGEST = 256 << 10;
/** The most keys that are looked at. */
const MOST = 1024;

const FAILURE = 5;
const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;
const ED25519 = "ssh-ed25519";

const ADD = "`ssh-add ~/.ssh/id_ed25519` adds a key. A locked agent shows none: `ssh-add -X` unlocks it.";

/** An agent, by its socket. */
export class Agent {
  readonly socket: string;

  /** The agent that listens there; otherwise the one that `SSH_AUTH_SOCK` names. */
  constructor(socket: string | undefined = process.env["SSH_AUTH_SOCK"]) {
    if (!socket) {
      throw new SigningError(
        "noAgent",
        "no ssh-agent is named: SSH_AUTH_SOCK is not set",
        "`eval $(ssh-agent) && ssh-add` starts one and adds your key.",
      );
    }
    this.socket = socket;
  }

  /** Its keys, in its order. There may be none, also because it is locked. */
  async keys(signal?: AbortSignal): Promise<AgentKey[]> {
    const answer = await this.#ask(Buffer.of(REQUEST_IDENTITIES), LISTING, "list its keys", signal);
    if (answer[0] === FAILURE) {
      throw new SigningError("agentRefused", `${this.#named} does not list its keys`, ADD);
    }
    try {
      if (answer[0] !== IDENTITIES_ANSWER) throw new Error();
      const rest = new Strings(answer.subarray(1));
      const count = rest.number();
      if (count > MOST) throw new Error();
      const keys = Array.from({ length: count }, () => new AgentKey(this, rest.string(), rest.string()));
      if (rest.left > 0) throw new Error();
      return keys;
    } catch {
      throw this.#broken("its list of keys is cut off or garbled");
    }
  }

  /** The key of an account, or the only one that can sign. */
  async signer(wanted: { account?: string } = {}, signal?: AbortSignal): Promise<Signer> {
    const keys = (await this.keys(signal)).filter((key) => key.account !== undefined);
    const fit = keys.filter((key) => wanted.account === undefined || key.account === wanted.account);
    const [key, another] = fit;
    if (key === undefined) {
      const what = wanted.account === undefined ? "Ed25519 key" : `key of ${wanted.account}`;
      throw new SigningError("keyAbsent", `${this.#named} has no ${what}`, ADD);
    }
    if (another !== undefined && wanted.account === undefined) {
      const named = fit.map((key) => `${key.account ?? ""} (${escaped(key.comment)})`).join(", ");
      throw new SigningError(
        "keyAmbiguous",
        `${this.#named} has ${String(fit.length)} keys that can sign: ${named}`,
        "Say which one by its account.",
      );
    }
    return key.signer();
  }

  /** Signs with one of its keys, and verifies the signature. */
  async sign(key: AgentKey, input: SigningInput, signal?: AbortSignal): Promise<Uint8Array> {
    const data = Buffer.from(input.bytes);
    // No flags.
    const request = Buffer.concat([
      Buffer.of(SIGN_REQUEST),
      string(key.blob),
      string(data),
      Buffer.alloc(4),
    ]);
    const answer = await this.#ask(request, ASKING, "sign", signal);
    if (answer[0] === FAILURE) {
      throw new SigningError(
        "agentRefused",
        `${this.#named} refused to sign with ${key.called}`,
        "Somebody said no when it asked, or it was locked or lost the key meanwhile: `ssh-add -l` lists what it has.",
      );
    }
    const signature = answer[0] === SIGN_RESPONSE ? signatureIn(answer.subarray(1)) : undefined;
    if (signature === undefined) {
      throw this.#broken("it answered something that is not an Ed25519 signature");
    }
    if (!verifies(input.publicKey, data, signature)) {
      throw this.#broken(`it answered a signature that does not verify with ${key.called}`);
    }
    return signature;
  }

  get #named(): string {
    return `the ssh-agent at ${this.socket}`;
  }

  #broken(what: string): SigningError {
    return new SigningError(
      "agentBroken",
      `${this.#named} cannot be used: ${what}`,
      "`ssh-add -l` asks it, too. SSH_AUTH_SOCK says where it listens.",
    );
  }

  #ask(message: Buffer, limit: number, toDo: string, signal?: AbortSignal): Promise<Buffer> {
    return new Promise<Buffer>((resolve, reject) => {
      signal?.throwIfAborted();
      const stream = createConnection(this.socket);
      let got = Buffer.alloc(0);
      let reached = false;
      const done = (error: unknown, answer = got): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
        stream.destroy();
        if (error === undefined) resolve(answer);
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- It is the caller's.
        else reject(error);
      };
      const aborted = (): void => {
        done(signal?.reason);
      };
      signal?.addEventListener("abort", aborted, { once: true });
      const timer = setTimeout(() => {
        const message = `${this.#named} did not ${toDo} within ${String(limit / 1000)} s`;
        done(
          new SigningError(
            "timedOut",
            message,
            "It may be waiting for somebody to say yes or to touch something; if `ssh-add -l` hangs too, start it again.",
          ),
        );
      }, limit);
      stream.once("connect", () => {
        reached = true;
        stream.write(string(message));
      });
      stream.on("data", (bytes) => {
        got = Buffer.concat([got, bytes]);
        if (got.length < 4) return;
        const length = got.readUInt32BE(0);
        if (length > LONGEST) done(this.#broken(`its answer has ${String(length)} bytes`));
        else if (got.length >= 4 + length) done(undefined, got.subarray(4, 4 + length));
      });
      stream.once("end", () => {
        done(this.#broken("it hung up"));
      });
      stream.once("error", (error) => {
        done(reached ? this.#broken(said(error)) : this.#unreachable(error));
      });
    });
  }

  #unreachable(error: Error): SigningError {
    const reasons: Record<string, string> = {
      ENOENT: "nothing is there",
      ECONNREFUSED: "nobody listens there",
    };
    const why = reasons[systemCode(error) ?? ""] ?? error.message;
    return new SigningError(
      "noAgent",
      `${this.#named} cannot be reached: ${why}`,
      "SSH_AUTH_SOCK names it, and may be left over from an agent that has ended: " +
        "`eval $(ssh-agent) && ssh-add` starts another and adds your key.",
    );
  }
}

/** A key in an agent. */
export class AgentKey {
  /** Its type, as SSH calls it; somebody else's text. */
  readonly kind: string;
  /** What its owner calls it; somebody else's text, which may be empty. */
  readonly comment: string;
  /** `SHA256:…`, as `ssh-add -l` shows it. */
  readonly fingerprint: string;
  /** The account whose tokens it signs; absent if it cannot sign any. */
  readonly account: string | undefined;

  constructor(
    readonly agent: Agent,
    readonly blob: Buffer,
    comment: Buffer,
  ) {
    const rest = new Strings(blob);
    this.kind = rest.string().toString("utf8").slice(0, 64);
    this.comment = comment.toString("utf8").slice(0, 256);
    const hash = createHash("sha256").update(blob).digest("base64").replace(/=+$/, "");
    this.fingerprint = `SHA256:${hash}`;
    if (this.kind === ED25519) {
      const key = rest.string();
      if (key.length !== 32 || rest.left > 0) throw new Error("it is not a key");
      this.account = account(key);
    }
  }

  /** What to call it in a sentence. */
  get called(): string {
    return escaped(this.comment === "" ? this.fingerprint : this.comment);
  }

  /** The key as a signer; an error where it cannot sign tokens. */
  signer(): Signer {
    const { account } = this;
    if (account === undefined) {
      throw new SigningError(
        "keyUnusable",
        `${this.called} is a key of the type ${escaped(this.kind)}, and only Ed25519 keys sign tokens`,
        "`ssh-keygen -t ed25519` makes one.",
      );
    }
    return { account, sign: (input, { signal } = {}) => this.agent.sign(this, input, signal) };
  }
}

function string(data: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, data]);
}

/** Strings as SSH writes them, one after the other. It throws where there is less than they say. */
class Strings {
  constructor(private data: Buffer) {}

  get left(): number {
    return this.data.length;
  }

  number(): number {
    const value = this.data.readUInt32BE(0);
    this.data = this.data.subarray(4);
    return value;
  }

  string(): Buffer {
    const length = this.number();
    if (length > this.data.length) throw new RangeError("it is cut off");
    const value = this.data.subarray(0, length);
    this.data = this.data.subarray(length);
    return value;
  }
}

/** The signature in what an agent answered: `string "ssh-ed25519", string 64 bytes`, in a string. */
function signatureIn(response: Buffer): Buffer | undefined {
  try {
    const outer = new Strings(response);
    const inner = new Strings(outer.string());
    const kind = inner.string().toString("latin1");
    const bytes = inner.string();
    const isWhole = outer.left === 0 && inner.left === 0 && kind === ED25519;
    return isWhole && bytes.length === 64 ? bytes : undefined;
  } catch {
    return undefined;
  }
}
