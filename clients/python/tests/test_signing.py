"""What is signed, and what is not: a service that lies, and files that nobody can make sense of."""

from __future__ import annotations

import asyncio
import base64
import copy
import gzip
import hashlib
import json
import os
import struct
import tempfile
import unittest
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from keys import Key

from vouch_client.protocol import SignPrepareParams, SignPrepareResult
from vouch_client.signing import (
    Agent,
    Covered,
    SigningError,
    SigningInput,
    _agent,
    _covered,
    _ed25519,
    _nkey,
    _subject,
    account_key,
    account_of,
)

NOW = 1_800_000_000
HEADER = '{"typ":"jwt","alg":"Ed25519"}'
FILE = b"\0asm\x01\0\0\0"
HASH = "93A44BBB96C751218E4C00D479E4C14358122A389ACCA16205B1E4D0DC5F9476"
ANN, BOB = Key(bytes([1] * 32)), Key(bytes([2] * 32))
NOBODY = Key(bytes([9] * 32))
MODULE, SERVICE = _nkey.encode(_nkey.MODULE, NOBODY.public), _nkey.encode(_nkey.SERVICE, NOBODY.public)

Object = dict[str, Any]


def of(data: bytes) -> Covered:
    pieces = iter([data[at : at + 7] for at in range(0, len(data), 7)] if len(data) < 9000 else [data])
    return Covered.of(_covered._Bounded(lambda: next(pieces, b""), None))


def header(name: bytes, size: int, kind: bytes = b"0", more: bytes = b"ustar\x0000") -> bytearray:
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = b"%011o\0" % size
    block[156:157] = kind
    block[257:265] = more
    return summed(block)


def summed(block: bytearray) -> bytearray:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return block


def tar(*entries: tuple[str, bytes]) -> bytes:
    parts = [
        bytes(header(name.encode(), len(data))) + data + bytes(-len(data) % 512)
        for name, data in entries
    ]
    return b"".join(parts) + bytes(1024)


def section(kind: int, data: bytes) -> bytes:
    size, length = b"", len(data)
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([kind]) + size + bytes([length]) + data


def custom(name: str, data: bytes) -> bytes:
    return section(0, bytes([len(name)]) + name.encode() + data)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def parts(head: str, payload: str) -> str:
    return f"{encoded(head.encode())}.{encoded(payload.encode('utf-8', 'surrogatepass'))}"


def text_of(claims: Object) -> str:
    return parts(HEADER, json.dumps(claims))


def token(key: Key, claims: Object) -> str:
    signed = text_of(claims)
    return f"{signed}.{encoded(key.sign(signed.encode()))}"


def derived(archive: bool, name: str, key: Key = ANN) -> str:
    return _subject.derived(archive, key.public, name)


def wasm(**changes: Any) -> Object:
    return changed(
        {
            "jti": "x",
            "iat": NOW,
            "iss": ANN.account,
            "sub": derived(False, "echo"),
            "wascap": {"name": "echo", "hash": HASH, "prov": False},
            "wascap_revision": 3,
        },
        changes,
    )


def archive(**changes: Any) -> Object:
    entries = {"x86_64-linux": HASH, "world.wasm": HASH}
    claims = wasm(sub=derived(True, "http"), wascap={"hash": None, "prov": None, "name": "http"})
    claims["wascap"] |= {"vendor": "acme", "target_hashes": entries}
    return changed(claims, changes)


def changed(claims: Object, changes: Object) -> Object:
    """Claims with other members: None takes one away; those of `wascap` are merged."""
    claims = copy.deepcopy(claims)
    for name, value in changes.items():
        if value is None:
            claims.pop(name, None)
        elif name == "wascap" and isinstance(value, dict):
            claims[name] = changed(claims[name], value)
        else:
            claims[name] = value
    return claims


def file_of(claims: Object) -> Covered:
    wascap = claims.get("wascap")
    if isinstance(wascap, dict) and isinstance(wascap.get("target_hashes"), dict):
        return of(tar(("x86_64-linux.bin", FILE), ("world.wasm", FILE)))
    return of(FILE)


def asked(**more: Any) -> SignPrepareParams:
    return cast("SignPrepareParams", {"path": "/a/echo.wasm", "account": ANN.account, **more})


def answer(text: str, old: str | None = None) -> SignPrepareResult:
    # What it says of it is not looked at.
    said: Object = {"signingInput": text, "claims": {"name": "something else"}}
    if old is not None:
        said["replaces"] = {"token": old}
    return cast("SignPrepareResult", said)


def checked(
    params: SignPrepareParams, claims: Object, old: str | None = None, file: Covered | None = None
) -> SigningInput:
    return SigningInput.check(answer(text_of(claims), old), params, file or file_of(claims), NOW)


# All that can be asked for, and an answer to it.
ALL = asked(
    name="echo",
    version="1.0.0",
    revision=-1,
    tags=["a", "b"],
    capabilities=["wasmcloud:httpserver"],
    subject=MODULE,
    notBefore=NOW - 1,
    expires=NOW + 1,
)
ANSWER = wasm(
    sub=MODULE,
    nbf=NOW - 1,
    exp=NOW + 1,
    wascap={"ver": "1.0.0", "rev": -1, "tags": ["a", "b"], "caps": ["wasmcloud:httpserver"]},
)
OLD = {
    "name": "old",
    "ver": "0.1",
    "rev": 7,
    "tags": ["a", "b"],
    "call_alias": "e",
    "caps": ["wasmcloud:httpserver", "wasmcloud:keyvalue"],
}


def before(key: Key = ANN, **changes: Any) -> Object:
    """What stood in a file before."""
    claims = wasm(
        iss=key.account, sub=MODULE, iat=1, exp=2, wascap_revision=2, something="new", wascap=OLD
    )
    return changed(claims, changes)


CARRIED = wasm(sub=MODULE, wascap=OLD)


class Inputs(unittest.TestCase):
    def test_what_was_asked_for_is_signed(self) -> None:
        def check(params: SignPrepareParams, claims: Object, old: str | None = None) -> None:
            signing = checked(params, claims, old)
            self.assertEqual(signing.text, text_of(claims))
            self.assertEqual(signing.account, ANN.account)
            self.assertEqual(signing.claims.get("name"), claims["wascap"]["name"])

        own, others = token(ANN, before()), token(BOB, before(BOB))
        check(asked(), wasm())
        check(ALL, ANSWER)
        check(ALL, ANSWER, others)
        # A version of the artifact's own.
        check(asked(), wasm(wascap={"ver": "2"}))
        check(asked(vendor="acme"), archive())
        # What the same account signed before is carried over; some of it may be left out.
        check(asked(), CARRIED, own)
        check(
            asked(), changed(CARRIED, {"wascap": {"caps": ["wasmcloud:keyvalue"], "tags": None}}), own
        )
        # Of another's, all but capabilities.
        check(asked(), changed(CARRIED, {"wascap": {"caps": None}}), others)
        check(
            asked(tags=[], capabilities=[]), changed(CARRIED, {"wascap": {"caps": [], "tags": []}}), own
        )
        schema = {"config_schema": {"type": "object"}}
        check(asked(), archive(wascap=schema), token(ANN, archive(wascap=schema)))

    def test_what_is_shown_is_what_is_signed(self) -> None:
        signing = checked(ALL, ANSWER, token(BOB, before(BOB)))
        self.assertEqual(signing.claims["capabilities"], ["wasmcloud:httpserver"])
        self.assertEqual(signing.claims.get("revision"), -1)
        self.assertEqual(signing.claims["subject"], MODULE)
        self.assertTrue(signing.replaces_another)
        self.assertEqual(signing.replaces and signing.replaces["issuer"], BOB.account)
        self.assertFalse(checked(ALL, ANSWER, token(ANN, before())).replaces_another)
        complete = signing.complete("/a", ANN.sign(signing.data))
        self.assertEqual((complete["signingInput"], len(complete["signature"])), (signing.text, 86))
        for wrong in [BOB.sign(signing.data), ANN.sign(b"x"), bytes(64), b""]:
            with self.assertRaises(SigningError) as refused:
                signing.complete("/a", wrong)
            self.assertEqual(refused.exception.kind, "keyUnusable")
        with self.assertRaises(TypeError):
            SigningInput("x", ANN.account, signing.claims, None, None)

    def refuses(
        self,
        expected: str,
        claims: Object,
        params: SignPrepareParams | None = None,
        old: str | None = None,
        file: Covered | None = None,
    ) -> None:
        with self.subTest(expected=expected, claims=claims), self.assertRaises(SigningError) as refused:
            checked(params or asked(), claims, old, file)
        self.assertEqual(refused.exception.kind, "notAskedFor")
        self.assertIn(expected, refused.exception.message)
        self.assertIsNotNone(refused.exception.help)

    def test_lies_about_what_was_asked_for(self) -> None:
        rows: list[tuple[Object, str]] = [
            ({"iss": BOB.account}, "account"),
            ({"sub": SERVICE}, "starts with `M`"),
            ({"sub": derived(False, "echo")}, "subject"),
            ({"sub": ANN.account}, "starts with `M`"),
            ({"nbf": NOW}, "start"),
            ({"nbf": None}, "start would be nothing"),
            ({"exp": NOW + 2}, "expiry"),
            ({"exp": None}, "expiry would be nothing"),
            ({"iat": NOW + 301}, "dated"),
            ({"iat": NOW - 601}, "dated"),
            ({"iat": 2**64 - 1}, "dated"),
            ({"wascap": {"name": "echo "}}, "name"),
            ({"wascap": {"name": None}}, "name would be nothing"),
            ({"wascap": {"ver": "1.0.1"}}, "version"),
            ({"wascap": {"ver": None}}, "version"),
            ({"wascap": {"rev": 2}}, "revision would be 2, but -1 was"),
            ({"wascap": {"rev": None}}, "revision"),
            ({"wascap": {"tags": ["a"]}}, "tags"),
            ({"wascap": {"tags": ["b", "a"]}}, "tags"),
            ({"wascap": {"tags": None}}, "tags"),
            ({"wascap": {"caps": ["wasmcloud:httpserver", "x"]}}, "capabilities"),
            ({"wascap": {"caps": None}}, "capabilities"),
            ({"wascap": {"call_alias": "e"}}, "call alias"),
            ({"wascap": {"prov": True}}, "provider"),
        ]
        for changes, expected in rows:
            self.refuses(expected, changed(ANSWER, changes), ALL)

    def test_lies_about_what_was_there(self) -> None:
        own, others = token(ANN, before()), token(BOB, before(BOB))
        admin: Object = {"wascap": {"caps": ["admin"]}}
        forged = before(ANN, **admin)
        weak = account_of(bytes([1, *bytes(31)]))
        constant = encoded(bytes([1, *bytes(63)]))
        rows: list[tuple[Object, str | None, str]] = [
            # Nothing was there.
            ({"wascap": {"tags": ["a"]}}, None, "tags"),
            ({"wascap": {"caps": ["wasmcloud:httpserver"]}}, None, "capabilities"),
            ({"wascap": {"rev": 1}}, None, "revision"),
            ({"wascap": {"call_alias": "e"}}, None, "call alias"),
            ({"sub": MODULE}, None, "subject"),
            # The subject of another name, of another account.
            ({"sub": derived(False, "ohce")}, None, "subject"),
            ({"sub": derived(False, "echo", BOB)}, None, "subject"),
            # Something else was there.
            ({"wascap": {"tags": ["a", "c"]}}, own, 'tags "c"'),
            (admin, own, "capabilities"),
            ({"wascap": {"rev": 8}}, own, "revision"),
            ({"wascap": {"call_alias": "f"}}, own, "call alias"),
            ({"wascap": {"prov": True}}, own, "provider"),
            # It was there, and another granted it.
            ({"wascap": {"caps": ["wasmcloud:httpserver"]}}, others, "capabilities"),
            # Dates are not carried over.
            ({"exp": 2}, own, "expiry"),
            # Tokens that do not hold.
            (admin, token(BOB, forged), "does not verify"),
            (admin, f"{text_of(forged)}.{own.rsplit('.', 1)[1]}", "does not verify"),
            (admin, text_of(forged), "three parts"),
            (admin, f"{own}.", "three parts"),
            (admin, "", "three parts"),
            (admin, "x" * (1 << 20), "longer than"),
            (admin, f"{text_of(forged)}.AA", "64 bytes"),
            (admin, own.replace(".", "=.", 1), "base64url"),
            # The identity as the issuer: one signature would hold for every token.
            (admin, f"{text_of(changed(forged, {'iss': weak}))}.{constant}", "does not verify"),
            # A module's own key as the issuer.
            (admin, token(NOBODY, before(iss=MODULE)), "not an account"),
        ]
        for changes, old, expected in rows:
            self.refuses(expected, wasm(**changes), old=old)

    def test_lies_about_the_file(self) -> None:
        both = of(tar(("x86_64-linux.bin", FILE), ("world.wasm", FILE)))
        other = "0" * 64

        def hashes(entries: Object) -> Object:
            claims = archive()
            claims["wascap"]["target_hashes"] = entries
            return claims

        vendor = asked(vendor="acme")
        own = "its hash is not that of the file"
        self.refuses(own, wasm(wascap={"hash": other}), file=of(FILE))
        rows = [
            ({"x86_64-linux": other, "world.wasm": HASH}, 'its hash of "x86_64-linux" is not that'),
            ({"x86_64-linux": HASH, "world.wasm": other}, 'its hash of "world.wasm" is not that'),
            (
                {"x86_64-linux": HASH, "world.wasm": HASH, "arm": HASH},
                'cover "arm", which the file does not',
            ),
            ({"x86_64-linux": HASH}, 'not cover "world.wasm", which the file has'),
        ]
        for entries, expected in rows:
            self.refuses(expected, hashes(entries), vendor, file=both)
        # Of the other kind.
        self.refuses(own, archive(), vendor, file=of(FILE))
        self.refuses(own, wasm(), file=both)

    def test_vendors_belong_to_archives(self) -> None:
        schema = archive(wascap={"config_schema": {"a": 1}})
        self.refuses('vendor "acme"', archive())
        self.refuses("vendor", archive(), asked(vendor="acme2"))
        self.refuses("vendor would be nothing", wasm(), asked(vendor="acme"))
        self.refuses("vendor", archive(), old=token(ANN, archive(wascap={"vendor": "other"})))
        self.refuses("schema", schema, asked(vendor="acme"))
        for value in [2, 1.0, True, "1"]:
            old = token(ANN, archive(wascap={"config_schema": {"a": value}}))
            self.refuses("schema", schema, asked(vendor="acme"), old)

    def refuses_text(self, text: str, expected: str) -> None:
        with (
            self.subTest(text=text[:200], expected=expected),
            self.assertRaises(SigningError) as refused,
        ):
            SigningInput.check(answer(text), asked(), of(FILE), NOW)
        self.assertIn(expected, refused.exception.message)
        self.assertLess(len(refused.exception.message), 600)

    def test_what_is_not_the_beginning_of_a_token(self) -> None:
        good = json.dumps(wasm())
        check = self.refuses_text

        def payload(text: str, expected: str) -> None:
            check(parts(HEADER, text), expected)

        for text in ["", "SSH"]:
            check(text, "two parts")
        whole = parts(HEADER, good)
        for text in [
            f"{whole}.",
            token(ANN, wasm()),
            f"{whole}=",
            f" {whole}",
            f"{whole}\n",
            f"{whole}é",
        ]:
            check(text, "base64url")
        # Another spelling of the same bytes: bits that do not count.
        padded = parts(HEADER, good.ljust(-(-len(good) // 3) * 3 + 1))
        self.assertTrue(padded.endswith("A"))
        check(f"{padded[:-1]}B", "base64url")
        check("A" * (1 << 20), "longer than")
        for head in [
            "{}",
            '{"alg":"Ed25519","typ":"jwt"}',
            '{"typ":"jwt", "alg":"Ed25519"}',
            '{"typ":"jwt","alg":"none"}',
            '{"typ":"JWT","alg":"EdDSA"}',
            '{"typ":"jwt","alg":"Ed25519","kid":"1"}',
            "",
        ]:
            check(parts(head, good), "a token's header")
        for text in [
            "",
            good + good,
            "[" * 100_000,
            '{"a":NaN}',
            '{"a":1e999}',
            '{"a":"\ud800"}',
            "\ufeff{}",
        ]:
            payload(text, "not JSON")
        payload('{"a":"\\ud800"}', "not JSON")
        payload("null", "not a JSON object")
        payload("[1]", "not a JSON object")
        payload(good.replace("{", '{"iss":"x",', 1), "name twice")
        payload(good.replace('"wascap": {', '"wascap": {"name":"x",', 1), "name twice")
        payload(good.replace('"wascap": {', '"wascap": {"na\\u006de":"x",', 1), "name twice")
        hidden = {"$serde_json::private::RawValue": json.dumps(wasm()["wascap"])}
        payload(json.dumps({**wasm(), "wascap": hidden}), "JSON of a text")

    def test_claims_that_no_token_has(self) -> None:
        check = self.refuses_text
        for unseen in ["a\x1b[2K", "a\u202eb", "a\u200b", "a\nb", "a\x9b", "a" * 257, "é" * 129]:
            check(text_of(wasm(jti=unseen)), "invisible characters")
            for name in ["name", "ver", "call_alias"]:
                check(text_of(wasm(wascap={name: unseen})), "invisible characters")
            check(text_of(wasm(wascap={"tags": ["a", unseen]})), "invisible characters")
        rows: list[tuple[Object, str]] = [
            ({"aud": "x"}, 'unknown, "aud"'),
            ({"wascap": {"admin": True}}, 'unknown, "admin"'),
            ({"wascap": {"config_schema": {}}}, "unknown"),
            ({"wascap": None}, "no object `wascap`"),
            ({"wascap": []}, "no object `wascap`"),
            ({"wascap_revision": 2}, "revision 3"),
            ({"wascap_revision": None}, "revision 3"),
            ({"wascap_revision": "3"}, "revision 3"),
            ({"wascap_revision": 3.0}, "revision 3"),
            ({"iat": None}, "claims of a token"),
            ({"iat": 1.5}, "claims of a token"),
            ({"iat": True}, "claims of a token"),
            ({"iat": -1}, "claims of a token"),
            ({"iss": ["x"]}, "claims of a token"),
            ({"jti": None}, "claims of a token"),
            ({"wascap": {"rev": 1 << 40}}, "claims of a token"),
            ({"wascap": {"tags": "a"}}, "claims of a token"),
            ({"wascap": {"caps": [1]}}, "claims of a token"),
            ({"wascap": {"prov": 1}}, "claims of a token"),
            ({"iss": "x"}, "not an account"),
            ({"iss": MODULE}, "not an account"),
            ({"iss": ANN.account.lower()}, "not an account"),
            ({"sub": "x"}, "starts with `M`"),
            ({"wascap": {"hash": None}}, "covers"),
            ({"wascap": {"hash": HASH.lower()}}, "covers"),
            ({"wascap": {"hash": f"{HASH}\n"}}, "covers"),
            ({"wascap": {"hash": ""}}, "covers"),
            ({"wascap": {"target_hashes": {}}}, 'unknown, "hash"'),
        ]
        for changes, expected in rows:
            check(text_of(wasm(**changes)), expected)
        entries: list[tuple[Any, str]] = [
            ({}, "covers"),
            ({"": HASH}, "covers"),
            ({"x": "0"}, "covers"),
            ({"x": 1}, "covers"),
            ([], "covers"),
            ({"x\r": HASH}, "invisible characters"),
            ({str(number): HASH for number in range(257)}, "covers"),
        ]
        for value, expected in entries:
            claims = archive()
            claims["wascap"]["target_hashes"] = value
            check(text_of(claims), expected)
        check(text_of(archive(wascap={"vendor": None})), "covers")

    def test_answers_that_are_none(self) -> None:
        rows: list[Any] = [
            None,
            [],
            {},
            {"signingInput": 1},
            {"signingInput": "a.b", "replaces": [1]},
            {"signingInput": "a.b", "replaces": {"token": 1}},
        ]
        for odd in rows:
            with self.assertRaises(SigningError):
                SigningInput.check(cast("SignPrepareResult", odd), asked(), of(FILE), NOW)

    def test_what_is_repeated_is_short(self) -> None:
        self.refuses_text(text_of(wasm(wascap={"tags": ["x" * 250]})), "nobody asked for its tags")


class Files(unittest.TestCase):
    def test_a_module_is_covered_but_for_its_token(self) -> None:
        module = FILE + section(1, b"\x01\x60\0\0")
        for plain in [
            FILE,
            module,
            module + custom("name", b"x" * 300),
            module + section(1, b"x" * 300_000),
        ]:
            expected = hashlib.sha256(plain).hexdigest().upper()
            self.assertEqual(of(plain).hashes, expected)
            for name in ["wasmcloud_jwt", "jwt"]:
                signed = custom(name, b"x" * 100_000)
                self.assertEqual(of(plain + signed).hashes, expected)
                self.assertEqual(of(plain[:8] + signed + plain[8:]).hashes, expected)
        # What is only called alike is covered.
        for name in ["jwt2", "", "JWT", "wasmcloud_jws"]:
            plain = FILE + custom(name, bytes(400_000))
            self.assertEqual(of(plain).hashes, hashlib.sha256(plain).hexdigest().upper())

    def test_an_archive_is_covered_entry_by_entry(self) -> None:
        long = bytes([7]) * 400_001
        rows: list[list[tuple[str, bytes]]] = [
            [("x86_64-linux.bin", b"one"), ("world.wasm", b"two")],
            [("a.b_c-1.bin", long), ("empty.bin", b"")],
        ]
        for entries in rows:
            expected = {
                name.removesuffix(".bin"): hashlib.sha256(data).hexdigest().upper()
                for name, data in entries
            }
            for whole in [
                tar(*entries),
                tar(("claims.jwt", b"x" * 600), *entries),
                tar(*entries)[:-1024],
            ]:
                self.assertEqual(of(whole).hashes, expected)
                self.assertEqual(of(gzip.compress(whole)).hashes, expected)

    def test_what_nobody_can_make_sense_of(self) -> None:
        signed = custom("jwt", b"x")
        large = header(b"a.bin", 0)
        large[124:136] = b"\x80\0\0\0" + struct.pack(">Q", (16 << 30) + 1)
        summed(large)
        rows: list[tuple[bytes, str]] = [
            (FILE + signed + custom("wasmcloud_jwt", b""), "two tokens"),
            (FILE + b"\0", "cut off"),
            (FILE + b"\x01\x05\0", "cut off"),
            (FILE + b"\x01\xff\xff\xff\xff\x0f", "cut off"),
            (FILE + b"\x01\xff\xff\xff\xff\x1f", "32 bits"),
            (FILE + b"\x01\x80\x80\x80\x80\x80\0", "32 bits"),
            (FILE + b"\0\0\0", "larger than the section"),
            (FILE + b"\0\x03\x03jwt", "larger than the section"),
            (FILE + b"\0\x04\x03jw", "cut off"),
            (b"\0asm", "cut off"),
            (b"", "no entries"),
            (b"hello", "cut off"),
            (b"x" * 512, "number"),
            (bytes(1024), "no entries"),
            (tar(("claims.jwt", b"x")), "no entries"),
            (gzip.compress(b""), "no entries"),
            (gzip.compress(tar(("a.bin", b"x")))[:40], "cut off"),
            (b"\x1f\x8bx", ""),
            (tar(("claims.jwt", b""), ("claims.jwt", b"")), "two entries"),
            (tar(("a.bin", b"1"), ("a.bin", b"1")), "two entries"),
            (bytes(large), "16 GiB"),
            (tar(("a.bin", b"x" * 600))[:700], "cut off"),
            (tar(*((f"t{number}.bin", b"") for number in range(257))), "256 entries"),
        ]
        names = [
            "a",
            "x/a.bin",
            "./a.bin",
            ".bin",
            ".a.bin",
            "claims.bin",
            "world.bin",
            "world.wasm.bin",
        ]
        names += ["a\n.bin", "a.jwt", "\u0661.bin"]
        rows += [(tar((name, b"")), "neither claims.jwt") for name in names]
        rows += [
            (bytes(header(b"a.bin", 0, bytes([kind]))), "not a plain file")
            for kind in b"12345679LKxgSA"
        ]
        posix = header(b"a.bin", 0)
        posix[345:348] = b"dir"
        rows.append((bytes(summed(posix)), "neither claims.jwt"))
        wrong = header(b"a.bin", 0)
        wrong[0:1] = b"b"
        rows.append((bytes(wrong), "check sum"))
        for data, expected in rows:
            with self.subTest(data=data[:40], expected=expected), self.assertRaises(Exception) as odd:
                of(data)
            self.assertIsInstance(odd.exception, (_covered._Odd, zlib.error))
            self.assertIn(expected, str(odd.exception))

    def test_every_piece_and_every_changed_byte(self) -> None:
        whole = tar(("claims.jwt", b"x"), ("a.bin", b"y"))
        for data in [FILE + custom("jwt", b"x"), whole, gzip.compress(whole)]:
            for at in range(0, len(data), 3):
                for odd in [data[:at], data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]]:
                    try:
                        of(odd)
                    except (_covered._Odd, zlib.error):
                        pass

    def test_nothing_but_regular_files(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            rows: list[tuple[str, str]] = [
                (folder, "not a regular file"),
                (f"{folder}/absent", "No such file"),
            ]
            os.mkfifo(f"{folder}/pipe")
            rows.append((f"{folder}/pipe", "not a regular file"))
            Path(folder, "a").write_bytes(FILE)
            for path, expected in rows:
                with self.assertRaises(SigningError) as refused:
                    asyncio.run(Covered.read(path))
                self.assertEqual(refused.exception.kind, "file")
                self.assertIn(expected, str(refused.exception))
            self.assertEqual(asyncio.run(Covered.read(f"{folder}/a")).hashes, HASH)


class Keys(unittest.TestCase):
    def test_signatures_are_those_of_the_standard(self) -> None:
        # RFC 8032, section 7.1: tests 1 to 3.
        rows = [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ]
        for seed, public, message, signature in rows:
            key, data = Key(bytes.fromhex(seed)), bytes.fromhex(message)
            self.assertEqual(key.public.hex(), public)
            self.assertEqual(key.sign(data).hex(), signature)
            good = bytes.fromhex(signature)
            self.assertTrue(_ed25519.verifies(key.public, data, good))
            scalar = int.from_bytes(good[32:], "little") + _ed25519.ORDER
            bad = [
                (key.public, data + b"x", good),
                (key.public, data, good[:-1]),
                (key.public, data, good + b"\0"),
                (ANN.public, data, good),
                (key.public, data, bytes([good[0] ^ 1]) + good[1:]),
                # The same scalar, not reduced.
                (key.public, data, good[:32] + scalar.to_bytes(32, "little")),
            ]
            for odd in bad:
                self.assertFalse(_ed25519.verifies(*odd))

    def test_weak_keys_and_other_spellings_are_not_keys(self) -> None:
        def small(first: int) -> bytes:
            return bytes([first, *bytes(31)])

        def large(first: int, last: int = 0x7F) -> bytes:
            return bytes([first, *[0xFF] * 30, last])

        eighth = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
        rows = [
            (small(1), False),
            (large(0xEC), False),
            (small(0), False),
            (bytes.fromhex(eighth), False),
            # y + p for y = 3 and 4, one of which is not a point at all.
            (large(0xF0), False),
            (large(0xF1), False),
            (large(0xFF, 0xFF), False),
            (small(3), True),
            (ANN.public, True),
            (ANN.public[:31], False),
        ]
        for key, expected in rows:
            self.assertEqual(_ed25519.is_key(key), expected, key.hex())

    def test_subjects_are_those_of_the_specification(self) -> None:
        ann = "ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU"
        bob = "AA6UAF6D5BBYSWUSW4FKOTI3P26JZGBMZ4XMJFUMYDGVL4JK6RTAZQQS"
        rows = [
            (ann, False, "a", "MDIKUELLLXNAAU5QC6GVYL5OTRPJB22R4JIRQPQZM6AM567BHI4U5CXA"),
            (ann, False, "echo", "MBM2YFP5LUSCDOELLPMZQ4KAXXAFMFHT6FBKXZMF556FSCO2PYKBJOKU"),
            (ann, False, "größe", "MATHK7YRGK2SLYMPB6GBM3XVLRKHU2DMFZH4X2PNSE4SUAO4O53ECMPW"),
            (ann, True, "echo", "VDKROH3VKHIQABJQ2KJQZHE6OMCAE7A4SORWHACZ4B3MPHBOYYZLZN6Q"),
            (bob, False, "echo", "MD4I7EOQ5LUIK4JS3U4EICD7HANEEQK7BCX2VT2VECDDZSFJLB5GY6F3"),
        ]
        for account, is_archive, name, expected in rows:
            key = account_key(account)
            assert key is not None
            self.assertEqual(account_of(key), account)
            self.assertEqual(_subject.derived(is_archive, key, name), expected)

    def test_accounts_have_one_spelling(self) -> None:
        good = ANN.account
        for odd in [
            "",
            "A",
            good.lower(),
            good[:-1],
            good + "A",
            good[:-1] + "A",
            MODULE,
            "é" * 56,
            good + "=",
        ]:
            self.assertIsNone(account_key(odd), odd)
        self.assertEqual(account_key(good), ANN.public)
        self.assertRaises(ValueError, account_of, b"x")


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def blob(key: Key) -> bytes:
    return string(b"ssh-ed25519") + string(key.public)


class Agents(unittest.IsolatedAsyncioTestCase):
    """An agent that answers what a test wants it to."""

    async def asyncSetUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.socket = f"{folder.name}/agent"
        self.answers: Mapping[int, bytes] = {}
        self.asked: list[bytes] = []
        self.hangs = False
        server = await asyncio.start_unix_server(self.serve, self.socket)
        self.addCleanup(server.close)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = struct.unpack(">I", await reader.readexactly(4))[0]
        message = await reader.readexactly(size)
        self.asked.append(message)
        if self.hangs:
            await reader.read()
        writer.write(self.answers.get(message[0], b""))
        writer.close()

    def identities(self, *entries: tuple[bytes, bytes]) -> bytes:
        listed = b"".join(string(key) + string(comment) for key, comment in entries)
        return string(b"\x0c" + struct.pack(">I", len(entries)) + listed)

    def sign_response(self, kind: bytes, signature: bytes, behind: bytes = b"") -> bytes:
        return string(b"\x0e" + string(string(kind) + string(signature)) + behind)

    async def test_keys_are_found_by_their_names(self) -> None:
        rsa = string(b"ssh-rsa") + string(b"x")
        self.answers = {
            11: self.identities((blob(ANN), b"ann@laptop"), (rsa, b"rsa"), (blob(BOB), b"bob\xff"))
        }
        agent = Agent(self.socket)
        keys = await agent.keys()
        self.assertEqual([key.account for key in keys], [ANN.account, BOB.account])
        self.assertEqual(keys[1].comment, "bob\ufffd")
        self.assertEqual(keys[0].called, "ann@laptop")
        for which in [ANN.account, keys[0].fingerprint, "ann@laptop"]:
            self.assertEqual(await agent.key(which), keys[0])
        for name, kind in [(None, "keyAmbiguous"), ("rsa", "keyAbsent"), ("", "keyAbsent")]:
            with self.assertRaises(SigningError) as refused:
                await agent.key(name)
            self.assertEqual(refused.exception.kind, kind)

    async def test_it_signs_what_was_asked_for(self) -> None:
        signing = checked(asked(), wasm())
        self.answers = {
            11: self.identities((blob(ANN), b"")),
            13: self.sign_response(b"ssh-ed25519", ANN.sign(signing.data)),
        }
        key = await Agent(self.socket).key()
        self.assertEqual(await key(signing), ANN.sign(signing.data))
        self.assertEqual(self.asked[-1], b"\x0d" + string(blob(ANN)) + string(signing.data) + bytes(4))

    async def test_answers_that_break_the_protocol(self) -> None:
        agent = Agent(self.socket)
        good = self.identities((blob(ANN), b""))
        lists = [
            b"",
            b"\0\0",
            string(b""),
            string(b"\x0c"),
            string(b"\x0c\0\0\0\x01"),
            good[:-1],
            string(b"\x06"),
        ]
        lists += [struct.pack(">I", 1 << 30), string(good[4:] + b"x"), string(b"\x0c\xff\xff\xff\xff")]
        lists += [self.identities((string(b"ssh-ed25519") + string(b"short"), b""))]
        for answer_of_it in lists:
            self.answers = {11: answer_of_it}
            with self.subTest(answer=answer_of_it), self.assertRaises(SigningError) as refused:
                await agent.keys()
            self.assertEqual(refused.exception.kind, "agentBroken")
        signing = checked(asked(), wasm())
        self.answers = {11: good}
        key = await agent.key()
        right = ANN.sign(signing.data)
        responses = [
            (b"", "agentBroken"),
            (string(b"\x05"), "agentRefused"),
            (string(b"\x06"), "agentBroken"),
            (string(b"\x0e"), "agentBroken"),
            (self.sign_response(b"ssh-rsa", right), "agentBroken"),
            (self.sign_response(b"ssh-ed25519", right[:63]), "agentBroken"),
            (self.sign_response(b"ssh-ed25519", right, b"x"), "agentBroken"),
            (self.sign_response(b"ssh-ed25519", BOB.sign(signing.data)), "agentBroken"),
        ]
        for response, kind in responses:
            self.answers = {13: response}
            with self.subTest(response=response), self.assertRaises(SigningError) as refused:
                await key(signing)
            self.assertEqual(refused.exception.kind, kind)

    async def test_it_is_not_waited_for_without_end(self) -> None:
        self.hangs = True
        listing, _agent.LISTING = _agent.LISTING, 0.05
        self.addCleanup(setattr, _agent, "LISTING", listing)
        with self.assertRaises(SigningError) as refused:
            await Agent(self.socket).keys()
        self.assertEqual(refused.exception.kind, "timedOut")

    async def test_nobody_there(self) -> None:
        for path in [f"{self.socket}2", __file__, "/" + "x" * 200]:
            with self.assertRaises(SigningError) as refused:
                await Agent(path).keys()
            self.assertEqual(refused.exception.kind, "noAgent")
        signing = checked(asked(), wasm())
        other = _agent.AgentKey(Agent(self.socket), BOB.account, "bob", "")
        with self.assertRaises(SigningError) as refused:
            await other(signing)
        self.assertEqual(refused.exception.kind, "keyUnusable")

    async def test_a_comment_does_nothing_to_a_terminal(self) -> None:
        comment = "\x1b[2J\u202eann\n\u200b"
        self.answers = {11: self.identities((blob(ANN), comment.encode())), 13: string(b"\x05")}
        key = await Agent(self.socket).key()
        self.assertEqual(key.comment, comment)
        self.assertEqual(key.called, r"\x1b[2J\u202eann\n\u200b")
        with self.assertRaises(SigningError) as refused:
            await key(checked(asked(), wasm()))
        self.assertIn(key.called, str(refused.exception))


if __name__ == "__main__":
    unittest.main()
