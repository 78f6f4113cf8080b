#!/usr/bin/env python3
"""Writes the types, errors and methods of the client from `protocol/openrpc.json`.

`python3 generate.py` writes them; with `--check` it says whether they are those of the document.
A generator of ours, since none makes all three: types, a class for each kind of error, and a method
with its own arguments for each method of the protocol.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "protocol" / "openrpc.json"
PACKAGE = HERE / "src" / "vouch_client"

WIDTH = 96
NOTICE = "# Written by generate.py from protocol/openrpc.json: do not edit.\n"

# The client itself sends these.
OWN = ("initialize", "shutdown")
# A param that is a path takes what Python calls a path.
PATH = "absolute path or `file:` URI"
TOKEN = "workDoneToken"

SCALARS = {"string": "str", "integer": "int", "boolean": "bool", "number": "float", "null": "None"}

# What kinds of errors are about, by the hundred of their codes.
GROUPS = {
    10: ("ArtifactProblem", "It is about the artifact."),
    11: ("SignatureProblem", "It is about the artifact's signature."),
    12: ("RegistryProblem", "It is about the registry."),
    13: ("LoginProblem", "It is about the login to a registry."),
    14: ("MachineProblem", "It is about files, or the machine that the service runs on."),
    15: ("ServiceProblem", "It is about the service."),
}
REQUEST = ("RequestProblem", "It is about the request itself, or JSON-RPC's own.")

Schema = dict[str, Any]


def snake(name: str) -> str:
    """`allowLatest` as Python writes it; `sign/prepare` too."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name)
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), plain)


def camel(name: str) -> str:
    return name[0].upper() + name[1:]


def wrapped(text: str, indent: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def docstring(text: str, indent: str) -> str:
    if not text:
        return ""
    text = text.replace("\\", "\\\\")
    if len(indent) + len(text) + 6 <= WIDTH:
        return f'{indent}"""{text}"""\n'
    body = wrapped(f'"""{text}', indent)
    return f'{body}\n{indent}"""\n'


class Types:
    """The types of all schemas of the document."""

    def __init__(self, document: Schema) -> None:
        self.schemas: dict[str, Schema] = document["components"]["schemas"]
        self.classes: list[str] = []
        self.aliases: list[str] = []
        self.unions: list[str] = []
        self.names: list[str] = []
        #: By the member that tells arms apart, and its value: the unions, and their arms.
        self.guards: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for name, schema in self.schemas.items():
            self.declare(name, schema)

    def declare(self, name: str, schema: Schema) -> None:
        if "anyOf" in schema or "oneOf" in schema:
            arms = schema.get("anyOf") or schema["oneOf"]
            if any("properties" in arm for arm in arms):
                self.union(name, schema, arms)
            else:
                self.alias(name, schema, self.aliases)
        elif "additionalProperties" in schema and schema["additionalProperties"] is not False:
            self.alias(name, schema, self.aliases)
        elif "properties" in schema or schema.get("type") == "object":
            self.record(name, schema, schema.get("properties", {}), schema.get("required", []))
        else:
            self.alias(name, schema, self.aliases)

    def alias(self, name: str, schema: Schema, into: list[str]) -> None:
        said = schema.get("description", "")
        comment = "".join(f"{line}\n" for line in wrapped(said, "#: ").splitlines()) if said else ""
        arms = list(dict.fromkeys(self.arms(schema)))
        line = f"{name} = {' | '.join(arms)}\n"
        if len(line) > WIDTH:
            arms = [self.long_literal(arm) for arm in arms]
            line = f"{name} = " + "(\n    " + "\n    | ".join(arms) + "\n)\n"
        into.append(comment + line)
        self.names.append(name)

    @staticmethod
    def long_literal(arm: str) -> str:
        if not arm.startswith("Literal[") or len(arm) < WIDTH - 8:
            return arm
        values = arm[len("Literal[") : -1].split(", ")
        return "Literal[\n" + "".join(f"        {value},\n" for value in values) + "    ]"

    def union(self, name: str, schema: Schema, arms: list[Schema]) -> None:
        """A class for each arm, that of later versions too; and a function for each that is known, which
        says that it is this one: type checkers tell arms apart by themselves only where all are known.
        """
        common: Schema = schema.get("properties", {})
        required: list[str] = schema.get("required", [])
        later = next((arm for arm in arms if arm["title"].startswith("Later")), None)
        names = []
        for arm in arms:
            title = arm["title"]
            members = {**arm.get("properties", {}), **common}
            self.record(title, arm, members, [*arm.get("required", []), *required])
            names.append(title)
            if later is not None and arm is not later:
                (tag,) = later["required"]
                (value,) = members[tag]["enum"]
                self.guards.setdefault((tag, value), []).append((name, title))
        said = schema.get("description", "")
        comment = "".join(f"{line}\n" for line in wrapped(said, "#: ").splitlines()) if said else ""
        line = f"{name} = {' | '.join(names)}\n"
        if len(line) > WIDTH:
            line = f"{name} = (\n    " + "\n    | ".join(names) + "\n)\n"
        self.unions.append(comment + line)
        self.names.append(name)

    def record(self, name: str, schema: Schema, members: Schema, required: list[str]) -> None:
        """A class of its own for what is required: Python 3.10 has no other way to say that."""
        said = docstring(schema.get("description", ""), "    ")
        there = {key: value for key, value in members.items() if key in required}
        other = {key: value for key, value in members.items() if key not in required}
        if there and other:
            self.record_class(f"_{name}", "TypedDict", "", there)
            self.record_class(name, f"_{name}, total=False", said, other)
        elif other:
            self.record_class(name, "TypedDict, total=False", said, other)
        else:
            self.record_class(name, "TypedDict", said, there)
        self.names.append(name)

    def record_class(self, name: str, bases: str, said: str, members: Schema) -> None:
        lines = [f"class {name}({bases}):\n", said]
        if said and members:
            lines.append("\n")
        for key, schema in members.items():
            assert key.isidentifier() and not keyword.iskeyword(key), key
            description = schema.get("description", "")
            if description:
                lines.append(f"{wrapped(description, '    #: ')}\n")
            lines.append(f"    {key}: {self.of(schema)}\n")
        if not members and not said:
            lines.append("    pass\n")
        self.classes.append("".join(lines))

    def of(self, schema: Schema) -> str:
        return " | ".join(dict.fromkeys(self.arms(schema)))

    def arms(self, schema: Schema) -> Iterator[str]:
        if "$ref" in schema:
            yield schema["$ref"].rsplit("/", 1)[-1]
        elif "allOf" in schema:
            (only,) = schema["allOf"]
            yield from self.arms(only)
        elif "anyOf" in schema or "oneOf" in schema:
            for arm in schema.get("anyOf") or schema["oneOf"]:
                yield from self.arms(arm)
        elif "enum" in schema:
            yield "Literal[" + ", ".join(json.dumps(value) for value in schema["enum"]) + "]"
        else:
            kinds = schema.get("type", [])
            for kind in [kinds] if isinstance(kinds, str) else kinds or ["any"]:
                yield self.plain(kind, schema)

    def plain(self, kind: str, schema: Schema) -> str:
        if kind == "array":
            return f"list[{self.of(schema['items'])}]" if "items" in schema else "list[Any]"
        if kind == "object":
            values = schema.get("additionalProperties")
            named = [self.of(member) for member in schema.get("properties", {}).values()]
            if isinstance(values, dict):
                return f"dict[str, {' | '.join(dict.fromkeys([*named, self.of(values)]))}]"
            assert not named, f"an object without a name: {schema}"
            return "dict[str, Any]"
        return SCALARS.get(kind, "Any")

    def guard(self, tag: str, value: str, arms: list[tuple[str, str]]) -> str:
        name = f"is_{snake(value)}"
        self.names.append(name)
        test = f'    return value.get("{tag}") == "{value}"\n'
        said = f'    """Whether its `{tag}` is `{value}`."""\n'
        if len(arms) == 1:
            ((union, arm),) = arms
            return f"def {name}(value: {union}) -> TypeGuard[{arm}]:\n{said}{test}"
        heads = "\n\n".join(
            f"@overload\ndef {name}(value: {union}) -> TypeGuard[{arm}]: ...\n" for union, arm in arms
        )
        return f"{heads}\n\ndef {name}(value: Any) -> bool:\n{said}{test}".replace(
            "\n    return value", "\n    return bool(value"
        ).replace(f'== "{value}"\n', f'== "{value}")\n')

    def module(self) -> str:
        guards = [self.guard(*key, arms) for key, arms in self.guards.items()]
        exported = "".join(f'    "{name}",\n' for name in sorted(self.names))
        body = "\n".join(self.aliases) + "\n\n" + "\n\n".join(self.classes) + "\n\n"
        imports = ["Any", "Literal", "TypedDict", "TypeGuard", "overload"]
        return (
            f'{NOTICE}"""The types of params and results, under the names that they have on the wire.\n\n'
            "A result is the very object that the service answered: members that this version does not\n"
            'know are in it, too.\n"""\n\n'
            "from __future__ import annotations\n\n"
            f"from typing import {', '.join(imports)}\n\n"
            f"__all__ = [\n{exported}]\n\n"
            f"{body}" + "\n".join(self.unions) + "\n\n" + "\n\n".join(guards)
        )


def kinds(document: Schema) -> str:
    errors: dict[str, Schema] = document["components"]["errors"]
    names = [name for name, _ in GROUPS.values()] + [REQUEST[0]]
    parts = []
    for name, said in [REQUEST, *GROUPS.values()]:
        parts.append(f"class {name}(ServerError):\n{docstring(said, '    ')}")
    rows = []
    for kind, error in errors.items():
        code = error["code"]
        group = GROUPS.get(code // 100, REQUEST)[0]
        name = camel(kind)
        names.append(name)
        refusal = "    is_refusal = True\n" if error["data"].get("x-refusal") else ""
        said = docstring(error["message"], "    ") + ("\n" if refusal else "")
        parts.append(f"class {name}({group}):\n{said}{refusal}")
        rows.append(f'    "{kind}": {name},\n')
    codes = "".join(f'    {error["code"]}: "{kind}",\n' for kind, error in errors.items())
    groups = "".join(f"    {hundred}: {name},\n" for hundred, (name, _) in GROUPS.items())
    exported = "".join(
        f'    "{name}",\n' for name in sorted([*names, "BY_HUNDRED", "BY_KIND", "KINDS"])
    )
    return (
        f'{NOTICE}"""A class for each kind of error that the service answers."""\n\n'
        "from __future__ import annotations\n\n"
        "from ._error import ServerError\n\n"
        f"__all__ = [\n{exported}]\n\n\n"
        + "\n\n".join(parts)
        + f"\n\n#: The class of each kind.\nBY_KIND: dict[str, type[ServerError]] = {{\n{''.join(rows)}}}\n"
        + f"\n#: The kind of each code.\nKINDS: dict[int, str] = {{\n{codes}}}\n"
        + "\n#: The class of kinds that this version does not know, by the hundred of their code.\n"
        + f"BY_HUNDRED: dict[int, type[ServerError]] = {{\n{groups}}}\n"
    )


class Method:
    """A method of the protocol, as a function."""

    def __init__(self, method: Schema, types: Types) -> None:
        self.wire: str = method["name"]
        self.name = snake(self.wire)
        self.summary: str = method["summary"].split(". Takes either")[0].rstrip(".") + "."
        self.result = method["result"]["schema"]["$ref"].rsplit("/", 1)[-1]
        self.has_progress = any(param["name"] == TOKEN for param in method["params"])
        self.params = [param for param in method["params"] if param["name"] != TOKEN]
        self.types = types

    def type_of(self, param: Schema) -> str:
        schema = param["schema"]
        if PATH in schema.get("description", ""):
            return "StrPath"
        names = [name for name in dict.fromkeys(self.types.arms(schema)) if name != "None"]
        kind = " | ".join(names)
        return re.sub(r"^dict\[", "Mapping[", re.sub(r"^list\[", "Sequence[", kind))

    def arguments(self) -> list[str]:
        required = [param for param in self.params if param.get("required")]
        optional = [param for param in self.params if not param.get("required")]
        said = [f"{snake(param['name'])}: {self.type_of(param)}" for param in required]
        if optional:
            said.append("*")
        said += [f"{snake(param['name'])}: {self.type_of(param)} | None = None" for param in optional]
        return said

    def head(self, name: str, result: str, prefix: str = "") -> str:
        arguments = ["self", *self.arguments()]
        line = f"    {prefix}def {name}({', '.join(arguments)}) -> {result}:\n"
        if len(line) > 100:
            inner = "".join(f"        {argument},\n" for argument in arguments)
            line = f"    {prefix}def {name}(\n{inner}    ) -> {result}:\n"
        return line

    def doc(self, more: str = "") -> str:
        lines = [f'        """{self.summary}{more}\n']
        if self.params:
            lines.append("\n")
        for param in self.params:
            said = param["schema"].get("description", "").replace("\\", "\\\\")
            text = f"{snake(param['name'])}: {said}"
            lines.append(
                textwrap.fill(
                    text,
                    WIDTH,
                    initial_indent="        ",
                    subsequent_indent="            ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
                + "\n"
            )
        if not self.params and len(lines) == 1 and len(lines[0]) < WIDTH:
            return lines[0].rstrip("\n") + '"""\n'
        return "".join(lines) + '        """\n'

    def given(self) -> str:
        if not self.params:
            return "{}"
        rows = "".join(
            f'            "{param["name"]}": {snake(param["name"])},\n' for param in self.params
        )
        return f"{{\n{rows}        }}"

    def passed_on(self) -> str:
        passed = [
            snake(param["name"])
            if param.get("required")
            else f"{snake(param['name'])}={snake(param['name'])}"
            for param in sorted(self.params, key=lambda param: not param.get("required"))
        ]
        return ", ".join(passed)

    def asynchronous(self) -> str:
        given = self.given()
        body = (
            self.head(self.name, self.result, "async ")
            + self.doc()
            + f"        params = {given}\n".replace("params = {", "params: dict[str, object] = {")
            + f'        return cast("{self.result}", await self.call("{self.wire}", given(params)))\n'
        )
        if self.has_progress:
            body += (
                "\n"
                + self.head(f"{self.name}_with_progress", f"Call[{self.result}]")
                + f'        """`{self.name}`, which also tells how far it is: see `Call`."""\n'
                + f"        params: dict[str, object] = {given}\n"
                + f'        return cast("Call[{self.result}]", self.begin("{self.wire}", given(params)))\n'
            )
        return body

    def blocking(self) -> str:
        passed = self.passed_on()
        body = (
            self.head(self.name, self.result)
            + f'        """`{self.name}` of `Client`."""\n'
            + f"        return self.wait(self.client.{self.name}({passed}))\n"
        )
        if self.has_progress:
            body += (
                "\n"
                + self.head(f"{self.name}_with_progress", f"SyncCall[{self.result}]")
                + f'        """`{self.name}`, which also tells how far it is: see `SyncCall`."""\n'
                + f"        return self.begin(self.client.{self.name}_with_progress({passed}))\n"
            )
        return body


def methods(document: Schema, types: Types) -> tuple[str, str]:
    listed = [Method(it, types) for it in document["methods"] if it["name"] not in OWN]
    said = " ".join(argument for method in listed for argument in method.arguments())
    named = set(re.findall(r"\w+", said)) & set(types.names)
    used = sorted({method.result for method in listed} | named)
    names = "".join(f"    {name},\n" for name in used)
    bodies = "\n".join(method.asynchronous() for method in listed)
    asynchronous = (
        f'{NOTICE}"""The methods of the protocol, as methods of the client."""\n\n'
        "from __future__ import annotations\n\n"
        "import os\n"
        "from abc import ABC, abstractmethod\n"
        "from collections.abc import Mapping, Sequence\n"
        "from typing import TYPE_CHECKING, Any, cast\n\n"
        "if TYPE_CHECKING:\n"
        "    from ._call import Call\n"
        f"    from .protocol import (\n{textwrap.indent(names, '    ')}    )\n\n"
        "StrPath = str | os.PathLike[str]\n\n\n"
        "def given(params: dict[str, object]) -> dict[str, object]:\n"
        '    """What was given: the rest is absent, and so as the service has it."""\n'
        "    return {name: value for name, value in params.items() if value is not None}\n\n\n"
        "class Methods(ABC):\n"
        '    """The methods of the protocol."""\n\n'
        "    @abstractmethod\n"
        "    async def call(self, method: str, params: Mapping[str, object] | None = None) -> Any: ...\n\n"
        "    @abstractmethod\n"
        "    def begin(self, method: str, params: Mapping[str, object] | None = None) -> Call[Any]: ...\n\n"
        f"{bodies}"
    )
    bodies = "\n".join(method.blocking() for method in listed)
    blocking = (
        f'{NOTICE}"""The same for programs without asyncio."""\n\n'
        "from __future__ import annotations\n\n"
        "from abc import ABC, abstractmethod\n"
        "from collections.abc import Coroutine, Mapping, Sequence\n"
        "from typing import TYPE_CHECKING, Any, TypeVar\n\n"
        "if TYPE_CHECKING:\n"
        "    from ._call import Call\n"
        "    from ._methods import Methods, StrPath\n"
        "    from ._sync import SyncCall\n"
        f"    from .protocol import (\n{textwrap.indent(names, '    ')}    )\n\n"
        'T = TypeVar("T")\n\n\n'
        "class SyncMethods(ABC):\n"
        '    """The methods of the protocol. Each waits for its result."""\n\n'
        "    @property\n"
        "    @abstractmethod\n"
        "    def client(self) -> Methods: ...\n\n"
        "    @abstractmethod\n"
        "    def wait(self, work: Coroutine[Any, Any, T]) -> T: ...\n\n"
        "    @abstractmethod\n"
        "    def begin(self, call: Call[T]) -> SyncCall[T]: ...\n\n"
        f"{bodies}"
    )
    return asynchronous, blocking


def generated(document: Schema) -> dict[Path, str]:
    types = Types(document)
    asynchronous, blocking = methods(document, types)
    return {
        PACKAGE / "protocol.py": types.module(),
        PACKAGE / "_kinds.py": kinds(document),
        PACKAGE / "_methods.py": asynchronous,
        PACKAGE / "_sync_methods.py": blocking,
    }


def stale(document: Schema) -> list[Path]:
    """The files that are not what the document says."""
    return [
        path
        for path, text in generated(document).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    document: Schema = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    if "--check" in sys.argv[1:]:
        old = stale(document)
        for path in old:
            print(f"{path.relative_to(HERE)} is not what {DOCUMENT.name} says: run generate.py")
        return 1 if old else 0
    for path, text in generated(document).items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
