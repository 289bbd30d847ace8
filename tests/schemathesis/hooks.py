"""What schemathesis cannot know about the daemon."""

import hashlib
import json
import re

import schemathesis

NAME = re.compile("(@.{1,64}|unix:[A-Za-z0-9._@+-]{1,64}|[A-Za-z0-9._-][A-Za-z0-9._@-]{0,63})")


def forget_people(body):
    """A daemon that knows nobody refuses asks that tell approvers apart (422 people_unknown), so
    members that are well-formed are made to tell nobody apart. Malformed ones are sent as they
    are, and tests/it has daemons that know people."""
    need, names = body.get("need"), body.get("from")
    if isinstance(need, (int, float)) and not isinstance(need, bool) and 1 <= need <= 16:
        body["need"] = 1 if need == int(need) else need
    if isinstance(names, list) and len(names) <= 32:
        if all(isinstance(name, str) and NAME.fullmatch(name) for name in names):
            if not {"local", "classic"} & set(names):
                body["from"] = []


@schemathesis.hook
def before_call(context, case, kwargs):
    """Waits that are well-formed end at once, because nobody decides meanwhile, and a key that is
    well-formed stands for one body. Malformed ones are sent as they are."""
    if isinstance(case.body, dict):
        forget_people(case.body)
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
