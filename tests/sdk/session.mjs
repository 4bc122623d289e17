// session.mjs - an Emacs to talk to, and the session that each official client plays with it.
// ROOT, BRIDGE and EMACS come from tests/sdk.sh.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const { ROOT, EMACS, XDG_RUNTIME_DIR } = process.env;
export const BRIDGE = process.env.BRIDGE;

// Milliseconds on an idle machine, as they are on this one now: tests/patience.py.
export const patience = (ms) => ms * Math.max(1, Number(process.env.EFRIT_TESTS_STRETCH) || 1) * Math.max(1, os.loadavg()[0] / os.cpus().length);

const connects = (file) =>
	new Promise((done) => {
		const s = net.connect(file, () => (s.destroy(), done(true)));
		s.on("error", () => done(false));
	});

// Starts an Emacs that serves as NAME; ends it when the program ends.
export async function startEmacs(name) {
	const child = spawn(
		EMACS,
		["-Q", `--fg-daemon=${name}`, "--eval", "(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil)",
			"-L", path.join(ROOT, "lisp"), "-l", "efrit-mcp", "-l", path.join(ROOT, "tests/conformance/fixtures.el"), "-f", "efrit-mcp-mode"],
		{ stdio: ["ignore", "inherit", "inherit"] },
	);
	process.on("exit", () => child.kill("SIGKILL"));
	const begun = Date.now();
	while (!(await connects(path.join(XDG_RUNTIME_DIR, "efrit", name + ".sock")))) {
		assert.equal(child.exitCode, null, "Emacs ended before it served");
		assert.ok(Date.now() < begun + patience(60_000), "Emacs does not serve");
		await new Promise((r) => setTimeout(r, 20));
	}
	return child;
}

export const textOf = (result) => JSON.parse(result.content[0].text);

const step = (what) => console.log("    " + what);

// call(name, arguments, options) is the client's own way to call a tool.
export async function play(client, call) {
	const { tools } = await client.listTools();
	assert.ok(tools.length >= 5);
	for (const name of ["efrit_execute", "efrit_status", "efrit_interrupt", "efrit_wait", "efrit_list_instances"])
		assert.ok(tools.some((t) => t.name === name && t.inputSchema.type === "object"), name);
	step(`${tools.length} tools are listed`);

	const sum = await call("efrit_execute", { content: "(+ 1 2)" });
	assert.ok(!sum.isError);
	assert.equal(textOf(sum).result, "3");
	step("(+ 1 2) is 3");

	const wrong = await call("efrit_execute", { content: "(car no-such-variable)" });
	assert.equal(wrong.isError, true);
	assert.equal(textOf(wrong).error_code, "void-variable");
	assert.ok(textOf(wrong).backtrace);
	const refused = await call("efrit_execute", { content: 42 });
	assert.equal(textOf(refused).error_code, "invalid_arguments");
	await assert.rejects(call("no_such_tool", {}));
	step("errors are told");

	const begun = path.join(XDG_RUNTIME_DIR, "begun-" + process.pid + "-" + Math.random());
	const stop = new AbortController();
	const runaway = call("efrit_execute", { content: `(write-region "" nil ${JSON.stringify(begun)} nil 'silent) (while t)`, timeout: 600 },
		{ signal: stop.signal, timeout: 600_000 });
	const fate = runaway.then(() => "answered", () => "cancelled");
	const since = Date.now();
	while (!existsSync(begun)) {
		assert.ok(Date.now() < since + patience(20_000), "the runaway form does not begin");
		await new Promise((r) => setTimeout(r, 10));
	}
	const status = textOf(await call("efrit_status", {}));
	assert.equal(status.state, "running");
	assert.equal(status.running.tool, "efrit_execute");
	step("the status is told while (while t) spins");

	stop.abort("enough");
	assert.equal(await fate, "cancelled");
	const after = await call("efrit_execute", { content: "'alive" });
	assert.equal(textOf(after).result, "alive");
	step("it was cancelled, and the next call is served");

	let progress = 0;
	const slow = await call("efrit_execute", { content: "(sleep-for 0.6) 'slept" }, { onprogress: () => progress++ });
	assert.equal(textOf(slow).result, "slept");
	assert.ok(progress > 0, "no progress was told");
	step("progress is told");
}

// What the client answers when a call asks: the same in every client.
export const answers = {
	"elicitation/create": (params) => ({ action: "accept", content: Object.fromEntries(
		Object.keys(params.requestedSchema.properties).map((key) => [key, "the " + key])) }),
	"sampling/createMessage": (params) => ({ role: "assistant", model: "m", content: { type: "text", text: "to " + params.messages[0].content.text } }),
	"roots/list": () => ({ roots: [{ uri: "file:///work" }, { uri: "file:///home" }] }),
};

// Resources, prompts, completion, contents; a call that asks; what is told while it runs.
export async function playOffers(client, call, logged) {
	const { resources } = await client.listResources();
	assert.ok(resources.some((r) => r.uri === "test://static-text"));
	const { resourceTemplates } = await client.listResourceTemplates();
	assert.ok(resourceTemplates.some((t) => t.uriTemplate === "test://template/{id}/data"));
	const read = await client.readResource({ uri: "test://template/7/data" });
	assert.equal(JSON.parse(read.contents[0].text).id, "7");
	const binary = await client.readResource({ uri: "test://static-binary" });
	assert.equal(Buffer.from(binary.contents[0].blob, "base64").subarray(1, 4).toString(), "PNG");
	await assert.rejects(client.readResource({ uri: "test://nowhere" }), (e) => e.code === -32602);
	step("resources are listed and read");

	const { prompts } = await client.listPrompts();
	assert.ok(prompts.some((p) => p.name === "test_prompt_with_arguments" && p.arguments.length === 2));
	const prompt = await client.getPrompt({ name: "test_prompt_with_arguments", arguments: { arg1: "a", arg2: "b" } });
	assert.match(prompt.messages[0].content.text, /arg1='a', arg2='b'/);
	await assert.rejects(client.getPrompt({ name: "nobody" }), (e) => e.code === -32602);
	const completed = await client.complete({ ref: { type: "ref/prompt", name: "test_prompt_with_arguments" }, argument: { name: "arg1", value: "par" } });
	assert.deepEqual(completed.completion.values, ["paris", "park", "party"]);
	step("prompts are listed, filled in and completed");

	const mixed = await call("test_multiple_content_types", {});
	assert.deepEqual(mixed.content.map((c) => c.type), ["text", "image", "resource"]);
	const sum = await call("test_structured", { a: 1, b: 2 });
	assert.equal(sum.structuredContent.sum, 3);
	step("pictures, resources and structured content come");

	const rounds = await call("test_input_required_result_multi_round", {});
	assert.equal(rounds.content[0].text, "the name likes the color");
	const several = await call("test_input_required_result_multiple_inputs", {});
	assert.equal(several.content[0].text, "to Generate a greeting, the name, 2 roots");
	const asked = await client.getPrompt({ name: "test_input_required_result_prompt" });
	assert.equal(asked.messages[0].content.text, "Use this context: the context");
	step("calls and prompts ask, and go on with the answers");

	const numbers = [];
	await call("test_tool_with_progress", {}, { onprogress: (p) => numbers.push(p.progress) });
	assert.deepEqual(numbers, [0, 50, 100]);
	step("progress counts as the tool does");

	await call("test_tool_with_logging", {});
	assert.deepEqual(logged, ["Tool execution started", "Tool processing data", "Tool execution completed"]);
	step("the log is told");
}

// A wrong step ends the program with its reason; so does a session that never ends.
export function main(work) {
	setTimeout(() => { console.error("the session does not end"); process.exit(1); }, patience(240_000)).unref();
	work().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
}
