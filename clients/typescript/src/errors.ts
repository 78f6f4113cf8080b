/** Why a call failed. Kinds of a newer service are kept as they came. */

import { KINDS, type ErrorKind, type KnownErrorKind } from "./protocol.js";

/** What every error of this library is. */
export abstract class VouchError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** The service returned an error. Switch on its `kind`. */
export class ServerError extends VouchError {
  /** What programs switch on, as it came; empty if the service sent none. */
  readonly kind: ErrorKind | "";
  /** The JSON-RPC error code: its hundred says what a kind of a later version is about. */
  readonly code: number;
  /** What to do next, for people. */
  readonly help: string | undefined;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** Whether it says that the artifact does not satisfy the signature rule. */
  readonly refusal: boolean;
  /** The registry that it is about. */
  readonly registry: string | undefined;
  /** The HTTP status that the registry answered. */
  readonly status: number | undefined;
  /** All of the error's data, as it came. */
  readonly data: unknown;

  constructor(code: number, message: string, data: unknown) {
    super(message);
    const said = new Map(isObject(data) ? Object.entries(data) : []);
    const text = (name: string): string | undefined => {
      const value = said.get(name);
      return typeof value === "string" ? value : undefined;
    };
    const status = said.get("status");
    this.code = code;
    this.data = data;
    // Any server of JSON-RPC has codes; `data` is the service's own.
    this.kind = text("kind") ?? ofCode(code) ?? "";
    this.help = text("help");
    this.retryable = said.get("retryable") === true;
    this.refusal = refuses(code);
    this.registry = text("registry");
    this.status = typeof status === "number" ? status : undefined;
  }
}

/** There is no connection, or it broke before the answer came: whether the call had an effect is not known. */
export class ConnectionError extends VouchError {}

/** No service listens, and none could be started. */
export class StartError extends VouchError {
  constructor(
    /** The socket. */
    readonly socket: string,
    /** The program that was started, or should have been; absent if there is none. */
    readonly program: string | undefined,
    why: string,
    /** The last lines that the program wrote to standard error; ten at most. */
    readonly lastWords: readonly string[],
  ) {
    super(`no service listens on ${socket}, and starting one failed: ${why}`);
  }
}

/** Something that was sent or received breaks the protocol. */
export class ProtocolError extends VouchError {}

/** Why something was not signed, for programs. */
export type SigningErrorKind =
  /** What the service wants signed is not what it was asked for. */
  | "notAskedFor"
  /** The file cannot be read, or is not an artifact. */
  | "file"
  /** There is no agent. */
  | "noAgent"
  /** The agent said no, or shows no keys. */
  | "agentRefused"
  /** The agent said something that makes no sense. */
  | "agentBroken"
  /** The agent did not answer in time. */
  | "timedOut"
  /** There is no such key. */
  | "keyAbsent"
  /** Several keys fit. */
  | "keyAmbiguous"
  /** The key cannot sign tokens, or its signature does not verify. */
  | "keyUnusable";

/** Something was not signed. */
export class SigningError extends VouchError {
  constructor(
    readonly kind: SigningErrorKind,
    message: string,
    /** What to do next, for people. */
    readonly help?: string,
  ) {
    super(message);
  }
}

function known(): [KnownErrorKind, (typeof KINDS)[KnownErrorKind]][] {
  return Object.entries(KINDS) as [KnownErrorKind, (typeof KINDS)[KnownErrorKind]][];
}

function ofCode(code: number): KnownErrorKind | undefined {
  return known().find(([, kind]) => kind.code === code)?.[0];
}

/** A code of a later version counts by its hundred: 11xx is about signatures. */
function refuses(code: number): boolean {
  const kind = ofCode(code);
  return kind === undefined ? Math.floor(code / 100) === 11 : KINDS[kind].refusal;
}

/** Whether it is an object as JSON has them. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What an unknown error says. */
export function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The code that the system gave an error: `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return isObject(error) || error instanceof Error
    ? ((error as { code?: unknown }).code as string | undefined)
    : undefined;
}
