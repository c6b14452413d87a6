// The page in a real Chromium, before a real server: notes are typed, seen to be
// kept, and recalled while typing; the server goes and comes back.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";
import { launch, missing } from "./chromium.mjs";
import { Server, site } from "./server.mjs";

const pictures = process.env.SCREENSHOTS; // a folder, for whoever wants to look

async function look(page, name) {
  if (pictures !== undefined) {
    await writeFile(`${pictures}/${name}.png`, await page.screenshot());
  }
}

const notes = "[...document.querySelectorAll('.notes li')]";
const found = "[...document.querySelectorAll('.found:not(.older) li')]";
const says = (text) => `document.body.innerText.includes(${JSON.stringify(text)})`;
const online = ["document.querySelector('.presence').className.includes('online')", "the connection"];

async function remember(page, ...lines) {
  await page.type("textarea", lines[0]);
  await page.press("Enter", 13);
  for (const line of lines.slice(1)) {
    await page.type("textarea", line);
    await page.press("Enter", 13);
  }
}

test("notes are typed, kept, and recalled while typing", { timeout: 90_000, skip: missing }, async (t) => {
  const server = await Server.start(t);
  const url = await site(t, server);
  const page = await launch(t);
  await page.open(url);
  await page.until(...online);
  await page.until(says("Nothing here yet"), "what an empty space says");
  assert.ok(await page.evaluate(says("There is nothing to recall yet")));
  await look(page, "1-empty");

  await remember(page, "The kettle is in the red box.", "Rain is expected tomorrow.");
  await page.until(`${notes}.length === 2 && ${notes}.every((n) => n.className === 'visible')`, "that both notes are findable");
  assert.deepEqual(await page.evaluate(`${notes}.map((n) => n.querySelector('.text').innerText)`), ["Rain is expected tomorrow.", "The kettle is in the red box."]);
  assert.deepEqual(await page.evaluate(`${notes}.map((n) => n.querySelector('.mark').innerText)`), ["✓✓ findable", "✓✓ findable"]);
  assert.equal(await page.evaluate("document.querySelector('textarea').value"), "");

  await page.type("input", "where is the ket");
  await page.until(`${found}[0]?.innerText.includes('kettle')`, "what is recalled while typing");
  await look(page, "2-recalled");
  // What becomes findable meanwhile comes up by itself.
  await remember(page, "Where is the kettle? In the red box.");
  await page.until(`${found}.some((n) => n.innerText.includes('In the red box.'))`, "the newer note");

  // A note that the server does not take is told with why, and the others go on.
  await page.evaluate(`document.querySelector('textarea').focus()`);
  await page.call("Input.insertText", { text: "x".repeat(300 << 10) });
  await page.press("Enter", 13);
  await remember(page, "All the rest goes on.");
  await page.until(`${notes}[0].className === 'visible' && ${notes}[1].className === 'rejected'`, "the rejection");
  await look(page, "5-rejected");
  assert.match(await page.evaluate(`${notes}[1].querySelector('small').innerText`), /not kept.*content has 307200 bytes; the limit is/s);

  // Everything is there again after the page was loaded anew.
  await page.open(url);
  await page.until(`${notes}.length === 4 && ${notes}.every((n) => n.className === 'visible')`, "the notes of before");
  assert.deepEqual(page.errors, []);
});

test("a server that goes and comes back", { timeout: 90_000, skip: missing }, async (t) => {
  const server = await Server.start(t);
  const url = await site(t, server);
  const page = await launch(t);
  await page.open(`${url}?space=coming-and-going`);
  await page.until(...online);
  await remember(page, "Before it went.");
  await page.until(`${notes}.length === 1 && ${notes}[0].className === 'visible'`, "the first note");

  await server.kill();
  await page.until("document.querySelector('.presence').className.includes('offline')", "that the server is away");
  await remember(page, "While it was away, one.", "While it was away, two.");
  await page.until(says("2 notes will be sent when it is back"), "what waits");
  await page.type("input", "away");
  await page.until(says("Recalling needs the server"), "what recalling says");
  assert.deepEqual(await page.evaluate(`${notes}.map((n) => n.className)`), ["waiting", "waiting", "visible"]);
  await look(page, "3-offline");

  await server.start();
  await page.until(...online);
  await page.until(`${notes}.length === 3 && ${notes}.every((n) => n.className === 'visible')`, "that all is findable");
  await page.until(`${found}.length >= 2`, "what is recalled after it is back");
  assert.ok(!(await page.evaluate(says("will be sent"))));
  await look(page, "4-back");
  // Each is there once, also for whoever else asks.
  const listed = await fetch(`http://${server.address}/engram.v1.MemoryService/ListObservations`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ space: "coming-and-going" }),
  });
  const { observations } = await listed.json();
  assert.deepEqual(observations.map((o) => o.observation.content), ["Before it went.", "While it was away, one.", "While it was away, two."]);
  assert.deepEqual(page.errors, []);
});

test("more notes at once than the server has room for", { timeout: 90_000, skip: missing }, async (t) => {
  const server = await Server.start(t, "--queue-high", "100", "--queue-normal", "300", "--queue-low", "100", "--session-window", "200", "--worker-count", "1");
  const page = await launch(t);
  await page.open(await site(t, server));
  await page.until(...online);
  // It may be over soon: the page itself notes what it said.
  await page.evaluate(`globalThis.said = [];
    new MutationObserver(() => said.push(document.querySelector('.hint')?.innerText ?? '')).observe(document, { subtree: true, childList: true, attributes: true })`);
  await page.evaluate("document.querySelector('textarea').focus()");
  await page.call("Input.insertText", { text: Array.from({ length: 2000 }, (_, i) => `note number ${String(i)} of many`).join("\n") });
  await page.press("Enter", 13);
  await page.until(`${notes}.length === 200 && ${notes}.every((n) => n.className === 'visible')`, "that the newest are findable");
  assert.match(await page.evaluate("said.find((s) => s.includes('busy')) ?? ''"), /^The server is busy: \d+ wait here and go as it makes room\./);
  await page.until("document.querySelector('.hint') === null", "that it is over");
  const space = await fetch(`http://${server.address}/engram.v1.SpaceService/GetSpace`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ space: "web-notes" }),
  });
  assert.equal((await space.json()).space.observations, "2000");
  assert.deepEqual(page.errors, []);
});

test("a page that opens before its server does", { timeout: 90_000, skip: missing }, async (t) => {
  const server = await Server.start(t);
  const url = await site(t, server);
  await server.kill();
  const page = await launch(t);
  await page.open(url);
  await page.until("document.querySelector('.presence').className.includes('offline')", "that there is no server");
  await remember(page, "Early.");
  await page.until(says("1 note will be sent when it is back"), "what waits");
  await server.start();
  await page.until(`${notes}.length === 1 && ${notes}[0].className === 'visible'`, "the early note");
  assert.deepEqual(page.errors, []);
});

test("a space by a name that is none", { timeout: 90_000, skip: missing }, async (t) => {
  const server = await Server.start(t);
  const page = await launch(t);
  await page.open(`${await site(t, server)}?space=No`);
  await page.until("document.querySelector('[role=alert]') !== null", "that it is none");
  assert.match(await page.evaluate("document.querySelector('[role=alert]').innerText"), /space is "No" .*it must be 3 to 64/);
});
