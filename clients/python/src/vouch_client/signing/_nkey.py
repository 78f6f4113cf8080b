"""Ed25519 keys as nkeys write them: a prefix, the key and their CRC-16, in base 32."""

from __future__ import annotations

import base64
import binascii

ACCOUNT = 0
MODULE = 12 << 3
SERVICE = 21 << 3


def account_of(key: bytes) -> str:
    """The account of an Ed25519 public key: an nkey that starts with `A`."""
    if len(key) != 32:
        raise ValueError(f"an Ed25519 public key has 32 bytes, not {len(key)}")
    return encode(ACCOUNT, key)


def account_key(account: str) -> bytes | None:
    """The Ed25519 public key of an account."""
    read = decode(account)
    return read[1] if read is not None and read[0] == ACCOUNT else None


def encode(prefix: int, key: bytes) -> str:
    data = bytes([prefix]) + key
    crc = binascii.crc_hqx(data, 0)
    return base64.b32encode(data + crc.to_bytes(2, "little")).decode().rstrip("=")


def decode(text: str) -> tuple[int, bytes] | None:
    """The prefix and the key of a public nkey."""
    if len(text) != 56 or not text.isascii():
        return None
    try:
        data = base64.b32decode(text)
    except ValueError:
        return None
    # Base 32 has one spelling, which the check sum does not see.
    return (data[0], data[1:33]) if encode(data[0], data[1:33]) == text else None
