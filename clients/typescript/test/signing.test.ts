import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign as signWith } from "node:crypto";
import { test } from "node:test";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { isPublicKey } from "../src/signing/curve.js";
import { of } from "../src/signing/covered.js";
import { Inexact, read, same } from "../src/signing/json.js";
import { ACCOUNT, MODULE, account, decode, encode, verifies } from "../src/signing/nkey.js";
import { derived } from "../src/signing/subject.js";

const ANN = "ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU";
const BOB = "AA6UAF6D5BBYSWUSW4FKOTI3P26JZGBMZ4XMJFUMYDGVL4JK6RTAZQQS";

function key(text: string): Buffer {
  const key = decode(ACCOUNT, text);
  assert(key !== undefined, text);
  return key;
}

void test("subjects are those of the specification", () => {
  const check = (isArchive: boolean, account: string, name: string, expected: string): void => {
    assert.equal(derived(isArchive, key(account), name), expected, name);
  };
  check(false, ANN, "a", "MDIKUELLLXNAAU5QC6GVYL5OTRPJB22R4JIRQPQZM6AM567BHI4U5CXA");
  check(false, ANN, "echo", "MBM2YFP5LUSCDOELLPMZQ4KAXXAFMFHT6FBKXZMF556FSCO2PYKBJOKU");
  check(false, ANN, "größe", "MATHK7YRGK2SLYMPB6GBM3XVLRKHU2DMFZH4X2PNSE4SUAO4O53ECMPW");
  check(true, ANN, "echo", "VDKROH3VKHIQABJQ2KJQZHE6OMCAE7A4SORWHACZ4B3MPHBOYYZLZN6Q");
  check(false, BOB, "echo", "MD4I7EOQ5LUIK4JS3U4EICD7HANEEQK7BCX2VT2VECDDZSFJLB5GY6F3");
});

void test("nkeys have one spelling", () => {
  assert.equal(account(key(ANN)), ANN);
  const check = (text: string, why: string): void => {
    assert.equal(decode(ACCOUNT, text), undefined, why);
  };
  check("", "nothing");
  check(ANN.slice(1), "cut");
  check(ANN.toLowerCase(), "lower case");
  check(ANN.replace("U", "V"), "a wrong check sum");
  check(encode(MODULE, key(ANN)), "another kind");
  check(`${ANN}=`, "padding");
});

void test("weak keys and other spellings are not keys", () => {
  const filled = (first: number, rest: number, last: number): Buffer => {
    const bytes = Buffer.alloc(32, rest);
    bytes[0] = first;
    bytes[31] = last;
    return bytes;
  };
  const check = (bytes: Buffer, expected: boolean): void => {
    assert.equal(isPublicKey(bytes), expected, bytes.toString("hex"));
  };
  check(filled(1, 0, 0), false);
  check(filled(0xec, 0xff, 0x7f), false);
  check(filled(0, 0, 0), false);
  check(filled(0xf0, 0xff, 0x7f), false);
  check(filled(0xf1, 0xff, 0x7f), false);
  check(filled(3, 0, 0), true);
  check(Buffer.alloc(31, 3), false);
});

void test("signatures are verified strictly", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const { x = "" } = publicKey.export({ format: "jwk" });
  const key = Buffer.from(x, "base64url");
  const bytes = Buffer.from("what is signed");
  const signature = signWith(null, bytes, privateKey);
  assert(verifies(key, bytes, signature));
  assert(!verifies(key, Buffer.from("something else"), signature));
  assert(!verifies(key, bytes, signature.subarray(1)));
  // The identity as a key accepts one signature for everything.
  const identity = Buffer.alloc(32);
  identity[0] = 1;
  const constant = Buffer.concat([identity, Buffer.alloc(32)]);
  assert(!verifies(identity, bytes, constant));
});

void test("JSON that readers take for different things is refused", () => {
  const check = (text: string, why: RegExp): void => {
    assert.throws(() => read(text), why, text);
  };
  check('{"a":1,"a":2}', /a name twice/);
  check('{"a":1,"\\u0061":2}', /a name twice/);
  check('{"b":[{"a":1,"a":2}]}', /a name twice/);
  check('{"__proto__":1,"__proto__":2}', /a name twice/);
  check('{"$serde_json::private::RawValue":"1"}', /JSON of a text/);
  check("{", /not JSON/);
  check('{"a":1}x', /not JSON/);
  check("[".repeat(200) + "]".repeat(200), /too deeply/);
  assert(same(read('{"a":[1,"x",null],"b":{}}'), read('{"b":{}, "a":[1,"x",null]}')));
  assert(!same(read('{"a":1}'), read('{"a":2}')));
  assert(!same(read('{"a":1}'), read('{"a":1,"b":1}')));
  assert.deepEqual(read("9007199254740993"), new Inexact("9007199254740993"));
  assert.deepEqual(read("1.0"), new Inexact("1.0"));
  assert.equal(read('"a,b:{}[]\\""'), 'a,b:{}[]"');
});

const sha = (...parts: Buffer[]): string =>
  createHash("sha256").update(Buffer.concat(parts)).digest("hex").toUpperCase();

const HEAD = Buffer.from("\0asm\x01\0\0\0", "latin1");

function custom(name: string, content: string): Buffer {
  const inner = Buffer.concat([Buffer.of(name.length), Buffer.from(name), Buffer.from(content)]);
  return Buffer.concat([Buffer.of(0, inner.length), inner]);
}

/** However it arrives. */
async function hashes(bytes: Buffer): Promise<unknown> {
  const pieces = Array.from(bytes, (byte) => Buffer.of(byte));
  const slow = await of(Readable.from(pieces));
  const fast = await of(Readable.from([bytes]));
  assert.deepEqual(slow, fast);
  return fast;
}

void test("a module is covered but for its token", async () => {
  const other = custom("name", "x");
  const token = custom("wasmcloud_jwt", "token");
  assert.equal(await hashes(HEAD), sha(HEAD));
  assert.equal(await hashes(Buffer.concat([HEAD, other])), sha(HEAD, other));
  assert.equal(await hashes(Buffer.concat([HEAD, token, other])), sha(HEAD, other));
  assert.equal(await hashes(Buffer.concat([HEAD, other, custom("jwt", "t")])), sha(HEAD, other));
  const check = async (bytes: Buffer, why: RegExp): Promise<void> => {
    await assert.rejects(hashes(bytes), why);
  };
  await check(Buffer.concat([HEAD, token, token]), /two tokens/);
  await check(Buffer.concat([HEAD, other.subarray(0, 4)]), /cut off/);
  await check(Buffer.concat([HEAD, Buffer.of(0, 1, 5)]), /larger than the section/);
  await check(Buffer.concat([HEAD, Buffer.of(1, 0xff, 0xff, 0xff, 0xff, 0x7f)]), /32 bits/);
  await check(HEAD.subarray(0, 6), /cut off/);
});

function entry(name: string, content: string, type = "0"): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000644\0", 100);
  header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("        ", 148);
  header.write(type, 156);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  body.write(content);
  return Buffer.concat([header, body]);
}

void test("an archive is covered entry by entry", async () => {
  const end = Buffer.alloc(1024);
  const tar = (...entries: Buffer[]): Buffer => Buffer.concat([...entries, end]);
  const whole = tar(
    entry("claims.jwt", "token"),
    entry("x86_64-linux.bin", "binary"),
    entry("world.wasm", "world"),
  );
  const expected = new Map([
    ["x86_64-linux", sha(Buffer.from("binary"))],
    ["world.wasm", sha(Buffer.from("world"))],
  ]);
  assert.deepEqual(await hashes(whole), expected);
  assert.deepEqual(await hashes(gzipSync(whole)), expected);
  const check = async (bytes: Buffer, why: RegExp): Promise<void> => {
    await assert.rejects(hashes(bytes), why);
  };
  await check(tar(entry("a.bin", "1"), entry("a.bin", "2")), /two entries/);
  await check(tar(entry("claims.jwt", "1"), entry("claims.jwt", "2")), /two entries/);
  await check(tar(entry("a.bin", "1"), entry("readme", "2")), /neither/);
  await check(tar(entry("world.bin", "1")), /neither/);
  await check(tar(entry("../a.bin", "1")), /neither/);
  await check(tar(entry("a.bin", "1", "2")), /not a plain file/);
  await check(tar(entry("claims.jwt", "1")), /no entries/);
  await check(entry("a.bin", "1").subarray(0, 513 - 2), /cut off/);
  await check(Buffer.from("x".repeat(2048)), /not plain|check sum/);
  await check(gzipSync(whole).subarray(0, 40), /./);
});
