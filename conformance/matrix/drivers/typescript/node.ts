// The matrix's driver of the TypeScript SDK in Node: a script on stdin, its result on stdout.
import { text } from "node:stream/consumers";
import { connect } from "@engram-stream/client/node";
import { run } from "./driver";

const result = await run(JSON.parse(await text(process.stdin)), connect);
process.stdout.write(JSON.stringify(result), () => process.exit(0));
