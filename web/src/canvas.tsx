// The canvas: layout by forces, moved by mouse, touch and keys.
import { forceCollide, forceLink, forceManyBody, forceSimulation, forceX, forceY } from "d3-force";
import type { Simulation, SimulationLinkDatum } from "d3-force";
import { useEffect, useRef } from "preact/hooks";
import { paint, palette, radiusOf } from "./painter";
import type { Scene, View } from "./painter";
import type { Link, Node } from "./network";

interface Shown {
  nodes: Node[];
  links: Link[];
  selected: string;
  path: Set<string>;
  colours: Map<string, number>;
  label: string;
  onSelect: (id: string) => void;
  onExpand: (id: string) => void;
  onCollapse: (id: string) => void;
}

const REACH = 14;
const MANY = 600;

/** Everything that moves, outside of the component: frames must not wait for it. */
class Stage {
  view: View = { x: 0, y: 0, scale: 1 };
  size = { width: 0, height: 0, ratio: 1 };
  scene: Scene = { nodes: [], links: [], selected: "", hovered: "", path: new Set(), colours: new Map() };
  frames: number[] = [];
  private dirty = true;
  private touched = false;
  private alive = true;
  private colours = palette();
  private readonly simulation: Simulation<Node, SimulationLinkDatum<Node>>;

  constructor(readonly canvas: HTMLCanvasElement) {
    this.simulation = forceSimulation<Node>([])
      .force("x", forceX<Node>(0).strength(0.035))
      .force("y", forceY<Node>(0).strength(0.045))
      .stop();
    requestAnimationFrame(this.frame);
  }

  private readonly frame = (): void => {
    if (!this.alive) return;
    if (this.simulation.alpha() > 0.02) {
      this.simulation.tick();
      if (!this.touched) this.fit();
      this.dirty = true;
    }
    if (this.dirty) {
      this.dirty = false;
      const context = this.canvas.getContext("2d");
      const before = performance.now();
      if (context) paint(context, this.size, this.view, this.scene, this.colours);
      this.frames.push(performance.now() - before);
      if (this.frames.length > 200) this.frames.shift();
    }
    requestAnimationFrame(this.frame);
  };

  update(nodes: Node[], links: Link[], rest: Pick<Scene, "selected" | "path" | "colours">): void {
    const same = nodes.length === this.scene.nodes.length && links.length === this.scene.links.length && links.every((link, i) => link.key === this.scene.links[i]?.key);
    this.scene = { ...this.scene, ...rest, nodes, links };
    this.canvas.dataset.nodes = String(nodes.length);
    this.canvas.dataset.edges = String(links.length);
    if (!same) {
      const springs = links.filter((link) => link.from !== link.to).map((link) => ({ source: link.from, target: link.to }));
      this.simulation.nodes(nodes);
      this.simulation.force("link", forceLink<Node, SimulationLinkDatum<Node>>(springs).distance(links.length > 300 ? 45 : 80));
      // Of many nodes a coarser layout, in fewer steps: each step has to fit beside a frame.
      const many = nodes.length > MANY;
      this.simulation.force("charge", forceManyBody<Node>().strength(-90).distanceMax(many ? 250 : 500).theta(many ? 1.5 : 1));
      this.simulation.force("apart", many ? null : forceCollide<Node>((node) => radiusOf(node) + 4));
      this.simulation.alphaDecay(many ? 0.06 : 0.03);
      this.simulation.alpha(1);
      // Far along before it is first seen: less to watch.
      const until = performance.now() + 120;
      while (performance.now() < until && this.simulation.alpha() > 0.3) this.simulation.tick();
    }
    this.draw();
  }

  draw(): void {
    this.dirty = true;
  }

  recolour(): void {
    this.colours = palette();
    this.draw();
  }

  resize(): void {
    const box = this.canvas.getBoundingClientRect();
    const ratio = Math.min(devicePixelRatio || 1, 2);
    this.size = { width: box.width, height: box.height, ratio };
    this.canvas.width = Math.round(box.width * ratio);
    this.canvas.height = Math.round(box.height * ratio);
    if (!this.touched) this.fit();
    this.draw();
  }

  /** Bring everything into view. */
  fit(free = false): void {
    if (free) this.touched = false;
    const { nodes } = this.scene;
    if (!nodes.length || !this.size.width) return;
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const { x, y } of nodes) {
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
    const scale = Math.min(1.6, (this.size.width - 90) / (right - left + 1), (this.size.height - 80) / (bottom - top + 1));
    this.view = { scale: Math.max(scale, 0.05), x: this.size.width / 2 - (scale * (left + right)) / 2, y: this.size.height / 2 - (scale * (top + bottom)) / 2 };
    this.draw();
  }

  zoom(factor: number, x = this.size.width / 2, y = this.size.height / 2): void {
    this.touched = true;
    const scale = Math.min(8, Math.max(0.05, this.view.scale * factor));
    const real = scale / this.view.scale;
    this.view = { scale, x: x - (x - this.view.x) * real, y: y - (y - this.view.y) * real };
    this.draw();
  }

  move(dx: number, dy: number): void {
    this.touched = true;
    this.view = { ...this.view, x: this.view.x + dx, y: this.view.y + dy };
    this.draw();
  }

  world(x: number, y: number): { x: number; y: number } {
    return { x: (x - this.view.x) / this.view.scale, y: (y - this.view.y) / this.view.scale };
  }

  at(x: number, y: number): Node | null {
    const spot = this.world(x, y);
    let best: Node | null = null;
    let nearest = Infinity;
    for (const node of this.scene.nodes) {
      const distance = Math.hypot(node.x - spot.x, node.y - spot.y) - radiusOf(node);
      if (distance < nearest) [best, nearest] = [node, distance];
    }
    return nearest * this.view.scale <= REACH ? best : null;
  }

  hover(id: string): void {
    if (id !== this.scene.hovered) {
      this.scene.hovered = id;
      this.draw();
    }
  }

  drag(node: Node, x: number, y: number): void {
    const spot = this.world(x, y);
    this.touched = true;
    node.fx = spot.x;
    node.fy = spot.y;
    this.simulation.alpha(Math.max(this.simulation.alpha(), 0.2));
  }

  /** The node that lies next in a direction, of the neighbours first. */
  next(from: string, dx: number, dy: number): Node | null {
    const start = this.scene.nodes.find((node) => node.id === from);
    if (!start) return this.scene.nodes.reduce<Node | null>((best, node) => (!best || node.degree > best.degree ? node : best), null);
    const linked = new Set(this.scene.links.flatMap((link) => (link.from === start ? [link.to] : link.to === start ? [link.from] : [])));
    const score = (node: Node) => {
      const [x, y] = [node.x - start.x, node.y - start.y];
      const along = x * dx + y * dy;
      const aside = Math.abs(x * dy - y * dx);
      return along <= Math.abs(aside) * 0.3 ? Infinity : along + 2 * aside + (linked.has(node) ? 0 : 400);
    };
    const others = this.scene.nodes.filter((node) => node !== start && score(node) < Infinity);
    return others.reduce<Node | null>((best, node) => (!best || score(node) < score(best) ? node : best), null);
  }

  end(): void {
    this.alive = false;
  }
}

const ARROWS: Record<string, [number, number]> = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export function Canvas(shown: Shown) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const stage = useRef<Stage | null>(null);
  const latest = useRef(shown);
  latest.current = shown;

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const own = (stage.current = new Stage(element));
    Object.assign(element, { stage: own }); // for the tests that measure frames
    const resized = new ResizeObserver(() => own.resize());
    resized.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const recolour = () => own.recolour();
    scheme.addEventListener("change", recolour);
    addEventListener("recolour", recolour);
    const stop = pointers(element, own, latest);
    own.resize();
    return () => {
      own.end();
      resized.disconnect();
      scheme.removeEventListener("change", recolour);
      removeEventListener("recolour", recolour);
      stop();
    };
  }, []);
  useEffect(() => stage.current?.update(shown.nodes, shown.links, shown), [shown.nodes, shown.links, shown.selected, shown.path, shown.colours]);

  const key = (event: KeyboardEvent) => {
    const own = stage.current;
    const arrow = ARROWS[event.key];
    if (!own) return;
    if (arrow && event.shiftKey) own.move(-60 * arrow[0], -60 * arrow[1]);
    else if (arrow) {
      const next = own.next(shown.selected, ...arrow);
      if (next) shown.onSelect(next.id);
    } else if (event.key === "Enter" && shown.selected) shown.onExpand(shown.selected);
    else if ((event.key === "Backspace" || event.key === "Delete") && shown.selected) shown.onCollapse(shown.selected);
    else if (event.key === "+" || event.key === "=") own.zoom(1.25);
    else if (event.key === "-") own.zoom(0.8);
    else if (event.key === "0") own.fit(true);
    else if (event.key === "Escape") shown.onSelect("");
    else return;
    event.preventDefault();
  };
  return (
    <div class="canvas">
      <canvas ref={canvas} tabIndex={0} role="application" aria-label={shown.label} onKeyDown={key} />
      <div class="zoom" role="group" aria-label="Zoom">
        <button type="button" aria-label="Zoom in" onClick={() => stage.current?.zoom(1.3)}>+</button>
        <button type="button" aria-label="Zoom out" onClick={() => stage.current?.zoom(0.77)}>−</button>
        <button type="button" aria-label="Show all of it" onClick={() => stage.current?.fit(true)}>⤢</button>
      </div>
    </div>
  );
}

/** Mouse and touch: one finger moves, two zoom; a press on a node selects it, a double one opens it. */
function pointers(element: HTMLCanvasElement, stage: Stage, shown: { current: Shown }): () => void {
  const down = new Map<number, { x: number; y: number }>();
  let held: Node | null = null;
  let moved = 0;
  const spot = (event: MouseEvent) => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const press = (event: PointerEvent) => {
    element.setPointerCapture(event.pointerId);
    const place = spot(event);
    down.set(event.pointerId, place);
    held = down.size === 1 ? stage.at(place.x, place.y) : null;
    moved = 0;
  };
  const move = (event: PointerEvent) => {
    const place = spot(event);
    const before = down.get(event.pointerId);
    if (!before) {
      const node = stage.at(place.x, place.y);
      element.style.cursor = node ? "pointer" : "grab";
      return stage.hover(node?.id ?? "");
    }
    const [dx, dy] = [place.x - before.x, place.y - before.y];
    moved += Math.abs(dx) + Math.abs(dy);
    if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const was = Math.hypot(before.x - other.x, before.y - other.y);
        const now = Math.hypot(place.x - other.x, place.y - other.y);
        stage.zoom(now / (was || 1), (place.x + other.x) / 2, (place.y + other.y) / 2);
      }
    } else if (held && moved > 4) stage.drag(held, place.x, place.y);
    else if (!held) stage.move(dx, dy);
    down.set(event.pointerId, place);
  };
  const release = (event: PointerEvent) => {
    down.delete(event.pointerId);
    if (moved <= 4 && event.type === "pointerup") shown.current.onSelect(held?.id ?? "");
    if (held) held.fx = held.fy = null;
    held = null;
  };
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    const place = spot(event);
    stage.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), place.x, place.y);
  };
  const open = (event: MouseEvent) => {
    const place = spot(event);
    const node = stage.at(place.x, place.y);
    if (node) shown.current.onExpand(node.id);
  };
  element.addEventListener("pointerdown", press);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", release);
  element.addEventListener("pointercancel", release);
  element.addEventListener("wheel", wheel, { passive: false });
  element.addEventListener("dblclick", open);
  element.addEventListener("pointerleave", () => stage.hover(""));
  return () => down.clear(); // the listeners go with the element
}
