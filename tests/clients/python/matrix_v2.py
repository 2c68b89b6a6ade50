"""The matrix on the Python SDK, generation 2; see matrix.py."""

from contextlib import asynccontextmanager

import anyio
import mcp_types as types
from mcp import Client as ModernClient
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from matrix import Person, capabilities, main

MODERN = "2026-07-28"


class Legacy:
    def __init__(self, session, person):
        self.session, self.person = session, person

    async def call(self, tool, arguments, progress=None):
        return await self.session.call_tool(tool, arguments, progress_callback=progress)

    async def abandon(self, tool, arguments, running):
        async with anyio.create_task_group() as group:
            group.start_soon(self.call, tool, arguments)
            await running()
            group.cancel_scope.cancel()

    @asynccontextmanager
    async def watching(self, uri):
        await self.session.subscribe_resource(uri)
        yield
        await self.session.unsubscribe_resource(uri)


class Modern(Legacy):
    @asynccontextmanager
    async def watching(self, uri):
        async with self.session.listen(resource_subscriptions=[uri]) as events, anyio.create_task_group() as group:

            async def follow():
                async for event in events:
                    self.person.on_update(event.uri)

            group.start_soon(follow)
            yield
            group.cancel_scope.cancel()


@asynccontextmanager
async def connect(url, version):
    person = Person(types)
    callbacks = {
        "sampling_callback": person.sample,
        "elicitation_callback": person.elicit,
        "list_roots_callback": person.roots,
    }
    if version == MODERN:
        async with ModernClient(streamable_http_client(url), mode=version, **callbacks) as client:
            yield client.protocol_version, Modern(client, person)
        return

    async def on_message(message):
        if isinstance(message, types.ResourceUpdatedNotification):
            person.on_update(message.params.uri)

    async with (
        streamable_http_client(url) as (incoming, outgoing),
        ClientSession(incoming, outgoing, message_handler=on_message, **callbacks) as session,
    ):
        # `session.initialize()` offers the newest version only.
        params = types.InitializeRequestParams(
            protocol_version=version,
            capabilities=capabilities(types, version),
            client_info=types.Implementation(name="matrix", version="1.0.0"),
        )
        hello = await session.send_request(types.InitializeRequest(params=params), types.InitializeResult)
        session.adopt(hello)
        await session.send_notification(types.InitializedNotification())
        yield hello.protocol_version, Legacy(session, person)


main(connect)
