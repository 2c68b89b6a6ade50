// The features of the matrix (`make matrix`), the same for both generations; what matrix.py is in Python.
// matrix_v1.mjs VERSION KEY URL... prints one JSON line; see matrix.py.

const PATIENCE = 30_000;

// Answers what it is asked, and remembers it.
export class Person {
  constructor() {
    this.forget();
  }

  forget() {
    Object.assign(this, { asked: [], progress: [], updates: [], action: "accept" });
    this.updated = new Promise((resolve) => (this.tellUpdated = resolve));
  }

  elicit({ params }) {
    this.asked.push(params.url ? { kind: "url", text: params.url } : { kind: "form", text: params.message });
    const answers = this.action === "accept" && !params.url;
    return { action: this.action, ...(answers && { content: { value: `to ${params.message}` } }) };
  }

  sample({ params }) {
    const [content] = [params.messages[0].content].flat();
    this.asked.push({ kind: "sampling", text: content.text });
    return { role: "assistant", content: { type: "text", text: "words of a model" }, model: "m" };
  }

  roots() {
    this.asked.push({ kind: "roots", text: "" });
    return { roots: [{ uri: "file:///home/matrix" }] };
  }

  onProgress({ progress, total, message }) {
    this.progress.push([progress, total, message]);
  }

  onUpdate({ params }) {
    this.updates.push(params.uri);
    this.tellUpdated();
  }
}

// What a client of this version can have: it had no elicitation before 2025-06-18, no addresses before 2025-11-25.
export function capabilities(version) {
  const rest = { sampling: {}, roots: {} };
  if (version >= "2025-11-25") return { elicitation: { form: {}, url: {} }, ...rest };
  return version >= "2025-06-18" ? { elicitation: {}, ...rest } : rest;
}

export async function main(connect) {
  const [version, key, ...urls] = process.argv.slice(2);
  const reports = [];
  for (const url of urls) {
    try {
      const client = await connect(new URL(url), version);
      reports.push({ protocol: client.protocol, cells: await look(client, `${key}-${reports.length}`) });
      await client.close();
    } catch (error) {
      reports.push({ protocol: null, cells: {}, failed: String(error) });
    }
  }
  console.log(JSON.stringify(reports));
}

async function look(client, key) {
  const { person } = client;
  const cells = {};
  const cell = async (feature, work, action = "accept") => {
    person.forget();
    person.action = action;
    let seen = {};
    try {
      seen = said(await within(work()));
    } catch (error) {
      seen = { failed: String(error) };
    }
    cells[feature] = { ...seen, asked: person.asked, progress: person.progress, updates: person.updates };
  };
  for (const action of ["accept", "decline", "cancel"]) {
    await cell(`form_${action}`, () => client.call("fixture_ask_form", {}), action);
  }
  await cell("url", () => client.call("fixture_ask_url", {}));
  await cell("two", () => client.call("fixture_ask_two", {}));
  await cell("sampling", () => client.call("test_sampling", { prompt: "Say something" }));
  await cell("roots", () => client.call("test_input_required_result_list_roots", {}));
  const onprogress = (progress) => person.onProgress(progress);
  await cell("progress", () => client.call("test_tool_with_progress", {}, { onprogress }));
  await cell("cancel", () => cancel(client, key));
  await cell("subscribe", () => subscribe(client, `test://template/${key}/data`));
  return cells;
}

async function cancel(client, key) {
  const stop = new AbortController();
  const held = client.call("fixture_hold", { key }, { signal: stop.signal }).then(
    (result) => Promise.reject(new Error(`the cancelled call was answered: ${JSON.stringify(result)}`)),
    () => undefined,
  );
  await client.call("fixture_fate", { key, until: "running" });
  stop.abort();
  await held;
  return client.call("fixture_fate", { key, until: "cancelled" });
}

async function subscribe(client, uri) {
  const end = await client.watch(uri);
  const answer = await client.call("fixture_update_resource", { uri });
  await client.person.updated;
  await end();
  return answer;
}

// The text of a tool's result; a tool error is a failure.
function said(result) {
  const { text } = result.content[0];
  return result.isError ? { failed: text } : { said: text };
}

function within(work) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(reject, PATIENCE, new Error("it never ended"))));
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
