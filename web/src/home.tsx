// The first page: what this graph is, and a way in.
import { useAsked } from "./ask";
import { Name } from "./claim";
import { entityHref, go, href } from "./route";
import { Search } from "./search";
import { select } from "./sparql";
import { number, visible } from "./text";
import type { About } from "./types";

const SMALL = 200_000;
const LARGEST = `SELECT ?entity ?name (COUNT(?claim) AS ?claims) WHERE {
  ?claim kgd:kept true ; kgd:subject|kgd:object ?entity . ?entity skos:prefLabel ?name
} GROUP BY ?entity ?name ORDER BY DESC(?claims) ?name LIMIT 14`;

export function HomePage({ about }: { about: About }) {
  const { counts } = about;
  const { value } = useAsked(async (signal) => (counts.claims <= SMALL ? (await select(LARGEST, signal)).results.bindings : []), []);
  return (
    <div class="home">
      <p class="over">A knowledge graph with evidence</p>
      <h1>{visible(about.run)}</h1>
      <p class="lead">
        {number(counts.facts)} facts from {number(counts.documents)} documents{counts.model_facts > 0 && `, ${number(counts.model_facts)} that a model says by itself`}.
        {about.teacher && ` Read by ${visible(about.teacher)}.`} Each is shown with the sentence that says so.
      </p>
      <Search large label="Search entities" placeholder="Search a name" onChoose={(one) => go(entityHref(one.id))} />
      {value && value.length > 0 && (
        <section>
          <h2>Most is said about</h2>
          <ul class="chips">
            {value.map((row) => (
              <li>
                <a href={entityHref((row["entity"]?.value ?? "").slice(about.base.length))}>
                  <Name text={row["name"]?.value ?? ""} />
                </a>
                <span class="quiet"> {row["claims"]?.value}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <ul class="doors">
        <li>
          <a href={href("graph")}>Graph</a>
          <span>see how things hang together, find a path</span>
        </li>
        <li>
          <a href={href("documents")}>Documents</a>
          <span>read the texts with what was claimed from them</span>
        </li>
        <li>
          <a href={href("review")}>Review</a>
          <span>judge claims, and see how right the graph is</span>
        </li>
        <li>
          <a href={href("sparql")}>SPARQL</a>
          <span>ask anything</span>
        </li>
      </ul>
    </div>
  );
}
