"""The wire, the socket, starting a service, and what becomes of calls: against peers of our own."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import pickle
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest import mock

from vouch_client import (
    Client,
    SyncClient,
    VouchError,
    _client,
    _connection,
    _program,
    _socket,
    _start,
    _wire,
    absolute,
    default_socket,
    errors,
)

Object = dict[str, Any]
INTRODUCTION = {
    "serverInfo": {"name": "vouchd", "version": "0.1.0"},
    "protocolVersion": "1.0",
    "capabilities": {"methods": []},
}


class Wire(unittest.TestCase):
    def test_requests_are_lines(self) -> None:
        folder = Path("/a/größe")
        line = _wire.line({"path": folder, "annotations": {"x.y/z-1": "a\n\u2028"}})
        self.assertEqual(line.count(b"\n"), 1)
        self.assertEqual(
            json.loads(line), {"path": str(folder), "annotations": {"x.y/z-1": "a\n\u2028"}}
        )
        endless: list[Any] = []
        endless.append(endless)
        for odd in [
            {"a": object()},
            {"a": float("nan")},
            {"a": "\ud800"},
            {"a": endless},
            {"a": "x" * (1 << 20)},
        ]:
            self.assertRaises(errors.ProtocolError, _wire.line, odd)

    def test_replies_are_what_all_readers_take_them_for(self) -> None:
        rows: list[tuple[bytes, object]] = [
            (b"{}", {}),
            (b'{"a":[1,-1,1.5,null,true,"\\u00e9"]}', {"a": [1, -1, 1.5, None, True, "é"]}),
            (b'{"a":1,"a":1}', None),
            (b'{"a":1,"\\u0061":1}', None),
            (b'{"a":NaN}', None),
            (b'{"a":1e999}', None),
            (b"[" * 200_000, None),
            (b"\xff", None),
            (b"", None),
            (b"{} {}", None),
        ]
        for data, expected in rows:
            with self.subTest(data=data[:40]):
                if expected is None:
                    self.assertRaises(ValueError, _wire.read, data)
                else:
                    self.assertEqual(_wire.read(data), expected)

    def test_paths_are_absolute(self) -> None:
        self.assertEqual(absolute("/a/../b"), "/b")
        self.assertEqual(absolute("a"), os.path.join(os.getcwd(), "a"))
        self.assertEqual(absolute(Path("/a b")), "/a b")
        self.assertEqual(absolute(os.fsdecode(b"/a\xff b#")), "file:///a%FF%20b%23")


class Errors(unittest.TestCase):
    def test_an_answered_error_keeps_what_it_says(self) -> None:
        rows: list[tuple[Any, type[VouchError], str, bool, bool]] = [
            ({"code": 1101, "data": {"kind": "unsigned"}}, errors.Unsigned, "unsigned", False, True),
            ({"code": 1101}, errors.Unsigned, "unsigned", False, True),
            ({"code": 1101, "data": "text"}, errors.Unsigned, "unsigned", False, True),
            (
                {"code": 1501, "data": {"kind": "busy", "retryable": True}},
                errors.Busy,
                "busy",
                True,
                False,
            ),
            (
                {"code": 1199, "data": {"kind": "cursed"}},
                errors.SignatureProblem,
                "cursed",
                False,
                True,
            ),
            ({"code": 1299, "data": {"kind": "new"}}, errors.RegistryProblem, "new", False, False),
            (
                {"code": 1004, "data": {"kind": "contentModified"}},
                errors.ArtifactProblem,
                "contentModified",
                False,
                False,
            ),
            ({"code": -1, "data": {"kind": 7}}, errors.RequestProblem, "", False, False),
            ({"code": True}, errors.RequestProblem, "", False, False),
            ("text", errors.RequestProblem, "", False, False),
        ]
        for error, kind, name, retryable, is_refusal in rows:
            got = errors.answered(error)
            self.assertIsInstance(got, kind)
            self.assertEqual((got.kind, got.retryable, got.is_refusal), (name, retryable, is_refusal))
        data = {
            "kind": "unauthorized",
            "help": "Log in.",
            "registry": "ghcr.io",
            "status": 401,
            "more": [1],
        }
        full = errors.answered({"code": 1301, "message": "no", "data": data})
        self.assertEqual(
            (full.help, full.registry, full.status, str(full)), ("Log in.", "ghcr.io", 401, "no")
        )
        self.assertEqual(full.data, data)
        self.assertIsInstance(full, errors.LoginProblem)

    def test_errors_are_copied_whole(self) -> None:
        started = errors.NotStarted(Path("/s"), None, "why", ["words"])
        for error in [errors.answered({"code": 1101, "message": "x"}), started, errors.TimedOut("x")]:
            for other in [copy.copy(error), pickle.loads(pickle.dumps(error))]:
                self.assertIs(type(other), type(error))
                self.assertEqual(str(other), str(error))
                self.assertEqual(other.__dict__, error.__dict__)

    def test_names_of_python_work_too(self) -> None:
        self.assertTrue(issubclass(errors.TimedOut, TimeoutError))
        self.assertTrue(issubclass(errors.NobodyListens, ConnectionError))


class Places(unittest.TestCase):
    def test_the_socket_is_where_the_specification_says(self) -> None:
        own = f"/tmp/vouchd-{os.getuid()}/vouchd.sock"
        rows = [
            ({"VOUCHD_SOCKET": "/s", "XDG_RUNTIME_DIR": "/r"}, "/s"),
            ({"VOUCHD_SOCKET": "", "XDG_RUNTIME_DIR": "/r"}, "/r/vouchd/vouchd.sock"),
            ({"XDG_RUNTIME_DIR": "/r"}, "/r/vouchd/vouchd.sock"),
            # Relative, which is to be ignored.
            ({"XDG_RUNTIME_DIR": "r"}, own),
            ({"XDG_RUNTIME_DIR": ""}, own),
            ({}, own),
        ]
        for variables, expected in rows:
            with mock.patch.dict(os.environ, variables, clear=True):
                self.assertEqual(default_socket(), Path(expected))

    def test_the_program_is_named_or_among_our_scripts_or_on_the_path(self) -> None:
        with tempfile.TemporaryDirectory() as folder:

            def program(name: str, mode: int = 0o755) -> Path:
                path = Path(folder, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text("")
                path.chmod(mode)
                return path

            own, first, other = program("own/vouchd"), program("a/vouchd"), program("b/other")
            program("text/vouchd", 0o644)
            Path(folder, "folder/vouchd").mkdir(parents=True)
            path = ":".join(["relative", *(f"{folder}/{it}" for it in ["text", "folder", "a", "b"])])
            rows: list[tuple[str | None, str | None, str | None, Path | str]] = [
                ("/any/where", str(own.parent), path, Path("/any/where")),
                ("some/vouchd", None, None, Path(os.getcwd(), "some/vouchd")),
                ("other", str(own.parent), path, other),
                ("absent", str(own.parent), path, "VOUCHD names absent"),
                ("", str(own.parent), path, own),
                (None, str(own.parent), path, own),
                (None, f"{folder}/b", path, first),
                (None, f"{folder}/text", path, first),
                (None, None, path, first),
                (None, f"{folder}/b", None, "no program named vouchd"),
                (None, None, "", "no program named vouchd"),
            ]
            for named, scripts, search, expected in rows:
                if isinstance(expected, Path):
                    self.assertEqual(_program.found(named, scripts, search), expected)
                else:
                    with self.assertRaisesRegex(_program.NoProgram, expected):
                        _program.found(named, scripts, search)

    def test_only_our_own_service_or_root_s_is_trusted(self) -> None:
        for owner, own, expected in [
            (1000, 1000, True),
            (0, 1000, True),
            (1001, 1000, False),
            (1000, 0, False),
        ]:
            self.assertEqual(_socket._is_trusted(owner, own), expected)

    def test_last_words_are_bounded(self) -> None:
        self.assertEqual(
            _start.last_lines(b"vouchd: x\n\nhelp: y\n\xff"), ["vouchd: x", "help: y", "\ufffd"]
        )
        many = "".join(f"{number}\n" for number in range(100)).encode()
        self.assertEqual(_start.last_lines(many), [str(number) for number in range(90, 100)])
        self.assertEqual(len(_start.last_bytes(bytearray(100_000))), 4096)


class Finding(unittest.IsolatedAsyncioTestCase):
    async def test_only_a_socket_that_was_left_behind_counts_as_nobody(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "socket")
            self.assertIsNone(await _socket.find(path))
            self.assertIsNone(await _socket.find(Path(folder, "absent/socket")))
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
                listener.listen()
                found = await _socket.find(path)
                assert found is not None
                found.close()
            self.assertIsNone(await _socket.find(path))
            with mock.patch("os.geteuid", return_value=os.geteuid() + 1):
                with self.assertRaisesRegex(errors.ForeignService, "left by another user"):
                    await _socket.find(path)
            link, file = Path(folder, "link"), Path(folder, "file")
            link.symlink_to(path)
            file.write_text("")
            for odd in [link, file]:
                with self.assertRaisesRegex(errors.ConnectionFailed, "not a socket"):
                    await _socket.find(odd)
            for odd in [file / "socket", Path(folder, "x" * 200)]:
                with self.assertRaises(errors.ConnectionFailed):
                    await _socket.find(odd)

    async def test_nothing_is_sent_to_others(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            heard: list[bytes] = []

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                heard.append(await reader.read())
                writer.close()

            path = Path(folder, "socket")
            async with await asyncio.start_unix_server(serve, path):
                with mock.patch("vouch_client._socket._peer", return_value=os.geteuid() + 1):
                    with self.assertRaisesRegex(errors.ForeignService, "another user"):
                        await Client(path).open()
                await asyncio.sleep(0.05)
            self.assertEqual(b"".join(heard), b"")

    async def test_a_full_queue_is_waited_for(self) -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            path = Path(folder, "socket")
            listener.bind(str(path))
            listener.listen(0)
            held = [await _socket.find(path)]
            waiting = asyncio.ensure_future(_socket.find(path))
            await asyncio.sleep(0.05)
            self.assertFalse(waiting.done())
            held.append(listener.accept()[0])
            held.append(await asyncio.wait_for(waiting, 5))
            for one in held:
                assert one is not None
                one.close()


Answer = Callable[["Peer", Object], Awaitable[None]]


class Peer:
    """A connection to a service of a test's own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, message: Object) -> None:
        self.writer.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def result(self, request: Object, result: Any) -> None:
        self.send({"id": request["id"], "result": result})

    def error(self, request: Object | None, code: int, kind: str) -> None:
        data = {"kind": kind, "retryable": True}
        error = {"code": code, "message": f"it is {kind}", "data": data}
        self.send({"id": request and request["id"], "error": error})


class Calls(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "socket")
        self.heard: list[Object] = []
        self.connections = 0
        self.peers: list[Peer] = []
        self.answer: Answer = self.nothing
        self.server = await asyncio.start_unix_server(self.serve, self.path)
        self.addCleanup(self.server.close)

    async def nothing(self, peer: Peer, request: Object) -> None:
        pass

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        peer = Peer(reader, writer)
        self.peers.append(peer)
        while line := await reader.readline():
            request = json.loads(line)
            self.heard.append(request)
            if request["method"] == "initialize":
                peer.result(request, INTRODUCTION)
            elif request["method"] == "shutdown":
                peer.result(request, None)
            elif request["method"] == "exit":
                break
            else:
                await self.answer(peer, request)
        writer.close()

    def client(self) -> Client:
        return Client(self.path, start=False, name="test", version=None)

    def asked(self, method: str) -> list[Object]:
        return [it for it in self.heard if it["method"] == method]

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(0.005)

    async def test_calls_run_side_by_side(self) -> None:
        waiting: list[Object] = []

        async def answer(peer: Peer, request: Object) -> None:
            waiting.append(request)
            if len(waiting) == 10:
                for one in reversed(waiting):
                    peer.result(one, one["params"]["number"])

        self.answer = answer
        async with self.client() as client:
            results = await asyncio.gather(
                *(client.call("x", {"number": number}) for number in range(10))
            )
        self.assertEqual(results, list(range(10)))
        self.assertEqual(len({it["id"] for it in waiting}), 10)
        first = self.heard[0]["params"]
        self.assertEqual(first, {"clientInfo": {"name": "test"}, "protocolVersion": "1.0"})
        self.assertEqual([it["method"] for it in self.heard[-2:]], ["shutdown", "exit"])

    async def test_no_more_are_under_way_than_may_be(self) -> None:
        held: list[tuple[Peer, Object]] = []

        async def answer(peer: Peer, request: Object) -> None:
            held.append((peer, request))

        self.answer = answer
        async with self.client() as client:
            calls = asyncio.gather(*(client.call("x") for _ in range(100)))
            await self.until(lambda: len(held) == 64)
            await asyncio.sleep(0.05)
            self.assertEqual(len(held), 64)
            while not calls.done():
                while held:
                    peer, request = held.pop()
                    peer.result(request, None)
                await asyncio.sleep(0.005)

    async def test_a_cancelled_task_cancels_its_call(self) -> None:
        async with self.client() as client:
            task = asyncio.ensure_future(client.push("/a", "r"))
            await self.until(lambda: len(self.asked("push")) == 1)
            task.cancel()
            await self.until(lambda: len(self.asked("$/cancelRequest")) == 1)
            self.assertTrue(task.cancelled())
            cancelled = self.asked("$/cancelRequest")[0]["params"]
            self.assertEqual(cancelled, {"id": self.asked("push")[0]["id"]})
            # Its answer, which comes all the same, is nobody's.
            self.peers[0].error(self.asked("push")[0], -32800, "cancelled")
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(client.call("x"), 0.02)
            await self.until(lambda: len(self.asked("$/cancelRequest")) == 2)

    async def test_progress_comes_in_its_order(self) -> None:
        async def answer(peer: Peer, request: Object) -> None:
            token = request["params"]["workDoneToken"]

            def report(value: Object, of: Any = token) -> None:
                peer.send({"method": "$/progress", "params": {"token": of, "value": value}})

            report({"kind": "begin", "title": "Pushing", "cancellable": True, "bytes": 0})
            report({"kind": "daydream"})
            report({"kind": "report", "bytes": 1}, "another's")
            for number in range(50):
                report({"kind": "report", "bytes": number})
            peer.send({"method": "$/later", "params": [1]})
            peer.send({"method": "$/progress", "params": None})
            report({"kind": "end", "message": "done"})
            peer.result(request, {"digest": "x", "later": {"of": [1]}})

        self.answer = answer
        async with self.client() as client:
            call = client.push_with_progress("/a", "r")
            seen = [progress async for progress in call]
            self.assertEqual(await call, {"digest": "x", "later": {"of": [1]}})
            self.assertEqual(await call, {"digest": "x", "later": {"of": [1]}})
            kinds = [it["kind"] for it in seen]
            self.assertEqual((kinds[0], kinds[-1]), ("begin", "end"))
            self.assertEqual(set(kinds[1:-1]), {"report"})
            self.assertEqual(seen[-2], {"kind": "report", "bytes": 49})
            self.assertEqual(client._calls, {})

    async def test_a_call_that_is_given_up_is_answered(self) -> None:
        async def answer(peer: Peer, request: Object) -> None:
            if request["method"] == "$/cancelRequest":
                self.assertEqual(request["params"]["id"], self.asked("push")[-1]["id"])
                peer.error(self.asked("push")[-1], -32800, "cancelled")

        self.answer = answer
        async with self.client() as client:
            for early in [True, False]:
                call = client.push_with_progress("/a", "r")
                if early:
                    call.cancel()
                waiting = asyncio.ensure_future(call.__anext__())
                await self.until(lambda: bool(self.asked("push")))
                if not early:
                    call.cancel()
                with self.assertRaises(StopAsyncIteration):
                    await waiting
                with self.assertRaises(errors.Cancelled):
                    await call

    async def test_what_was_not_given_is_absent_and_names_are_kept(self) -> None:
        async def answer(peer: Peer, request: Object) -> None:
            peer.result(request, None)

        self.answer = answer
        annotations = {"org.example/a-b": "1", "class": "2", "camelCase": "3", "größe": "\U0001f980"}
        async with self.client() as client:
            await client.push(Path("/a"), "r", annotations=annotations, allow_latest=False)
            await client.server_status()
        pushed, status = self.asked("push")[0], self.asked("server/status")[0]
        expected = {"path": "/a", "reference": "r", "annotations": annotations, "allowLatest": False}
        self.assertEqual(pushed["params"], expected)
        self.assertEqual(status["params"], {})

    async def test_busy_and_ending_services_are_asked_once_more(self) -> None:
        async def answer(peer: Peer, request: Object) -> None:
            if request["method"] == "twice" and len(self.asked("twice")) == 2:
                peer.result(request, "done")
            elif request["method"] == "ending":
                peer.error(request, 1502, "shuttingDown")
            else:
                peer.error(request, 1501, "busy")

        self.answer = answer
        with mock.patch.object(_client, "BUSY_PAUSE", 0.01):
            async with self.client() as client:
                self.assertEqual(await client.call("twice"), "done")
                with self.assertRaises(errors.Busy):
                    await client.call("busy")
                self.assertEqual((len(self.asked("busy")), self.connections), (2, 1))
                with self.assertRaises(errors.ShuttingDown):
                    await client.call("ending")
        self.assertEqual(len(self.asked("ending")), 1 + _client.REPLACEMENTS)

    async def test_what_may_have_been_done_is_not_repeated(self) -> None:
        async def answer(peer: Peer, request: Object) -> None:
            if request["method"] == "push":
                peer.writer.close()
            else:
                peer.result(request, 1)

        self.answer = answer
        async with self.client() as client:
            for count in [1, 2]:
                with self.assertRaises(errors.ConnectionFailed) as failed:
                    await client.push("/a", "r")
                self.assertNotIsInstance(failed.exception, errors.NotSent)
                self.assertEqual(len(self.asked("push")), count)
                self.assertEqual(await client.call("x"), 1)
            self.server.close()
            self.peers[-1].writer.close()
            self.path.unlink(missing_ok=True)
            await asyncio.sleep(0.02)
            for _ in range(2):
                with self.assertRaises(errors.NotSent):
                    await client.call("x")

    async def test_a_service_that_reads_no_more_still_answers(self) -> None:
        ours, its = socket.socketpair()
        with its:
            connection = _connection.Connection(ours, ours, lambda token, value: None)
            first = asyncio.ensure_future(connection.request("first", None))
            await asyncio.sleep(0.02)
            its.shutdown(socket.SHUT_RD)
            for _ in range(2):
                with self.assertRaises(errors.NotSent):
                    await connection.request("second", None)
            its.sendall(b'{"jsonrpc":"2.0","id":0,"result":"done"}\n')
            self.assertEqual(await first, "done")
            connection.close()
            await connection.finished()

    async def test_one_that_reads_nothing_is_not_waited_for(self) -> None:
        ours, its = socket.socketpair()
        with its, mock.patch.object(_connection, "SEND_TIMEOUT", 0.05):
            connection = _connection.Connection(ours, ours, lambda token, value: None)
            calls = [connection.request("x", {"a": "x" * 500_000}) for _ in range(4)]
            ended = await asyncio.gather(*calls, return_exceptions=True)
            self.assertIsInstance(ended[0], errors.TimedOut)
            self.assertIsInstance(ended[3], errors.NotSent)
            await connection.finished()

    async def test_replies_that_break_the_protocol(self) -> None:
        rows: list[tuple[bytes, type[VouchError]]] = [
            (b"x\n", errors.ProtocolError),
            (b"[]\n", errors.ProtocolError),
            (b'{"id":0}\n', errors.ProtocolError),
            (b'{"id":0,"result":{"a":1,"a":2}}\n', errors.ProtocolError),
            (b" " * (_wire.LONGEST_REPLY + 1), errors.ProtocolError),
            (
                b'{"id":null,"error":{"code":1501,"message":"full","data":{"kind":"busy"}}}\n',
                errors.Busy,
            ),
            (b'{"id":', errors.ConnectionFailed),
            (b"", errors.ConnectionFailed),
        ]
        for reply, expected in rows:
            ours, its = socket.socketpair()
            connection = _connection.Connection(ours, ours, lambda token, value: None)
            call = asyncio.ensure_future(connection.request("x", None))
            await asyncio.sleep(0.01)

            def reply_and_close(its: socket.socket = its, reply: bytes = reply) -> None:
                try:
                    its.sendall(reply)
                except OSError:
                    pass
                its.close()

            await asyncio.to_thread(reply_and_close)
            with self.subTest(reply=reply[:60]), self.assertRaises(expected):
                await call
            connection.close()
            await connection.finished()

    async def test_an_error_of_nobody_knows_which_call_fails_all(self) -> None:
        ours, its = socket.socketpair()
        with its:
            connection = _connection.Connection(ours, ours, lambda token, value: None)
            calls = [asyncio.ensure_future(connection.request("x", None)) for _ in range(2)]
            await asyncio.sleep(0.01)
            its.sendall(b'\n{"id":9,"result":1}\n{"id":"0","result":1}\n')
            its.sendall(
                b'{"id":null,"error":{"code":1501,"message":"which?","data":{"kind":"busy"}}}\n'
            )
            for ended in await asyncio.gather(*calls, return_exceptions=True):
                self.assertIsInstance(ended, errors.ProtocolError)
                self.assertEqual(str(ended), "which?")
            await connection.finished()

    async def test_a_client_that_is_not_connected_says_so(self) -> None:
        client = self.client()
        with self.assertRaisesRegex(errors.ConnectionFailed, "not connected"):
            await client.call("x")
        async with client:
            await client.open()
        await client.close()
        with self.assertRaises(errors.ConnectionFailed):
            await client.call("x")
        absent = Client(self.path.with_name("absent"), start=False)
        with self.assertRaises(errors.NobodyListens):
            await absent.open()

    async def test_what_is_under_way_is_finished_first(self) -> None:
        async def answer(peer: Peer, request: Object) -> None:
            asyncio.get_running_loop().call_later(0.05, peer.result, request, "done")

        self.answer = answer
        client = self.client()
        await client.open()
        calls = [asyncio.ensure_future(client.call("x")) for _ in range(3)]
        await self.until(lambda: len(self.asked("x")) == 3)
        await client.close()
        self.assertEqual(await asyncio.gather(*calls), ["done"] * 3)

    async def test_one_that_does_not_end_is_left(self) -> None:
        with mock.patch.object(_client, "GRACE", 0.05):
            async with self.client() as client:
                async with self.client() as other:
                    task = asyncio.ensure_future(other.call("x"))
                    await self.until(lambda: bool(self.asked("x")))
                    raise_ended = asyncio.ensure_future(other.close())
                    await raise_ended
                    with self.assertRaises(errors.ConnectionFailed):
                        await task
                self.assertEqual(client.server, INTRODUCTION)


class Sync(unittest.TestCase):
    """The same without asyncio, against a script that answers on its standard input and output."""

    SCRIPT = textwrap.dedent(
        """
        import json, sys
        for line in sys.stdin:
            request = json.loads(line)
            def send(**message): print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
            method, params = request["method"], request.get("params")
            if method == "exit":
                sys.exit(0)
            if method == "$/cancelRequest":
                error = {"code": -32800, "message": "", "data": {"kind": "cancelled"}}
                send(id=params["id"], error=error)
            elif method == "verify":
                if "workDoneToken" in params:
                    value = {"kind": "end", "message": "done"}
                    send(method="$/progress", params={"token": params["workDoneToken"], "value": value})
                if params["path"] != "/hang":
                    send(id=request["id"], result={"verdict": params["path"]})
            elif "id" in request:
                send(id=request["id"], result={"serverInfo": {"name": "script"}})
        """
    )

    def client(self) -> SyncClient:
        return SyncClient.spawn(sys.executable, "-c", self.SCRIPT)

    def test_it_waits_for_results(self) -> None:
        with self.client() as client:
            self.assertEqual(client.server["serverInfo"]["name"], "script")
            self.assertEqual(client.verify(path="/a"), {"verdict": "/a"})
            self.assertEqual(client.call("verify", {"path": "/c"}), {"verdict": "/c"})
            call = client.verify_with_progress(path="/b")
            self.assertEqual([it["kind"] for it in call], ["end"])
            self.assertEqual(call.result(), {"verdict": "/b"})
            call = client.verify_with_progress(path="/hang")
            call.cancel()
            self.assertRaises(errors.Cancelled, call.result)
            results: list[str] = []
            threads = [
                threading.Thread(
                    target=lambda n=n: results.append(client.verify(path=f"/{n}")["verdict"])
                )
                for n in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sorted(results), [f"/{n}" for n in range(8)])
        with self.assertRaises(errors.ConnectionFailed):
            client.verify(path="/a")

    def test_what_fails_inside_ends_it_at_once(self) -> None:
        with self.assertRaises(ZeroDivisionError), self.client() as client:
            call = client.verify_with_progress(path="/hang")
            self.assertEqual(next(iter(call))["kind"], "end")
            raise ZeroDivisionError
        client.close()

    def test_one_that_cannot_be_run(self) -> None:
        for command in [["/absent/vouchd"], [sys.executable, "-c", ""]]:
            with self.assertRaises(errors.ConnectionFailed):
                SyncClient.spawn(*command, stderr=subprocess.DEVNULL).open()
        self.assertNotIn("vouch-client", [thread.name for thread in threading.enumerate()])


class Starting(unittest.IsolatedAsyncioTestCase):
    def script(self, text: str) -> Path:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name, "vouchd")
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    async def fails(self, program: Path, patience: float = 5) -> errors.NotStarted:
        with self.assertRaises(errors.NotStarted) as failed:
            await Client(program.with_name("socket"), program=program, patience=patience).open()
        return failed.exception

    async def test_services_that_do_not_start(self) -> None:
        failed = await self.fails(self.script("echo 'vouchd: no' >&2; exit 3"))
        self.assertEqual(failed.last_words, ["vouchd: no"])
        self.assertIn("exit code 3", failed.message)
        failed = await self.fails(self.script("echo slow >&2; exec sleep 5"), 0.3)
        self.assertIn("did not answer within 0.3 s", failed.message)
        self.assertEqual(failed.last_words, ["slow"])
        failed = await self.fails(self.script("exit 75"), 0.5)
        self.assertIn("another process holds its lock", failed.message)
        failed = await self.fails(self.script("kill -9 $$"))
        self.assertIn("signal 9", failed.message)
        failed = await self.fails(Path("/absent/vouchd"))
        self.assertIsNone(failed.program)

    async def test_what_is_passed_on(self) -> None:
        told = dict.fromkeys(_start.NOT_PASSED_ON, "1") | {"VOUCH_MARK": "yes"}
        with mock.patch.dict(os.environ, told):
            failed = await self.fails(
                self.script(
                    'env | grep -E "^(VOUCH|SSH_AUTH|LISTEN|NOTIFY|WATCH)" >&2; echo "$@" >&2; exit 1'
                )
            )
        self.assertIn("VOUCH_MARK=yes", failed.last_words)
        self.assertEqual(failed.last_words[-1], f"serve --detach --socket {failed.socket}")
        for name in _start.NOT_PASSED_ON:
            self.assertNotIn(f"{name}=1", failed.last_words)


if __name__ == "__main__":
    unittest.main()
