// sdk_v2.mjs - sessions of the official TypeScript client, version 2, in each way it can begin one.
import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { answers, BRIDGE, main, play, playOffers, startEmacs } from "./session.mjs";

main(async () => {
	await startEmacs("sdk");
	for (const mode of ["legacy", "auto", { pin: "2026-07-28" }]) {
		const client = new Client({ name: "sdk-v2", version: "1" }, { versionNegotiation: { mode }, capabilities: { elicitation: {}, sampling: {}, roots: {} } });
		const logged = [];
		for (const method of Object.keys(answers))
			client.setRequestHandler(method, async (r) => answers[method](r.params));
		client.setNotificationHandler("notifications/message", (n) => void logged.push(n.params.data));
		const transport = new StdioClientTransport({ command: BRIDGE, args: ["--set", "progress_interval=100"], env: { ...process.env } });
		await client.connect(transport);
		const version = client.getNegotiatedProtocolVersion?.();
		console.log("version 2 of the client,", JSON.stringify(mode), "speaks", version);
		if (version !== undefined)
			assert.equal(version, mode === "legacy" ? "2025-11-25" : "2026-07-28");
		await play(client, (name, args, options) => client.callTool({ name, arguments: args }, options));
		const modern = version === "2026-07-28"; // each of its requests says what it wants to hear
		const meta = modern ? { _meta: { "io.modelcontextprotocol/logLevel": "info" } } : {};
		logged.length = 0;
		await playOffers(client, (name, args, options) => client.callTool({ name, arguments: args, ...meta }, options), logged);
		await client.close();
	}
});
