"""What is generated is what the protocol says; and what stands in two places is the same."""

from __future__ import annotations

import inspect
import json
import re
import typing
import unittest
from pathlib import Path

import generate

from vouch_client import Client, SyncClient, __version__, errors, protocol

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent


@unittest.skipUnless(generate.DOCUMENT.exists(), "outside of the repository")
class Generated(unittest.TestCase):
    def setUp(self) -> None:
        self.document = json.loads(generate.DOCUMENT.read_text(encoding="utf-8"))

    def test_the_generated_files_are_fresh(self) -> None:
        self.assertEqual(generate.stale(self.document), [], "run generate.py")

    def test_every_method_is_one_of_both_clients(self) -> None:
        for method in self.document["methods"]:
            if method["name"] in generate.OWN:
                continue
            name = generate.snake(method["name"])
            for client in (Client, SyncClient):
                self.assertTrue(callable(getattr(client, name)), name)
            parameters = set(inspect.signature(getattr(Client, name)).parameters) - {"self"}
            wire = {generate.snake(param["name"]) for param in method["params"]}
            self.assertEqual(parameters, wire - {"work_done_token"}, name)

    def test_every_kind_of_error_has_a_class(self) -> None:
        for kind, error in self.document["components"]["errors"].items():
            raised = errors.answered({"code": error["code"], "message": "", "data": error["data"]})
            self.assertIs(type(raised), errors.BY_KIND[kind])
            self.assertEqual(raised.retryable, error["data"]["retryable"])
            self.assertEqual(raised.is_refusal, error["data"].get("x-refusal", False))

    def test_the_version_is_the_service_s(self) -> None:
        text = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
        found = re.search(r'^version = "(.*)"$', text, re.MULTILINE)
        assert found is not None
        self.assertEqual(__version__, found[1])
        self.assertEqual((HERE / "LICENSE").read_bytes(), (ROOT / "LICENSE").read_bytes())


class Types(unittest.TestCase):
    def test_types_can_be_read_at_run_time(self) -> None:
        for name in protocol.__all__:
            kind = getattr(protocol, name)
            if isinstance(kind, type) and not name.startswith("is_"):
                typing.get_type_hints(kind)

    def test_what_is_not_known_is_neither_accepted_nor_refused(self) -> None:
        later = typing.cast("protocol.VerifyResult", {"verdict": "perhaps"})
        self.assertFalse(protocol.is_accepted(later) or protocol.is_refused(later))


if __name__ == "__main__":
    unittest.main()
