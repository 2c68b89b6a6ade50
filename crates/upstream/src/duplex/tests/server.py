"""A small MCP server over stdio that does what real ones cannot be made to do. The first argument says how it behaves
at the handshake, the name of a tool what it does in a call. It keeps no secrets: `environment` tells all it knows."""

import json
import os
import signal
import subprocess
import sys
import threading

mode = sys.argv[1]
held, cancelled, heard, inbox = [], [], [], []


def write(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def notify(method, params):
    write({"jsonrpc": "2.0", "method": method, "params": params})


def answer(id, result):
    write({"jsonrpc": "2.0", "id": id, "result": result})


def text(value):
    return {"resultType": "complete", "content": [{"type": "text", "text": json.dumps(value)}]}


def refuse(id, code, data=None):
    write({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "no", "data": data or {}}})


def discover(id):
    if mode == "dies-on-discover":
        os._exit(1)
    elif mode == "silent-on-discover":
        pass
    elif mode == "null-id-on-discover":
        refuse(None, -32600)
    elif mode == "unsupported-version":
        refuse(id, -32022, {"supported": ["2025-11-25"], "requested": "2026-07-28"})
    elif mode.startswith("modern"):
        answer(id, {
            "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {"listChanged": True}},
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "fixture", "version": "1"}},
        })
    else:
        refuse(id, -32601)


def initialize(id):
    version = "1999-01-01" if mode == "old" else "2025-06-18"
    capabilities = {"tools": {"listChanged": True}, "logging": {}}
    answer(id, {"protocolVersion": version, "capabilities": capabilities, "serverInfo": {"name": "fixture"}})


def beacon(port):
    """Holds a connection open for as long as it lives, and ignores every polite request to end."""
    return ("import signal, socket, sys\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            f"link = socket.create_connection(('127.0.0.1', {port}))\n"
            "link.sendall(b'!')\n"
            "link.recv(1)\n")


def call(id, name, arguments, meta):
    if name == "echo":
        answer(id, text(arguments))
    elif name == "environment":
        answer(id, text(dict(os.environ)))
    elif name == "who":
        answer(id, text(os.getpid()))
    elif name == "meta":
        answer(id, text(meta))
    elif name == "heard":
        answer(id, text(heard))
    elif name == "cancelled":
        answer(id, text(cancelled))
    elif name == "hold":
        held.append(id)
        notify("notifications/progress", {"progressToken": meta.get("progressToken"), "progress": 1})
    elif name == "release":
        for other in reversed(held):
            answer(other, text(other))
        held.clear()
        answer(id, text("released"))
    elif name == "progress":
        for step in range(arguments["steps"]):
            notify("notifications/progress", {"progressToken": meta["progressToken"], "progress": step})
        answer(id, text("done"))
    elif name == "log":
        notify("notifications/message", {"level": arguments.get("level", "info"), "data": "hello"})
        answer(id, text("logged"))
    elif name == "foreign":
        notify("notifications/progress", {"progressToken": 999, "progress": 1})
        answer(999, text("nobody's"))
        answer(str(id), text("not a number"))
        answer(id, text("mine"))
    elif name == "noise":
        print("Server listening on stdio...")
        print(json.dumps({"level": "info", "msg": "a log line"}))
        print()
        answer(id, text("still fine"))
    elif name == "batch":
        write([{"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}},
               {"jsonrpc": "2.0", "id": id, "result": text("batched")}])
    elif name == "twice":
        print('{"jsonrpc":"2.0","id":%d,"result":{},"result":{}}' % id)
        sys.stdout.flush()
    elif name == "big":
        answer(id, text("x" * arguments["bytes"]))
    elif name == "silence":
        pass
    elif name == "die":
        os._exit(3)
    elif name == "die-after":
        answer(id, text("last words"))
        os._exit(0)
    elif name == "changed":
        notify("notifications/resources/list_changed", {})
        notify("notifications/tools/list_changed", {})
        answer(id, text("told"))
    elif name == "complain":
        sys.stderr.write(arguments["text"])
        sys.stderr.flush()
        answer(id, text("said"))
    elif name == "ask":
        write({"jsonrpc": "2.0", "id": "q1", "method": "ping"})
        write({"jsonrpc": "2.0", "id": 2, "method": "sampling/createMessage", "params": {}})
        write({"jsonrpc": "2.0", "id": "q3", "method": "roots/list"})
        inbox.append(id)
    elif name == "children":
        subprocess.Popen([sys.executable, "-I", "-S", "-c", beacon(arguments["port"])], stdin=subprocess.DEVNULL)
        answer(id, text("started"))
    elif name == "deaf":
        answer(id, text("deaf from now on"))
        threading.Event().wait()
    else:
        refuse(id, -32602)


asked = []


def handle(message):
    method, id, params = message.get("method"), message.get("id"), message.get("params") or {}
    if method is None:
        asked.append({key: message[key] for key in message if key != "jsonrpc"})
        if len(asked) == 3:
            answer(inbox.pop(), text(asked))
        return
    heard.append(method)
    if method == "server/discover":
        discover(id)
    elif method == "initialize":
        refuse(id, -32601) if mode == "modern" else initialize(id)
    elif method == "tools/call":
        call(id, params["name"], params.get("arguments") or {}, params.get("_meta") or {})
    elif method == "tools/list":
        answer(id, {"tools": [], "cursor": params.get("cursor")})
    elif method in ("ping", "logging/setLevel"):
        answer(id, {})
    elif method == "subscriptions/listen":
        meta = {"io.modelcontextprotocol/subscriptionId": id}
        notify("notifications/subscriptions/acknowledged", {"notifications": params["notifications"], "_meta": meta})
        notify("notifications/tools/list_changed", {"_meta": meta})
    elif method == "notifications/cancelled":
        cancelled.append(params["requestId"])


if mode == "broken":
    sys.stderr.write("starting\nno key " + os.environ.get("KEY", "") + "\n")
    sys.stderr.flush()
    os._exit(3)
if mode == "broken-later":
    sys.stderr.write("waiting for the network\n")
    sys.stderr.flush()
if mode in ("broken-later", "mute"):
    sys.stdin.read()
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in sys.stdin:
    handle(json.loads(line))
while mode == "stubborn":
    signal.pause()
