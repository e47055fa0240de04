// Merges: which names were brought together, why, and how to part them again.
import { useState } from "preact/hooks";
import { ask, useAsked } from "./ask";
import { Name } from "./claim";
import { Pages } from "./documents";
import { decide, merged, useReview } from "./outbox";
import { withReviewer } from "./reviewer";
import { entityHref } from "./route";
import { share, visible } from "./text";
import type { About, Decision, Merge } from "./types";

const PAGE = 50;

export function MergesPage({ about }: { about: About }) {
  const [text, setText] = useState("");
  const [kind, setKind] = useState("");
  const [offset, setOffset] = useState(0);
  const { reviewer, waiting } = useReview();
  const { value, error } = useAsked((signal) => ask<Merge[]>("merges", { text, kind, offset, limit: PAGE }, signal), [text, kind, offset]);
  const parted = useAsked((signal) => (about.review ? ask<string[]>("review/unmerged", {}, signal) : Promise.resolve([])), [waiting]);
  const own = (merge: Merge): Decision | undefined => merged(merge.undone ? [merge.undone] : [], (one) => one.merge === merge.id)[0];
  const command = [`kgdistill run ${quoted(about.recipe)} --out ${quoted(about.folder)}`, ...(parted.value ?? []).map((id) => `--without-merge ${quoted(id)}`)].join(" ");
  return (
    <>
      <header class="head">
        <h1>Names brought together</h1>
        <p class="lead">Each merge says that two names mean the same. The least certain come first.</p>
        <div class="row">
          <label class="field">
            <span class="sr">Find a name</span>
            <input type="search" placeholder="a name" value={text} onInput={(event) => (setText(event.currentTarget.value), setOffset(0))} />
          </label>
          <label class="field">
            <span class="sr">Kind</span>
            <select value={kind} onChange={(event) => (setKind(event.currentTarget.value), setOffset(0))}>
              <option value="">entities and relations</option>
              <option value="entity">entities</option>
              <option value="relation">relations</option>
            </select>
          </label>
        </div>
      </header>
      {!!parted.value?.length && (
        <section class="panel notice" aria-label="Merges to undo">
          <p>
            {parted.value.length === 1 ? "One merge is" : `${parted.value.length} merges are`} marked to be undone. The graph is made anew without {parted.value.length === 1 ? "it" : "them"} by
          </p>
          <pre tabIndex={0}>{command}</pre>
          <p class="quiet">Nothing that a teacher was paid for is asked again. Start this service again after that.</p>
        </section>
      )}
      {error && <p class="error" role="alert">{error}</p>}
      {value?.length === 0 && <p class="lead">{text ? "There is none like that." : "No names were brought together in this graph."}</p>}
      {!!value?.length && (
        <ul class="merges">
          {value.map((merge) => {
            const decision = own(merge);
            return (
              <li key={merge.id} class={decision ? "undone" : ""}>
                <div>
                  <p class="triple">
                    <span class="subject"><Name text={merge.from} /></span>
                    <span class="says">is called</span>
                    {merge.kind === "entity" ? (
                      <a class="object" href={entityHref(merge.address)}><Name text={merge.into} /></a>
                    ) : (
                      <span class="object"><Name text={merge.into} /></span>
                    )}
                    {merge.kind === "relation" && <span class="tag">relation</span>}
                  </p>
                  <p class="quiet">
                    {share(merge.score)} · {visible(merge.reason)} · <code>{visible(merge.id)}</code>
                  </p>
                </div>
                {about.review && (
                  <button
                    type="button"
                    aria-pressed={!!decision}
                    onClick={() => withReviewer(() => (decision?.reviewer === reviewer ? decide({ choice: "withdraw", of: decision.id }) : decide({ choice: "unmerge", merge: merge.id })))}
                  >
                    {decision ? "To be undone" : "Undo"}
                  </button>
                )}
              </li>
            );
          })}
        </ul>
      )}
      {value && <Pages count={offset + value.length + (value.length === PAGE ? 1 : 0)} offset={offset} size={PAGE} onTurn={setOffset} />}
    </>
  );
}

const quoted = (word: string): string => (/^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
