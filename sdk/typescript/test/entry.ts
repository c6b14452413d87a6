// What the parts' tests take of the errors, beside what the package exports.
export { codeName } from "../dist/errors.js";
export type { Observation } from "@engram-stream/client/node";
