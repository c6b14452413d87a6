// The same driver in a page: it asks the runner for one script after the other.
import { connect } from "@engram-stream/client/web";
import { run } from "./driver";

for (;;) {
  const next = await fetch("/next");
  let result: unknown;
  try {
    result = await run(await next.json(), connect);
  } catch (e) {
    result = { broken: String(e) };
  }
  await fetch("/result", { method: "POST", body: JSON.stringify(result) });
}
