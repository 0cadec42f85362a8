"""Reads a held answer, a stream and a resume by four libraries, each as its documentation shows it.

Arguments: the gateway's URL, the id of a job that has ended, and a URL of a stream with pings.
Writes one JSON object a line: the library, its version, and what it has read.
"""

import asyncio
import json
import sys
from importlib.metadata import version

import aiohttp
import httpx
import httpx_sse
import requests

URL, JOB, PINGS = sys.argv[1:4]
EVENTS = f"{URL}/jobs/{JOB}/events"
ASK = {"meta": {}, "content": "held\u2028answer"}


class Events:
    """Puts events together from lines, by the rules of the HTML specification."""

    def __init__(self):
        self.found = []
        self.event, self.data, self.id = "message", [], None

    def line(self, line):
        if line == "":
            if self.data:
                self.add(self.event, "\n".join(self.data), self.id)
            self.event, self.data = "message", []
            return
        field, _, value = line.partition(": ")
        if field == "event":
            self.event = value
        elif field == "id":
            self.id = value
        elif field == "data":
            self.data.append(value)

    def add(self, event, data, last_id):
        self.found.append((event, json.loads(data), last_id))


def text_of(found):
    return "".join(data["text"] for event, data, _ in found if event == "delta")


def by_requests(url, last_id=None):
    headers = {"Last-Event-ID": last_id} if last_id else {}
    events = Events()
    with requests.get(url, headers=headers, stream=True, timeout=30) as reply:
        reply.encoding = "utf-8"
        for line in reply.iter_lines(decode_unicode=True):
            events.line(line)
    return events.found


def by_httpx(url, last_id=None):
    headers = {"Last-Event-ID": last_id} if last_id else {}
    events = Events()
    with httpx.stream("GET", url, headers=headers, timeout=30) as reply:
        for line in reply.iter_lines():
            events.line(line)
    return events.found


def by_httpx_sse(url, last_id=None):
    headers = {"Last-Event-ID": last_id} if last_id else {}
    events = Events()
    with httpx.Client(timeout=30) as client:
        with httpx_sse.connect_sse(client, "GET", url, headers=headers) as source:
            for event in source.iter_sse():
                events.add(event.event, event.data, event.id)
    return events.found


def by_aiohttp(url, last_id=None):
    async def read():
        headers = {"Last-Event-ID": last_id} if last_id else {}
        events = Events()
        async with aiohttp.ClientSession() as session:
            async with session.get(url, headers=headers) as reply:
                async for line in reply.content:
                    events.line(line.decode().rstrip("\r\n"))
        return events.found

    return asyncio.run(read())


def held_by_aiohttp(body):
    async def ask():
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{URL}/generate", json=body) as reply:
                return await reply.json()

    return asyncio.run(ask())


LIBRARIES = {
    "requests": (by_requests, lambda body: requests.post(f"{URL}/generate", json=body, timeout=30).json()),
    "httpx": (by_httpx, lambda body: httpx.post(f"{URL}/generate", json=body, timeout=30).json()),
    "httpx-sse": (by_httpx_sse, lambda body: httpx.post(f"{URL}/generate", json=body, timeout=30).json()),
    "aiohttp": (by_aiohttp, held_by_aiohttp),
}

for name, (read, ask) in LIBRARIES.items():
    found = read(EVENTS)
    deltas = [last_id for event, _, last_id in found if event == "delta"]
    last_id = deltas[len(deltas) // 2]
    seen = found[: [one[2] for one in found].index(last_id) + 1]
    result = {
        "client": f"{name} {version(name)}",
        "held": ask({"job_id": f"held-{name}", **ASK})["content"],
        "text": text_of(found),
        "end": found[-1][0],
        "resumed": text_of(seen) + text_of(read(EVENTS, last_id)),
        "pings": [event for event, _, _ in read(PINGS)],
    }
    print(json.dumps(result), flush=True)
