// The matrix on the TypeScript SDK, generation 2; see matrix.mjs.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Person, capabilities, main } from "./matrix.mjs";

const MODERN = "2026-07-28";

await main(async (url, version) => {
  const person = new Person();
  const can = capabilities(version);
  const versionNegotiation = { mode: version === MODERN ? { pin: version } : "legacy" };
  const options = { capabilities: can, supportedProtocolVersions: [version], versionNegotiation };
  const client = new Client({ name: "matrix", version: "1.0.0" }, options);
  if (can.elicitation) client.setRequestHandler("elicitation/create", (request) => person.elicit(request));
  client.setRequestHandler("sampling/createMessage", (request) => person.sample(request));
  client.setRequestHandler("roots/list", () => person.roots());
  client.setNotificationHandler("notifications/resources/updated", (update) => person.onUpdate(update));
  const transport = new StreamableHTTPClientTransport(url);
  await client.connect(transport);
  return {
    person,
    protocol: client.getNegotiatedProtocolVersion(),
    call: (name, input, options) => client.callTool({ name, arguments: input }, options),
    watch: async (uri) => {
      if (version === MODERN) {
        const subscription = await client.listen({ resourceSubscriptions: [uri] });
        return () => subscription.close();
      }
      await client.subscribeResource({ uri });
      return () => client.unsubscribeResource({ uri });
    },
    close: () => client.close(),
  };
});
