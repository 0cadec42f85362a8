"""The official client for Python."""

import json

from openai import OpenAI
from pydantic import BaseModel

from serve import TOOL, collect, rounded, serve

TOOLS = [{"type": "function", "function": TOOL}]


class City(BaseModel):
    city: str
    people: int


def client(url, **more):
    return OpenAI(base_url=url, api_key="key", **more)


def chat(prompt, **more):
    return {"model": "chat", "messages": [{"role": "user", "content": prompt}]} | more


def usage_of(usage):
    return usage and [usage.prompt_tokens, usage.completion_tokens]


def calls_of(calls):
    return [
        {"id": call.id, "name": call.function.name, "args": json.loads(call.function.arguments)}
        for call in calls or []
    ]


def answered(url, prompt, options=None, **more):
    reply = client(url, **(options or {})).chat.completions.create(**chat(prompt, **more))
    return reply.choices[0], usage_of(reply.usage)


def streamed(url, prompt, **more):
    seen = {"finish": None, "usage": None, "reasoning": ""}

    def pieces():
        for chunk in client(url).chat.completions.create(**chat(prompt, stream=True, **more)):
            seen["usage"] = usage_of(chunk.usage) or seen["usage"]
            for choice in chunk.choices:
                seen["finish"] = choice.finish_reason or seen["finish"]
                seen["reasoning"] += getattr(choice.delta, "reasoning_content", None) or ""
                yield choice.delta.content

    read = collect(pieces())
    return {"text": "".join(read), "isInPieces": len(read) > 1, **seen}


def plain(url, prompt, timeoutS=None):
    choice, usage = answered(url, prompt, timeoutS and {"timeout": timeoutS})
    return {"text": choice.message.content, "finish": choice.finish_reason, "usage": usage}


def stream(url, prompt):
    read = streamed(url, prompt)
    return {name: read[name] for name in ("text", "isInPieces", "finish")}


def usage(url, prompt):
    read = streamed(url, prompt, stream_options={"include_usage": True})
    return {name: read[name] for name in ("text", "usage")}


def tools(url, prompt):
    choice, _ = answered(url, prompt, tools=TOOLS)
    return {"finish": choice.finish_reason, "calls": calls_of(choice.message.tool_calls)}


def tools_stream(url, prompt):
    # The helper, which puts the pieces together.
    with client(url).chat.completions.stream(**chat(prompt, tools=TOOLS)) as events:
        choice = events.get_final_completion().choices[0]
    return {"finish": choice.finish_reason, "calls": calls_of(choice.message.tool_calls)}


def schema(url, prompt):
    reply = client(url).chat.completions.parse(**chat(prompt, response_format=City))
    return {"value": reply.choices[0].message.parsed.model_dump()}


def reasoning(url, prompt):
    message = answered(url, prompt)[0].message
    return {"text": message.content, "reasoning": message.reasoning_content}


def reasoning_stream(url, prompt):
    read = streamed(url, prompt)
    return {name: read[name] for name in ("text", "reasoning")}


def embeddings(url, texts, **more):
    reply = client(url).embeddings.create(model="embed", input=texts, **more)
    return {"vectors": rounded(item.embedding for item in reply.data)}


def leave(url, prompt):
    events = client(url).chat.completions.create(**chat(prompt, stream=True))
    for chunk in events:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    events.close()
    return {"text": chunk.choices[0].delta.content}


serve(
    ["openai"],
    {
        "plain": plain,
        "stream": stream,
        "usage": usage,
        "tools": tools,
        "toolsStream": tools_stream,
        "schema": schema,
        "reasoning": reasoning,
        "reasoningStream": reasoning_stream,
        "embeddings": embeddings,
        "embeddingsFloat": lambda url, texts: embeddings(url, texts, encoding_format="float"),
        "leave": leave,
        "unknown": lambda url, prompt: answered(url, prompt, model="unknown"),
        "models": lambda url: {"ids": [model.id for model in client(url).models.list()]},
    },
)
