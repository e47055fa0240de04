// Who reviews: asked once, before the first decision, and kept in the browser.
import { useEffect, useState } from "preact/hooks";
import { Dialog } from "./factform";
import { callReviewer, reviewer, useReview } from "./outbox";

let ask: ((then: () => void) => void) | null = null;

/** Do it, once it is known who does. */
export function withReviewer(then: () => void): void {
  if (reviewer()) then();
  else ask?.(then);
}

export function ReviewerDialog() {
  const [then, setThen] = useState<(() => void) | null>(null);
  const [name, setName] = useState("");
  useEffect(() => {
    ask = (next) => setThen(() => next);
  }, []);
  if (!then) return null;
  return (
    <Dialog title="Who is reviewing?" onClose={() => setThen(null)}>
      <p>Every decision is kept with its reviewer’s name and the time.</p>
      <form
        class="fact"
        onSubmit={(event) => {
          event.preventDefault();
          callReviewer(name);
          setThen(null);
          then();
        }}
      >
        <label>
          <span>your name</span>
          <input name="reviewer" required maxLength={80} pattern=".*\S.*" value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <div class="buttons end">
          <button type="button" onClick={() => setThen(null)}>
            Cancel
          </button>
          <button type="submit" class="main">
            Go on
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** One quiet line about what is on its way, and about what was refused. */
export function Sending() {
  const { waiting, message } = useReview();
  return (
    <p class="sending" role="status">
      {message ? `Not saved: ${message}` : waiting ? `${waiting} ${waiting === 1 ? "decision waits" : "decisions wait"} for the service` : ""}
    </p>
  );
}
