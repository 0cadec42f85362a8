"""The worker of protollm-api 1.1, unmodified, with a model that does what its prompt says.

It consumes in a thread of its own, which keeps the process alive.
"""

import os

from protollm_api.worker.config import Config
from protollm_api.worker.models.base import BaseLLM
from protollm_api.worker.services.broker import LLMWrap

from fake_model import answer
from telling import introduce


class FakeModel(BaseLLM):
    def __call__(self, transaction) -> str:
        return answer(transaction.prompt.messages[-1].content)


def config() -> Config:
    env = os.environ
    return Config(
        redis_host=env["REDIS_HOST"],
        redis_port=int(env["REDIS_PORT"]),
        redis_prefix_for_status=env["REDIS_PREFIX_FOR_STATUS"],
        redis_prefix_for_answer=env["REDIS_PREFIX_FOR_ANSWER"],
        rabbit_host=env["RABBIT_MQ_HOST"],
        rabbit_port=int(env["RABBIT_MQ_PORT"]),
        rabbit_login=env["RABBIT_MQ_LOGIN"],
        rabbit_password=env["RABBIT_MQ_PASSWORD"],
        queue_name=env["QUEUE_NAME"],
    )


introduce("protollm-api", "pika", "redis")
LLMWrap(FakeModel(""), config()).start_connection()
