"""The worker of protollm-worker 1.0, unmodified, with a model that does what its prompt says.

1.0.0 takes its settings one by one, later ones in a Config: the constructor
tells which it is.
"""

import inspect
import os

from telling import allow_stand_ins, introduce

allow_stand_ins()

from protollm_worker.models.base import BaseLLM
from protollm_worker.services.broker import LLMWrap

from fake_model import answer


class FakeModel(BaseLLM):
    def __call__(self, transaction) -> str:
        return answer(transaction.prompt.messages[-1].content)


def settings() -> dict:
    env = os.environ
    return {
        "redis_host": env["REDIS_HOST"],
        "redis_port": int(env["REDIS_PORT"]),
        "redis_prefix": env["REDIS_PREFIX"],
        "rabbit_host": env["RABBIT_MQ_HOST"],
        "rabbit_port": int(env["RABBIT_MQ_PORT"]),
        "rabbit_login": env["RABBIT_MQ_LOGIN"],
        "rabbit_password": env["RABBIT_MQ_PASSWORD"],
        "queue_name": env["QUEUE_NAME"],
    }


def wrap() -> LLMWrap:
    model = FakeModel("")
    if "config" not in inspect.signature(LLMWrap.__init__).parameters:
        return LLMWrap(model, **settings())
    from protollm_worker.config import Config

    return LLMWrap(model, Config(**settings()))


introduce("protollm-worker", "protollm-sdk", "pika", "redis", "aioredis")
wrap().start_connection()
