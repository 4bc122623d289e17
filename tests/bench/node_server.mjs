// node_server.mjs - an MCP server of the official SDK with one tool, `evaluate', that evaluates
// JavaScript in its own process: the least that a server of that kind costs.  The SDK's plain
// Server, not McpServer, which checks arguments as well and is slower.
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const server = new Server({ name: "bench", version: "1" }, { capabilities: { tools: {} } });
server.setRequestHandler(ListToolsRequestSchema, async () => ({
	tools: [{
		name: "evaluate",
		description: "Evaluate JavaScript.",
		inputSchema: { type: "object", properties: { code: { type: "string" } }, required: ["code"] },
	}],
}));
server.setRequestHandler(CallToolRequestSchema, async (request) => ({
	content: [{ type: "text", text: String((0, eval)(request.params.arguments.code)) }],
}));
process.stdin.on("end", () => process.exit(0));
await server.connect(new StdioServerTransport());
