// A headless Chromium, driven by its DevTools protocol over a pipe: no port, and
// no package. https://chromedevtools.github.io/devtools-protocol/
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Why there is no browser to test with; undefined when there is one. */
export const missing = (() => {
  try {
    execFileSync("chromium", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "the Debian package chromium is not installed";
  }
})();

const quiet = ["--no-first-run", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Starts a browser with one page. Owner: the test `t`, with which it ends. */
export async function launch(t) {
  const dir = await mkdtemp(join(tmpdir(), "engram-web-"));
  const child = spawn("chromium", ["--headless", "--no-sandbox", "--remote-debugging-pipe", ...quiet, `--user-data-dir=${join(dir, "profile")}`, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  t.after(async () => {
    const ended = once(child, "exit");
    child.kill();
    await ended;
    await rm(dir, { recursive: true, force: true, maxRetries: 10 }); // its own processes end after it
  });
  const link = new Link(child.stdio[3], child.stdio[4]);
  const { targetInfos } = await link.call("Target.getTargets");
  const { targetId } = targetInfos.find((i) => i.type === "page");
  const { sessionId } = await link.call("Target.attachToTarget", { targetId, flatten: true });
  const page = new Page(link, sessionId);
  await page.call("Page.enable");
  await page.call("Runtime.enable");
  await page.call("Network.enable");
  return page;
}

/** Messages end with a zero byte; an answer has the number of its call. */
class Link {
  #last = 0;
  #waiting = new Map();
  #rest = "";
  #out;
  listener = () => undefined;

  constructor(out, from) {
    this.#out = out;
    from.setEncoding("utf8");
    from.on("data", (chunk) => {
      const parts = (this.#rest + chunk).split("\0");
      this.#rest = parts.pop();
      for (const part of parts) {
        this.#take(JSON.parse(part));
      }
    });
    for (const stream of [out, from]) {
      stream.on("error", () => undefined); // of a browser that ends
    }
  }

  #take(m) {
    const wait = this.#waiting.get(m.id);
    this.#waiting.delete(m.id);
    if (wait === undefined) {
      this.listener(m);
    } else if (m.error !== undefined) {
      wait.reject(new Error(m.error.message));
    } else {
      wait.resolve(m.result);
    }
  }

  call(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }
}

/** One page. */
class Page {
  /** What the page's own code threw, or logged as an error. */
  errors = [];
  #link;
  #session;

  constructor(link, session) {
    this.#link = link;
    this.#session = session;
    link.listener = (m) => {
      if (m.method === "Runtime.exceptionThrown") {
        this.errors.push(m.params.exceptionDetails.exception?.description ?? m.params.exceptionDetails.text);
      } else if (m.method === "Runtime.consoleAPICalled" && ["error", "warning"].includes(m.params.type)) {
        this.errors.push(m.params.args.map((a) => a.value ?? a.description).join(" "));
      } else if (m.method === "Page.javascriptDialogOpening") {
        void this.call("Page.handleJavaScriptDialog", { accept: true });
      }
    };
  }

  call(method, params) {
    return this.#link.call(method, params, this.#session);
  }

  /** What an expression gives in the page. */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails !== undefined) {
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    }
    return result.value;
  }

  async open(url) {
    await this.call("Page.navigate", { url });
    await this.until("document.querySelector('main') !== null", "the page");
  }

  /** Waits until an expression holds in the page; the page itself watches for changes. */
  async until(expression, what) {
    // A page that is being left answers nothing: it is asked anew.
    for (const deadline = Date.now() + 20_000; ; ) {
      try {
        const held = await this.evaluate(`new Promise((resolve) => {
          const holds = () => { try { return ${expression}; } catch { return false; } };
          const end = (held) => { observer.disconnect(); clearTimeout(timer); resolve(held); };
          const observer = new MutationObserver(() => holds() && end(true));
          observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
          const timer = setTimeout(() => end(false), 20_000);
          if (holds()) end(true);
        })`);
        if (held) {
          return;
        }
      } catch (e) {
        if (Date.now() < deadline) {
          continue;
        }
        throw e;
      }
      throw new Error(`${what} did not come; the page says:\n${await this.evaluate("document.body.innerText")}`);
    }
  }

  /** Types into a field, key by key. */
  async type(selector, text) {
    await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).focus()`);
    for (const key of text) {
      await this.call("Input.dispatchKeyEvent", { type: "keyDown", key, text: key });
      await this.call("Input.dispatchKeyEvent", { type: "keyUp", key });
    }
  }

  async press(key, code) {
    const event = { key, code: key, windowsVirtualKeyCode: code, text: key === "Enter" ? "\r" : undefined };
    await this.call("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  async screenshot() {
    const { data } = await this.call("Page.captureScreenshot", { format: "png" });
    return Buffer.from(data, "base64");
  }
}
