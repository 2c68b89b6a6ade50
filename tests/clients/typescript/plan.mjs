// What the client scripts of both generations share: command line, steps and the one line of output.

export function options() {
  const [url, plan, ...rest] = process.argv.slice(2);
  const named = (name) => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : undefined);
  return { url: new URL(url), plan: JSON.parse(plan), token: named("--token"), mode: named("--mode") ?? "auto" };
}

export function headers(token) {
  return token ? { requestInit: { headers: { authorization: `Bearer ${token}` } } } : {};
}

export async function run(client, plan, protocol) {
  const steps = [];
  for (const wanted of plan) {
    try {
      steps.push({ ok: await act(client, wanted) });
    } catch (error) {
      steps.push({ error: { code: error.code, message: error.message } });
    }
  }
  console.log(JSON.stringify({ protocol, steps }));
}

function act(client, wanted) {
  if (wanted.list === "tools") return client.listTools();
  if (wanted.list === "prompts") return client.listPrompts();
  if (wanted.list === "resources") return client.listResources();
  if (wanted.call) return client.callTool({ name: wanted.call, arguments: wanted.arguments ?? {} });
  if (wanted.prompt) return client.getPrompt({ name: wanted.prompt, arguments: wanted.arguments ?? {} });
  if (wanted.read) return client.readResource({ uri: wanted.read });
  throw new Error(`no such step: ${JSON.stringify(wanted)}`);
}
