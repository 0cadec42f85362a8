"""LlamaIndex."""

import gc

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

from serve import collect, rounded, serve


class City(BaseModel):
    city: str
    people: int


def weather(city: str, days: int) -> str:
    """The weather of a city"""
    return f"{city}: sun for {days} days"


TOOLS = [FunctionTool.from_defaults(weather)]


def model(url, name="chat", **more):
    return OpenAILike(
        api_base=url,
        api_key="key",
        model=name,
        is_chat_model=True,
        is_function_calling_model=True,
        **more,
    )


def ask(prompt):
    return [ChatMessage(role="user", content=prompt)]


def usage_of(raw):
    return raw.usage and [raw.usage.prompt_tokens, raw.usage.completion_tokens]


def calls_of(llm, reply):
    calls = llm.get_tool_calls_from_response(reply, error_on_no_tool_call=False)
    return [
        {"id": call.tool_id, "name": call.tool_name, "args": call.tool_kwargs} for call in calls
    ]


def streamed(url, prompt, **more):
    seen = {"finish": None, "usage": None}

    def pieces():
        for part in model(url, **more).stream_chat(ask(prompt)):
            seen["usage"] = usage_of(part.raw) or seen["usage"]
            for choice in part.raw.choices:
                seen["finish"] = choice.finish_reason or seen["finish"]
            yield part.delta

    read = collect(pieces())
    return {"text": "".join(read), "isInPieces": len(read) > 1, **seen}


def plain(url, prompt, timeoutS=60.0):
    reply = model(url, timeout=timeoutS).chat(ask(prompt))
    finish = reply.raw.choices[0].finish_reason
    return {"text": reply.message.content, "finish": finish, "usage": usage_of(reply.raw)}


def stream(url, prompt):
    read = streamed(url, prompt)
    return {name: read[name] for name in ("text", "isInPieces", "finish")}


def usage(url, prompt):
    asked = {"stream_options": {"include_usage": True}}
    read = streamed(url, prompt, additional_kwargs=asked)
    return {name: read[name] for name in ("text", "usage")}


def tools(url, prompt):
    llm = model(url)
    reply = llm.chat_with_tools(TOOLS, user_msg=prompt, allow_parallel_tool_calls=True)
    return {"finish": reply.raw.choices[0].finish_reason, "calls": calls_of(llm, reply)}


def tools_stream(url, prompt):
    llm = model(url)
    last = list(llm.stream_chat_with_tools(TOOLS, user_msg=prompt))[-1]
    return {"finish": last.raw.choices[0].finish_reason, "calls": calls_of(llm, last)}


def schema(url, prompt):
    llm = model(url, should_use_structured_outputs=True)
    return {"value": llm.as_structured_llm(City).chat(ask(prompt)).raw.model_dump()}


def thoughts(message):
    return "".join(block.content or "" for block in message.blocks if block.block_type == "thinking")


def reasoning(url, prompt):
    message = model(url).chat(ask(prompt)).message
    return {"text": message.content, "reasoning": thoughts(message)}


def reasoning_stream(url, prompt):
    last = list(model(url).stream_chat(ask(prompt)))[-1].message
    return {"text": last.content, "reasoning": thoughts(last)}


def embeddings(url, texts, **more):
    embedder = OpenAILikeEmbedding(model_name="embed", api_base=url, api_key="key", **more)
    return {"vectors": rounded(embedder.get_text_embedding_batch(texts))}


def leave(url, prompt):
    parts = model(url).stream_chat(ask(prompt))
    text = next(part.delta for part in parts if part.delta)
    parts.close()
    # Its connection is closed when Python next looks for objects that only refer to each other.
    del parts
    gc.collect()
    return {"text": text}


serve(
    ["llama-index-llms-openai-like", "openai"],
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
        "embeddingsFloat": lambda url, texts: embeddings(
            url, texts, additional_kwargs={"encoding_format": "float"}
        ),
        "leave": leave,
        "unknown": lambda url, prompt: model(url, "unknown").chat(ask(prompt)),
    },
)
