import { useEffect, useSyncExternalStore } from "react";
import { connect } from "@engram-stream/client";
import { Notes } from "./notes.ts";
import { type Presence, Watch } from "./presence.ts";
import { Recalling } from "./recalling.tsx";
import { Writing } from "./writing.tsx";

const client = connect(location.origin);
const notes = new Notes(client, new URLSearchParams(location.search).get("space") ?? "web-notes");
const watch = new Watch(client);

export function App() {
  const { presence, refused } = useSyncExternalStore(watch.subscribe, watch.view);
  const view = useSyncExternalStore(notes.subscribe, notes.view);
  useEffect(() => watch.start(), []);
  useEffect(() => {
    if (presence === "online") {
      void notes.load();
    }
  }, [presence]);
  useEffect(() => {
    // Closing the page now would lose what waits here.
    const ask = (e: BeforeUnloadEvent) => {
      if (notes.waiting > 0) {
        e.preventDefault();
      }
    };
    addEventListener("beforeunload", ask);
    return () => {
      removeEventListener("beforeunload", ask);
    };
  }, []);
  const findable = view.notes.filter((n) => n.state === "visible").length;
  return (
    <>
      <header>
        <h1>Notes</h1>
        <Server presence={presence} space={notes.space} />
      </header>
      {refused === "" ? null : <p role="alert">The server lets this page not in: {refused}</p>}
      <main>
        <Writing notes={notes} view={view} presence={presence} />
        <Recalling notes={notes} presence={presence} findable={findable} empty={view.loaded && view.notes.length === 0} />
      </main>
    </>
  );
}

const said: Record<Presence, string> = {
  connecting: "connecting …",
  online: "connected",
  starting: "the server is starting …",
  offline: "offline, trying again …",
};

function Server({ presence, space }: { presence: Presence; space: string }) {
  return (
    <p className="server">
      space <b>{space}</b>
      <span role="status" className={`presence ${presence}`}>
        {said[presence]}
      </span>
    </p>
  );
}
