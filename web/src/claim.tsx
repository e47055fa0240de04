// A claim as a reader meets it: what it says, the sentence that says so, how sure the judges are, and what people decided.
import { useState } from "preact/hooks";
import { FactForm } from "./factform";
import { decide, decisionsOf, useReview } from "./outbox";
import { documentHref, entityHref } from "./route";
import { withReviewer } from "./reviewer";
import { counted, quoted, share, visible } from "./text";
import type { Claim, Choice } from "./types";

export function Name({ text }: { text: string }) {
  return <bdi>{visible(text)}</bdi>;
}

export function Score({ value }: { value: number | null }) {
  if (value === null) return <span class="quiet">not judged</span>;
  return (
    <span class="score">
      <span class="sr">score </span>
      {share(value)}
      <span class="rail" aria-hidden="true">
        <span class="fill" style={{ width: `${Math.round(100 * value)}%` }} />
      </span>
    </span>
  );
}

export function Quote({ claim }: { claim: Claim }) {
  const found = quoted(claim);
  if (!found.length) return null;
  return (
    <blockquote dir="auto">
      {found.map((piece) => {
        const kind = piece.marks.has("subject") ? "subject" : piece.marks.has("object") ? "object" : "";
        return kind ? <mark class={kind}>{piece.text}</mark> : piece.text;
      })}
    </blockquote>
  );
}

function End({ id, name, kind }: { id: string; name: string; kind: string }) {
  return id ? (
    <a class={kind} href={entityHref(id)}>
      <Name text={name} />
    </a>
  ) : (
    <span class={`${kind} value`}>
      <Name text={name} />
    </span>
  );
}

export function Triple({ claim, without = "" }: { claim: Claim; without?: "subject" | "object" | "" }) {
  return (
    <p class="triple">
      {without !== "subject" && <End id={claim.subjectId} name={claim.subject} kind="subject" />}
      {!without && (
        <span class="says">
          <Name text={claim.relation} />
        </span>
      )}
      {without !== "object" && <End id={claim.objectId} name={claim.object} kind="object" />}
      {claim.negated && <span class="tag bad">denied</span>}
      {claim.hedged && <span class="tag mild">left open</span>}
      {claim.model && <span class="tag">a model says so</span>}
      {!claim.kept && <span class="tag mild">dropped</span>}
    </p>
  );
}

interface Shown {
  claim: Claim;
  without?: "subject" | "object" | "";
  review: boolean;
  mentions?: string[];
  place?: boolean;
  onPoint?: (claim: Claim | null) => void;
}

export function ClaimCard({ claim, without = "", review, mentions = [], place = true, onPoint }: Shown) {
  const point = onPoint && { onMouseEnter: () => onPoint(claim), onMouseLeave: () => onPoint(null), onFocusIn: () => onPoint(claim) };
  return (
    <article class={claim.kept ? "claim" : "claim dropped"} data-claim={claim.id} {...point}>
      <Triple claim={claim} without={without} />
      {!claim.kept && (
        <p class="why">
          <b>{visible(claim.rule)}</b> {visible(claim.reason)}
        </p>
      )}
      {place && <Quote claim={claim} />}
      <div class="foot">
      <div class="meta">
        <Score value={claim.score} />
        {place && claim.sentence && (
          <a href={documentHref(claim.document, claim.id)}>
            <Name text={claim.document} />
          </a>
        )}
        {place && !claim.sentence && <span class="quiet">{claim.model ? "no document vouches for it" : "no sentence found for it"}</span>}
        {claim.verdicts.length > 0 && <Verdicts claim={claim} />}
      </div>
      {review && <Judge claim={claim} mentions={mentions} />}
      </div>
    </article>
  );
}

function Verdicts({ claim }: { claim: Claim }) {
  return (
    <details class="verdicts">
      <summary>
        {counted(claim.verdicts.length, "verdict")}
      </summary>
      <dl>
        {claim.verdicts.map((verdict) => (
          <div>
            <dt>{visible(verdict.judge)}</dt>
            <dd>
              {share(verdict.score)} {verdict.reason && <span class="quiet">{visible(verdict.reason)}</span>}
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

const WORDS: Partial<Record<Choice, string>> = { accept: "accepts it", reject: "rejects it", correct: "corrects it" };

function Judge({ claim, mentions }: { claim: Claim; mentions: string[] }) {
  const { reviewer } = useReview();
  const [correcting, setCorrecting] = useState(false);
  const decisions = decisionsOf(claim);
  const own = decisions.find((one) => one.reviewer === reviewer);
  const about = { document: claim.document, claim: claim.id };
  const press = (choice: "accept" | "reject") =>
    withReviewer(() => (own?.choice === choice ? decide({ choice: "withdraw", of: own.id }) : decide({ choice, ...about })));
  const label = `${claim.subject} ${claim.relation} ${claim.object}`;
  return (
    <div class="judge">
      <div class="buttons" role="group" aria-label={`Review: ${visible(label)}`}>
        <button type="button" class="accept" aria-pressed={own?.choice === "accept"} onClick={() => press("accept")}>
          Accept
        </button>
        <button type="button" class="reject" aria-pressed={own?.choice === "reject"} onClick={() => press("reject")}>
          Reject
        </button>
        <button type="button" class="correct" aria-pressed={own?.choice === "correct"} onClick={() => withReviewer(() => setCorrecting(true))}>
          Correct …
        </button>
      </div>
      {decisions.map((one) => (
        <p class="decision" key={one.id}>
          <b>{one.reviewer === reviewer ? "You" : visible(one.reviewer)}</b>{" "}
          {one.reviewer === reviewer ? WORDS[one.choice]?.replace("s it", " it") : WORDS[one.choice]}
          {one.choice === "correct" && (
            <>
              : <Name text={one.subject} /> — <Name text={one.relation} /> → <Name text={one.object} />
              {one.negated && " (denied)"}
              {one.hedged && " (left open)"}
            </>
          )}
          {one.note && <span class="quiet"> “{visible(one.note)}”</span>}
          {one.reviewer === reviewer && one.choice === "correct" && (
            <button type="button" class="link" onClick={() => decide({ choice: "withdraw", of: one.id })}>
              withdraw
            </button>
          )}
        </p>
      ))}
      {correcting && (
        <FactForm
          title="Correct this claim"
          quote={claim.quote}
          start={claim}
          mentions={mentions}
          onCancel={() => setCorrecting(false)}
          onDone={(fact) => {
            decide({ choice: "correct", ...about, ...fact });
            setCorrecting(false);
          }}
        />
      )}
    </div>
  );
}
