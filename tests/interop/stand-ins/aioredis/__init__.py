"""Stands in for aioredis 2.0.1, which cannot be imported on Python 3.11 and later.

There asyncio.TimeoutError and the built-in TimeoutError are one class, and
aioredis derives one of its own from both. The code of aioredis went on as
redis.asyncio; the workers import the name and use nothing of it.
"""

from redis.asyncio import *  # noqa: F401,F403
