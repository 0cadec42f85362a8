"""How these programs talk to the tests: a line of JSON each on standard output."""

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

STAND_INS = Path(__file__).parent.parent / "stand-ins"


def say(msg: str, **fields) -> None:
    """One write: pool processes share the pipe, and their lines may not mix."""
    os.write(1, (json.dumps({"msg": msg, **fields}) + "\n").encode())


def allow_stand_ins() -> None:
    """Last on the path: where the real package is installed, it is the one imported."""
    sys.path.append(str(STAND_INS))


def introduce(program: str, *packages: str) -> None:
    """Says which real packages run here, and which are ours in the place of one that cannot."""
    say(
        "program.starting",
        program=program,
        version=version(program),
        python=platform.python_version(),
        packages={name: known for name in packages if (known := _version(name))},
        stand_ins=[name for name in packages if _is_stand_in(name)],
        pid=os.getpid(),
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _is_stand_in(package: str) -> bool:
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return file.startswith(str(STAND_INS))
