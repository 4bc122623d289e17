// inspector.mjs - the official Inspector's command line, in each era.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { BRIDGE, main, patience, startEmacs } from "./session.mjs";

const inspect = (era, ...args) => {
	const run = spawnSync(process.execPath,
		["node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", "--cli", BRIDGE, "--protocol-era", era, "--format", "json",
			"-e", "XDG_RUNTIME_DIR=" + process.env.XDG_RUNTIME_DIR, "-e", "EFRIT_MCP_FOLDERS=" + process.env.EFRIT_MCP_FOLDERS, ...args],
		{ encoding: "utf8", timeout: patience(60_000) });
	console.log("   ", era, args.join(" "), "->", run.status);
	if (run.stderr)
		console.log(run.stderr);
	return run;
};

main(async () => {
	await startEmacs("sdk");
	for (const era of ["legacy", "auto", "modern"]) {
		const list = inspect(era, "--method", "tools/list", "--strict");
		assert.equal(list.status, 0, list.stdout);
		assert.match(list.stdout, /"efrit_execute"/);
		const sum = inspect(era, "--method", "tools/call", "--tool-name", "efrit_execute", "--tool-args-json", '{"content":"(+ 1 2)"}');
		assert.equal(sum.status, 0, sum.stdout);
		assert.match(sum.stdout, /\\"result\\":\\"3\\"/);
		const wrong = inspect(era, "--method", "tools/call", "--tool-name", "efrit_execute", "--tool-args-json", '{"content":"(error \\"no\\")"}');
		assert.match(wrong.stdout, /"isError":\s*true/);
	}
});
