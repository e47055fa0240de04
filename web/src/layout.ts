// The layout by forces, in a thread of its own: a step for each time the page asks, so that none waits unseen.
import { forceCollide, forceLink, forceManyBody, forceSimulation, forceX, forceY } from "d3-force";
import type { SimulationLinkDatum, SimulationNodeDatum } from "d3-force";

/** A graph to be laid out: `places` and `radii` by node, `springs` as pairs of nodes; `links` counts what is drawn. */
export interface Task {
  kind: "graph";
  turn: number;
  places: Float64Array;
  radii: Float64Array;
  springs: Uint32Array;
  links: number;
}

/** What is asked of the layout. A node that is held stays where it is put until it is let go. */
export type Wish = Task | { kind: "step" } | { kind: "hold"; node: number; x: number; y: number } | { kind: "release" };

/** Where the nodes of a graph are after a step, x before y. */
export interface Places {
  turn: number;
  places: Float64Array;
  settled: boolean;
}

interface Body extends SimulationNodeDatum {
  radius: number;
}

const MANY = 600;
const FIRST = 120;
const STILL = 0.02;

const simulation = forceSimulation<Body>([]).force("x", forceX(0).strength(0.035)).force("y", forceY(0).strength(0.045)).stop();
let turn = 0;
let fresh = false;

function begin(task: Task): void {
  const { places, radii, springs, links } = task;
  const bodies = Array.from(radii, (radius, i): Body => ({ radius, x: places[2 * i] ?? 0, y: places[2 * i + 1] ?? 0 }));
  const pairs: SimulationLinkDatum<Body>[] = [];
  for (let i = 0; i < springs.length; i += 2) pairs.push({ source: springs[i] ?? 0, target: springs[i + 1] ?? 0 });
  // Of many nodes a coarser layout, in fewer steps.
  const many = bodies.length > MANY;
  simulation.nodes(bodies);
  simulation.force("link", forceLink<Body, SimulationLinkDatum<Body>>(pairs).distance(links > 300 ? 45 : 80));
  simulation.force("charge", forceManyBody().strength(-90).distanceMax(many ? 250 : 500).theta(many ? 1.5 : 1));
  simulation.force("apart", many ? null : forceCollide<Body>((body) => body.radius + 4));
  simulation.alphaDecay(many ? 0.06 : 0.03).alpha(1);
  [turn, fresh] = [task.turn, true];
}

function step(): void {
  simulation.tick();
  // Far along before it is first seen: less to watch.
  const until = performance.now() + FIRST;
  while (fresh && performance.now() < until && simulation.alpha() > 0.3) simulation.tick();
  fresh = false;
  const places = Float64Array.from(simulation.nodes().flatMap(({ x = 0, y = 0 }) => [x, y]));
  const answer: Places = { turn, places, settled: simulation.alpha() <= STILL };
  postMessage(answer, { transfer: [places.buffer] });
}

onmessage = ({ data }: MessageEvent<Wish>) => {
  if (data.kind === "graph") begin(data);
  else if (data.kind === "step") step();
  else if (data.kind === "release") for (const body of simulation.nodes()) body.fx = body.fy = null;
  else {
    const body = simulation.nodes()[data.node];
    if (body) [body.fx, body.fy] = [data.x, data.y];
    simulation.alpha(Math.max(simulation.alpha(), 0.2));
  }
};
