"""The official client for Python, with the Responses API."""

import json
import time

from openai import OpenAI
from pydantic import BaseModel

from serve import TOOL, serve

TOOLS = [{"type": "function", "strict": True, **TOOL}]
OPEN = ("queued", "in_progress")


class City(BaseModel):
    city: str
    people: int


def responses(url, **more):
    return OpenAI(base_url=url, api_key="key", **more).responses


def asking(prompt, **more):
    return {"model": "chat", "input": prompt} | more


def of_type(response, kind):
    return [item for item in response.output if item.type == kind]


def shown(response):
    """What a user reads in a response."""
    usage, error, details = response.usage, response.error, response.incomplete_details
    thoughts = [part.text for item in of_type(response, "reasoning") for part in item.content or []]
    return {
        "status": response.status,
        "text": response.output_text,
        "reasoning": "".join(thoughts),
        "calls": [
            {"id": call.call_id, "name": call.name, "args": json.loads(call.arguments)}
            for call in of_type(response, "function_call")
        ],
        "usage": usage and [usage.input_tokens, usage.output_tokens],
        "error": error and error.message,
        "reason": details and details.reason,
    }


def told_by(events):
    last = getattr(events[-1], "response", None) if events else None
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    return {
        "text": "".join(deltas),
        "numbers": [event.sequence_number for event in events],
        "types": list(dict.fromkeys(event.type for event in events)),
        "end": last and shown(last),
    }


def loop(stream):
    """What a loop over the events of a response gives."""
    return told_by([event for event in stream if event.type != "keepalive"])


def helped(manager):
    with manager as stream:
        numbers = [event.sequence_number for event in stream]
        return {"numbers": numbers, "final": shown(stream.get_final_response())}


def plain(url, prompt, timeoutS=None, **more):
    api = responses(url, **(timeoutS and {"timeout": timeoutS} or {}))
    return shown(api.create(**asking(prompt, **more)))


def leave(url, prompt):
    with responses(url).create(**asking(prompt, stream=True)) as events:
        for event in events:
            if event.type == "response.output_text.delta":
                return {"text": event.delta}


def resume(url, prompt):
    api = responses(url)
    response_id, after, text = "", -1, ""
    with api.create(**asking(prompt, stream=True, background=True)) as first:
        for event in first:
            if event.type == "response.created":
                response_id = event.response.id
            after = event.sequence_number
            if event.type == "response.output_text.delta":
                text = event.delta
                break
    rest = loop(api.retrieve(response_id, stream=True, starting_after=after))
    return {"after": after, **rest, "text": text + rest["text"]}


def replay(url, prompt, after):
    api = responses(url)
    made = api.create(**asking(prompt, background=True))
    return helped(api.stream(response_id=made.id, starting_after=after))


def background(url, prompt):
    api = responses(url)
    response = api.create(**asking(prompt, background=True))
    first = response.status
    while response.status in OPEN:
        time.sleep(0.05)
        response = api.retrieve(response.id)
    return {"first": first, "end": shown(response)}


def cancel(url, prompt):
    api = responses(url)
    made = api.create(**asking(prompt, background=True))
    cancelled = [api.cancel(made.id), api.cancel(made.id), api.retrieve(made.id)]
    return {"statuses": [response.status for response in cancelled]}


def delete(url, prompt):
    api = responses(url)
    made = api.create(**asking(prompt))
    api.delete(made.id)
    return shown(api.retrieve(made.id))


def input_items(url, prompt):
    api = responses(url)
    made = api.create(**asking(prompt))
    items = [
        {"type": item.type, "role": item.role, "text": item.content[0].text}
        for item in api.input_items.list(made.id)
    ]
    return {"items": items}


def turn(url, prompt, output):
    api = responses(url)
    first = api.create(**asking(prompt, tools=TOOLS))
    outputs = [
        {"type": "function_call_output", "call_id": call.call_id, "output": output}
        for call in of_type(first, "function_call")
    ]
    return shown(api.create(**asking(outputs, tools=TOOLS, previous_response_id=first.id)))


def schema(url, prompt):
    reply = responses(url).parse(**asking(prompt, text_format=City))
    return {"value": reply.output_parsed.model_dump()}


serve(
    ["openai"],
    {
        "plain": plain,
        "tools": lambda url, prompt: plain(url, prompt, tools=TOOLS),
        "stream": lambda url, prompt, **more: loop(
            responses(url).create(**asking(prompt, stream=True, **more))
        ),
        "helper": lambda url, prompt, **more: helped(
            responses(url).stream(**asking(prompt, **more))
        ),
        "helperTools": lambda url, prompt: helped(
            responses(url).stream(**asking(prompt, tools=TOOLS))
        ),
        "schema": schema,
        "leave": leave,
        "resume": resume,
        "replay": replay,
        "background": background,
        "cancel": cancel,
        "delete": delete,
        "inputItems": input_items,
        "turn": turn,
    },
)
