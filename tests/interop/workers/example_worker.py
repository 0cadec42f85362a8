"""examples/worker.py, unmodified, with a model that also fails and runs for ever when its prompt says so.

With DIES in its environment the process ends right after it has written a result.
"""

import os
import sys
import time
from pathlib import Path

from telling import introduce, say

sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))

import worker

own_model = worker.generate


def generate(messages):
    content = messages[-1]["content"]
    say("model.started", content=content[:80], pid=os.getpid())
    if content.startswith("fail: "):
        raise RuntimeError(content.removeprefix("fail: "))
    try:
        while content.startswith("endless: ") and "ENDS" not in os.environ:
            yield "on and "
            time.sleep(0.02)
        yield from own_model(messages)
    finally:
        say("model.closed", content=content[:80])


def set_and_die(*args, **kwargs):
    own_set(*args, **kwargs)
    os._exit(137)


own_set = worker.redis.Redis.set
if "DIES" in os.environ:
    worker.redis.Redis.set = set_and_die
worker.generate = generate
introduce("pika", "redis")
worker.main()
