"""The driver of this library: see the top of `tests/libraries.rs`."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import subprocess
import sys
from typing import Any

from keys import Key

from vouch_client import Call, Client, ServerError, errors
from vouch_client.signing import Agent, Signer, SigningError, sign

Step = dict[str, Any]


def snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name.replace("/", "_"))


class Begun:
    """A call under way, and what was reported of it."""

    def __init__(self, client: Client, step: Step) -> None:
        self.reports: list[Any] | None = [] if step.get("progress") else None
        self.client = client
        self.task = asyncio.ensure_future(self.made(step["method"], step["params"]))

    async def made(self, method: str, params: Step) -> Any:
        if self.reports is None:
            return await called(self.client, method, params)
        call: Call[Any] = chosen(self.client, f"{method}_with_progress", params)
        async for report in call:
            self.reports.append(report)
        return await call


def chosen(client: Client, method: str, params: Step) -> Any:
    """What the library's own function for that method answers."""
    function = getattr(client, snake(method))
    return function(**{snake(name): value for name, value in params.items()})


async def called(client: Client, method: str, params: Step) -> Any:
    function = getattr(client, snake(method), None)
    if function is not None:
        try:
            inspect.signature(function).bind(**{snake(name): 0 for name in params})
        except TypeError:
            function = None
    if function is None:
        return await client.call(method, params)
    return await chosen(client, method, params)


class Driver:
    def __init__(self) -> None:
        self.connected: Client | None = None
        self.calls: dict[str, Begun] = {}

    @property
    def client(self) -> Client:
        assert self.connected is not None
        return self.connected

    async def answer(self, step: Step) -> Step:
        begun = self.calls.pop(step["as"]) if step["do"] == "end" else None
        try:
            result = await (begun.task if begun else self.step(step))
            answer = {"ok": result}
        except (Exception, asyncio.CancelledError) as error:
            answer = {"error": shown(error)}
        if begun and begun.reports is not None:
            answer["progress"] = begun.reports
        return answer

    async def step(self, step: Step) -> Any:
        match step["do"]:
            case "connect":
                if self.connected is not None:
                    await self.connected.close()
                program = step.get("start")
                self.connected = Client(
                    step["socket"],
                    name="driver",
                    version=None,
                    start=program is not None,
                    program=program,
                    patience=120,
                )
                await self.connected.open()
                return self.connected.server
            case "spawn":
                self.connected = Client.spawn(
                    *step["command"], name="driver", stderr=subprocess.DEVNULL
                )
                await self.connected.open()
                return None
            case "call":
                return await called(self.client, step["method"], step["params"])
            case "begin":
                self.calls[step["as"]] = Begun(self.client, step)
                # It is on its way when this is answered.
                await asyncio.sleep(0)
                return None
            case "cancel":
                self.calls[step["as"]].task.cancel()
                return None
            case "sign":
                return await self.signed(step)
            case "close":
                await self.client.close()
                return None
        raise SystemExit(f"no step: {step}")

    async def signed(self, step: Step) -> Any:
        params = {snake(name): value for name, value in step["params"].items()}
        path, account = params.pop("path"), params.pop("account")
        signer: Signer
        if "agent" in step:
            signer = await Agent(step["agent"]).key(account)
        else:
            key = Key(bytes.fromhex(step["key"]))

            def signer(signing: Any) -> bytes:
                return key.sign(signing.data)

        return await sign(self.client, path, account, signer, replace=True, **params)


def shown(error: BaseException) -> Step:
    said = {"message": str(error)}
    match error:
        case asyncio.CancelledError():
            return {"is": "cancelled"}
        case ServerError():
            members = {
                "is": "server",
                "kind": error.kind,
                "code": error.code,
                "retryable": error.retryable,
                "refusal": error.is_refusal,
                "help": error.help,
                "registry": error.registry,
                "status": error.status,
            }
            return said | {name: value for name, value in members.items() if value is not None}
        case errors.ConnectionFailed():
            return said | {"is": "connection"}
        case errors.NotStarted():
            return said | {"is": "notStarted", "lastWords": error.last_words}
        case errors.ProtocolError():
            return said | {"is": "protocol"}
        case SigningError():
            return said | {"is": "signing", "kind": error.kind}
    raise error


async def main() -> None:
    driver = Driver()
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer = await driver.answer(json.loads(line))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
