"""What is so of requests and no OpenAPI document can say."""

import hashlib
import json
import re

import schemathesis

KEY = "Idempotency-Key"


@schemathesis.hook("before_call").apply_to(method="POST", path_regex="^/v1/")
def a_model_that_there_is(context, case, kwargs):
    """The name of a model is any text, and each that is not served is a 404. So most requests name one that is."""
    if is_valid(case) and isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
        if len(case.body["model"]) % 8 != 7:
            case.body["model"] = "whole"


@schemathesis.hook("before_call").apply_to(method="POST", path_regex="^/v1/responses$")
def what_refers_to_something(context, case, kwargs):
    """A reference to what is not there is a 400 however valid its form is, and so is a call of no function."""
    body = case.body
    if not is_valid(case) or not isinstance(body, dict):
        return
    if isinstance(body.get("previous_response_id"), str):
        del body["previous_response_id"]
        if body.get("input") is None:
            body["input"] = "Hello"
    if isinstance(body.get("input"), list):
        body["input"] = [item for item in body["input"] if not is_reference(item)]
    if isinstance(body.get("tool_choice"), dict) or body.get("tool_choice") == "required":
        tool = {"type": "function", "name": name_in(body["tool_choice"])}
        body["tools"] = [*(body.get("tools") or []), tool]
    if case.meta.phase.name == "stateful":
        # The next steps read it and cancel it.
        body.update(store=True, background=body.get("background") is not False)


@schemathesis.hook("before_call").apply_to(method="GET", path_regex="/input_items$")
def the_first_page(context, case, kwargs):
    """A page that begins after an item which is not in the list is a 400."""
    if is_valid(case) and case.query:
        case.query.pop("after", None)


@schemathesis.hook("filter_query").apply_to(path_regex="^/v1/responses/")
def what_is_in_the_address(context, query):
    """A list or object without members leaves nothing in the address, and what is not sent cannot be refused."""
    return not query or query.get("stream") not in ([], {})


def name_in(choice):
    if not isinstance(choice, dict):
        return "f"
    function = choice.get("function")
    return (function if isinstance(function, dict) else choice).get("name")


def is_valid(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


def is_reference(item):
    return isinstance(item, dict) and (item.get("type") or "item_reference") == "item_reference" and "role" not in item


@schemathesis.hook("before_call").apply_to(method="POST", path_regex="^/(jobs$|v1/)")
def one_payload_by_one_key(context, case, kwargs):
    """A key that was used for another payload or path, or goes with a job_id, is a 422 however valid both are.

    So a key is left out beside a job_id, and else ends in a digest of path and payload. One that is invalid is
    left as it is: that it is refused is what is to be seen. Before the call and not when the case is made,
    because a link writes into the body in between.
    """
    headers = case.headers or {}
    key = headers.get(KEY)
    if not isinstance(key, str) or not re.fullmatch(r"[!-~][ -~]{0,254}", key):
        return
    if isinstance(case.body, dict) and case.body.get("job_id") is not None:
        del headers[KEY]
        return
    digest = hashlib.sha256(json.dumps([case.path, case.body], default=repr).encode()).hexdigest()[:16]
    headers[KEY] = (key if len(key) <= 16 else key[:-16]) + digest
