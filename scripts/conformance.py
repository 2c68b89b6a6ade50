#!/usr/bin/env python3
"""Runs the official MCP conformance suite, what each revision requires and all of it, on one URL, and compares with what is
on file.

usage: scripts/conformance.py gateway|fixture

`gateway` mounts a fixture behind the product with its own names: one that speaks both eras, then one of each, so
that every translation is judged by checks we did not write. `fixture` asks the fixture directly, which gives the
numbers to reach. A failed check that tests/conformance/bridge-limits.yml does not name for a server of the old era, an entry
there that no longer fails, and fewer passed checks or a lower total than in tests/conformance/totals.json are errors: both
files may only move in one direction. In front of any other server nothing may fail.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from conformance_gateway import ROOT, Processes, start_gateway, wait_for

SUITE = ROOT / "tests/clients/node_modules/@modelcontextprotocol/conformance/dist/index.js"
FILES = ROOT / "tests/conformance"
REVISIONS = ("2025-11-25", "2026-07-28")
WHOLE = "all"
ERAS = ("dual", "legacy", "modern")
# The one server for which a client can ask what there is no bridge to.
LIMITED = "legacy"
RUN_SECONDS = 600


def main():
    mode = sys.argv[1] if len(sys.argv) == 2 else ""
    if mode not in ("gateway", "fixture"):
        sys.exit(__doc__)
    runs = {}
    for backend in ERAS if mode == "gateway" else ("fixture",):
        for part, run in run_parts(mode, backend).items():
            runs[backend, part] = run
    print_table(mode, runs)
    problems, notes = judge(runs)
    for line in [f"note: {note}" for note in notes] + [f"error: {problem}" for problem in problems]:
        print(line)
    passed = sum(len(checks_with(run, "SUCCESS")) for run in runs.values())
    failed = sum(len(checks_with(run, "FAILURE")) for run in runs.values())
    print(f"{passed} passed, {failed} failed ({len(problems)} not as expected)")
    sys.exit(1 if problems else 0)


def run_parts(mode, backend):
    with tempfile.TemporaryDirectory(prefix="portcullis-conformance-") as name, Processes() as processes:
        folder = pathlib.Path(name)
        url = start_fixture(processes, backend if mode == "gateway" else ERAS[0])
        if mode == "gateway":
            url = start_gateway(processes, folder, url, "default") + "/mcp"
            if not wait_for(lambda: lists_the_fixture(url)):
                sys.exit("error: the gateway did not list the fixture")
        parts = REVISIONS if backend in ERAS[1:] else (*REVISIONS, WHOLE)
        return {part: run_suite(url, part, folder) for part in parts}


def start_fixture(processes, era):
    binary = os.environ.get("PORTCULLIS_FIXTURE", ROOT / "tests/target/debug/fixture")
    child = processes.start([binary, "--era", era, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    url = child.stdout.readline().strip()
    if not url:
        sys.exit("error: the fixture did not start: run `make build`")
    return url


def lists_the_fixture(url):
    """Whether the gateway has captured the fixture's lists."""
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


def run_suite(url, part, folder):
    """All checks of one part of the suite: {scenario: [(check id, status, message)]}."""
    results = folder / part
    choice = ["--suite", part] if part == WHOLE else ["--requirements", part]
    command = [shutil.which("node"), SUITE, "server", "--url", url, *choice, "-o", results]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=RUN_SECONDS)
    scenarios = {}
    for file in sorted(results.glob("server-*/checks.json")):
        checks = json.loads(file.read_text())
        scenarios[scenario_name(file.parent.name)] = [
            (check["id"], check["status"], check.get("errorMessage") or "") for check in checks
        ]
    if not scenarios:
        sys.exit(f"error: the suite gave no result for {part}:\n{done.stdout}\n{done.stderr}")
    summary = done.stdout.rpartition("=== SUMMARY ===")[2].splitlines()
    said = [line.strip() for line in summary if line.strip() and not line.strip().startswith("✓")]
    print(f"the suite, {part}:", *said, sep="\n  ", flush=True)
    return scenarios


def scenario_name(folder):
    """`server-NAME-2026-01-02T03-04-05-678Z` without its prefix and its time."""
    return re.sub(r"-\d{4}-\d{2}-\d{2}T.*", "", folder.removeprefix("server-"))


def checks_with(run, status):
    found = ((scenario, check) for scenario, checks in run.items() for check in checks)
    return [(scenario, name, text) for scenario, (name, outcome, text) in found if outcome == status]


def print_table(mode, runs):
    print(f"{'backend':<8} {'part':<12} {'passed':>7} {'failed':>7} {'total':>7}   asked: the {mode}")
    for (backend, part), run in runs.items():
        passed, failed = len(checks_with(run, "SUCCESS")), len(checks_with(run, "FAILURE"))
        print(f"{backend:<8} {part:<12} {passed:>7} {failed:>7} {passed + failed:>7}")


def judge(runs):
    limits = read_limits()
    problems, notes = [], []
    for (backend, part), run in runs.items():
        failures = checks_with(run, "FAILURE")
        known = set(limits.get(part, ())) if backend == LIMITED else set()
        for scenario, check, text in failures:
            if f"{scenario}:{check}" not in known:
                problems.append(f"{backend}, {part}: {scenario}:{check} failed: {text}")
        for name in sorted(known - {f"{scenario}:{check}" for scenario, check, _ in failures}):
            problems.append(f"{backend}, {part}: {name} no longer fails: remove it from bridge-limits.yml")
        lost, risen = against_totals(backend, part, len(checks_with(run, "SUCCESS")), len(failures))
        problems, notes = problems + lost, notes + risen
    return problems, notes


def against_totals(backend, part, passed, failed):
    """What is lost against totals.json, and what has risen."""
    wanted = json.loads((FILES / "totals.json").read_text())[backend][part]
    lost, risen = [], []
    for kind, count in {"passed": passed, "total": passed + failed}.items():
        if count < wanted[kind]:
            lost.append(f"{backend}, {part}: {kind} fell from {wanted[kind]} to {count}: checks were lost or skipped")
        elif count > wanted[kind]:
            risen.append(f"{backend}, {part}: {kind} rose from {wanted[kind]} to {count}: raise it in totals.json")
    return lost, risen


def read_limits():
    """Reason by `scenario:check` by revision: a YAML of two levels, one entry a line, and comments, nothing more."""
    limits = {}
    for number, line in enumerate((FILES / "bridge-limits.yml").read_text().splitlines(), 1):
        revision, entry = re.fullmatch(r'"(\S+)":', line), re.fullmatch(r"  (\S+:\S+): (\S.*)", line)
        if revision and revision[1] in REVISIONS:
            of_revision = limits.setdefault(revision[1], {})
        elif entry and limits:
            of_revision[entry[1]] = entry[2]
        elif line.strip() and not line.lstrip().startswith("#"):
            sys.exit(f"error: bridge-limits.yml:{number}: not a revision, or `  scenario:check: reason` under one: {line}")
    return limits


if __name__ == "__main__":
    main()
