#!/usr/bin/env python3
"""Runs the official MCP conformance suite, both revisions on one URL, and compares with what is on file.

usage: scripts/conformance.py gateway|fixture

`gateway` mounts a fixture behind the product with its own names: one that speaks both eras, then one of each, so
that every translation is judged by checks we did not write. `fixture` asks the fixture directly, which gives the
numbers to reach. A failed check that tests/conformance/expected-failures.yml does not name, an entry there that fails
with no backend any more, and fewer passed checks or a lower total than tests/conformance/totals.json are errors: both
files may only move in one direction.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUITE = ROOT / "tests/clients/node_modules/@modelcontextprotocol/conformance/dist/index.js"
FILES = ROOT / "tests/conformance"
REVISIONS = ("2025-11-25", "2026-07-28")
ERAS = ("dual", "legacy", "modern")
START_SECONDS = 30
RUN_SECONDS = 600

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
      fixture:
        mcp: {{ url: "{url}" }}
        prefix: none
        sampling: {{}}
"""


def main():
    mode = sys.argv[1] if len(sys.argv) == 2 else ""
    if mode not in ("gateway", "fixture"):
        sys.exit(__doc__)
    # Ending this script ends its children too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    runs = {}
    for backend in ERAS if mode == "gateway" else ("fixture",):
        for revision, run in run_both(mode, backend).items():
            runs[backend, revision] = run
    print_table(mode, runs)
    problems, notes = judge(mode, runs)
    for line in [f"note: {note}" for note in notes] + [f"error: {problem}" for problem in problems]:
        print(line)
    passed = sum(len(checks_with(run, "SUCCESS")) for run in runs.values())
    failed = sum(len(checks_with(run, "FAILURE")) for run in runs.values())
    print(f"{passed} passed, {failed} failed ({len(problems)} not as expected)")
    sys.exit(1 if problems else 0)


def run_both(mode, backend):
    with tempfile.TemporaryDirectory(prefix="portcullis-conformance-") as name, Processes() as processes:
        folder = pathlib.Path(name)
        url = start_fixture(processes, backend if mode == "gateway" else ERAS[0])
        if mode == "gateway":
            url = start_gateway(processes, folder, url)
        return {revision: run_suite(url, revision, folder) for revision in REVISIONS}


class Processes:
    """The children of this run; all are ended when it ends."""

    def __init__(self):
        self.children = []

    def __enter__(self):
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


def start_fixture(processes, era):
    binary = os.environ.get("PORTCULLIS_FIXTURE", ROOT / "tests/target/debug/fixture")
    child = processes.start([binary, "--era", era, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    url = child.stdout.readline().strip()
    if not url:
        sys.exit("error: the fixture did not start: run `make build`")
    return url


def start_gateway(processes, folder, target):
    binary = os.environ.get("PORTCULLIS_BIN", ROOT / "target/debug/portcullis")
    data, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
    config = folder / "portcullis.yaml"
    config.write_text(CONFIG.format(data=data, admin=admin, data_dir=folder / "data", url=target))
    log = open(folder / "gateway.log", "w+")
    child = processes.start([binary, "serve", "-c", config], stdout=log, stderr=log, cwd=folder)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        if lists_the_fixture(f"http://{data}/conformance/mcp"):
            return f"http://{data}/conformance/mcp"
        time.sleep(0.05)
    log.seek(0)
    sys.exit(f"error: the gateway did not list the fixture; its log:\n{log.read()}")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


def lists_the_fixture(url):
    """Whether the gateway serves and has captured the fixture's lists."""
    key = "io.modelcontextprotocol"
    meta = {f"{key}/protocolVersion": REVISIONS[1], f"{key}/clientCapabilities": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": REVISIONS[1],
        "mcp-method": "tools/list",
    }
    try:
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return b"test_simple_text" in answer.read()
    except OSError:
        return False


def run_suite(url, revision, folder):
    """All checks of one revision: {scenario: [(check id, status, message)]}."""
    results = folder / revision
    node = shutil.which("node")
    command = [node, SUITE, "server", "--url", url, "--requirements", revision, "-o", results]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=RUN_SECONDS)
    scenarios = {}
    for file in sorted(results.glob("server-*/checks.json")):
        checks = json.loads(file.read_text())
        scenarios[scenario_name(file.parent.name)] = [
            (check["id"], check["status"], check.get("errorMessage") or "") for check in checks
        ]
    if not scenarios:
        sys.exit(f"error: the suite gave no result for {revision}:\n{done.stdout}\n{done.stderr}")
    return scenarios


def scenario_name(folder):
    """`server-NAME-2026-01-02T03-04-05-678Z` without its prefix and its time."""
    return re.sub(r"-\d{4}-\d{2}-\d{2}T.*", "", folder.removeprefix("server-"))


def checks_with(run, status):
    found = ((scenario, check) for scenario, checks in run.items() for check in checks)
    return [(scenario, name, text) for scenario, (name, outcome, text) in found if outcome == status]


def print_table(mode, runs):
    print(f"{'backend':<8} {'revision':<12} {'passed':>7} {'failed':>7} {'total':>7}   asked: the {mode}")
    for (backend, revision), run in runs.items():
        passed, failed = len(checks_with(run, "SUCCESS")), len(checks_with(run, "FAILURE"))
        print(f"{backend:<8} {revision:<12} {passed:>7} {failed:>7} {passed + failed:>7}")


def judge(mode, runs):
    expected = read_expected() if mode == "gateway" else {revision: [] for revision in REVISIONS}
    totals = json.loads((FILES / "totals.json").read_text())
    problems, notes, used = [], [], set()
    for (backend, revision), run in runs.items():
        where = f"{revision}, {backend}"
        failures = checks_with(run, "FAILURE")
        for scenario, check, text in failures:
            entry = next((name for name in (scenario, f"{scenario}:{check}") if name in expected[revision]), None)
            if entry:
                used.add((revision, entry))
            else:
                problems.append(f"{where}: {scenario}:{check} failed: {text}")
        passed = len(checks_with(run, "SUCCESS"))
        for kind, count in {"passed": passed, "total": passed + len(failures)}.items():
            wanted = totals[backend][revision][kind]
            if count < wanted:
                problems.append(f"{where}: {kind} fell from {wanted} to {count}: checks were lost or skipped")
            elif count > wanted:
                notes.append(f"{where}: {kind} rose from {wanted} to {count}: raise it in totals.json")
    for revision, entries in expected.items():
        stale = [entry for entry in entries if (revision, entry) not in used]
        problems += [f"{revision}: '{entry}' no longer fails: remove it from expected-failures.yml" for entry in stale]
    return problems, notes


def read_expected():
    """The expected failures per revision: a YAML of two lists and comments, nothing more."""
    expected = {revision: [] for revision in REVISIONS}
    current = None
    for number, line in enumerate((FILES / "expected-failures.yml").read_text().splitlines(), 1):
        text = line.split("#", 1)[0].rstrip()
        if not text:
            continue
        if not text.startswith(" ") and text.rstrip("[] ").endswith(":"):
            current = text.rstrip("[] ").rstrip(":").strip('"')
            if current not in expected:
                sys.exit(f"error: expected-failures.yml:{number}: no such revision: {current}")
        elif text.lstrip().startswith("- ") and current:
            expected[current].append(text.lstrip()[2:].strip().strip('"'))
        else:
            sys.exit(f"error: expected-failures.yml:{number}: not a list entry: {line}")
    return expected


if __name__ == "__main__":
    main()
