// Drives the TypeScript SDK, generation 2: client_v2.mjs URL PLAN [--token TOKEN] [--mode auto|legacy|VERSION].
// The plan is that of client_v2.py.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { headers, options, run } from "./plan.mjs";

const { url, plan, token, mode } = options();
const transport = new StreamableHTTPClientTransport(url, headers(token));
const wanted = ["auto", "legacy"].includes(mode) ? mode : { pin: mode };
const client = new Client({ name: "portcullis-e2e", version: "1.0.0" }, { versionNegotiation: { mode: wanted } });
await client.connect(transport);
await run(client, plan, client.getNegotiatedProtocolVersion());
await client.close();
