// http.mjs - sessions of the official clients over HTTP: version 1 on Streamable HTTP and on the
// transport of 2024-11-05, version 2 in each way it can begin one, the Inspector's command line.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport as StreamableV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { BRIDGE, main, patience, play, startEmacs } from "./session.mjs";

async function startGateway() {
	const child = spawn(BRIDGE, ["serve", "--listen", "127.0.0.1:0", "--set", "progress_interval=100"], { stdio: ["ignore", "pipe", "inherit"] });
	process.on("exit", () => child.kill("SIGTERM"));
	for await (const line of createInterface({ input: child.stdout })) {
		const url = /^efrit-gateway ready: (\S+)/.exec(line)[1];
		return { child, url };
	}
	assert.fail("the gateway ended before it was ready");
}

main(async () => {
	await startEmacs("sdk");
	const { child, url } = await startGateway();
	const token = execFileSync(BRIDGE, ["token"], { encoding: "utf8" }).trim();
	const requestInit = { headers: { Authorization: `Bearer ${token}` } };

	for (const make of [() => new StreamableV1(new URL(url), { requestInit }),
		() => new SSEClientTransport(new URL("/sse", url), { requestInit, eventSourceInit: {
			fetch: (to, init) => fetch(to, { ...init, headers: { ...init.headers, ...requestInit.headers } }) } })]) {
		const client = new ClientV1({ name: "sdk-v1", version: "1" });
		const transport = make();
		await client.connect(transport);
		console.log("version 1 of the client,", transport.constructor.name, transport.protocolVersion ?? "");
		await client.ping();
		await play(client, (name, args, options) => client.callTool({ name, arguments: args }, undefined, options));
		await transport.terminateSession?.();
		await client.close();
	}

	for (const mode of ["legacy", "auto", { pin: "2026-07-28" }]) {
		const client = new Client({ name: "sdk-v2", version: "1" }, { versionNegotiation: { mode } });
		await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
		const version = client.getNegotiatedProtocolVersion?.();
		console.log("version 2 of the client,", JSON.stringify(mode), "speaks", version);
		if (version !== undefined)
			assert.equal(version, mode === "legacy" ? "2025-11-25" : "2026-07-28");
		await play(client, (name, args, options) => client.callTool({ name, arguments: args }, options));
		await client.close();
	}

	for (const era of ["legacy", "auto", "modern"])
		for (const args of [["--method", "tools/list", "--strict"],
			["--method", "tools/call", "--tool-name", "efrit_execute", "--tool-args-json", '{"content":"(+ 1 2)"}']]) {
			const run = spawnSync(process.execPath, ["node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", "--cli", url,
				"--transport", "http", "--header", `Authorization: Bearer ${token}`, "--protocol-era", era, "--format", "json", ...args],
				{ encoding: "utf8", timeout: patience(60_000) });
			console.log("    inspector", era, args.join(" "), "->", run.status);
			assert.equal(run.status, 0, run.stdout + run.stderr);
			assert.match(run.stdout, args.includes("tools/list") ? /"efrit_execute"/ : /\\"result\\":\\"3\\"/);
		}

	child.kill("SIGTERM");
	assert.equal(await new Promise((r) => child.on("exit", r)), 0);
});
