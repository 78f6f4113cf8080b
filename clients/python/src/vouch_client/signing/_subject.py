"""The subject that follows from account and name, so that who signs without state names the same one
each time: the first hash that is a key. Nobody has its private half.
"""

from __future__ import annotations

import hashlib

from . import _ed25519, _nkey


def derived(is_archive: bool, key: bytes, name: str) -> str:
    """See "The derived subject" in the specification. About every second hash is a key."""
    start = b"vouch subject 1\0" + (b"V" if is_archive else b"M") + key + name.encode()
    number = 0
    while True:
        data = hashlib.sha256(start + number.to_bytes(4, "big")).digest()
        if _ed25519.is_key(data):
            return _nkey.encode(_nkey.SERVICE if is_archive else _nkey.MODULE, data)
        number += 1
