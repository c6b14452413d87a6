import { type FormEvent, useEffect, useState, useSyncExternalStore } from "react";
import type { Result } from "@engram-stream/client";
import { describe, Notes } from "./notes.ts";

const notes = new Notes(new URLSearchParams(location.search).get("space") ?? "web-notes");

export function App() {
  return (
    <main>
      <h1>Notes</h1>
      <Writing />
      <Recalling />
    </main>
  );
}

/** Takes notes, one a line, and shows how far they have come. */
function Writing() {
  const view = useSyncExternalStore(notes.subscribe, notes.view);
  const [text, setText] = useState("");
  const write = (e: FormEvent) => {
    e.preventDefault();
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    setText("");
    void notes.write(lines);
  };
  return (
    <section aria-label="write">
      <form onSubmit={write}>
        <textarea
          aria-label="a note, or one on each line"
          placeholder="the kettle is in the red box"
          rows={3}
          value={text}
          onChange={(e) => {
            setText(e.target.value);
          }}
        />
        <button disabled={text.trim() === ""}>Remember</button>
        {view.status === "" ? null : (
          <span>
            {view.status} <meter value={view.pressure} title="pressure" />
          </span>
        )}
      </form>
      {view.failure === "" ? null : <p role="alert">{view.failure}</p>}
      <ol reversed>
        {view.notes.map((n) => (
          <li key={n.number} className={n.state}>
            {n.text} <small>{n.state}</small>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** Recalls what is near what is being typed; a newer question breaks an older one off. */
function Recalling() {
  const [question, setQuestion] = useState("");
  const [results, setResults] = useState<Result[]>([]);
  const [failure, setFailure] = useState("");
  useEffect(() => {
    if (question.trim() === "") {
      setResults([]);
      return;
    }
    const newer = new AbortController();
    notes.recall(question, newer.signal).then(
      (found) => {
        setResults(found);
        setFailure("");
      },
      (e: unknown) => {
        if (!newer.signal.aborted) {
          setFailure(describe(e));
        }
      },
    );
    return () => {
      newer.abort();
    };
  }, [question]);
  return (
    <section aria-label="recall">
      <input
        type="search"
        aria-label="what to recall"
        placeholder="where is the kettle?"
        value={question}
        onChange={(e) => {
          setQuestion(e.target.value);
        }}
      />
      {failure === "" ? null : <p role="alert">{failure}</p>}
      <ul>
        {results.map((r) => (
          <li key={r.observation.id}>
            <small>{r.similarity.toFixed(2)}</small> {r.observation.content}
          </li>
        ))}
      </ul>
    </section>
  );
}
