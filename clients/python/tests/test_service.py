"""The command, the example and the README, against the built service."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from keys import Key

from vouch_client import Client, SyncClient, errors, is_accepted, is_refused
from vouch_client.signing import SigningError, SigningInput, sign

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
SERVICE = os.environ.get("VOUCHD") or str(ROOT / "target" / "debug" / "vouchd")


@unittest.skipUnless(os.access(SERVICE, os.X_OK), "the service is not built")
class Ground(unittest.TestCase):
    """A folder with samples, and a service with a home of its own."""

    folder: Path
    socket: Path
    environment: dict[str, str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp())
        home = cls.folder / "home"
        home.mkdir()
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("XDG", "VOUCH"))
        }
        cls.environment = kept | {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "VOUCHD": SERVICE,
            "PATH": f"{Path(SERVICE).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{HERE / 'src'}",
        }
        cls.socket = home / "vouchd" / "vouchd.sock"
        command = [SERVICE, "serve", "--detach", "--socket", str(cls.socket)]
        subprocess.run(command, env=cls.environment, check=True, capture_output=True, timeout=120)
        demo = [SERVICE, "demo", "--keep", "samples"]
        subprocess.run(
            demo, env=cls.environment, cwd=cls.folder, check=True, capture_output=True, timeout=120
        )

    @classmethod
    def tearDownClass(cls) -> None:
        with SyncClient(cls.socket, start=False) as client:
            client.server_stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def run_python(
        self, *words: str, python: str = sys.executable, **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, *words],
            cwd=self.folder,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


class Service(Ground):
    def verify(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run_python("-m", "vouch_client", "verify", *words)

    def test_the_command_ends_as_vouch_does(self) -> None:
        rows = [
            (["samples/adder.wasm"], 0, "accepted  samples/adder.wasm\n  signed by     token:A", ""),
            (["samples/unsigned.wasm"], 1, "is not signed", ""),
            (["samples/adder.wasm", "samples/forged.wasm"], 1, "refused   ", ""),
            (["samples/forged.wasm", "absent\x1b[2J.wasm"], 1, "refused   ", "absent\\x1b[2J.wasm"),
            (["samples/adder.wasm", "absent.wasm"], 2, "accepted  ", "absent.wasm"),
            (["--reference", "not a reference"], 2, "", "help: "),
            (["--signer", "nobody", "samples/adder.wasm"], 2, "", "nobody"),
            ([], 64, "", "nothing to verify"),
            ([""], 64, "", "cannot be empty"),
            (["--bogus", "a"], 64, "", "unrecognized"),
            (["--no-spawn", "--socket", "absent", "a"], 2, "", "no service listens"),
            (["--help"], 0, "exit status:", ""),
        ]
        for words, code, out, err in rows:
            with self.subTest(words=words):
                ended = self.verify(*words)
                self.assertEqual(ended.returncode, code, ended.stderr)
                self.assertIn(out, ended.stdout)
                self.assertIn(err, ended.stderr)
                self.assertNotIn("Traceback", ended.stderr)
                self.assertNotIn("\x1b", ended.stdout + ended.stderr)
        lines = self.verify("--json", "samples/adder.wasm", "samples/forged.wasm").stdout.splitlines()
        self.assertEqual([json.loads(line)["verdict"] for line in lines], ["accepted", "refused"])
        words = ["-m", "vouch_client", "verify", "--socket", "absent", "a"]
        ended = self.run_python(*words, VOUCH_NO_SPAWN="1")
        self.assertIn("no service listens", ended.stderr)
        self.assertEqual(self.run_python("-m", "vouch_client").returncode, 64)
        self.assertEqual(self.run_python("-m", "vouch_client", "--help").returncode, 0)

    def test_nobody_reads_on(self) -> None:
        script = f"{sys.executable} -m vouch_client verify samples/adder.wasm 2>&1 | true"
        ended = subprocess.run(
            ["bash", "-c", f"{script}; exit ${{PIPESTATUS[0]}}"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertIn(ended.returncode, (0, 2))
        self.assertEqual(ended.stderr, "")

    def test_a_plugin_host_gets_a_digest_and_a_file(self) -> None:
        layout = f"oci:{self.folder}/layout"
        with SyncClient(self.socket, start=False) as client:
            annotations = {"org.example/class-1": "größe", "class": "x"}
            sample = self.folder / "samples" / "adder.wasm"
            pushed = client.push(sample, f"{layout}:1", annotations=annotations)
            verification = pushed["verification"]
            assert is_accepted(verification)
            manifest = client.inspect(reference=f"{layout}:1").get("manifest")
            assert manifest is not None
            found = manifest.get("annotations") or {}
            self.assertEqual({name: found.get(name) for name in annotations}, annotations)

        def host(*words: str) -> subprocess.CompletedProcess[str]:
            return self.run_python(
                str(HERE / "examples" / "plugin_host.py"), "--cache", "cache", *words
            )

        for _ in range(2):
            ended = host(f"{layout}:1")
            self.assertEqual(ended.returncode, 0, ended.stderr)
            digest, file = ended.stdout.split()
            self.assertEqual(digest, verification["artifact"]["digest"])
            self.assertEqual(Path(file).read_bytes(), sample.read_bytes())
            # What somebody puts in its place is not loaded.
            Path(file).write_bytes(b"\0asm")
        self.assertEqual(host(f"{layout}:2").returncode, 2)
        signer = Key(bytes(32)).account
        ended = host(f"{layout}:1", "--signer", signer)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("not loaded: ", ended.stderr)

    def test_files_are_signed_with_a_callback(self) -> None:
        key, other = Key(bytes([7] * 32)), Key(bytes([8] * 32))
        path = self.folder / "signed.wasm"
        shutil.copy(self.folder / "samples" / "unsigned.wasm", path)
        shown: list[str | None] = []

        async def signer(signing: SigningInput) -> bytes:
            shown.append(signing.claims.get("name"))
            return key.sign(signing.data)

        async def signed() -> None:
            async with Client(self.socket, start=False) as client:
                done = await sign(client, path, key.account, signer, name="größe", capabilities=["a:b"])
                self.assertEqual(done["claims"]["capabilities"], ["a:b"])
                # The same account's, by an agent that is no function.
                await sign(
                    client, path, key.account, lambda it: key.sign(it.data), expires=4_000_000_000
                )
                with self.assertRaises(SigningError) as refused:
                    await sign(client, path, other.account, lambda it: other.sign(it.data))
                self.assertEqual(refused.exception.kind, "replacesAnother")
                with self.assertRaises(SigningError) as refused:
                    await sign(client, path, key.account, lambda it: other.sign(it.data))
                self.assertEqual(refused.exception.kind, "keyUnusable")
                verified = await client.verify(path=path)
                assert is_accepted(verified)
                claims = verified.get("claims")
                assert claims is not None
                self.assertEqual((claims["issuer"], claims.get("name")), (key.account, "größe"))
                moved = await sign(
                    client,
                    path,
                    other.account,
                    lambda it: other.sign(it.data),
                    replace=True,
                    destination=path.with_name("moved.wasm"),
                )
                self.assertEqual(moved["claims"]["capabilities"], [])
                with self.assertRaises((SigningError, errors.FileNotFound)):
                    await sign(client, path.with_name("absent"), key.account, signer)

        asyncio.run(signed())
        self.assertEqual(shown, ["größe"])

    def test_a_replaced_service_is_followed(self) -> None:
        with SyncClient(self.socket, start=False, name="test") as client:
            before = client.server_status()["processId"]
            after = client.server_restart()["processId"]
            self.assertNotEqual(before, after)
            self.assertEqual(client.server_status()["processId"], after)

    def test_one_of_its_own_and_one_that_is_led_to(self) -> None:
        commands = [[SERVICE, "--stdio"]]
        known = subprocess.run(
            [SERVICE, "connect", "--help"], capture_output=True, check=False, timeout=60
        )
        if known.returncode == 0:
            commands.append([SERVICE, "connect", "--socket", str(self.socket)])
        for command in commands:
            with SyncClient.spawn(*command, stderr=subprocess.DEVNULL) as client:
                verified = client.verify(path=self.folder / "samples" / "unsigned.wasm")
                assert is_refused(verified)
                self.assertEqual(verified["refusal"]["kind"], "unsigned")
                own = client.server_status()["processId"]
            self.assertEqual(os.path.exists(f"/proc/{own}"), command[1] == "connect")

    def test_a_service_is_started_where_none_runs(self) -> None:
        socket = self.folder / "other"

        async def both() -> set[int]:
            def one() -> Client:
                return Client(socket, program=SERVICE, patience=120)

            async with one() as first, one() as second:
                statuses = await asyncio.gather(first.server_status(), second.server_status())
                await first.server_stop()
            return {status["processId"] for status in statuses}

        self.assertEqual(len(asyncio.run(both())), 1)


@unittest.skipUnless(os.environ.get("VOUCH_README"), "it installs a package: `check` runs it")
class Readme(Ground):
    def test_the_first_minute_is_as_it_is_written(self) -> None:
        page = (HERE / "README.md").read_text(encoding="utf-8")
        _, _, chapter = page.partition("## The first minute\n")
        chapter, _, _ = chapter.partition("\n## ")
        shell, program, last = re.findall(r"```\w+\n(.*?)```", chapter, re.DOTALL)
        (self.folder / "clients").symlink_to(ROOT / "clients")
        (self.folder / "first.py").write_text(program, encoding="utf-8")
        shutil.rmtree(self.folder / "samples")
        minute = subprocess.run(
            ["sh", "-ec", f"{shell}\n{last}"],
            cwd=self.folder,
            env={
                name: value
                for name, value in self.environment.items()
                if name not in ("PYTHONPATH", "VOUCHD")
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        self.assertEqual(minute.returncode, 0, minute.stderr + minute.stdout)
        self.assertIn("accepted  samples/adder.wasm\n", minute.stdout)
        self.assertIn("signed by token:A", minute.stdout)
        self.assertIn("\nunsigned\nUnsigned ", minute.stdout)


if __name__ == "__main__":
    unittest.main()
