// An entity: its names, and what is claimed about it, relation by relation.
import { useEffect, useState } from "preact/hooks";
import { ask, useAsked } from "./ask";
import { ClaimCard, Name } from "./claim";
import { href } from "./route";
import { number } from "./text";
import type { About, Claim, Entity, Group } from "./types";

const OPEN = 6;
const PAGE = 20;

export function EntityPage({ id, about }: { id: string; about: About }) {
  const identity = `entity/${id}`;
  const { value, error } = useAsked((signal) => ask<Entity>("entity", { id: identity }, signal), [identity]);
  const [dropped, setDropped] = useState(false);
  useEffect(() => {
    if (value) document.title = `${value.name} · ${about.run}`;
  }, [value]);
  if (error) return <p class="error" role="alert">{error}</p>;
  if (!value || value.id !== identity) return <p class="wait" role="status">Looking it up …</p>;
  const groups = value.groups.filter((group) => dropped || group.kept);
  const lost = value.groups.reduce((sum, group) => sum + group.claims - group.kept, 0);
  return (
    <>
      <header class="head">
        <p class="over"><Name text={[...new Set(value.types.map((type) => type.toLowerCase()))].join(" · ") || "entity"} /></p>
        <h1 dir="auto">
          <Name text={value.name} />
        </h1>
        {value.aliases.length > 0 && (
          <p class="lead">
            also{" "}
            {value.aliases.slice(0, 30).map((alias, place) => (
              <>
                {place > 0 && ", "}
                <Name text={alias} />
              </>
            ))}
          </p>
        )}
        <div class="row">
          <a class="button" href={href("graph", "", { entity: identity })}>
            Show in the graph
          </a>
          {lost > 0 && (
            <label class="tick">
              <input type="checkbox" checked={dropped} onChange={(event) => setDropped(event.currentTarget.checked)} />
              <span>also the {number(lost)} that were dropped</span>
            </label>
          )}
        </div>
      </header>
      {groups.length === 0 && <p class="lead">Nothing that was claimed about it was kept.</p>}
      {groups.map((group, place) => (
        <Facts key={`${identity} ${group.relation} ${group.forward} ${dropped}`} entity={value} group={group} open={place < OPEN} dropped={dropped} about={about} />
      ))}
    </>
  );
}

function Facts({ entity, group, open, dropped, about }: { entity: Entity; group: Group; open: boolean; dropped: boolean; about: About }) {
  const [shown, setShown] = useState(open);
  const [claims, setClaims] = useState<Claim[] | null>(null);
  const [error, setError] = useState("");
  const count = dropped ? group.claims : group.kept;
  const more = (offset: number) =>
    ask<Claim[]>("facts", { id: entity.id, relation: group.relation, forward: group.forward, dropped, limit: PAGE, offset }).then(
      (rows) => setClaims((old) => [...(offset ? (old ?? []) : []), ...rows]),
      (problem: Error) => setError(problem.message),
    );
  useEffect(() => {
    if (shown && !claims) void more(0);
  }, [shown]);
  return (
    <details class="group" open={shown} onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>
        <h2>
          {group.forward ? <Name text={group.name} /> : <><span class="quiet">… </span><Name text={group.name} /><span class="quiet"> it</span></>}
        </h2>
        <span class="count">{number(count)}</span>
      </summary>
      {error && <p class="error" role="alert">{error}</p>}
      {shown && !claims && !error && <p class="wait">Looking …</p>}
      {claims?.map((claim) => (
        <ClaimCard key={`${claim.document} ${claim.id}`} claim={claim} without={group.forward ? "subject" : "object"} review={about.review} />
      ))}
      {claims && claims.length < count && (
        <button type="button" onClick={() => void more(claims.length)}>
          Show more of {number(count)}
        </button>
      )}
    </details>
  );
}
