// The graph page: what is on the canvas, the filters beside it, the node that is looked at, and the same as a list.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ask } from "./ask";
import { Canvas } from "./canvas";
import { Name } from "./claim";
import { keyOf, Network, NO_FILTER } from "./network";
import type { Filter, Link } from "./network";
import { entityHref, documentHref } from "./route";
import { Search } from "./search";
import { counted, number, share } from "./text";
import type { Found, Part } from "./types";

const OVERVIEW = 2000;
const AROUND = 150;
const LISTED = 200;
const COLOURS = 7;

export function GraphPage({ entity, document }: { entity: string; document: string }) {
  const network = useRef(new Network());
  const [turn, setTurn] = useState(0);
  const [filter, setFilter] = useState<Filter>(NO_FILTER);
  const [selected, setSelected] = useState(entity);
  const [said, setSaid] = useState("");
  const changed = () => setTurn((n) => n + 1);

  const look = async (name: string, parameters: Record<string, string | number>) => {
    setSaid("looking …");
    try {
      const part = await ask<Part>("edges", parameters);
      network.current.add(name, part);
      setSaid(part.more ? "There is more than is shown: these are the first of it." : part.edges.length ? "" : "No fact leads anywhere from here.");
      changed();
    } catch (problem) {
      setSaid((problem as Error).message);
    }
  };
  const expand = (id: string) => void (id.startsWith("entity/") && look(id, { entity: id, limit: AROUND }));
  const collapse = (id: string) => {
    if (network.current.expanded(id)) network.current.collapse(id);
    else network.current.remove(id);
    changed();
  };
  useEffect(() => {
    network.current.clear();
    setSelected(entity);
    if (entity) void look(entity, { entity, limit: AROUND });
    else if (document) void look("document", { document });
    else void look("overview", { limit: OVERVIEW });
  }, [entity, document]);

  const { nodes, links } = useMemo(() => network.current.visible(filter), [turn, filter]);
  const colours = useMemo(() => legend(nodes.map((node) => node.type)), [nodes]);
  const path = useMemo(() => new Set(network.current.path), [turn]);
  const node = nodes.find((one) => one.id === selected);
  return (
    <div class="graph-page">
      <div class="graph-head">
        <h1>Graph</h1>
        <p class="quiet" role="status">
          {counted(nodes.length, "thing")}, {counted(links.length, "connection")}{said && `. ${said}`}
        </p>
      </div>
      <div class="graph-tools">
        <Search label="Add an entity to the graph" placeholder="Add an entity" onChoose={(one) => (setSelected(one.id), expand(one.id))} />
        <button type="button" onClick={() => (network.current.clear(), setSelected(""), setSaid(""), changed())}>
          Clear
        </button>
        <button type="button" onClick={() => void look("overview", { limit: OVERVIEW })}>
          Overview
        </button>
      </div>
      <div class="graph-body">
        <div class="graph-main">
          <Canvas
            nodes={nodes}
            links={links}
            selected={selected}
            path={path}
            colours={colours}
            label={`Graph of ${nodes.length} things. Arrow keys go from one to the next, Enter expands, Backspace collapses, plus and minus zoom, zero shows all. The same is in the list below.`}
            onSelect={setSelected}
            onExpand={expand}
            onCollapse={collapse}
          />
          {colours.size > 0 && (
            <ul class="legend">
              {[...colours].map(([type, place]) => (
                <li class={`type${place}`}>
                  <Name text={type} />
                </li>
              ))}
            </ul>
          )}
        </div>
        <div class="graph-side">
          {node && <Selected id={node.id} name={node.name} type={node.type} links={links} network={network.current} onSelect={setSelected} onExpand={expand} onCollapse={collapse} />}
          <Paths network={network.current} onFound={changed} />
          <Filters network={network.current} turn={turn} filter={filter} onFilter={setFilter} />
        </div>
      </div>
      <Listed links={links} />
    </div>
  );
}

/** The most frequent types, each with the number of its colour. */
function legend(types: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const type of types) if (type) counts.set(type, (counts.get(type) ?? 0) + 1);
  const most = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).slice(0, COLOURS);
  return new Map(most.map(([type], place) => [type, place]));
}

interface Chosen {
  id: string;
  name: string;
  type: string;
  links: Link[];
  network: Network;
  onSelect: (id: string) => void;
  onExpand: (id: string) => void;
  onCollapse: (id: string) => void;
}

function Selected({ id, name, type, links, network, onSelect, onExpand, onCollapse }: Chosen) {
  const own = links.filter((link) => link.from.id === id || link.to.id === id);
  const real = id.startsWith("entity/");
  return (
    <section class="panel" aria-label="Selected">
      {type && <p class="over"><Name text={type} /></p>}
      <h2>{real ? <a href={entityHref(id)}><Name text={name} /></a> : <Name text={name} />}</h2>
      <div class="buttons">
        {real && <button type="button" onClick={() => onExpand(id)}>Expand</button>}
        <button type="button" onClick={() => onCollapse(id)}>{network.expanded(id) ? "Collapse" : "Remove"}</button>
      </div>
      <ul class="neighbours">
        {own.slice(0, 40).map((link) => {
          const other = link.from.id === id ? link.to : link.from;
          return (
            <li>
              <span class="quiet">{link.from.id === id ? "" : "← "}<Name text={link.name} />{link.from.id === id ? " →" : ""}</span>{" "}
              <button type="button" class="link" onClick={() => onSelect(other.id)}><Name text={other.name} /></button>{" "}
              {link.documents.slice(0, 1).map((document) => link.model ? null : (
                <a class="source" href={documentHref(document)} aria-label={`in ${document}`}>{link.score === null ? "source" : share(link.score)}</a>
              ))}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Paths({ network, onFound }: { network: Network; onFound: () => void }) {
  const [from, setFrom] = useState<Found | null>(null);
  const [to, setTo] = useState<Found | null>(null);
  const [said, setSaid] = useState("");
  const find = async () => {
    if (!from || !to) return setSaid("Choose two entities.");
    setSaid("looking …");
    try {
      const part = await ask<Part>("path", { from: from.id, to: to.id, hops: 6 });
      network.path.clear();
      if (!part.edges.length) setSaid("No path of up to six facts lies between them.");
      else {
        network.add(`path ${from.id} ${to.id}`, part);
        for (const edge of part.edges) network.path.add(keyOf(edge));
        const name = (id: string) => part.nodes[id]?.name ?? id;
        setSaid(part.edges.map((edge) => `${name(edge.source)} — ${name(edge.relation)} → ${name(edge.target)}`).join("; "));
      }
      onFound();
    } catch (problem) {
      setSaid((problem as Error).message);
    }
  };
  return (
    <section class="panel" aria-label="Path">
      <h2>Find a path</h2>
      <Search keep label="From" onChoose={setFrom} />
      <Search keep label="To" onChoose={setTo} />
      <button type="button" class="main" onClick={() => void find()}>
        Find the shortest
      </button>
      <p class="path" role="status">{said}</p>
    </section>
  );
}

function Filters({ network, turn, filter, onFilter }: { network: Network; turn: number; filter: Filter; onFilter: (filter: Filter) => void }) {
  const edges = useMemo(() => network.all(), [turn]);
  const relations = useMemo(() => tally(edges.map((edge) => edge.relation)), [edges]);
  const documents = useMemo(() => tally(edges.flatMap((edge) => edge.documents)), [edges]);
  const hide = (relation: string, hidden: boolean) => {
    const next = new Set(filter.hidden);
    if (hidden) next.add(relation);
    else next.delete(relation);
    onFilter({ ...filter, hidden: next });
  };
  return (
    <section class="panel" aria-label="Filter">
      <h2>Filter</h2>
      <label class="field">
        <span>least score {share(filter.score)}</span>
        <input type="range" min={0} max={1} step={0.05} value={filter.score} onInput={(event) => onFilter({ ...filter, score: Number(event.currentTarget.value) })} />
      </label>
      <label class="field">
        <span>who says so</span>
        <select value={filter.from} onChange={(event) => onFilter({ ...filter, from: event.currentTarget.value as Filter["from"] })}>
          <option value="all">documents and models</option>
          <option value="documents">documents</option>
          <option value="models">models by themselves</option>
        </select>
      </label>
      <label class="field">
        <span>document</span>
        <select value={filter.document} onChange={(event) => onFilter({ ...filter, document: event.currentTarget.value })}>
          <option value="">all of them</option>
          {documents.slice(0, 300).map(([document]) => (
            <option value={document}>{document}</option>
          ))}
        </select>
      </label>
      <label class="tick">
        <input type="checkbox" checked={filter.values} onChange={(event) => onFilter({ ...filter, values: event.currentTarget.checked })} />
        <span>dates, numbers and other values</span>
      </label>
      <details>
        <summary>{counted(relations.length, "relation")}</summary>
        <div class="buttons">
          <button type="button" onClick={() => onFilter({ ...filter, hidden: new Set() })}>All</button>
          <button type="button" onClick={() => onFilter({ ...filter, hidden: new Set(relations.map(([id]) => id)) })}>None</button>
        </div>
        <ul class="ticks-list">
          {relations.map(([id, count]) => (
            <li>
              <label class="tick">
                <input type="checkbox" checked={!filter.hidden.has(id)} onChange={(event) => hide(id, !event.currentTarget.checked)} />
                <span><Name text={network.names.get(id)?.name ?? id} /> <span class="quiet">{count}</span></span>
              </label>
            </li>
          ))}
        </ul>
      </details>
    </section>
  );
}

function tally(values: string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}

function Listed({ links }: { links: Link[] }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="listed" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>The same as a list</summary>
      {open && (
        <div class="scroll" tabIndex={0} role="group" aria-label="Connections">
          <table>
            <thead>
              <tr><th scope="col">subject</th><th scope="col">relation</th><th scope="col">object</th><th scope="col" class="n">score</th><th scope="col">document</th></tr>
            </thead>
            <tbody>
              {links.slice(0, LISTED).map((link) => (
                <tr key={link.key}>
                  <td><a href={entityHref(link.from.id)}><Name text={link.from.name} /></a></td>
                  <td><Name text={link.name} /></td>
                  <td>{link.to.id.startsWith("entity/") ? <a href={entityHref(link.to.id)}><Name text={link.to.name} /></a> : <Name text={link.to.name} />}</td>
                  <td class="n">{link.score === null ? "" : share(link.score)}</td>
                  <td>{link.documents[0] && <a href={documentHref(link.documents[0])}><Name text={link.documents[0]} /></a>}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {links.length > LISTED && <p class="quiet">The first {LISTED} of {number(links.length)}.</p>}
        </div>
      )}
    </details>
  );
}
