// SPARQL: a query, its answer as a table, and examples to begin with.
import { useRef, useState } from "preact/hooks";
import { Name } from "./claim";
import { documentHref, entityHref } from "./route";
import { counted } from "./text";
import type { About } from "./types";

interface Term {
  type: string;
  value: string;
}
export interface Rows {
  head: { vars?: string[] };
  results: { bindings: Record<string, Term>[] };
  boolean?: boolean;
}

const SHOWN = 500;
const TABLE = "application/sparql-results+json";

async function post(query: string, accept: string, signal?: AbortSignal): Promise<Response> {
  const body = new URLSearchParams({ query });
  const answer = await fetch("sparql", { method: "POST", body, headers: { Accept: accept }, signal: signal ?? null });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer;
}

export async function select(query: string, signal?: AbortSignal): Promise<Rows> {
  return (await (await post(query, TABLE, signal)).json()) as Rows;
}

const FACTS = `SELECT ?subject ?relation ?object ?score ?document WHERE {
  ?claim a kgd:Claim ; kgd:kept true ; kgd:negated false ; kgd:hedged false ;
         kgd:subject/skos:prefLabel ?subject ;
         kgd:predicate/rdfs:label ?relation ;
         kgd:objectText ?object ;
         prov:wasDerivedFrom/dcterms:identifier ?document .
  OPTIONAL { ?claim kgd:score ?score }
} ORDER BY DESC(?score) LIMIT 100`;
const EXAMPLES: [string, string][] = [
  ["Facts, best first", FACTS],
  [
    "Entities by type",
    `SELECT ?type ?name WHERE {
  ?entity a skos:Concept ; a ?class ; skos:prefLabel ?name .
  ?class a rdfs:Class ; rdfs:label ?type
} ORDER BY ?type ?name LIMIT 200`,
  ],
  [
    "Said by several documents",
    `SELECT ?subject ?relation ?object (COUNT(DISTINCT ?document) AS ?documents) WHERE {
  ?claim kgd:kept true ; kgd:subject/skos:prefLabel ?subject ;
         kgd:predicate/rdfs:label ?relation ; kgd:object ?term ;
         prov:wasDerivedFrom ?document .
  OPTIONAL { ?term skos:prefLabel ?name }
  BIND(COALESCE(?name, STR(?term)) AS ?object)
} GROUP BY ?subject ?relation ?object
HAVING (COUNT(DISTINCT ?document) > 1)
ORDER BY DESC(?documents)`,
  ],
  [
    "Dropped, and why",
    `SELECT ?rule ?reason ?subject ?relation ?object WHERE {
  ?claim kgd:kept false ; kgd:rule ?rule ; kgd:reason ?reason ;
         kgd:subjectText ?subject ; kgd:relationText ?relation ; kgd:objectText ?object
} ORDER BY ?rule LIMIT 100`,
  ],
  [
    "Denied or left open",
    `SELECT ?subject ?relation ?object ?negated ?hedged ?quote WHERE {
  ?claim kgd:kept true ; kgd:negated ?negated ; kgd:hedged ?hedged ; kgd:quote ?quote ;
         kgd:subjectText ?subject ; kgd:relationText ?relation ; kgd:objectText ?object .
  FILTER(?negated || ?hedged)
} LIMIT 100`,
  ],
  ["Relations by use", "SELECT ?relation (COUNT(?claim) AS ?claims) WHERE {\n  ?claim kgd:kept true ; kgd:predicate/rdfs:label ?relation\n} GROUP BY ?relation ORDER BY DESC(?claims)"],
  ["A graph (CONSTRUCT)", "CONSTRUCT { ?s ?p ?o } WHERE {\n  GRAPH ?facts { ?s ?p ?o } FILTER(STRENDS(STR(?facts), \"graph/facts\"))\n} LIMIT 50"],
];

type Answer = { query: string } & ({ kind: "table"; rows: Rows } | { kind: "text"; text: string });

export function SparqlPage({ about }: { about: About }) {
  const [query, setQuery] = useState(FACTS);
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const [seconds, setSeconds] = useState(0);
  const running = useRef(new AbortController());
  const run = async (query: string) => {
    running.current.abort(); // only the last question is answered, in whichever order the answers come
    const { signal } = (running.current = new AbortController());
    setBusy(true);
    const before = performance.now();
    const end = (answer: Answer | null, error: string) => {
      if (signal.aborted) return;
      setAnswer(answer);
      setError(error);
      setSeconds((performance.now() - before) / 1000);
      setBusy(false);
    };
    try {
      const found = await post(query, `${TABLE}, text/turtle;q=0.9`, signal);
      const table = found.headers.get("content-type")?.startsWith(TABLE);
      const content = table ? { kind: "table" as const, rows: (await found.json()) as Rows } : { kind: "text" as const, text: await found.text() };
      end({ query, ...content }, "");
    } catch (problem) {
      end(null, (problem as Error).message);
    }
  };
  const save = async (answer: Answer) => {
    const found = await post(answer.query, answer.kind === "text" ? "text/turtle" : "text/csv");
    const link = window.document.createElement("a");
    link.href = URL.createObjectURL(await found.blob());
    link.download = answer.kind === "text" ? "answer.ttl" : "answer.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  return (
    <>
      <header class="head">
        <h1>SPARQL</h1>
        <p class="lead">
          Read-only, also for programs at <code>{new URL("sparql", location.href).href}</code>. The usual prefixes are known; the empty one is this graph’s.
        </p>
      </header>
      <div class="examples" role="group" aria-label="Examples">
        {EXAMPLES.map(([name, text]) => (
          <button type="button" class="chip" onClick={() => setQuery(text)}>
            {name}
          </button>
        ))}
      </div>
      <form
        class="query"
        onSubmit={(event) => {
          event.preventDefault();
          void run(query);
        }}
      >
        <label class="sr" for="query">
          Query
        </label>
        <textarea
          id="query"
          rows={11}
          spellcheck={false}
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && void run(event.currentTarget.value)}
        />
        <div class="row">
          <button type="submit" class="main" disabled={busy}>
            Run
          </button>
          <span class="quiet">or Ctrl+Enter</span>
          {answer && (
            <button type="button" onClick={() => void save(answer)}>
              Save as {answer.kind === "text" ? "Turtle" : "CSV"}
            </button>
          )}
        </div>
      </form>
      {error && <p class="error" role="alert">{error}</p>}
      <p class="sr" role="status">
        {busy ? "running" : answer?.kind === "table" ? counted(answer.rows.results?.bindings.length ?? 1, "row") : ""}
      </p>
      {answer?.kind === "text" && <pre class="answer" tabIndex={0}>{answer.text}</pre>}
      {answer?.kind === "table" && <Table rows={answer.rows} about={about} seconds={seconds} />}
    </>
  );
}

function Table({ rows, about, seconds }: { rows: Rows; about: About; seconds: number }) {
  if (rows.boolean !== undefined) return <p class="truth">{rows.boolean ? "Yes" : "No"}</p>;
  const columns = rows.head.vars ?? [];
  const found = rows.results.bindings;
  return (
    <section aria-label="Answer">
      <p class="quiet">
        {counted(found.length, "row")} in {seconds.toFixed(2)} s{found.length > SHOWN && `; the first ${SHOWN} are shown`}
      </p>
      <div class="scroll" tabIndex={0} role="group" aria-label="Table of the answer">
        <table>
          <thead>
            <tr>
              {columns.map((name) => (
                <th scope="col">{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {found.slice(0, SHOWN).map((row) => (
              <tr>
                {columns.map((name) => (
                  <td>{row[name] && <Cell term={row[name]} base={about.base} />}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Cell({ term, base }: { term: Term; base: string }) {
  if (term.type !== "uri" || !term.value.startsWith(base)) return <Name text={term.value} />;
  const own = term.value.slice(base.length);
  const [kind, local = ""] = own.split("/");
  if (kind === "entity") return <a href={entityHref(own)}><Name text={own} /></a>;
  if (kind === "document") return <a href={documentHref(plain(local))}><Name text={own} /></a>;
  return <Name text={own} />;
}

function plain(local: string): string {
  try {
    return decodeURIComponent(local.replaceAll("_", " "));
  } catch {
    return local;
  }
}
