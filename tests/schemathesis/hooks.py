"""What schemathesis cannot know about the daemon."""

import hashlib
import json

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    """Waits that are well-formed end at once, because nobody decides meanwhile, and a key that is
    well-formed stands for one body. Malformed ones are sent as they are."""
    wait = (case.query or {}).get("wait")
    if isinstance(wait, (int, str)) and str(wait).removesuffix("s").isdecimal():
        case.query["wait"] = "0"
    headers = case.headers or {}
    if "Prefer" in headers:
        headers["Prefer"] = "wait=0"
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and 1 <= len(key) <= 255 and key.isascii() and key.isprintable():
        body = json.dumps(case.body, sort_keys=True, default=str)
        headers["Idempotency-Key"] = hashlib.sha256(body.encode()).hexdigest()
