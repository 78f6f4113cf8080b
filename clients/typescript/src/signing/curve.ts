/** Which 32 bytes are an Ed25519 public key (RFC 8032, section 5.1.3), not a weak one, in its one spelling. */

const P = 2n ** 255n - 19n;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base % P;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

const inverse = (value: bigint): bigint => power(((value % P) + P) % P, P - 2n);

const D = (((-121665n * inverse(121666n)) % P) + P) % P;

/** The second coordinates of the eight points of small order. */
const EIGHTH = little(
  Buffer.from("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "hex"),
);
const SMALL = new Set([0n, 1n, P - 1n, EIGHTH, P - EIGHTH]);

function little(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
}

export function isPublicKey(bytes: Uint8Array): boolean {
  if (bytes.length !== 32) return false;
  const y = little(bytes) & (2n ** 255n - 1n);
  if (y >= P || SMALL.has(y)) return false;
  const square = ((y * y - 1n + P) * inverse(D * y * y + 1n)) % P;
  return power(square, (P - 1n) / 2n) === 1n;
}
