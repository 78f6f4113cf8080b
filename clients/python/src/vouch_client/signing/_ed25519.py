"""Ed25519 (RFC 8032): whether bytes are a public key, and whether a signature holds.

Nothing here is secret, so nothing has to take the same time always. It is strict: a scalar that is
reduced, points in their one spelling, and none of small order.
"""

from __future__ import annotations

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)

#: x, y, z, t with x/z, y/z the coordinates and t = xy/z: RFC 8032, section 5.1.4.
Point = tuple[int, int, int, int]

NEUTRAL: Point = (0, 1, 1, 0)


def _decoded(data: bytes) -> Point | None:
    """A point in its one spelling: RFC 8032, section 5.1.3."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if len(data) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * ROOT % P
    if (x * x - square) % P != 0 or (x == 0 and sign == 1):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _added(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(factor: int, point: Point) -> Point:
    result = NEUTRAL
    while factor > 0:
        if factor & 1:
            result = _added(result, point)
        point = _added(point, point)
        factor >>= 1
    return result


def _same(one: Point, other: Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % P == 0 and (
        one[1] * other[2] - other[1] * one[2]
    ) % P == 0


def _strong(data: bytes) -> Point | None:
    """A point that is not of small order."""
    point = _decoded(data)
    return None if point is None or _same(_times(8, point), NEUTRAL) else point


_y = 4 * pow(5, -1, P) % P
_base = _decoded(_y.to_bytes(32, "little"))
assert _base is not None
BASE: Point = _base


def is_key(data: bytes) -> bool:
    """Whether these bytes are a public key, not a weak one, and its one spelling."""
    return _strong(data) is not None


def verifies(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the key signed the message."""
    public = _strong(key)
    if public is None or len(signature) != 64:
        return False
    commitment = _strong(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if commitment is None or scalar >= ORDER:
        return False
    hashed = hashlib.sha512(signature[:32] + key + message).digest()
    challenge = int.from_bytes(hashed, "little") % ORDER
    return _same(_times(scalar, BASE), _added(commitment, _times(challenge, public)))
