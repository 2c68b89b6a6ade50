// Drives the TypeScript SDK, generation 1: client_v1.mjs URL PLAN [--token TOKEN]. The plan is that of client_v2.py.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { headers, options, run } from "./plan.mjs";

const { url, plan, token } = options();
const transport = new StreamableHTTPClientTransport(url, headers(token));
const client = new Client({ name: "portcullis-e2e", version: "1.0.0" });
await client.connect(transport);
await run(client, plan, transport.protocolVersion);
await transport.terminateSession();
await client.close();
