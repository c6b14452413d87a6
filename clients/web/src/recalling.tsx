import { useEffect, useState } from "react";
import type { Result } from "@engram-stream/client";
import { describe, type Notes } from "./notes.ts";
import type { Presence } from "./presence.ts";
import { shortened } from "./writing.tsx";

/** Keys are struck faster than this, in ms. */
const settledMs = 80;

interface Answer {
  to: string;
  results: Result[];
  failure: string;
}

/**
 * Recalls what is near what is being typed. A newer question breaks an older one
 * off; what becomes findable meanwhile, and a server that is back, ask again.
 */
export function Recalling({ notes, presence, findable, empty }: { notes: Notes; presence: Presence; findable: number; empty: boolean }) {
  const [question, setQuestion] = useState("");
  const [answer, setAnswer] = useState<Answer | undefined>();
  const asked = question.trim();
  useEffect(() => {
    if (asked === "") {
      setAnswer(undefined);
      return;
    }
    const newer = new AbortController();
    const timer = setTimeout(() => {
      notes.recall(asked, newer.signal).then(
        (results) => {
          setAnswer({ to: asked, results, failure: "" });
        },
        (e: unknown) => {
          if (!newer.signal.aborted) {
            setAnswer({ to: asked, results: [], failure: describe(e) });
          }
        },
      );
    }, settledMs);
    return () => {
      clearTimeout(timer);
      newer.abort();
    };
  }, [notes, asked, presence, findable]);
  return (
    <section aria-label="recall">
      <h2>Recall</h2>
      <input
        type="search"
        aria-label="what to recall"
        placeholder="Where is the kettle?"
        value={question}
        onChange={(e) => {
          setQuestion(e.target.value);
        }}
      />
      <Found asked={asked} answer={answer} presence={presence} empty={empty} />
    </section>
  );
}

function Found({ asked, answer, presence, empty }: { asked: string; answer: Answer | undefined; presence: Presence; empty: boolean }) {
  if (asked === "") {
    return <p className="empty">{empty ? "There is nothing to recall yet." : "Type, and what is near it comes up."}</p>;
  }
  if (presence === "offline") {
    return <p className="hint">Recalling needs the server; it goes on when that is back.</p>;
  }
  if (answer === undefined) {
    return <p className="empty">Looking …</p>;
  }
  if (answer.failure !== "") {
    return <p role="alert">This could not be recalled: {answer.failure}</p>;
  }
  if (answer.results.length === 0) {
    return <p className="empty">Nothing is near that.</p>;
  }
  return (
    <ul className={answer.to === asked ? "found" : "found older"}>
      {answer.results.map((r) => (
        <li key={r.observation.id}>
          <meter value={Math.max(0, r.similarity)} title={`similarity ${r.similarity.toFixed(2)}`} />
          <span className="text">{shortened(r.observation.content ?? "")}</span>
          <small>{r.similarity.toFixed(2)}</small>
        </li>
      ))}
    </ul>
  );
}
