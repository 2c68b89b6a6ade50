"""A gateway of its own for one run of the conformance suite, in front of one MCP server; and the children of such a run."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_SECONDS = 30

CONFIG = """\
listen: {data}
admin: {{ listen: {admin} }}
data_dir: {data_dir}
gateways:
  conformance:
    inbound: none
    streaming: true
    sessions: {{}}
    targets:
      server:
        mcp: {{ url: "{url}", listing: {listing} }}
        prefix: none
        sampling: {{}}
"""


class Processes:
    """The children of a run; all are ended when it ends."""

    def __init__(self):
        self.children = []

    def __enter__(self):
        # Ending the program ends its children too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def start(self, command, **options):
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        self.children.append(child)
        return child


def start_gateway(processes, folder, target, listing):
    """Starts a gateway in front of the server at `target` and gives its address, below which `/mcp` and `/sse` are."""
    binary = os.environ.get("PORTCULLIS_BIN", ROOT / "target/debug/portcullis")
    data, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
    config = folder / "portcullis.yaml"
    config.write_text(CONFIG.format(data=data, admin=admin, data_dir=folder / "data", url=target, listing=listing))
    log = open(folder / "gateway.log", "w+")
    child = processes.start([binary, "serve", "-c", config], stdout=log, stderr=log, cwd=folder)
    if wait_for(lambda: is_ready(admin) or child.poll() is not None) and child.poll() is None:
        return f"http://{data}/conformance"
    log.seek(0)
    sys.exit(f"error: the gateway did not start; its log:\n{log.read()}")


def wait_for(condition):
    """Whether `condition` comes true in time."""
    deadline = time.monotonic() + START_SECONDS
    while not (true := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return true


def is_ready(admin):
    try:
        with urllib.request.urlopen(f"http://{admin}/readyz", timeout=10):
            return True
    except OSError:
        return False


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports
