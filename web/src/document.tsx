// A document: its text as it is, every sentence that was claimed something from marked, and the claims beside it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ask, useAsked } from "./ask";
import { ClaimCard, Name } from "./claim";
import { FactForm } from "./factform";
import { decide, merged, useReview } from "./outbox";
import { withReviewer } from "./reviewer";
import { href } from "./route";
import { counted, points, Text, number, visible, pieces } from "./text";
import type { About, Claim, Decision, Document, Span } from "./types";

const SHOWN = 60;

export function DocumentPage({ id, claim, about }: { id: string; claim: string; about: About }) {
  const { value, error } = useAsked((signal) => ask<Document>("document", { id }, signal), [id]);
  if (error) return <p class="error" role="alert">{error}</p>;
  if (!value || value.id !== id) return <p class="wait" role="status">Opening the document …</p>;
  return <Reader key={id} document={value} first={claim} about={about} />;
}

type Kind = "kept" | "open" | "dropped";
const kindOf = (claim: Claim): Kind => (!claim.kept ? "dropped" : claim.negated || claim.hedged ? "open" : "kept");

function Reader({ document, first, about }: { document: Document; first: string; about: About }) {
  const [dropped, setDropped] = useState(() => document.claims.some((claim) => claim.id === first && !claim.kept));
  const [picked, setPicked] = useState<Span | null>(() => document.claims.find((claim) => claim.id === first)?.sentence ?? null);
  const [pointed, setPointed] = useState<Claim | null>(() => document.claims.find((claim) => claim.id === first) ?? null);
  const [adding, setAdding] = useState<Span | null>(null);
  const [limit, setLimit] = useState(SHOWN);
  const claims = useMemo(() => document.claims.filter((claim) => dropped || claim.kept), [document, dropped]);
  const lost = document.claims.length - document.claims.filter((claim) => claim.kept).length;
  const text = useMemo(() => new Text(document.text), [document]);
  const { reviewer } = useReview();
  const own = merged(document.decisions, (one) => one.document === document.id && !one.claim);
  const beside = picked ? claims.filter((claim) => claim.sentence && overlaps(claim.sentence, picked)) : claims;
  const relations = useMemo(() => [...new Set(document.claims.map((claim) => claim.relation))], [document]);
  useEffect(() => {
    if (first) window.document.querySelector(".said.picked")?.scrollIntoView({ block: "center" });
  }, []);
  return (
    <>
      <header class="head">
        <p class="over">{document.model ? "Asked of a model" : "Document"}</p>
        <h1 dir="auto">
          <Name text={document.title || document.id} />
        </h1>
        <p class="lead">
          <Name text={document.source} />, {counted(text.length, "character")}, {counted(document.claims.length - lost, "claim")} kept
        </p>
        {document.setAside && <p class="why">Not read: {visible(document.setAside)}</p>}
        <div class="row">
          <a class="button" href={href("graph", "", { document: document.id })}>
            Show in the graph
          </a>
          {lost > 0 && (
            <label class="tick">
              <input type="checkbox" checked={dropped} onChange={(event) => setDropped(event.currentTarget.checked)} />
              <span>also the {number(lost)} that were dropped</span>
            </label>
          )}
          {about.review && !document.model && <Complete document={document} decisions={own} reviewer={reviewer} />}
        </div>
      </header>
      <div class="reader">
        <div class="text-side">
          <Marked text={text} claims={claims} picked={picked} pointed={pointed} added={own.filter((one) => one.choice === "add")} onPick={setPicked} onSelect={setAdding} review={about.review && !document.model} />
        </div>
        <aside class="beside" aria-label="Claims">
          <div class="beside-head">
            <h2>{picked ? "From this sentence" : "All claims"}</h2>
            {picked && (
              <button type="button" class="link" onClick={() => setPicked(null)}>
                show all
              </button>
            )}
          </div>
          {about.review && !document.model && !picked && <p class="hint">A fact is missing? Select the words that say so.</p>}
          {own.filter((one) => one.choice === "add" && (!picked || overlaps([one.start, one.end], picked))).map((one) => (
            <Added key={one.id} decision={one} reviewer={reviewer} />
          ))}
          {beside.slice(0, limit).map((claim) => (
            <ClaimCard key={claim.id} claim={claim} review={about.review} mentions={document.mentions} place={!claim.sentence} onPoint={setPointed} />
          ))}
          {beside.length === 0 && <p class="quiet">Nothing was claimed from it.</p>}
          {beside.length > limit && (
            <button type="button" onClick={() => setLimit(limit + SHOWN)}>
              Show more of {number(beside.length)}
            </button>
          )}
        </aside>
      </div>
      {adding && (
        <FactForm
          title="Add a fact that the text says"
          quote={text.slice(...adding)}
          mentions={document.mentions}
          relations={relations}
          onCancel={() => setAdding(null)}
          onDone={(fact) => {
            decide({ choice: "add", document: document.id, start: adding[0], end: adding[1], ...fact });
            setAdding(null);
          }}
        />
      )}
    </>
  );
}

const overlaps = (one: Span, other: Span): boolean => one[0] < other[1] && other[0] < one[1];

function Complete({ document, decisions, reviewer }: { document: Document; decisions: Decision[]; reviewer: string }) {
  const done = decisions.find((one) => one.choice === "complete" && one.reviewer === reviewer);
  const change = () =>
    withReviewer(() => (done ? decide({ choice: "withdraw", of: done.id }) : decide({ choice: "complete", document: document.id })));
  return (
    <label class="tick">
      <input type="checkbox" class="complete" checked={!!done} onChange={change} />
      <span>I have looked for every fact in it</span>
    </label>
  );
}

function Added({ decision, reviewer }: { decision: Decision; reviewer: string }) {
  return (
    <article class="claim added">
      <p class="triple">
        <span class="subject"><Name text={decision.subject} /></span>
        <span class="says"><Name text={decision.relation} /></span>
        <span class="object"><Name text={decision.object} /></span>
        {decision.negated && <span class="tag bad">denied</span>}
        {decision.hedged && <span class="tag mild">left open</span>}
        <span class="tag good">added</span>
      </p>
      <p class="decision">
        <b>{decision.reviewer === reviewer ? "You" : visible(decision.reviewer)}</b> added it
        {decision.reviewer === reviewer && (
          <button type="button" class="link" onClick={() => decide({ choice: "withdraw", of: decision.id })}>
            withdraw
          </button>
        )}
      </p>
    </article>
  );
}

interface MarkedShown {
  text: Text;
  claims: Claim[];
  picked: Span | null;
  pointed: Claim | null;
  added: Decision[];
  onPick: (span: Span | null) => void;
  onSelect: (span: Span) => void;
  review: boolean;
}

/** The text, in pieces that know where they begin, so that a selection can be told in the document's own offsets. */
function Marked({ text, claims, picked, pointed, added, onPick, onSelect, review }: MarkedShown) {
  const root = useRef<HTMLDivElement>(null);
  const [selected, setSelected] = useState<Span | null>(null);
  const sentences = useMemo(() => sentencesOf(claims), [claims]);
  useEffect(() => {
    if (!review) return;
    const changed = () => setSelected(selection(root.current));
    window.document.addEventListener("selectionchange", changed);
    return () => window.document.removeEventListener("selectionchange", changed);
  }, [review]);
  const spans = sentences.map(({ span, kind }) => ({ span, name: kind as string }));
  for (const one of added) spans.push({ span: [one.start, one.end], name: "added" });
  if (pointed?.sentence) spans.push({ span: pointed.sentence, name: "pointed" });
  if (pointed?.subjectSpan) spans.push({ span: pointed.subjectSpan, name: "subject" });
  if (pointed?.objectSpan) spans.push({ span: pointed.objectSpan, name: "object" });
  if (picked) spans.push({ span: picked, name: "picked" });
  const ends = new Map(sentences.map((sentence) => [sentence.span[1], sentence]));
  return (
    <>
      <div class="text" ref={root} dir="auto">
        {pieces(text, 0, text.length, spans).map((piece) => {
          const sentence = ends.get(piece.start + points(piece.text));
          const marked = [...piece.marks];
          const kinds = marked.map((name) => (name === "kept" || name === "open" || name === "dropped" ? `said ${name}` : name));
          const inside = sentences.find(({ span }) => span[0] <= piece.start && piece.start < span[1]);
          return (
            <>
              {marked.length ? (
                <span class={kinds.join(" ")} data-start={piece.start} onClick={() => inside && getSelection()?.isCollapsed && onPick(inside.span)}>
                  {piece.text}
                </span>
              ) : (
                <span data-start={piece.start}>{piece.text}</span>
              )}
              {sentence && (
                <button
                  type="button"
                  class={`note ${sentence.kind}`}
                  aria-pressed={picked?.[0] === sentence.span[0] && picked[1] === sentence.span[1]}
                  aria-label={`${sentence.count} ${sentence.count === 1 ? "claim" : "claims"} from this sentence`}
                  onClick={() => onPick(sentence.span)}
                >
                  {sentence.count}
                </button>
              )}
            </>
          );
        })}
      </div>
      {review && selected && (
        <div class="selecting" role="status">
          <button type="button" class="main" onMouseDown={(event) => event.preventDefault()} onClick={() => withReviewer(() => onSelect(selected))}>
            Add a fact from the selected words
          </button>
        </div>
      )}
    </>
  );
}

interface Sentence {
  span: Span;
  kind: Kind;
  count: number;
}

/** Each span that claims were made from, with the best that became of them. */
function sentencesOf(claims: Claim[]): Sentence[] {
  const found = new Map<string, Sentence>();
  const order: Kind[] = ["dropped", "open", "kept"];
  for (const claim of claims) {
    if (!claim.sentence) continue;
    const known = found.get(String(claim.sentence));
    const kind = kindOf(claim);
    if (!known) found.set(String(claim.sentence), { span: claim.sentence, kind, count: 1 });
    else {
      known.count++;
      if (order.indexOf(kind) > order.indexOf(known.kind)) known.kind = kind;
    }
  }
  return [...found.values()].sort((a, b) => a.span[0] - b.span[0] || b.span[1] - a.span[1]);
}

/** What is selected inside the text, in code points of the document; null where nothing is. */
function selection(root: HTMLElement | null): Span | null {
  const chosen = getSelection();
  if (!root || !chosen || chosen.isCollapsed || !chosen.rangeCount) return null;
  const range = chosen.getRangeAt(0);
  if (!root.contains(range.commonAncestorContainer)) return null;
  const start = offset(root, range.startContainer, range.startOffset, false);
  const end = offset(root, range.endContainer, range.endOffset, true);
  if (start === null || end === null || start >= end) return null;
  const words = root.textContent ? range.toString() : "";
  return words.trim() ? [start, end] : null;
}

function offset(root: HTMLElement, node: Node, place: number, end: boolean): number | null {
  if (node instanceof globalThis.Text) {
    const piece = node.parentElement?.closest<HTMLElement>("[data-start]");
    if (piece) return Number(piece.dataset.start) + points(node.data.slice(0, place));
    node = node.parentElement ?? root; // inside the number of a note
    place = 0;
  }
  // Between pieces: the next one that begins (or, at the end, the last that ended) decides.
  const range = window.document.createRange();
  range.setStart(node, Math.min(place, node.childNodes.length));
  const all = [...root.querySelectorAll<HTMLElement>("[data-start]")];
  if (end) {
    const before = all.filter((piece) => range.comparePoint(piece, 0) < 0 && !piece.contains(node)).pop();
    return before ? Number(before.dataset.start) + points(before.textContent ?? "") : null;
  }
  const after = all.find((piece) => range.comparePoint(piece, 0) >= 0);
  return after ? Number(after.dataset.start) : null;
}
