"""Runs a client's tasks: each line of the input names one, each line of the output has what came of it."""

import json
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from threading import Lock

LOCK = Lock()
TOOL = {
    "name": "weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
}


def say(line):
    with LOCK:
        sys.stdout.write(json.dumps(line, default=str) + "\n")
        sys.stdout.flush()


def collect(pieces):
    """What was read before a stream broke belongs to its error."""
    read = []
    try:
        for piece in pieces:
            if piece:
                read.append(piece)
    except Exception as error:
        error.text = "".join(read)
        raise
    return read


def rounded(vectors):
    return [[round(number, 4) for number in vector] for vector in vectors]


def error_of(error):
    fields = {name: getattr(error, name, None) for name in ("code", "param", "type", "message")}
    fields["message"] = fields["message"] or str(error)
    return {"name": type(error).__name__, "status": getattr(error, "status_code", None), **fields}


def run(tasks, line):
    asked = json.loads(line)
    number, task = asked.pop("id"), asked.pop("task")
    try:
        say({"id": number, "result": tasks[task](**asked)})
    except Exception as error:
        text = getattr(error, "text", None)
        told = {"text": text} if text is not None else {}
        say({"id": number, "error": error_of(error), **told})


def serve(packages, tasks):
    names = ", ".join(f"{name} {version(name)}" for name in packages)
    say({"ready": names, "on": f"Python {platform.python_version()}"})
    with ThreadPoolExecutor(16) as pool:
        for line in sys.stdin:
            pool.submit(run, tasks, line)
