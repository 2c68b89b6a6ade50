"""The features of the matrix (`make matrix`), the same for both generations: what a client does, and what it then saw.

matrix_v1.py VERSION KEY URL... prints one JSON line: for each URL the protocol version and, per feature, `said` (the
tool's text), `failed` (what the caller got instead), `asked`, `progress` and `updates`. It judges nothing.
"""

import json
import sys

import anyio

PATIENCE = 30


class Person:
    """Answers what it is asked, and remembers it."""

    def __init__(self, types):
        self.types = types
        self.action = "accept"
        self.forget()

    def forget(self):
        self.asked, self.progress, self.updates = [], [], []
        self.updated = anyio.Event()

    async def elicit(self, _context, params):
        url = getattr(params, "url", None)
        self.asked.append({"kind": "url", "text": url} if url else {"kind": "form", "text": params.message})
        answers = self.action == "accept" and not url
        content = {"value": f"to {params.message}"} if answers else None
        return self.types.ElicitResult(action=self.action, content=content)

    async def sample(self, _context, params):
        said = params.messages[0].content
        self.asked.append({"kind": "sampling", "text": (said[0] if isinstance(said, list) else said).text})
        words = self.types.TextContent(type="text", text="words of a model")
        return self.types.CreateMessageResult(role="assistant", content=words, model="m")

    async def roots(self, _context):
        self.asked.append({"kind": "roots", "text": ""})
        return self.types.ListRootsResult(roots=[self.types.Root(uri="file:///home/matrix")])

    async def on_progress(self, progress, total, message):
        self.progress.append([progress, total, message])

    def on_update(self, uri):
        self.updates.append(str(uri))
        self.updated.set()


def capabilities(types, version):
    """What a client of this version can have: it had no elicitation before 2025-06-18, no addresses before 2025-11-25."""
    elicitation = None
    if version >= "2025-11-25":
        elicitation = types.ElicitationCapability.model_validate({"form": {}, "url": {}})
    elif version >= "2025-06-18":
        elicitation = types.ElicitationCapability()
    return types.ClientCapabilities(
        elicitation=elicitation, sampling=types.SamplingCapability(), roots=types.RootsCapability()
    )


def main(connect):
    version, key, *urls = sys.argv[1:]

    async def all_backends():
        reports = []
        for url in urls:
            try:
                async with connect(url, version) as (protocol, client):
                    reports.append({"protocol": protocol, "cells": await look(client, f"{key}-{len(reports)}")})
            except Exception as error:
                reports.append({"protocol": None, "cells": {}, "failed": describe(error)})
        print(json.dumps(reports))

    anyio.run(all_backends)


async def look(client, key):
    person = client.person
    cells = {}

    async def cell(feature, work, action="accept"):
        person.forget()
        person.action = action
        seen = {}
        try:
            with anyio.fail_after(PATIENCE):
                seen = said(await work)
        except Exception as error:
            seen["failed"] = describe(error)
        seen |= {"asked": person.asked, "progress": person.progress, "updates": person.updates}
        cells[feature] = seen

    for action in ("accept", "decline", "cancel"):
        await cell(f"form_{action}", client.call("fixture_ask_form", {}), action)
    await cell("url", client.call("fixture_ask_url", {}))
    await cell("two", client.call("fixture_ask_two", {}))
    await cell("sampling", client.call("test_sampling", {"prompt": "Say something"}))
    await cell("roots", client.call("test_input_required_result_list_roots", {}))
    await cell("progress", client.call("test_tool_with_progress", {}, person.on_progress))
    await cell("cancel", cancel(client, key))
    await cell("subscribe", subscribe(client, f"test://template/{key}/data"))
    return cells


async def cancel(client, key):
    async def running():
        await client.call("fixture_fate", {"key": key, "until": "running"})

    await client.abandon("fixture_hold", {"key": key}, running)
    return await client.call("fixture_fate", {"key": key, "until": "cancelled"})


async def subscribe(client, uri):
    async with client.watching(uri):
        answer = await client.call("fixture_update_resource", {"uri": uri})
        await client.person.updated.wait()
    return answer


def said(result):
    """The text of a tool's result; a tool error is a failure."""
    text = result.content[0].text
    is_error = getattr(result, "isError", None) or getattr(result, "is_error", None)
    return {"failed": text} if is_error else {"said": text}


def describe(error):
    """An error, down to the first that is not a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
