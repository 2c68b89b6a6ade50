#!/usr/bin/env python3
"""The client that the conformance suite starts against a server of its own: a gateway in front of that server, and a simple
client of REVISION in front of the gateway. The suite judges what its server hears, so the gateway is the client on trial.

usage: scripts/conformance_driver.py REVISION URL
"""

import base64
import http.client
import json
import os
import pathlib
import signal
import sys
import tempfile
import urllib.parse

from conformance_gateway import Processes, start_gateway, wait_for

# The suite's own bound comes later, and would leave the gateway running.
SECONDS = 50
TOOLLESS = ("initialize", "request-metadata")
# Its server lists a tool that cannot be called.
UNCALLED = "json-schema-ref-no-deref"
# Called while another call asks something, to see that the two are kept apart.
BYSTANDER = "test_mrtr_unrelated"
INFO = {"name": "conformance-driver", "version": "1.0.0"}
CAPABILITIES = {"elicitation": {}}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    revision, target = sys.argv[1:]
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"error: not done after {SECONDS} s"))
    signal.alarm(SECONDS)
    with tempfile.TemporaryDirectory(prefix="portcullis-driver-") as name, Processes() as processes:
        # Lists are asked for when the client asks: that is the moment the suite watches.
        gateway = start_gateway(processes, pathlib.Path(name), target, "dynamic")
        client = {"2024-11-05": BesideStream, "2026-07-28": Stateless}.get(revision, InSession)(gateway, revision)
        use_everything(client, os.environ["MCP_CONFORMANCE_SCENARIO"])


def use_everything(client, scenario):
    """Lists everything there is, and calls, reads and gets it once."""
    wait_for(lambda: client.list("tools") or scenario in TOOLLESS)
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    calls = [{"name": tool["name"], "arguments": arguments(tool, client.tools)} for tool in client.tools]
    for call in context.get("toolCalls", [] if scenario == UNCALLED else calls):
        client.request("tools/call", call)
    for resource in client.list("resources"):
        client.request("resources/read", {"uri": resource["uri"]})
    for prompt in client.list("prompts"):
        client.request("prompts/get", {"name": prompt["name"]})
    if not client.tools and scenario not in TOOLLESS:
        sys.exit("error: no tool was listed")


def arguments(tool, tools):
    schema = tool["inputSchema"]
    values = {name: value(schema["properties"][name]) for name in schema.get("required", [])}
    if tool["name"] == "json_schema_echo":
        # It wants to see what became of its neighbour's schema.
        values["schema"] = tools[0]["inputSchema"]
    return values


def value(schema):
    """A value that fits: the default, or something of the type."""
    examples = {"number": 5, "integer": 5, "boolean": True, "object": {}}
    return schema.get("default", examples.get(schema.get("type"), "something"))


class Client:
    """What clients of every revision have in common. Each knows how to send a request and where its answer comes."""

    def __init__(self, gateway, revision):
        self.gateway, self.revision = gateway, revision
        self.last_id, self.tools = 0, []

    def list(self, kind):
        items = self.request(f"{kind}/list", {})[kind]
        if kind == "tools":
            self.tools = items
        return items

    def answer(self, question):
        """Accepts a form with its defaults; another call comes before the answer, if there is a tool for that."""
        if any(tool["name"] == BYSTANDER for tool in self.tools):
            self.request("tools/call", {"name": BYSTANDER, "arguments": {}})
        properties = question["params"]["requestedSchema"]["properties"]
        return {"action": "accept", "content": {name: value(schema) for name, schema in properties.items()}}

    def next_id(self):
        self.last_id += 1
        return self.last_id

    def post(self, address, body, headers):
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream", **headers}
        return send("POST", address, headers, json.dumps({"jsonrpc": "2.0", **body}))


class Stateless(Client):
    """2026-07-28: every request says everything, and questions are answers of another type."""

    def request(self, method, params):
        while True:
            result = self.once(method, params)
            if result.get("resultType") != "input_required":
                return result
            asked = result["inputRequests"].items()
            params = {**params, "inputResponses": {key: self.answer(question) for key, question in asked}}
            params.pop("requestState", None)
            params |= {key: result[key] for key in ("requestState",) if key in result}

    def once(self, method, params):
        key = "io.modelcontextprotocol"
        meta = {
            f"{key}/protocolVersion": self.revision,
            f"{key}/clientCapabilities": CAPABILITIES,
            f"{key}/clientInfo": INFO,
        }
        body = {"id": self.next_id(), "method": method, "params": {**params, "_meta": meta}}
        headers = {"mcp-protocol-version": self.revision, "mcp-method": method, **self.mirrored(method, params)}
        response = self.post(f"{self.gateway}/mcp", body, headers)
        return result_of(next(message for message in messages(response) if message.get("id") == body["id"]))

    def mirrored(self, method, params):
        """The headers that repeat what the body says."""
        headers = {}
        name = params.get("name", params.get("uri"))
        if name is not None:
            headers["mcp-name"] = encoded(name)
        tool = next((tool for tool in self.tools if method == "tools/call" and tool["name"] == name), None)
        properties = tool["inputSchema"]["properties"] if tool else {}
        for parameter, schema in properties.items():
            given = params["arguments"].get(parameter)
            if "x-mcp-header" in schema and given is not None:
                headers[f"mcp-param-{schema['x-mcp-header']}"] = encoded(given)
        return headers


class InSession(Client):
    """2025-03-26 to 2025-11-25: questions come on the stream of the call, and are answered beside it."""

    def __init__(self, gateway, revision):
        super().__init__(gateway, revision)
        self.headers = {}
        hello = {"protocolVersion": revision, "capabilities": CAPABILITIES, "clientInfo": INFO}
        self.request("initialize", hello)
        if revision >= "2025-06-18":
            self.headers["mcp-protocol-version"] = revision
        self.tell({"method": "notifications/initialized"})

    def request(self, method, params):
        body = {"id": self.next_id(), "method": method, "params": params}
        response = self.post(f"{self.gateway}/mcp", body, self.headers)
        if session := response.headers.get("mcp-session-id"):
            self.headers["mcp-session-id"] = session
        return self.answered(body["id"], messages(response))

    def answered(self, wanted, stream):
        """The result of the request `wanted`, with every question answered that comes before it."""
        for message in stream:
            if message.get("method") == "elicitation/create":
                self.tell({"id": message["id"], "result": self.answer(message)})
            elif message.get("id") == wanted and "method" not in message:
                return result_of(message)
        sys.exit("error: the stream ended without an answer")

    def tell(self, body):
        self.post(f"{self.gateway}/mcp", body, self.headers).read()


class BesideStream(InSession):
    """2024-11-05: one stream for everything the server says, and another address for what it is told."""

    def __init__(self, gateway, revision):
        response = send("GET", f"{gateway}/sse", {"accept": "text/event-stream"}, None)
        events = events_of(response)
        self.address = urllib.parse.urljoin(gateway, next(events))
        self.stream = map(json.loads, events)
        super().__init__(gateway, revision)

    def request(self, method, params):
        body = {"id": self.next_id(), "method": method, "params": params}
        self.tell(body)
        return self.answered(body["id"], self.stream)

    def tell(self, body):
        self.post(self.address, body, self.headers).read()


def send(verb, address, headers, body):
    url = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(url.netloc, timeout=SECONDS)
    target = f"{url.path}?{url.query}" if url.query else url.path
    connection.request(verb, target, body, headers)
    return connection.getresponse()


def messages(response):
    if response.headers.get_content_type() == "text/event-stream":
        return map(json.loads, events_of(response))
    return iter([json.loads(response.read())])


def events_of(response):
    """The data of every event that has some."""
    data = []
    for line in response:
        text = line.decode().rstrip("\r\n")
        if text.startswith("data:"):
            data.append(text.removeprefix("data:").removeprefix(" "))
        elif not text and any(data):
            yield "\n".join(data)
            data = []


def result_of(message):
    if "result" not in message:
        sys.exit(f"error: {message}")
    return message["result"]


def encoded(given):
    """A value as a header says it (MCP 2026-07-28, Streamable HTTP, value encoding)."""
    text = given if isinstance(given, str) else json.dumps(given)
    if text == text.strip() and all(" " <= letter <= "~" for letter in text) and not text.startswith("=?base64?"):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


if __name__ == "__main__":
    main()
