"""`python -m vouch_client`: what a script needs without the command line `vouch`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, cast

from ._client import Client
from ._error import NotStarted, VouchError
from ._escape import escaped
from ._version import __version__
from ._wire import absolute
from .protocol import VerifyResult, is_accepted, is_refused

ACCEPTED, REFUSED, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 64, 130

#: The variable that forbids starting a service, as for `vouch`, and where it does not.
NO_SPAWN, MAY_SPAWN = "VOUCH_NO_SPAWN", ("", "0", "false", "no")

EXIT_STATUS = """\
exit status:
  0   accepted
  1   refused: the artifact or its signature does not pass; of several, one or more
  2   anything else that failed, such as no service to ask, and nothing is refused
  64  wrong usage
"""

EXAMPLES = """\
examples:
  python -m vouch_client verify echo.wasm
  python -m vouch_client verify --reference ghcr.io/acme/echo:0.3.4 --signer acme
  python -m vouch_client verify --json echo.wasm
"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(USAGE)


def parser() -> Parser:
    whole = Parser(
        prog="python -m vouch_client",
        description="Asks vouchd, the service that lets only signed WebAssembly artifacts through.",
        epilog="`vouch` is the whole command line; see its `--help`.",
    )
    whole.add_argument("--version", action="version", version=f"vouch-client {__version__}")
    commands = whole.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )
    verify = commands.add_parser(
        "verify",
        help="say whether artifacts are signed, and by whom",
        description="Says whether artifacts are signed, and by whom. "
        "A service is started if none runs.",
        epilog=f"{EXIT_STATUS}\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("files", nargs="*", metavar="FILE", help="modules, components or archives")
    verify.add_argument(
        "--reference",
        action="append",
        default=[],
        metavar="REFERENCE",
        help="an artifact in a registry or layout; may be given several times",
    )
    verify.add_argument(
        "--signer",
        metavar="SIGNER",
        help="accept only this signer: a name from the config, an account or an id",
    )
    verify.add_argument(
        "--json", action="store_true", help="print what the service answered, a line for each"
    )
    verify.add_argument(
        "--socket",
        metavar="PATH",
        help="the service's socket; the default is VOUCHD_SOCKET or the usual one",
    )
    verify.add_argument(
        "--no-spawn", action="store_true", help=f"start no service; {NO_SPAWN}=1 does the same"
    )
    return whole


def complain(error: VouchError) -> None:
    print(f"vouch_client: {escaped(str(error))}", file=sys.stderr)
    if isinstance(error, NotStarted):
        for line in error.last_words:
            print(f"  {escaped(line)}", file=sys.stderr)
    hint = getattr(error, "help", None)
    if isinstance(hint, str):
        print(f"help: {escaped(hint)}", file=sys.stderr)


def show(subject: str, result: VerifyResult) -> int:
    if is_accepted(result):
        trust = result["trust"]
        rows = [
            ("signed by", result["signature"]["signer"]["id"]),
            ("trusted as", ", ".join(it for it in (trust["mode"], trust.get("signer")) if it)),
            ("content", result["artifact"]["digest"]),
            ("reference", result.get("reference")),
            *(("warning", warning) for warning in trust.get("warnings", [])),
        ]
        print(f"accepted  {escaped(subject)}")
        for name, value in rows:
            if value:
                print(f"  {name:<14}{escaped(value)}")
        return ACCEPTED
    # A verdict that is not known counts as refused.
    refusal = result["refusal"] if is_refused(result) else None
    print(f"refused   {escaped(refusal['message'] if refusal else subject)}")
    hint = refusal.get("help") if refusal else None
    if hint:
        print(f"  help: {escaped(hint)}")
    return REFUSED


async def verify(arguments: argparse.Namespace) -> int:
    subjects: list[tuple[str, dict[str, object]]] = []
    subjects += [(file, {"path": absolute(file)}) for file in arguments.files]
    subjects += [(reference, {"reference": reference}) for reference in arguments.reference]
    start = not arguments.no_spawn and os.environ.get(NO_SPAWN, "") in MAY_SPAWN
    client = Client(arguments.socket, name="python -m vouch_client", start=start)
    codes = {ACCEPTED}
    async with client:
        for subject, params in subjects:
            if arguments.signer is not None:
                params["signer"] = arguments.signer
            try:
                result = cast("VerifyResult", await client.call("verify", params))
            except VouchError as error:
                complain(error)
                codes.add(FAILED)
                continue
            if arguments.json:
                print(json.dumps(result))
                code = ACCEPTED if result["verdict"] == "accepted" else REFUSED
            else:
                code = show(subject, result)
            codes.add(code)
    # A refusal is known, and counts more than what is not known.
    return REFUSED if REFUSED in codes else max(codes)


def main(words: Sequence[str] | None = None) -> int:
    # Names of files need not be text.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    whole = parser()
    arguments = whole.parse_args(words)
    if not arguments.files and not arguments.reference:
        whole.error("verify: nothing to verify: name a file, or a --reference")
    if any(not it for it in [*arguments.files, *arguments.reference]):
        whole.error("verify: a name cannot be empty")
    try:
        code = asyncio.run(verify(arguments))
        sys.stdout.flush()
        return code
    except VouchError as error:
        complain(error)
        return FAILED
    except BrokenPipeError:
        # Nobody reads on, nor would what Python still has for them at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
