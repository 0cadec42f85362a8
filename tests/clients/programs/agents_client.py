"""The Agents SDK for Python."""

import asyncio
from threading import Thread

from agents import Agent, OpenAIProvider, RunConfig, Runner, function_tool

from serve import serve

# One for all tasks: the package keeps connections for later, and they belong to their loop.
LOOP = asyncio.new_event_loop()
Thread(target=LOOP.run_forever, daemon=True).start()


def run(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result()


def crew(url, output):
    """An agent with one tool, which gives back `output` and notes what it was called with."""
    calls = []

    @function_tool
    def weather(city: str, days: int) -> str:
        """The weather of a city"""
        calls.append({"city": city, "days": days})
        return output

    agent = Agent(name="Forecaster", instructions="Be brief.", model="chat", tools=[weather])
    provider = OpenAIProvider(base_url=url, api_key="key")
    return agent, calls, RunConfig(model_provider=provider, tracing_disabled=True)


async def plain(prompt, **more):
    agent, calls, config = crew(**more)
    ran = await Runner.run(agent, prompt, run_config=config)
    return {"text": ran.final_output, "calls": calls}


async def stream(prompt, **more):
    agent, calls, config = crew(**more)
    streamed = Runner.run_streamed(agent, prompt, run_config=config)
    pieces = [
        event.data.delta
        async for event in streamed.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    return {
        "text": streamed.final_output,
        "calls": calls,
        "pieces": "".join(pieces),
        "isInPieces": len(pieces) > 1,
    }


async def continued(prompt, next, **more):
    agent, calls, config = crew(**more)
    first = await Runner.run(agent, prompt, run_config=config)
    last_id = first.last_response_id
    ran = await Runner.run(agent, next, run_config=config, previous_response_id=last_id)
    return {"text": ran.final_output, "calls": calls}


serve(
    ["openai-agents"],
    {
        "plain": lambda **asked: run(plain(**asked)),
        "stream": lambda **asked: run(stream(**asked)),
        "continued": lambda **asked: run(continued(**asked)),
    },
)
