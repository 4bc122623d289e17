// sdk_v1.mjs - a session of the official TypeScript client, version 1.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { BRIDGE, main, play, startEmacs } from "./session.mjs";

main(async () => {
	await startEmacs("sdk");
	const client = new Client({ name: "sdk-v1", version: "1" });
	const transport = new StdioClientTransport({ command: BRIDGE, args: ["--set", "progress_interval=100"], env: { ...process.env } });
	await client.connect(transport);
	console.log("version 1 of the client, server", client.getServerVersion());
	await client.ping();
	await play(client, (name, args, options) => client.callTool({ name, arguments: args }, undefined, options));
	await client.close();
});
