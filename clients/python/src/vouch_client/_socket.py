"""Where the service listens, and who runs it. Nothing may be sent to another user's service: anybody
can put a socket into `/tmp`.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import socket
import stat
import struct
import sys
from pathlib import Path

from ._error import ConnectionFailed, ForeignService

#: Names the socket, for the service and its clients; an empty value counts as none.
SOCKET_VARIABLE = "VOUCHD_SOCKET"

#: How long a service's queue of connections may stay full, in seconds.
FULL_QUEUE = 5.0
PAUSE = 0.005


def default_socket() -> Path:
    """The socket that a client uses when it is told of no other: what `VOUCHD_SOCKET` names, else
    `$XDG_RUNTIME_DIR/vouchd/vouchd.sock`, else `/tmp/vouchd-$UID/vouchd.sock`.
    """
    named = os.environ.get(SOCKET_VARIABLE)
    if named:
        return Path(named)
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    # A relative one is to be ignored.
    if os.path.isabs(runtime):
        return Path(runtime, "vouchd", "vouchd.sock")
    return Path(f"/tmp/vouchd-{os.getuid()}/vouchd.sock")  # noqa: S108


async def find(path: Path) -> socket.socket | None:
    """Connects, and checks who runs the service before a byte is sent. None if it is certain that
    nobody listens there.
    """
    try:
        found = await _attempt(path)
    except FileNotFoundError:
        return None
    except ConnectionRefusedError as refused:
        # A socket that was left behind refuses, and so does a file that is not a socket.
        _may_be_replaced(path, refused)
        return None
    except OSError as error:
        raise ConnectionFailed(f"cannot connect to {path}: {_said(error)}") from error
    try:
        owner = _peer(found)
        if not _is_trusted(owner, os.geteuid()):
            raise ForeignService(f"the service at {path} runs as another user (uid {owner})")
    except BaseException:
        found.close()
        raise
    return found


async def _attempt(path: Path) -> socket.socket:
    """Connects; tries again for a while if the service's queue is full."""
    deadline = asyncio.get_running_loop().time() + FULL_QUEUE
    while True:
        # Not by the event loop, which takes a full queue for a connection that is on its way.
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            stream.setblocking(False)
            stream.connect(os.fspath(path))
            return stream
        except BlockingIOError:
            stream.close()
            if asyncio.get_running_loop().time() >= deadline:
                raise
        except BaseException:
            stream.close()
            raise
        await asyncio.sleep(PAUSE)


def _peer(stream: socket.socket) -> int:
    """The user who listens at the other end."""
    try:
        if sys.platform == "linux":
            layout = struct.Struct("3i")
            data = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, layout.size)
            return int(layout.unpack(data)[1])
        uid, gid = ctypes.c_uint32(), ctypes.c_uint32()
        library = ctypes.CDLL(None, use_errno=True)
        if library.getpeereid(stream.fileno(), ctypes.byref(uid), ctypes.byref(gid)) != 0:
            raise OSError(ctypes.get_errno(), "getpeereid failed")
        return uid.value
    except (OSError, AttributeError) as error:
        raise ForeignService(f"nobody says who runs the service: {error}") from error


def _is_trusted(owner: int, own: int) -> bool:
    return owner in (own, 0)


def _may_be_replaced(path: Path, refused: OSError) -> None:
    """Fails unless what refuses connections is a socket that a dead service of ours left behind."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        # It is gone by now.
        return
    except OSError:
        raise ConnectionFailed(f"cannot connect to {path}: {_said(refused)}") from refused
    if not stat.S_ISSOCK(found.st_mode):
        raise ConnectionFailed(f"cannot connect to {path}: it is not a socket")
    if found.st_uid != os.geteuid():
        raise ForeignService(f"the socket {path} was left by another user (uid {found.st_uid})")


def _said(error: OSError) -> str:
    if error.errno == errno.EAGAIN:
        return "its queue of connections stays full"
    return error.strerror or str(error)
