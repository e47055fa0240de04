// Everything of the canvas that moves, outside of the component: frames must not wait for it.
import type { Places, Wish } from "./layout";
import type { Link, Node } from "./network";
import { paint, palette, radiusOf } from "./painter";
import type { Scene, View } from "./painter";

const REACH = 14;
// Under the page's policy no text becomes the address of a script, but this one.
const types = (window as { trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(text: string): string } } }).trustedTypes;
const LAYOUT = types ? types.createPolicy("layout", { createScriptURL: () => "page/layout.js" }).createScriptURL("") : "page/layout.js";

export class Stage {
  view: View = { x: 0, y: 0, scale: 1 };
  size = { width: 0, height: 0, ratio: 1 };
  scene: Scene = { nodes: [], links: [], selected: "", hovered: "", path: new Set(), colours: new Map() };
  frames: number[] = [];
  private dirty = true;
  private touched = false;
  private alive = true;
  private colours = palette();
  /** Which graph is laid out, whether it still moves, and whether an answer about it is awaited. */
  private turn = 0;
  private moving = false;
  private asked = false;
  private held: Node | null = null;
  private readonly worker = new Worker(LAYOUT);

  constructor(readonly canvas: HTMLCanvasElement) {
    this.worker.onmessage = this.step;
    this.worker.onerror = () => this.draw();
    requestAnimationFrame(this.frame);
  }

  private readonly frame = (): void => {
    if (!this.alive) return;
    if (this.moving && !this.asked) {
      this.asked = true;
      this.tell({ kind: "step" });
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

  private tell(wish: Wish): void {
    this.worker.postMessage(wish);
  }

  /** Take over where the nodes are now, unless they are those of a graph that is no longer shown. */
  private readonly step = ({ data }: MessageEvent<Places>): void => {
    this.asked = false;
    if (data.turn !== this.turn) return;
    this.scene.nodes.forEach((node, i) => {
      if (node !== this.held) [node.x, node.y] = [data.places[2 * i] ?? 0, data.places[2 * i + 1] ?? 0];
    });
    this.setMoving(!data.settled || this.held !== null);
    if (!this.touched) this.fit();
    this.draw();
  };

  private setMoving(moving: boolean): void {
    this.moving = moving;
    this.canvas.dataset.layout = moving ? "moving" : "settled";
  }

  update(nodes: Node[], links: Link[], rest: Pick<Scene, "selected" | "path" | "colours">): void {
    const { scene } = this;
    const sameNodes = nodes.length === scene.nodes.length && nodes.every((node, i) => node === scene.nodes[i]);
    const same = sameNodes && links.length === scene.links.length && links.every((link, i) => link.key === scene.links[i]?.key);
    this.scene = { ...scene, ...rest, nodes, links };
    this.canvas.dataset.nodes = String(nodes.length);
    this.canvas.dataset.edges = String(links.length);
    if (same || !nodes.length) return this.draw();
    const place = new Map(nodes.map((node, i) => [node, i]));
    this.tell({
      kind: "graph",
      turn: ++this.turn,
      places: Float64Array.from(nodes.flatMap((node) => [node.x, node.y])),
      radii: Float64Array.from(nodes, radiusOf),
      springs: Uint32Array.from(links.filter((link) => link.from !== link.to).flatMap((link) => [place.get(link.from) ?? 0, place.get(link.to) ?? 0])),
      links: links.length,
    });
    this.setMoving(true); // it is drawn when the first steps are done
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
    this.touched = true;
    this.held = Object.assign(node, this.world(x, y));
    this.tell({ kind: "hold", node: this.scene.nodes.indexOf(node), x: node.x, y: node.y });
    this.setMoving(true);
    this.draw();
  }

  release(): void {
    this.held = null;
    this.tell({ kind: "release" });
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
    this.worker.terminate();
  }
}
