"""LangChain for Python."""

from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from serve import TOOL, collect, rounded, serve

TOOLS = [{"type": "function", "function": TOOL}]
CITY = {
    "title": "city",
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
}


def model(url, name="chat", **more):
    return ChatOpenAI(base_url=url, api_key="key", model=name, **more)


def usage_of(message):
    usage = message.usage_metadata
    return usage and [usage["input_tokens"], usage["output_tokens"]]


def told(message):
    calls = [{name: call[name] for name in ("id", "name", "args")} for call in message.tool_calls]
    return {"finish": message.response_metadata["finish_reason"], "calls": calls}


def streamed(runnable, prompt):
    chunks = []

    def pieces():
        for chunk in runnable.stream(prompt):
            chunks.append(chunk)
            yield chunk.content

    read = collect(pieces())
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return read, whole


def plain(url, prompt, timeoutS=None):
    message = model(url, timeout=timeoutS).invoke(prompt)
    finish = message.response_metadata["finish_reason"]
    return {"text": message.content, "finish": finish, "usage": usage_of(message)}


def stream(url, prompt):
    read, whole = streamed(model(url), prompt)
    finish = whole.response_metadata["finish_reason"]
    return {"text": "".join(read), "isInPieces": len(read) > 1, "finish": finish}


def usage(url, prompt):
    read, whole = streamed(model(url, stream_usage=True), prompt)
    return {"text": "".join(read), "usage": usage_of(whole)}


def tools(url, prompt):
    return told(model(url).bind_tools(TOOLS).invoke(prompt))


def tools_stream(url, prompt):
    return told(streamed(model(url).bind_tools(TOOLS), prompt)[1])


def schema(url, prompt):
    structured = model(url).with_structured_output(CITY, method="json_schema")
    return {"value": structured.invoke(prompt)}


def reasoning(url, prompt):
    message = model(url).invoke(prompt)
    return {"text": message.content, "reasoning": message.additional_kwargs.get("reasoning_content")}


def reasoning_stream(url, prompt):
    read, whole = streamed(model(url), prompt)
    return {"text": "".join(read), "reasoning": whole.additional_kwargs.get("reasoning_content")}


def embeddings(url, texts, **more):
    # It would count tokens with a vocabulary that it downloads, and send those of another model.
    embedder = OpenAIEmbeddings(
        base_url=url, api_key="key", model="embed", check_embedding_ctx_length=False, **more
    )
    return {"vectors": rounded(embedder.embed_documents(texts))}


def leave(url, prompt):
    chunks = model(url).stream(prompt)
    text = next(chunk.content for chunk in chunks if chunk.content)
    chunks.close()
    return {"text": text}


serve(
    ["langchain-openai", "openai"],
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
            url, texts, model_kwargs={"encoding_format": "float"}
        ),
        "leave": leave,
        "unknown": lambda url, prompt: model(url, "unknown").invoke(prompt),
    },
)
