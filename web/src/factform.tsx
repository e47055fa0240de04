// The form in which a reviewer says what is right: for a claim that is wrong, or a fact that nobody claimed.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { visible } from "./text";

export interface Fact {
  subject: string;
  relation: string;
  object: string;
  literal: boolean;
  negated: boolean;
  hedged: boolean;
  note: string;
}

interface Shown {
  title: string;
  quote: string;
  start?: Partial<Fact>;
  mentions: string[];
  relations?: string[];
  onDone: (fact: Fact) => void;
  onCancel: () => void;
}

/** A modal dialog that opens itself; Escape closes it. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => (before instanceof HTMLElement ? before.focus() : undefined);
  }, []);
  return (
    <dialog ref={dialog} aria-label={title} onClose={onClose}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}

export function FactForm({ title, quote, start = {}, mentions, relations = [], onDone, onCancel }: Shown) {
  const [fact, setFact] = useState<Fact>({
    subject: start.subject ?? "",
    relation: start.relation ?? "",
    object: start.object ?? "",
    literal: start.literal ?? false,
    negated: start.negated ?? false,
    hedged: start.hedged ?? false,
    note: "",
  });
  const text = (name: "subject" | "relation" | "object", list: string) => (
    <label>
      <span>{name}</span>
      <input
        name={name}
        required
        maxLength={2000}
        list={list}
        autocomplete="off"
        value={fact[name]}
        onInput={(event) => setFact({ ...fact, [name]: event.currentTarget.value })}
      />
    </label>
  );
  const tick = (name: "literal" | "negated" | "hedged", says: string) => (
    <label class="tick">
      <input type="checkbox" name={name} checked={fact[name]} onChange={(event) => setFact({ ...fact, [name]: event.currentTarget.checked })} />
      <span>{says}</span>
    </label>
  );
  return (
    <Dialog title={title} onClose={onCancel}>
      {quote && <blockquote dir="auto">{quote}</blockquote>}
      <form
        class="fact"
        onSubmit={(event) => {
          event.preventDefault();
          onDone(fact);
        }}
      >
        {text("subject", "fact-names")}
        {text("relation", "fact-relations")}
        {text("object", "fact-names")}
        <div class="ticks">
          {tick("literal", "the object is a value")}
          {tick("negated", "the text denies it")}
          {tick("hedged", "the text leaves it open")}
        </div>
        <label>
          <span>note (if you like)</span>
          <input name="note" maxLength={5000} value={fact.note} onInput={(event) => setFact({ ...fact, note: event.currentTarget.value })} />
        </label>
        <datalist id="fact-names">
          {mentions.slice(0, 500).map((name) => (
            <option value={visible(name)} />
          ))}
        </datalist>
        <datalist id="fact-relations">
          {relations.slice(0, 500).map((name) => (
            <option value={visible(name)} />
          ))}
        </datalist>
        <div class="buttons end">
          <button type="button" onClick={onCancel}>
            Cancel
          </button>
          <button type="submit" class="main">
            Save
          </button>
        </div>
      </form>
    </Dialog>
  );
}
