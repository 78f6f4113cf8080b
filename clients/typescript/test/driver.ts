// What tests/libraries.rs in the root drives this library with; its top says how.
import { createPrivateKey, createPublicKey, sign as signWith, type KeyObject } from "node:crypto";
import { createInterface } from "node:readline";
import {
  Agent,
  Client,
  ConnectionError,
  ServerError,
  SigningError,
  StartError,
  VouchError,
  accountOf,
  type Followed,
  type Progress,
  type Reporting,
  type SignParams,
  type Signer,
} from "../src/index.js";

interface Step {
  do: string;
  as?: string;
  socket?: string;
  start?: string;
  command?: [string, ...string[]];
  method?: string;
  params?: Record<string, unknown>;
  progress?: boolean;
  key?: string;
  agent?: string;
}

interface Outcome {
  ok?: unknown;
  error?: object;
  progress?: Progress[];
}

let client: Client | undefined;
const calls = new Map<string, { outcome: Promise<Outcome>; cancel: AbortController }>();

function connected(): Client {
  if (client === undefined) throw new Error("not connected");
  return client;
}

/** By the library's own function for the method, where it has one. */
function call(method: string, given: object, signal?: AbortSignal): Promise<unknown> {
  const client = connected();
  // What does not fit is the service's to refuse.
  const params = given as never;
  const options = { signal };
  switch (method) {
    case "verify":
      return client.verify(params, options);
    case "inspect":
      return client.inspect(params, options);
    case "push":
      return client.push(params, options);
    case "pull":
      return client.pull(params, options);
    case "tags":
      return client.tags(params, options);
    case "server/status":
      return client.status(options);
    case "server/restart":
      return client.restart(options);
    case "server/stop":
      return client.stop(options);
    default:
      return client.request(method, given, options);
  }
}

async function outcome(work: () => Promise<unknown>, signal?: AbortSignal): Promise<Outcome> {
  try {
    return { ok: (await work()) ?? null };
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) return { error: { is: "cancelled" } };
    return { error: shown(error) };
  }
}

function shown(error: unknown): object {
  if (!(error instanceof VouchError)) throw error;
  const { message } = error;
  if (error instanceof ServerError) {
    const { kind, code, help, retryable, refusal, registry, status } = error;
    return { is: "server", kind, code, message, help, retryable, refusal, registry, status };
  }
  if (error instanceof ConnectionError) return { is: "connection", message };
  if (error instanceof StartError) {
    return { is: "notStarted", message, lastWords: error.lastWords };
  }
  if (error instanceof SigningError) return { is: "signing", kind: error.kind, message };
  return { is: "protocol", message };
}

async function followed(call: Followed<unknown>, signal: AbortSignal): Promise<Outcome> {
  const progress: Progress[] = [];
  const ended = await outcome(async () => {
    for await (const report of call) progress.push(report);
    return call.result;
  }, signal);
  return { ...ended, progress };
}

function begin({ as = "", method = "", params = {}, progress }: Step): void {
  const cancel = new AbortController();
  const { signal } = cancel;
  const result =
    progress === true
      ? followed(
          connected().follow(method as Reporting, params as never, { signal }),
          signal,
        )
      : outcome(() => call(method, params, signal), signal);
  calls.set(as, { outcome: result, cancel });
}

function callback(seed: string): Signer {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const der = Buffer.concat([prefix, Buffer.from(seed, "hex")]);
  const key: KeyObject = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const { x = "" } = createPublicKey(key).export({ format: "jwk" });
  return {
    account: accountOf(Buffer.from(x, "base64url")),
    sign: (input) => signWith(null, input.bytes, key),
  };
}

async function sign({ params = {}, key, agent }: Step): Promise<unknown> {
  const { account, ...rest } = params as { account: string };
  const signer =
    key === undefined ? await new Agent(agent).signer({ account }) : callback(key);
  return connected().sign(rest as SignParams, signer);
}

async function connect({ socket, start }: Step): Promise<unknown> {
  await client?.close();
  client = undefined;
  const who = { socket, name: "driver" };
  client =
    start === undefined
      ? await Client.connect(who)
      : await Client.connectOrStart({ ...who, program: start, patience: 120_000 });
  return client.server;
}

async function run(step: Step): Promise<Outcome> {
  const { as = "", method = "", params = {} } = step;
  switch (step.do) {
    case "connect":
      return outcome(() => connect(step));
    case "spawn":
      return outcome(async () => {
        if (step.command === undefined) throw new Error("no command");
        client = await Client.spawn(step.command, { name: "driver" });
      });
    case "call":
      return outcome(() => call(method, params));
    case "begin":
      begin(step);
      return { ok: null };
    case "cancel":
      calls.get(as)?.cancel.abort();
      return { ok: null };
    case "end": {
      const begun = calls.get(as);
      if (begun === undefined) throw new Error(`nothing was begun as ${as}`);
      calls.delete(as);
      return begun.outcome;
    }
    case "sign":
      return outcome(() => sign(step));
    case "close":
      return outcome(() => connected().close());
    default:
      throw new Error(`no step: ${step.do}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as Step))}\n`);
}
process.exit();
