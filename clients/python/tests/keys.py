"""Ed25519 keys for tests: RFC 8032, section 5.1.6. The library itself only verifies."""

from __future__ import annotations

import hashlib

from vouch_client.signing import _ed25519, account_of


def _encoded(point: _ed25519.Point) -> bytes:
    inverse = pow(point[2], -1, _ed25519.P)
    x, y = point[0] * inverse % _ed25519.P, point[1] * inverse % _ed25519.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Key:
    """A key pair, by its seed."""

    def __init__(self, seed: bytes) -> None:
        hashed = hashlib.sha512(seed).digest()
        scalar = int.from_bytes(hashed[:32], "little")
        self._scalar = scalar & (2**254 - 8) | 2**254
        self._prefix = hashed[32:]
        self.public = _encoded(_ed25519._times(self._scalar, _ed25519.BASE))
        self.account = account_of(self.public)

    def sign(self, data: bytes) -> bytes:
        hashed = hashlib.sha512(self._prefix + data).digest()
        nonce = int.from_bytes(hashed, "little") % _ed25519.ORDER
        commitment = _encoded(_ed25519._times(nonce, _ed25519.BASE))
        hashed = hashlib.sha512(commitment + self.public + data).digest()
        challenge = int.from_bytes(hashed, "little")
        scalar = (nonce + challenge * self._scalar) % _ed25519.ORDER
        return commitment + scalar.to_bytes(32, "little")
