"""The model of every worker here: it does at once what its prompt says.

A language model would prove nothing more about the wire. Each start
is written to standard output, so that a test knows what has begun and in which
process.
"""

import os
import time

from telling import say


def answer(content: str) -> str:
    """What the model says to the last message."""
    say("model.started", content=content[:80], pid=os.getpid())
    if content.startswith("fail: "):
        raise RuntimeError(content.removeprefix("fail: "))
    if content.startswith("die:"):
        # As the kernel does it to a process that wants too much memory: nothing is said, nothing closed.
        os._exit(137)
    if content.startswith("sleep:"):
        time.sleep(float(content.removeprefix("sleep:").split()[0]))
    return f"echo: {content}"
