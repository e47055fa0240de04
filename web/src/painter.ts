// Draws a network on a canvas: a few strokes for thousands of edges, names where there is room for them.
import type { Link, Node } from "./network";

export interface View {
  x: number;
  y: number;
  scale: number;
}

export interface Scene {
  nodes: Node[];
  links: Link[];
  selected: string;
  hovered: string;
  path: Set<string>;
  colours: Map<string, number>;
}

const LABELS = 140;
const FIRST_LABELS = 40;
const LINE = 15;

export interface Palette {
  ink: string;
  soft: string;
  card: string;
  edge: string;
  accent: string;
  second: string;
  types: string[];
  other: string;
}

export function palette(): Palette {
  // A colour of the style sheet depends on the scheme; what it is now, only an element can say.
  const probe = document.body.appendChild(document.createElement("span"));
  const get = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const types = [0, 1, 2, 3, 4, 5, 6].map((n) => get(`--t${n}`));
  const [ink, soft, card, edge, accent, second, other] = ["--ink", "--soft", "--card", "--edge", "--one", "--two", "--tx"].map(get) as [string, string, string, string, string, string, string];
  probe.remove();
  return { ink, soft, card, edge, accent, second, types, other };
}

export const radiusOf = (node: Node): number => (node.id.startsWith("value/") ? 2.5 : 3.5 + 1.6 * Math.sqrt(Math.min(node.degree, 60)));

export function paint(context: CanvasRenderingContext2D, size: { width: number; height: number; ratio: number }, view: View, scene: Scene, colours: Palette): void {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, size.width * size.ratio, size.height * size.ratio);
  context.setTransform(size.ratio * view.scale, 0, 0, size.ratio * view.scale, size.ratio * view.x, size.ratio * view.y);
  const focus = scene.hovered || scene.selected;
  const near = (link: Link) => link.from.id === focus || link.to.id === focus;
  const special = scene.links.filter((link) => scene.path.has(link.key) || near(link));
  const plain = special.length ? scene.links.filter((link) => !scene.path.has(link.key) && !near(link)) : scene.links;

  context.lineWidth = 1 / view.scale;
  context.strokeStyle = colours.edge;
  context.globalAlpha = special.length ? 0.35 : 0.75;
  context.beginPath();
  for (const link of plain) trace(context, link);
  context.stroke();
  context.globalAlpha = 1;
  for (const link of special) {
    const onPath = scene.path.has(link.key);
    context.lineWidth = (onPath ? 3 : 1.6) / view.scale;
    context.strokeStyle = context.fillStyle = onPath ? colours.second : colours.accent;
    context.beginPath();
    trace(context, link);
    context.stroke();
    arrow(context, link, view.scale);
  }
  if (scene.links.length <= 400 && view.scale > 0.5) {
    context.fillStyle = colours.edge;
    for (const link of plain) arrow(context, link, view.scale);
  }
  dots(context, view, scene, colours, focus, special);
  names(context, size, view, scene, colours, focus, special);
}

function middle(link: Link): { x: number; y: number } {
  const dx = link.to.x - link.from.x;
  const dy = link.to.y - link.from.y;
  return { x: (link.from.x + link.to.x) / 2 - dy * 0.16 * link.bend, y: (link.from.y + link.to.y) / 2 + dx * 0.16 * link.bend };
}

function trace(context: CanvasRenderingContext2D, link: Link): void {
  context.moveTo(link.from.x, link.from.y);
  if (link.from === link.to) context.arc(link.from.x, link.from.y - 12, 9, Math.PI / 2, Math.PI * 2.4);
  else if (link.bend === 0) context.lineTo(link.to.x, link.to.y);
  else {
    const turn = middle(link);
    context.quadraticCurveTo(turn.x, turn.y, link.to.x, link.to.y);
  }
}

function arrow(context: CanvasRenderingContext2D, link: Link, scale: number): void {
  if (link.from === link.to) return;
  const turn = middle(link);
  const angle = Math.atan2(link.to.y - turn.y, link.to.x - turn.x);
  const tip = radiusOf(link.to) + 1.5;
  const length = 7 / Math.max(scale, 0.7);
  const x = link.to.x - tip * Math.cos(angle);
  const y = link.to.y - tip * Math.sin(angle);
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x - length * Math.cos(angle - 0.4), y - length * Math.sin(angle - 0.4));
  context.lineTo(x - length * Math.cos(angle + 0.4), y - length * Math.sin(angle + 0.4));
  context.fill();
}

function dots(context: CanvasRenderingContext2D, view: View, scene: Scene, colours: Palette, focus: string, special: Link[]): void {
  const lit = new Set(special.flatMap((link) => [link.from.id, link.to.id]));
  for (const node of scene.nodes) {
    const place = scene.colours.get(node.type);
    context.globalAlpha = !lit.size || lit.has(node.id) || node.id === focus ? 1 : 0.45;
    context.fillStyle = place === undefined ? colours.other : (colours.types[place] ?? colours.other);
    context.beginPath();
    context.arc(node.x, node.y, Math.max(radiusOf(node), 2.2 / view.scale), 0, 2 * Math.PI);
    context.fill();
    context.lineWidth = 1.2 / view.scale;
    context.strokeStyle = colours.card;
    context.stroke();
    if (node.id === scene.selected) {
      context.lineWidth = 2 / view.scale;
      context.strokeStyle = colours.ink;
      context.beginPath();
      context.arc(node.x, node.y, radiusOf(node) + 3 / view.scale, 0, 2 * Math.PI);
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}

function names(context: CanvasRenderingContext2D, size: { width: number; height: number; ratio: number }, view: View, scene: Scene, colours: Palette, focus: string, special: Link[]): void {
  context.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3.5;
  context.strokeStyle = colours.card;
  const taken: [number, number, number][] = [];
  const write = (text: string, x: number, y: number, colour: string, font: string, must: boolean) => {
    if (x < -60 || y < -20 || x > size.width + 60 || y > size.height + 20) return false;
    const short = text.length > 34 ? `${text.slice(0, 32)}…` : text;
    context.font = font;
    const half = context.measureText(short).width / 2 + 3;
    if (!must && taken.some(([tx, ty, th]) => Math.abs(tx - x) < th + half && Math.abs(ty - y) < LINE)) return false;
    taken.push([x, y, half]);
    context.strokeText(short, x, y);
    context.fillStyle = colour;
    context.fillText(short, x, y);
    return true;
  };
  const at = (point: { x: number; y: number }) => ({ x: point.x * view.scale + view.x, y: point.y * view.scale + view.y });
  const lit = new Set(special.flatMap((link) => [link.from.id, link.to.id]));
  const ordered = [...scene.nodes].sort((a, b) => Number(b.id === focus) - Number(a.id === focus) || Number(lit.has(b.id)) - Number(lit.has(a.id)) || b.degree - a.degree);
  let count = 0;
  const most = scene.nodes.length > LABELS ? Math.min(LABELS, FIRST_LABELS * Math.max(1, view.scale) ** 2) : LABELS;
  for (const node of ordered) {
    if (count >= most) break;
    if (lit.size && !lit.has(node.id) && node.id !== focus && count > 40) break;
    const place = at(node);
    const must = node.id === focus;
    const dim = lit.size > 0 && !lit.has(node.id);
    if (write(node.name, place.x, place.y + radiusOf(node) * view.scale + 9, dim ? colours.soft : colours.ink, `${must ? "600 " : ""}12px system-ui, sans-serif`, must)) count++;
  }
  const said = special.length ? special.slice(0, 30) : scene.links.length <= 60 ? scene.links : [];
  for (const link of said) {
    const turn = middle(link);
    const spot = at({ x: (turn.x + (link.from.x + link.to.x) / 2) / 2, y: (turn.y + (link.from.y + link.to.y) / 2) / 2 });
    write(link.name, spot.x, spot.y, colours.soft, "italic 11px system-ui, sans-serif", false);
  }
}
