"""JSON, a value on a line. What comes from outside is bounded before it is read."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

from ._error import ProtocolError

#: The longest request, in bytes: see "Limits" in the specification.
LONGEST_REQUEST = 1024 * 1024

#: The longest reply, in bytes: a result has at most 8 MiB, and what surrounds it is small.
LONGEST_REPLY = 9 * 1024 * 1024


def absolute(path: str | os.PathLike[str]) -> str:
    """A path as the service takes it: absolute, and a `file:` URI where it is not UTF-8."""
    whole = os.path.abspath(os.fspath(path))
    try:
        whole.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(whole), safe="/")
    return whole


def _plain(value: object) -> object:
    if isinstance(value, os.PathLike):
        return absolute(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def line(message: dict[str, object]) -> bytes:
    """A message as it goes over the wire."""
    try:
        text = json.dumps(
            message, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
        )
        data = text.encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ProtocolError(f"the params cannot be written as JSON: {error}") from error
    if len(data) > LONGEST_REQUEST:
        raise ProtocolError(f"the request takes {len(data)} bytes; one has at most {LONGEST_REQUEST}")
    return data


class Twice(ValueError):
    """A name stands in an object twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Twice("a name stands in an object twice")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number


def read(data: bytes | bytearray) -> Any:
    """A value that all readers take for the same. Others are a ValueError: names that are there
    twice, what is not JSON, and what is nested too deep to be read.
    """
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError("it is nested too deep") from None


__all__ = ["LONGEST_REPLY", "LONGEST_REQUEST", "Twice", "absolute", "line", "read"]
