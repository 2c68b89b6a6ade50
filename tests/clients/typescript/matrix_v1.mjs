// The matrix on the TypeScript SDK, generation 1; see matrix.mjs.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ResourceUpdatedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { Person, capabilities, main } from "./matrix.mjs";

// `connect` offers the newest version only; this transport asks for another one.
class Older extends StreamableHTTPClientTransport {
  constructor(url, version) {
    super(url);
    this.version = version;
  }

  send(message, options) {
    if (message.method !== "initialize") return super.send(message, options);
    const params = { ...message.params, protocolVersion: this.version };
    return super.send({ ...message, params }, options);
  }
}

await main(async (url, version) => {
  const person = new Person();
  const can = capabilities(version);
  const client = new Client({ name: "matrix", version: "1.0.0" }, { capabilities: can });
  if (can.elicitation) client.setRequestHandler(ElicitRequestSchema, (request) => person.elicit(request));
  client.setRequestHandler(CreateMessageRequestSchema, (request) => person.sample(request));
  client.setRequestHandler(ListRootsRequestSchema, () => person.roots());
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, (update) => person.onUpdate(update));
  const transport = new Older(url, version);
  await client.connect(transport);
  return {
    person,
    protocol: transport.protocolVersion,
    call: (name, input, options) => client.callTool({ name, arguments: input }, undefined, options),
    watch: async (uri) => {
      await client.subscribeResource({ uri });
      return () => client.unsubscribeResource({ uri });
    },
    close: async () => {
      await transport.terminateSession();
      await client.close();
    },
  };
});
