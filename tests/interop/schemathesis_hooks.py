"""What is so of requests and no OpenAPI document can say."""

import hashlib
import json
import re

import schemathesis

KEY = "Idempotency-Key"


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
