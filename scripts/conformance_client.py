#!/usr/bin/env python3
"""Runs the client side of the official MCP conformance suite with the gateway as the client, and compares with what is
on file.

usage: scripts/conformance_client.py [SCENARIO]…

The suite starts a server of its own for every scenario, and scripts/conformance_driver.py as the client: a gateway in
front of that server, driven by clients of every revision. Whichever revision a client speaks, the server must hear a
faultless client of its own. The group `auth/` is not run: it is about OAuth towards servers. The scenarios of skills
(SEP-2640) are in no revision's set: skills are an extension, which the gateway does not relay. A check that does not pass, a
warning, and fewer checks than in tests/conformance/totals.json are errors.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from conformance import REVISIONS, SUITE, against_totals

CLIENTS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
# Scenarios in which the server asks something: earlier clients cannot be asked.
ASKING = ("elicitation-sep1034-client-defaults", "sep-2322-client-request-state")
ASKED_FROM = "2025-06-18"
EXCLUDED = "auth/"
DRIVER = pathlib.Path(__file__).resolve().parent / "conformance_driver.py"
# More than the driver gives itself.
SUITE_MILLISECONDS = 60_000


def main():
    chosen = sys.argv[1:]
    if any(name.startswith("-") for name in chosen):
        sys.exit(__doc__)
    problems, notes, totals = [], [], {}
    for revision in REVISIONS:
        names = scenarios(revision)
        ours = [name for name in names if not name.startswith(EXCLUDED) and name in (chosen or names)]
        print(f"{revision}: not run: the {sum(name.startswith(EXCLUDED) for name in names)} scenarios of {EXCLUDED}")
        passed = failed = 0
        for scenario in ours:
            for client in clients_of(scenario):
                run = Run(revision, scenario, client)
                print(f"{revision}  {scenario:<36} client {client}  {run.summary}", flush=True)
                passed, failed = passed + run.passed, failed + run.failed
                problems += run.problems
        totals[revision] = (passed, failed)
        if not chosen:
            lost, risen = against_totals("client", revision, passed, failed)
            problems, notes = problems + lost, notes + risen
    print(f"{'revision':<12} {'passed':>7} {'failed':>7} {'total':>7}   as a client: the gateway")
    for revision, (passed, failed) in totals.items():
        print(f"{revision:<12} {passed:>7} {failed:>7} {passed + failed:>7}")
    for line in [f"note: {note}" for note in notes] + [f"error: {problem}" for problem in problems]:
        print(line)
    sys.exit(1 if problems else 0)


def scenarios(revision):
    """What the suite runs against clients for a revision, extensions and newcomers included."""
    listing = subprocess.run(
        [shutil.which("node"), SUITE, "list", "--client", "--requirements", revision],
        check=True, capture_output=True, text=True,
    ).stdout
    required = listing.partition("Client scenarios")[2].partition("\n\n")[0]
    return re.findall(r"- (\S+)", required) + re.findall(r"- (\S+) \[client\]", listing)


def clients_of(scenario):
    return [client for client in CLIENTS if scenario not in ASKING or client >= ASKED_FROM]


class Run:
    """One scenario with one client, and what the suite said."""

    def __init__(self, revision, scenario, client):
        with tempfile.TemporaryDirectory(prefix="portcullis-conformance-") as folder:
            done = subprocess.run(
                [
                    shutil.which("node"), SUITE, "client",
                    "--command", f"{sys.executable} {DRIVER} {client}",
                    "--scenario", scenario, "--spec-version", revision,
                    "--timeout", str(SUITE_MILLISECONDS), "-o", folder,
                ],
                cwd=folder, capture_output=True, text=True,
            )
            results = next(pathlib.Path(folder).glob("*/checks.json"), None)
            checks = json.loads(results.read_text()) if results else []
        said = re.findall(r"^Passed: .*$", done.stderr, re.MULTILINE)
        self.summary = said[-1] if said else "no result"
        self.passed, self.failed = (
            sum(check["status"] == status for check in checks) for status in ("SUCCESS", "FAILURE")
        )
        where = f"{revision}, {scenario}, client {client}"
        # The suite says no also to a warning, and to a client that gave up.
        self.problems = [f"{where}:\n{done.stderr}"] if done.returncode or not self.passed else []


if __name__ == "__main__":
    main()
