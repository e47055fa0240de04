// All documents, to be looked through by name.
import { useState } from "preact/hooks";
import { ask, useAsked } from "./ask";
import { Name } from "./claim";
import { documentHref } from "./route";
import { counted, number, visible } from "./text";
import type { DocumentRow } from "./types";

const PAGE = 50;

export function DocumentsPage() {
  const [text, setText] = useState("");
  const [offset, setOffset] = useState(0);
  const { value, error } = useAsked(
    (signal) => ask<{ count: number; rows: DocumentRow[] }>("documents", { text, offset, limit: PAGE }, signal),
    [text, offset],
  );
  const find = (wanted: string) => {
    setText(wanted);
    setOffset(0);
  };
  return (
    <>
      <header class="head">
        <h1>Documents</h1>
        <p class="lead">What was read, and what models were asked about.</p>
        <label class="field">
          <span class="sr">Find a document by its name or title</span>
          <input type="search" placeholder="name or title" value={text} onInput={(event) => find(event.currentTarget.value)} />
        </label>
      </header>
      {error && <p class="error" role="alert">{error}</p>}
      {!value && !error && <p class="wait" role="status">Looking …</p>}
      {value && (
        <>
          <ul class="rows">
            {value.rows.map((row) => (
              <li>
                <a href={documentHref(row.id)}>
                  <Name text={row.title || row.id} />
                </a>
                <span class="quiet">
                  {row.title && (
                    <>
                      <Name text={row.id} /> ·{" "}
                    </>
                  )}
                  {row.set_aside ? `set aside: ${visible(row.set_aside)}` : counted(row.claims, "claim")} · {counted(row.length, "character")}
                </span>
              </li>
            ))}
          </ul>
          {value.rows.length === 0 && <p class="quiet">There is none like that.</p>}
          <Pages count={value.count} offset={offset} size={PAGE} onTurn={setOffset} />
        </>
      )}
    </>
  );
}

export function Pages({ count, offset, size, onTurn }: { count: number; offset: number; size: number; onTurn: (offset: number) => void }) {
  if (count <= size) return null;
  return (
    <nav class="pages" aria-label="Pages of the list">
      <button type="button" disabled={offset === 0} onClick={() => onTurn(Math.max(0, offset - size))}>
        Earlier
      </button>
      <span>
        {number(offset + 1)} to {number(Math.min(count, offset + size))} of {number(count)}
      </span>
      <button type="button" disabled={offset + size >= count} onClick={() => onTurn(offset + size)}>
        Later
      </button>
    </nav>
  );
}
