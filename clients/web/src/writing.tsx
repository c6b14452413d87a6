import { type KeyboardEvent, type FormEvent, memo, useState } from "react";
import type { Note, Notes, State, View } from "./notes.ts";
import type { Presence } from "./presence.ts";

/** Takes notes, one a line, and shows how far they have come. */
export function Writing({ notes, view, presence }: { notes: Notes; view: View; presence: Presence }) {
  const [text, setText] = useState("");
  const write = (e?: FormEvent) => {
    e?.preventDefault();
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    setText("");
    if (lines.length > 0) {
      notes.write(lines.map((line) => line.trim()));
    }
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key === "Enter" && !e.shiftKey && !e.nativeEvent.isComposing) {
      e.preventDefault();
      write();
    }
  };
  return (
    <section aria-label="write">
      <h2>Write</h2>
      <form onSubmit={write}>
        <textarea
          aria-label="a note, or one on each line"
          placeholder="The kettle is in the red box."
          rows={2}
          autoFocus
          value={text}
          onKeyDown={onKeyDown}
          onChange={(e) => {
            setText(e.target.value);
          }}
        />
        <div className="row">
          <button disabled={text.trim() === ""}>Remember</button>
          <small>Enter remembers, Shift+Enter begins another note</small>
        </div>
      </form>
      <Trouble view={view} presence={presence} waiting={view.notes.filter((n) => n.state === "waiting").length} />
      <List view={view} presence={presence} />
    </section>
  );
}

/** What stands in the way of the notes, if anything does. */
function Trouble({ view, presence, waiting }: { view: View; presence: Presence; waiting: number }) {
  if (view.failure !== "") {
    return <p role="alert">Nothing can be written here: {view.failure}</p>;
  }
  if (presence === "offline") {
    const held = waiting === 0 ? "What you write" : waiting === 1 ? "1 note" : `${String(waiting)} notes`;
    return <p className="hint">The server is away. {held} will be sent when it is back; leave this page open.</p>;
  }
  if (["WARNING", "BACKPRESSURE", "OVERLOADED", "ERROR"].includes(view.state)) {
    return (
      <p className="hint">
        The server is busy: {waiting} wait here and go as it makes room. <meter value={view.pressure} title={`pressure: ${view.state}`} />
      </p>
    );
  }
  return null;
}

function List({ view, presence }: { view: View; presence: Presence }) {
  if (view.notes.length === 0) {
    const hint = view.loaded ? "Nothing here yet. Write a note, and recall it on the other side." : presence === "offline" ? "" : "Looking for earlier notes …";
    return <p className="empty">{hint}</p>;
  }
  return (
    <ol className="notes">
      {view.notes.slice(0, shown).map((n) => (
        <Item key={n.id} note={n} />
      ))}
    </ol>
  );
}

/** How many notes are shown; more may wait. */
const shown = 200;

const marks: Record<State, { mark: string; word: string; title: string }> = {
  waiting: { mark: "…", word: "waiting", title: "on its way: not on the server's disk yet" },
  durable: { mark: "✓", word: "kept", title: "on the server's disk" },
  visible: { mark: "✓✓", word: "findable", title: "on the server's disk, and recall finds it" },
  rejected: { mark: "✕", word: "not kept", title: "the server did not take it" },
};

const Item = memo(function Item({ note }: { note: Note }) {
  const { mark, word, title } = marks[note.state];
  return (
    <li className={note.state}>
      <span className="text">{shortened(note.text)}</span>
      <small title={title}>
        <time dateTime={note.at.toISOString()}>{when(note.at)}</time>{" "}
        <span className="mark">
          {mark} {word}
        </span>
        {note.why === "" ? null : <span className="why">{note.why}</span>}
      </small>
    </li>
  );
});

/** The beginning of a long text. */
export function shortened(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest)} …`;
}

const longest = 500;

/** The time of day, and of another day its date too. */
function when(at: Date): string {
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString()} ${time}`;
}
