"""A worker for the gateway's dialect protollm-v1: pip install pika redis && python examples/worker.py
It runs one job at a time. It ends when it loses a connection or the queue: let a supervisor start it again.
"""
import json, os, re, time, uuid
import pika, redis

QUEUE = os.environ.get("QUEUE_NAME", "llm-api-queue")
PREFIX = os.environ.get("REDIS_PREFIX", "llm-api")
TTL = 3600  # seconds; the gateway's RESULT_TTL_S


def generate(messages):
    """Your model. With transformers: model.generate runs in a thread, and this yields what TextIteratorStreamer has."""
    for word in re.findall(r"\S+\s*", f"echo: {messages[-1]['content']}"):
        time.sleep(0.05)
        yield word


def is_unwanted(store, key, run):
    """The run was cancelled, or the id has a new run."""
    cancelled, record = store.mget(f"{{{key}}}:cancel", f"{{{key}}}:job")
    return cancelled == run or (record is not None and json.loads(record)["run"] != run)


def work(connection, store, prompt, run, attempt):
    key, content = f"{PREFIX}:{prompt['job_id']}", ""
    fields = {"run": run, "attempt": attempt, "writer": uuid.uuid4().hex}
    if is_unwanted(store, key, run) or (attempt > 1 and store.exists(key)):
        return  # nothing to do: in the second case, another worker died between its result and its acknowledgement
    try:
        for piece in generate(prompt["messages"]):
            connection.process_data_events()  # keeps the connection alive
            if is_unwanted(store, key, run):
                return
            store.xadd(f"{{{key}}}:deltas", {"text": piece, **fields}, maxlen=100_000)
            store.expire(f"{{{key}}}:deltas", TTL)
            content += piece
        result = {"content": content, "run": run}
    except (pika.exceptions.AMQPError, redis.RedisError):
        raise  # nothing is acknowledged: the job goes to another worker
    except Exception as error:
        result = {"error": {"type": type(error).__name__, "message": str(error)}, "run": run}
    store.set(key, json.dumps(result), nx=True, ex=TTL)  # of two results the first one stands


def main():
    store = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379"), decode_responses=True)
    url = os.environ.get("RABBIT_MQ_URL", "amqp://guest:guest@localhost:5672/%2F")
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare(QUEUE, passive=True)  # the gateway has declared it, by its settings
    channel.basic_qos(prefetch_count=1)
    for method, properties, body in channel.consume(QUEUE):
        attempt = 1 + (properties.headers or {}).get("x-delivery-count", int(method.redelivered))
        work(connection, store, json.loads(body)["kwargs"]["prompt"], properties.correlation_id, attempt)
        channel.basic_ack(method.delivery_tag)


if __name__ == "__main__":
    main()
