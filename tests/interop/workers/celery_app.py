"""A Celery application as anybody would write it: one task, found by its name.

Run by Celery's own command (`celery -A celery_app worker`); nothing of Celery
is replaced. ACKS_LATE=true is what Celery's documentation advises to those who
want a task back when its worker dies.
"""

import os

from celery import Celery
from celery.signals import worker_init

from fake_model import answer
from telling import introduce

acks_late = os.environ.get("ACKS_LATE") == "true"

app = Celery(
    broker=os.environ["CELERY_BROKER_URL"],
    backend=os.environ["CELERY_RESULT_BACKEND"],
)
app.conf.update(
    task_acks_late=acks_late,
    task_reject_on_worker_lost=acks_late,
    broker_connection_retry_on_startup=True,
    # Standard output is for the tests.
    worker_redirect_stdouts=False,
)


@app.task(name="generate")
def generate(prompt: dict, prompt_type: str) -> dict:
    return {"content": answer(prompt["messages"][-1]["content"])}


@worker_init.connect
def say_who(**_) -> None:
    introduce("celery", "kombu", "billiard", "redis")
