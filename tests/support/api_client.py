# SPDX-License-Identifier: Apache-2.0
"""The HTTP API from outside: requests over its Unix socket, its event stream, and its own description
to hold the answers against."""
import http.client
import json
import os
import re
import socket
import time

SLOW = 20.0 * float(os.environ.get("BASCULE_SLOW", 1))  # a bound for what takes milliseconds when the machine is free


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=SLOW)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.type = response.headers.get_content_type()
        self.bytes = response.read()

    @property
    def json(self):
        return json.loads(self.bytes)


def request(path, method, target, body=None, headers=None, raw=None):
    """One request on a connection of its own. `body` is sent as JSON, `raw` as it is."""
    connection = Connection(path)
    try:
        headers = dict(headers or {})
        if body is not None or raw is not None:
            headers.setdefault("Content-Type", "application/json")
        data = raw if raw is not None else None if body is None else json.dumps(body)
        connection.request(method, target, data, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Events:
    """An open event stream; next() is one (id, event, data)."""

    def __init__(self, path, target="/v1/events", last=None):
        self.connection = Connection(path)
        headers = {"Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        self.connection.request("GET", target, headers=headers)
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        assert self.response.headers.get_content_type() == "text/event-stream"

    def next(self):
        number, event, data = None, "message", None
        until = time.monotonic() + 3 * SLOW
        while True:
            assert time.monotonic() < until, "nothing but heartbeats"
            line = self.response.readline().decode().rstrip("\n")
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
            elif not line and data is not None:
                return number, event, data

    def until(self, wanted):
        """Events up to the first that `wanted` accepts."""
        seen = [self.next()]
        while not wanted(seen[-1]):
            seen.append(self.next())
        return seen

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def check(document, schema, value, where="answer"):
    """Fails unless `value` is what `schema` of the OpenAPI document describes, and nothing besides."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        if value is None:
            assert {"type": "null"} in schema["anyOf"], f"{where} is null"
            return
        schema = next(choice for choice in schema["anyOf"] if choice != {"type": "null"})
        check(document, schema, value, where)
        return
    kind = schema["type"]
    types = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    assert isinstance(value, types[kind]) and (kind != "integer" or not isinstance(value, bool)), \
        f"{where} is {value!r}, not {kind}"
    if kind == "array":
        for index, item in enumerate(value):
            check(document, schema["items"], item, f"{where}[{index}]")
    if kind == "object" and "properties" in schema:
        for name in schema["required"]:
            assert name in value, f"{where} has no {name}"
        for name, item in value.items():
            assert name in schema["properties"], f"{where}.{name} is not described"
            check(document, schema["properties"][name], item, f"{where}.{name}")
    if "enum" in schema:
        assert value in schema["enum"], f"{where} is {value!r}"
    if schema.get("format") == "date-time":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value), f"{where} is {value!r}"


def check_answer(document, method, path, answer):
    """Holds an answer against the operation at `path` (with its {parameters})."""
    responses = document["paths"][path][method.lower()]["responses"]
    assert str(answer.status) in responses, f"{method} {path}: {answer.status} {answer.bytes!r}"
    content = responses[str(answer.status)]["content"]
    assert answer.type in content, f"{method} {path}: {answer.type}"
    if answer.type.endswith("json"):
        check(document, content[answer.type]["schema"], answer.json, f"{method} {path}")
