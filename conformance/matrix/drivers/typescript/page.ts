// The same driver in a page: it asks the runner for one script after the other.
import { connect } from "@engram-stream/client/web";
import { run } from "./driver";

/** Less than the runner waits: what hangs is named, and the next script gets its turn. */
const patienceMs = 25_000;

for (;;) {
  let script: Parameters<typeof run>[0];
  try {
    script = await (await fetch("/next")).json();
  } catch (e) {
    console.warn(`asking for a script failed, and is done again: ${String(e)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    continue;
  }
  let at = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hangs = new Promise((resolve) => {
    timer = setTimeout(() => {
      resolve({ broken: `${at} does not end` });
    }, patienceMs);
  });
  const result = await Promise.race([hangs, run(script, connect, (step) => (at = step))]).catch((e: unknown) => ({ broken: String(e) }));
  clearTimeout(timer);
  await fetch("/result", { method: "POST", body: JSON.stringify(result) });
}
