"""The matrix on the Python SDK, generation 1; see matrix.py."""

from contextlib import asynccontextmanager

import anyio
import mcp.types as types
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

from matrix import Person, capabilities, main


class Client:
    def __init__(self, session, person):
        self.session, self.person = session, person

    async def call(self, tool, arguments, progress=None):
        return await self.session.call_tool(tool, arguments, progress_callback=progress)

    async def abandon(self, tool, arguments, running):
        # This generation ends a call without a word; its callers send the notification themselves.
        request = None

        async def held():
            nonlocal request
            request = self.session._request_id
            await self.call(tool, arguments)

        async with anyio.create_task_group() as group:
            group.start_soon(held)
            await running()
            params = types.CancelledNotificationParams(requestId=request)
            await self.session.send_notification(
                types.ClientNotification(types.CancelledNotification(params=params))
            )
            group.cancel_scope.cancel()

    @asynccontextmanager
    async def watching(self, uri):
        await self.session.subscribe_resource(AnyUrl(uri))
        yield
        await self.session.unsubscribe_resource(AnyUrl(uri))


@asynccontextmanager
async def connect(url, version):
    person = Person(types)

    async def on_message(message):
        if isinstance(getattr(message, "root", None), types.ResourceUpdatedNotification):
            person.on_update(message.root.params.uri)

    async with (
        streamable_http_client(url) as (incoming, outgoing, _),
        ClientSession(
            incoming,
            outgoing,
            sampling_callback=person.sample,
            elicitation_callback=person.elicit,
            list_roots_callback=person.roots,
            message_handler=on_message,
        ) as session,
    ):
        # `session.initialize()` offers the newest version only.
        params = types.InitializeRequestParams(
            protocolVersion=version,
            capabilities=capabilities(types, version),
            clientInfo=types.Implementation(name="matrix", version="1.0.0"),
        )
        hello = await session.send_request(
            types.ClientRequest(types.InitializeRequest(params=params)), types.InitializeResult
        )
        await session.send_notification(types.ClientNotification(types.InitializedNotification()))
        yield hello.protocolVersion, Client(session, person)


main(connect)
