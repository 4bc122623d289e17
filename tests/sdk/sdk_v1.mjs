// sdk_v1.mjs - a session of the official TypeScript client, version 1.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, LoggingMessageNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { answers, BRIDGE, main, play, playOffers, startEmacs } from "./session.mjs";

main(async () => {
	await startEmacs("sdk");
	const client = new Client({ name: "sdk-v1", version: "1" }, { capabilities: { elicitation: {}, sampling: {}, roots: {} } });
	const logged = [];
	client.setRequestHandler(ElicitRequestSchema, async (r) => answers["elicitation/create"](r.params));
	client.setRequestHandler(CreateMessageRequestSchema, async (r) => answers["sampling/createMessage"](r.params));
	client.setRequestHandler(ListRootsRequestSchema, async () => answers["roots/list"]());
	client.setNotificationHandler(LoggingMessageNotificationSchema, (n) => void logged.push(n.params.data));
	const transport = new StdioClientTransport({ command: BRIDGE, args: ["--set", "progress_interval=100"], env: { ...process.env } });
	await client.connect(transport);
	console.log("version 1 of the client, server", client.getServerVersion());
	await client.ping();
	await play(client, (name, args, options) => client.callTool({ name, arguments: args }, undefined, options));
	await client.setLoggingLevel("info");
	await client.subscribeResource({ uri: "test://watched-resource" });
	await client.unsubscribeResource({ uri: "test://watched-resource" });
	logged.length = 0;
	await playOffers(client, (name, args, options) => client.callTool({ name, arguments: args }, undefined, options), logged);
	await client.close();
});
