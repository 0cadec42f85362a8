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


@app.task(name="generate", bind=True)
def generate(self, prompt: dict, prompt_type: str) -> dict:
    content = prompt["messages"][-1]["content"]
    if content.startswith("retry:") and self.request.retries < 2:
        raise self.retry(countdown=0.2)
    return {"content": answer(content)}


@worker_init.connect
def say_who(**_) -> None:
    introduce("celery", "kombu", "billiard", "redis")
