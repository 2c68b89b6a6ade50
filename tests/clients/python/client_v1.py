"""Drives the Python SDK, generation 1: client_v1.py URL PLAN [--token TOKEN]. See client_v2.py for the plan."""

import asyncio
import json
import sys

import httpx
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client

from plan import arguments, report


async def main():
    options = arguments()
    headers = {"authorization": f"Bearer {options.token}"} if options.token else {}
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as http,
        streamable_http_client(options.url, http_client=http) as (incoming, outgoing, _),
        ClientSession(incoming, outgoing) as session,
    ):
        hello = await session.initialize()
        steps = [await step(session, wanted) for wanted in options.plan]
        report(hello.protocolVersion, steps)


async def step(session, wanted):
    try:
        return {"ok": json.loads((await act(session, wanted)).model_dump_json(by_alias=True, exclude_none=True))}
    except McpError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}


async def act(session, wanted):
    match wanted:
        case {"list": "tools"}:
            return await session.list_tools()
        case {"list": "prompts"}:
            return await session.list_prompts()
        case {"list": "resources"}:
            return await session.list_resources()
        case {"call": name, **rest}:
            return await session.call_tool(name, rest.get("arguments", {}))
        case {"prompt": name, **rest}:
            return await session.get_prompt(name, rest.get("arguments", {}))
        case {"read": uri}:
            return await session.read_resource(uri)
    sys.exit(f"no such step: {wanted}")


asyncio.run(main())
