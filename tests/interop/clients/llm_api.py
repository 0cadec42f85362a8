"""Asks with the client of protollm-sdk, unmodified, and tells what it made of the answers.

Arguments: host, port, and a JSON list of calls {"call", "request"}. Each
outcome is a line of JSON: the content, or the text of what was raised.
"""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "workers"))

from protollm_sdk.jobs.llm_api import LLMAPI
from protollm_sdk.models.job_context_models import ChatCompletionModel, PromptModel

from telling import introduce, say

MODELS = {"inference": PromptModel, "chat_completion": ChatCompletionModel}

host, port, calls = sys.argv[1:]
introduce("protollm-sdk", "httpx", "pydantic")
client = LLMAPI(host, port, timeout_sec=30)
for call in json.loads(calls):
    request = MODELS[call["call"]](**call["request"])
    try:
        response = getattr(client, call["call"])(request)
        say("client.answered", content=response.content)
    except Exception as error:
        say("client.raised", text=str(error))
