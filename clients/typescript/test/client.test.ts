import assert from "node:assert/strict";
import { mkdtempSync, rmSync, chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Client,
  ConnectionError,
  ProtocolError,
  ServerError,
  defaultSocket,
  escaped,
} from "../src/index.js";
import { find } from "../src/place.js";

interface Request {
  id?: number | string;
  method: string;
  params?: Record<string, unknown>;
}

const INTRODUCTION = {
  serverInfo: { name: "vouchd", version: "0.1.0" },
  protocolVersion: "1.0",
  capabilities: { methods: [] },
};

/** A service that does with each request what a test says; its socket, and what it heard. */
async function service(
  t: TestContext,
  answer: (request: Request, peer: Socket) => unknown,
): Promise<{ socket: string; heard: Request[]; server: Server }> {
  const folder = mkdtempSync(join(tmpdir(), "vouch-"));
  const heard: Request[] = [];
  const peers = new Set<Socket>();
  const server = createServer((peer) => {
    peers.add(peer);
    peer.on("error", () => undefined);
    let text = "";
    peer.on("data", (bytes) => {
      text += bytes.toString();
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const request = JSON.parse(line) as Request;
        heard.push(request);
        if (request.id === undefined) continue;
        const result =
          request.method === "initialize" ? INTRODUCTION : answer(request, peer);
        if (result !== undefined) {
          peer.write(`${JSON.stringify({ jsonrpc: "2.0", id: request.id, result })}\n`);
        }
      }
    });
  });
  const socket = join(folder, "socket");
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => {
    for (const peer of peers) peer.destroy();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { socket, heard, server };
}

void test("the socket's place follows the environment", () => {
  const check = (environment: NodeJS.ProcessEnv, expected: string): void => {
    assert.equal(defaultSocket(environment), expected);
  };
  const own = `/tmp/vouchd-${String(process.geteuid?.())}/vouchd.sock`;
  check({ VOUCHD_SOCKET: "/a/b", XDG_RUNTIME_DIR: "/run/user/1" }, "/a/b");
  check({ VOUCHD_SOCKET: "", XDG_RUNTIME_DIR: "/run/user/1" }, "/run/user/1/vouchd/vouchd.sock");
  check({ XDG_RUNTIME_DIR: "relative" }, own);
  check({}, own);
});

void test("nothing is said where others can put a socket", async (t) => {
  const { socket, heard } = await service(t, () => null);
  const folder = join(socket, "..");
  (await find(socket))?.destroy();
  for (const mode of [0o777, 0o702]) {
    chmodSync(folder, mode);
    await assert.rejects(Client.connect({ socket }), (error: Error) => {
      assert(error instanceof ConnectionError);
      assert.match(error.message, /others can write in/);
      return true;
    });
  }
  chmodSync(folder, 0o1777);
  (await find(socket))?.destroy();
  chmodSync(folder, 0o700);
  // A link is followed; what is behind it counts.
  symlinkSync(socket, join(folder, "link"));
  (await find(join(folder, "link")))?.destroy();
  mkdirSync(join(folder, "sub"));
  writeFileSync(join(folder, "file"), "");
  await assert.rejects(find(join(folder, "sub")), /is not a socket/);
  await assert.rejects(find(join(folder, "file")), /is not a socket/);
  assert.equal(await find(join(folder, "absent")), undefined);
  assert.equal(heard.length, 0);
});

void test("params are objects or absent, and ids begin at 0", async (t) => {
  const { socket, heard } = await service(t, () => null);
  const client = await Client.connect({ socket, name: "test", version: "1" });
  await client.request("no/params");
  await client.request("some/params", { path: "/a", none: undefined });
  await client.close();
  assert.deepEqual(
    heard.map(({ id, method, params }) => ({ id, method, params })),
    [
      {
        id: 0,
        method: "initialize",
        params: { clientInfo: { name: "test", version: "1" }, protocolVersion: "1.0" },
      },
      { id: 1, method: "no/params", params: undefined },
      { id: 2, method: "some/params", params: { path: "/a" } },
      { id: 3, method: "shutdown", params: undefined },
      { id: undefined, method: "exit", params: undefined },
    ],
  );
});

void test("an aborted call says so to the service, and takes what it answers", async (t) => {
  const { socket, heard } = await service(t, (request, peer) => {
    if (request.method !== "pull") return undefined;
    // It had begun with the step that cannot be undone.
    setTimeout(() => {
      peer.write(`${JSON.stringify({ jsonrpc: "2.0", id: request.id, result: { path: "/a" } })}\n`);
    }, 50);
    return undefined;
  });
  const client = await Client.connect({ socket });
  const abort = new AbortController();
  const pull = client.pull({ reference: "a.b/c:1", destination: "/a" }, { signal: abort.signal });
  while (!heard.some(({ method }) => method === "pull")) await sleep(1);
  abort.abort(new Error("enough"));
  assert.deepEqual(await pull, { path: "/a" });
  const cancelled = heard.find(({ method }) => method === "$/cancelRequest");
  assert.deepEqual(cancelled?.params, { id: 1 });
  // One that was aborted before is not sent.
  const before = heard.length;
  await assert.rejects(client.status({ signal: abort.signal }), /enough/);
  assert.equal(heard.length, before);
});

void test("what was answered before the end is read, also where writing fails", async (t) => {
  const { socket } = await service(t, (request, peer) => {
    if (request.method !== "verify") return undefined;
    for (const id of [1, 2]) {
      peer.write(`${JSON.stringify({ jsonrpc: "2.0", id, result: { verdict: String(id) } })}\n`);
    }
    peer.destroySoon();
    return undefined;
  });
  const client = await Client.connect({ socket });
  const first = client.request("slow", {});
  const second = client.verify({ path: "/a" });
  // It does not look at the connection meanwhile.
  await sleep(1);
  const until = Date.now() + 100;
  while (Date.now() < until);
  const third = client.request("slow", {});
  third.catch(() => undefined);
  assert.deepEqual(await first, { verdict: "1" });
  assert.deepEqual(await second, { verdict: "2" });
});

void test("an answer to nobody ends the connection with what it says", async (t) => {
  const { socket } = await service(t, (_, peer) => {
    const error = { code: -32700, message: "not JSON", data: { kind: "parseError", retryable: false } };
    peer.write(`${JSON.stringify({ jsonrpc: "2.0", id: null, error })}\n`);
    return undefined;
  });
  const client = await Client.connect({ socket });
  const calls = [client.verify({ path: "/a" }), client.status()];
  for (const call of await Promise.allSettled(calls)) {
    assert(call.status === "rejected" && call.reason instanceof ServerError);
    assert.equal(call.reason.kind, "parseError");
  }
});

void test("what is not a message ends it, too", async (t) => {
  for (const line of ["nonsense", "7", "[]", '"text"']) {
    const { socket } = await service(t, (_, peer) => {
      peer.write(`${line}\n`);
      return undefined;
    });
    const client = await Client.connect({ socket });
    await assert.rejects(client.status(), ProtocolError);
  }
});

void test("a request that is too long is not sent", async (t) => {
  const { socket, heard } = await service(t, () => null);
  const client = await Client.connect({ socket });
  await assert.rejects(client.verify({ path: "x".repeat(1 << 20) }), ProtocolError);
  await client.request("next", {});
  assert.deepEqual(
    heard.map(({ method }) => method),
    ["initialize", "next"],
  );
});

void test("a service that has no room for the connection is asked again", async (t) => {
  let refused = 0;
  const folder = mkdtempSync(join(tmpdir(), "vouch-"));
  const socket = join(folder, "socket");
  const server = createServer((peer) => {
    peer.on("error", () => undefined);
    refused += 1;
    const error = { code: 1501, message: "no room", data: { kind: "busy", retryable: true } };
    peer.end(`${JSON.stringify({ jsonrpc: "2.0", id: null, error })}\n`);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => server.close());
  await assert.rejects(Client.connect({ socket }), (error: Error) => {
    assert(error instanceof ServerError);
    assert.equal(error.kind, "busy");
    return true;
  });
  assert(refused > 1 && refused < 20, String(refused));
});

void test("a program that is not there is an error", async () => {
  await assert.rejects(Client.spawn(["/absent/vouchd", "--stdio"]), ConnectionError);
});

void test("reports that nobody looks at do not pile up", async (t) => {
  const { socket } = await service(t, (request, peer) => {
    const token = request.params?.["workDoneToken"];
    const report = (value: object): void => {
      const params = { token, value };
      peer.write(`${JSON.stringify({ jsonrpc: "2.0", method: "$/progress", params })}\n`);
    };
    report({ kind: "begin", title: "Verifying", cancellable: true, bytes: 0 });
    for (let bytes = 1; bytes <= 100; bytes += 1) report({ kind: "report", bytes });
    report({ kind: "end", message: "done" });
    return { verdict: "accepted" };
  });
  const client = await Client.connect({ socket });
  const followed = client.follow("verify", { path: "/a" });
  await followed.result;
  const seen = [];
  for await (const report of followed) seen.push(report);
  assert.deepEqual(
    seen.map((report) => [report.kind, "bytes" in report ? report.bytes : undefined]),
    [["begin", 0], ["report", 100], ["end", undefined]],
  );
});

void test("what others wrote is escaped", () => {
  assert.equal(escaped("größe ☃"), "größe ☃");
  assert.equal(escaped("a\u001b[2J\u202eb\n"), "a\\u{1b}[2J\\u{202e}b\\u{a}");
});
