/** Ed25519 public keys as nkeys write them: a byte for the kind, the key and their CRC-16, in base 32. */

import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { isPublicKey } from "./curve.js";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

export const ACCOUNT = 0x00;
export const MODULE = 0x60;
export const SERVICE = 0xa8;

/** A public key as an nkey. */
export function encode(kind: number, key: Uint8Array): string {
  const data = Buffer.concat([Buffer.of(kind), key]);
  const crc = Buffer.alloc(2);
  crc.writeUInt16LE(crc16(data));
  return base32(Buffer.concat([data, crc]));
}

/** The account of an Ed25519 public key: `A…`. */
export function account(key: Uint8Array): string {
  return encode(ACCOUNT, key);
}

/** The key in an nkey of that kind. */
export function decode(kind: number, text: string): Buffer | undefined {
  if (text.length !== 56) return undefined;
  let bits = 0n;
  for (const letter of text) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) return undefined;
    bits = (bits << 5n) | BigInt(value);
  }
  const data = Buffer.from(bits.toString(16).padStart(70, "0"), "hex");
  const key = data.subarray(1, 33);
  // Encoded again it is the same: so its check sum is right, and its kind the one wanted.
  return data.length === 35 && encode(kind, key) === text ? key : undefined;
}

function base32(data: Buffer): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of data) {
    value = (value << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) {
      text += ALPHABET.charAt((value >>> (bits - 5)) & 31);
    }
    value &= (1 << bits) - 1;
  }
  return bits > 0 ? text + ALPHABET.charAt((value << (5 - bits)) & 31) : text;
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = ((crc << 1) ^ ((crc & 0x8000) === 0 ? 0 : 0x1021)) & 0xffff;
    }
  }
  return crc;
}

/** Strictly: neither the key nor the signature's point is of small order, and each is in its one spelling. */
export function verifies(key: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  return (
    signature.length === 64 &&
    isPublicKey(key) &&
    isPublicKey(signature.subarray(0, 32)) &&
    verify(null, bytes, publicKey(key), signature)
  );
}

function publicKey(key: Uint8Array): KeyObject {
  const x = Buffer.from(key).toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}
