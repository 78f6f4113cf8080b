"""Which program to start as the service. It must not depend on the current folder."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

#: Names the program.
PROGRAM_VARIABLE = "VOUCHD"


class NoProgram(Exception):
    """There is none."""


def service_program() -> Path:
    """The service's program: what `VOUCHD` names in the environment, else `vouchd` in the folder of
    this Python's scripts, else `vouchd` on `PATH`.
    """
    return found(
        os.environ.get(PROGRAM_VARIABLE), sysconfig.get_path("scripts"), os.environ.get("PATH")
    )


def found(named: str | None, scripts: str | None, path: str | None) -> Path:
    if named:
        program = _on_path(named, path) if os.sep not in named else Path(os.path.abspath(named))
        if program is None:
            raise NoProgram(f"{PROGRAM_VARIABLE} names {named}, which is not on PATH")
        return program
    beside = Path(scripts, "vouchd") if scripts else None
    program = beside if beside and _is_program(beside) else _on_path("vouchd", path)
    if program is None:
        raise NoProgram("no program named vouchd was found")
    return program


def _on_path(name: str, path: str | None) -> Path | None:
    for folder in (path or "").split(os.pathsep):
        # A relative entry would depend on the current folder.
        if os.path.isabs(folder) and _is_program(program := Path(folder, name)):
            return program
    return None


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
