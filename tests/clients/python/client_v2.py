"""Drives the Python SDK, generation 2: client_v2.py URL PLAN [--token TOKEN] [--mode auto|legacy|VERSION].

PLAN is a JSON list of steps: {"list": "tools"|"prompts"|"resources"}, {"call": NAME, "arguments": {…}},
{"prompt": NAME, "arguments": {…}}, {"read": URI}. One JSON line comes out: the protocol version and, for each step,
the result or the error as the SDK handed it to its caller.
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from plan import arguments, report


async def main():
    options = arguments()
    headers = {"authorization": f"Bearer {options.token}"} if options.token else {}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(options.url, http_client=http)
        async with Client(transport, mode=options.mode) as client:
            steps = [await step(client, wanted) for wanted in options.plan]
            report(client.protocol_version, steps)


async def step(client, wanted):
    try:
        return {"ok": json.loads((await act(client, wanted)).model_dump_json(by_alias=True, exclude_none=True))}
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}


async def act(client, wanted):
    match wanted:
        case {"list": "tools"}:
            return await client.list_tools()
        case {"list": "prompts"}:
            return await client.list_prompts()
        case {"list": "resources"}:
            return await client.list_resources()
        case {"call": name, **rest}:
            return await client.call_tool(name, rest.get("arguments", {}))
        case {"prompt": name, **rest}:
            return await client.get_prompt(name, rest.get("arguments", {}))
        case {"read": uri}:
            return await client.read_resource(uri)
    sys.exit(f"no such step: {wanted}")


asyncio.run(main())
