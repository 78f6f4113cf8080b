"""What a token for a file has to cover, read from the file itself: a service could have read another.

It does not judge the file; the service does, and refuses whatever fails here too. Formats: WebAssembly
core specification, section 5.5.2; provider archives are tar files of plain entries, read here and not
by `tarfile`, which follows extensions that no archive may have.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ._error import SigningError
from ._token import MOST_ENTRIES, Hashes, shown

#: How much is read at a time, in bytes.
CHUNK = 128 << 10
#: The largest file, and the most that an archive holds: what a service takes of a gzipped one, unless
#: its owner says otherwise.
LARGEST = 16 << 30

#: The sections of a module or component that hold its token; wascap before 0.9 wrote `jwt`.
TOKEN_SECTIONS = (b"wasmcloud_jwt", b"jwt")
CUSTOM = 0
WASM = b"\0asm"
#: RFC 1952, section 2.3.1.
GZIP = b"\x1f\x8b"

BLOCK = 512
TARGET = re.compile(r"(?!\.)[A-Za-z0-9_.-]+", re.ASCII)

Pass = Callable[[bytes], None]


class _Odd(Exception):
    pass


class Source(Protocol):
    """Where bytes come from: fewer than asked for where it ends."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Covered:
    """What a token for a file has to cover. Only reading a file makes one, and without one nothing is
    signed.
    """

    hashes: Hashes

    @classmethod
    async def read(cls, path: str | os.PathLike[str]) -> Covered:
        """Reads a module, component or provider archive once, in a thread, in little memory. It takes
        about as long as the service does for `sign/prepare`: let both go on at a time. The thread
        stops when the task that waits is cancelled.
        """
        stop = threading.Event()
        try:
            return await asyncio.to_thread(cls._of_file, os.fspath(path), stop)
        except (_Odd, OSError, zlib.error) as error:
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            raise SigningError("file", f"cannot hash {os.fspath(path)}: {why}") from error
        finally:
            stop.set()

    @classmethod
    def _of_file(cls, path: str, stop: threading.Event) -> Covered:
        # A pipe would keep who opens it waiting.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            about = os.fstat(number)
            if not stat.S_ISREG(about.st_mode):
                raise _Odd("it is not a regular file")
            if about.st_size > LARGEST:
                raise _too_large()

            def more() -> bytes:
                if stop.is_set():
                    raise _Odd("nobody waits for it")
                return os.read(number, CHUNK)

            return cls.of(_Bounded(more, about.st_size))
        finally:
            os.close(number)

    @classmethod
    def of(cls, file: _Bounded) -> Covered:
        """What a token for these bytes has to cover."""
        start = file.peek(4)
        if start.startswith(WASM):
            return cls(_rest(file))
        if start.startswith(GZIP):
            return cls(_entries(_Bounded(_Inflated(file).more, None)))
        return cls(_entries(file))


class _Bounded:
    """Bytes that come piece by piece, so many at most."""

    def __init__(self, more: Callable[[], bytes], size: int | None) -> None:
        self._more = more
        self._left = size
        self._piece = b""
        self._at = 0

    def peek(self, size: int) -> bytes:
        while len(self._piece) - self._at < size and self._fill():
            pass
        return self._piece[self._at : self._at + size]

    def read(self, size: int) -> bytes:
        """Between one byte and so many; none at the end."""
        if self._at == len(self._piece) and not self._fill():
            return b""
        data = self._piece[self._at : self._at + size]
        self._at += len(data)
        return data

    def _fill(self) -> bool:
        if self._left == 0:
            return False
        data = self._more()
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self._piece = self._piece[self._at :] + data
        self._at = 0
        return bool(data)


class _Inflated:
    """One member of a gzip file. What stands behind it is the service's to refuse."""

    def __init__(self, file: _Bounded) -> None:
        self._file = file
        self._inflater = zlib.decompressobj(wbits=31)
        self._waiting = b""

    def more(self) -> bytes:
        while not self._inflater.eof:
            data = self._waiting or self._file.read(CHUNK)
            inflated = self._inflater.decompress(data, CHUNK)
            self._waiting = self._inflater.unconsumed_tail
            if inflated:
                return inflated
            if not data:
                raise _Odd("it is cut off")
        return b""


def _rest(file: _Bounded) -> str:
    """The hash of a module or component without the section of its token."""
    hasher = hashlib.sha256()
    has_token = False
    _pass(file, 8, hasher.update)
    while file.peek(1):
        # What stands before a section's content counts only where that is not the token.
        start = bytearray()
        kind = _byte(file, start)
        left = _number(file, start)
        is_token = False
        if kind == CUSTOM:
            before = len(start)
            length = _number(file, start)
            left -= len(start) - before
            if left < 0 or length > left:
                raise _Odd("a custom section's name is larger than the section")
            if any(len(name) == length for name in TOKEN_SECTIONS):
                at = len(start)
                _pass(file, length, start.extend)
                left -= length
                is_token = bytes(start[at:]) in TOKEN_SECTIONS
        if is_token and has_token:
            raise _Odd("it carries two tokens")
        has_token = has_token or is_token
        if is_token:
            _pass(file, left, lambda _: None)
        else:
            hasher.update(start)
            _pass(file, left, hasher.update)
    return hasher.hexdigest().upper()


def _entries(archive: _Bounded) -> dict[str, str]:
    """The hashes of an archive's entries, but for its token: of `<target>.bin` by its target, of
    `world.wasm` by that.
    """
    hashes: dict[str, str] = {}
    has_token, held, count = False, 0, 0
    while (header := _block(archive)) is not None:
        name, size = _header(header)
        held += size
        if held > LARGEST:
            raise _too_large()
        count += 1
        if count > MOST_ENTRIES:
            raise _Odd(f"it has more than {MOST_ENTRIES} entries")
        if header[156:157] not in (b"0", b"\0"):
            raise _Odd(f"its entry {shown(name)} is not a plain file")
        padding = -size % BLOCK
        if name == "claims.jwt":
            if has_token:
                raise _Odd(f"it has two entries {shown(name)}")
            has_token = True
            _pass(archive, size, lambda _: None)
        else:
            covered = _covered(name)
            hasher = hashlib.sha256()
            _pass(archive, size, hasher.update)
            if covered in hashes:
                raise _Odd(f"it has two entries {shown(name)}")
            hashes[covered] = hasher.hexdigest().upper()
        # The last one's may be missing where the archive ends.
        _pass(archive, padding, lambda _: None, may_end=True)
    if not hashes:
        raise _Odd("it has no entries")
    return hashes


def _block(archive: _Bounded) -> bytes | None:
    """The next header; none at the end of the archive."""
    if not archive.peek(1):
        return None
    block = bytearray()
    _pass(archive, BLOCK, block.extend)
    return bytes(block) if any(block) else None


def _header(header: bytes) -> tuple[str, int]:
    """An entry's name and size."""
    if _octal(header[148:156]) != sum(header[:148]) + 8 * ord(" ") + sum(header[156:]):
        raise _Odd("the check sum of a header is wrong")
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0]
    # POSIX continues long names there, GNU has other things in that place.
    if header[257:265] == b"ustar\x0000" and prefix:
        name = prefix + b"/" + name
    size = header[124:136]
    if size[0] & 0x80:
        number = int.from_bytes(size[4:], "big") if not any(size[1:4]) else LARGEST + 1
        return name.decode(errors="replace"), number
    return name.decode(errors="replace"), _octal(size)


def _octal(field: bytes) -> int:
    digits = field.split(b"\0", 1)[0].strip(b" ")
    if digits and not re.fullmatch(rb"[0-7]+", digits):
        raise _Odd("a header holds a numeric field that is not a number")
    return int(digits or b"0", 8)


def _covered(name: str) -> str:
    """The name under which a token covers an entry. No target may have the world's."""
    if name == "world.wasm":
        return name
    target = name[: -len(".bin")]
    if (
        not name.endswith(".bin")
        or not TARGET.fullmatch(target)
        or target in ("claims", "world", "world.wasm")
    ):
        raise _Odd(f"its entry {shown(name)} is neither claims.jwt, world.wasm nor <target>.bin")
    return target


def _pass(source: Source, left: int, to: Callable[[bytes], object], may_end: bool = False) -> None:
    """Passes so many bytes on."""
    while left > 0:
        data = source.read(min(left, CHUNK))
        if not data:
            if may_end:
                return
            raise _Odd("it is cut off")
        to(data)
        left -= len(data)


def _byte(source: Source, seen: bytearray) -> int:
    _pass(source, 1, seen.extend)
    return seen[-1]


def _number(source: Source, seen: bytearray) -> int:
    """An unsigned LEB128 of 32 bits."""
    value = 0
    for shift in (0, 7, 14, 21, 28):
        byte = _byte(source, seen)
        value |= (byte & 0x7F) << shift
        if byte & 0x80 == 0 and value < 2**32:
            return value
    raise _Odd("a number is longer than 32 bits")


def _too_large() -> _Odd:
    return _Odd(f"it has more than {LARGEST >> 30} GiB")
