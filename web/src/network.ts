// The graph that is on the canvas: what was brought by which look, and what the filters let through.
import type { Edge, Part } from "./types";

export interface Node {
  id: string;
  name: string;
  type: string;
  degree: number;
  x: number;
  y: number;
}

export interface Link extends Edge {
  key: string;
  name: string;
  from: Node;
  to: Node;
  bend: number;
}

export interface Filter {
  score: number;
  hidden: Set<string>;
  from: "all" | "documents" | "models";
  document: string;
  values: boolean;
}

export const NO_FILTER: Filter = { score: 0, hidden: new Set(), from: "all", document: "", values: false };

export class Network {
  readonly names = new Map<string, { name: string; type: string }>();
  private readonly edges = new Map<string, Edge>();
  /** Which edges each look brought, the latest last: a node is collapsed by forgetting its look. */
  private readonly looks = new Map<string, string[]>();
  private readonly places = new Map<string, Node>();
  readonly path = new Set<string>();

  add(look: string, part: Part): void {
    for (const [id, node] of Object.entries(part.nodes)) this.names.set(id, node);
    const keys = part.edges.map((edge) => {
      const key = keyOf(edge);
      this.edges.set(key, edge);
      return key;
    });
    this.looks.set(look, keys);
  }

  expanded(id: string): boolean {
    return this.looks.has(id);
  }

  /** Take away what was brought by looking at this node and by nothing else. */
  collapse(look: string): void {
    this.looks.delete(look);
  }

  /** Take a node away with all its edges. */
  remove(id: string): void {
    this.looks.delete(id);
    for (const [look, keys] of this.looks) {
      this.looks.set(
        look,
        keys.filter((key) => {
          const edge = this.edges.get(key);
          return edge && edge.source !== id && edge.target !== id;
        }),
      );
    }
    this.places.delete(id);
  }

  clear(): void {
    this.looks.clear();
    this.path.clear();
  }

  all(): Edge[] {
    const keys = new Set([...this.looks.values()].flat());
    return [...keys].flatMap((key) => this.edges.get(key) ?? []);
  }

  /** The nodes and links that the filter lets through; nodes keep their places. */
  visible(filter: Filter): { nodes: Node[]; links: Link[] } {
    const shown = this.all().filter((edge) => this.path.has(keyOf(edge)) || lets(filter, edge));
    const nodes = new Map<string, Node>();
    const pairs = new Map<string, number>();
    const node = (id: string, near?: Node): Node => {
      let found = nodes.get(id);
      if (!found) {
        found = this.places.get(id) ?? this.place(id, near);
        found.degree = 0;
        nodes.set(id, found);
      }
      found.degree++;
      return found;
    };
    const links = shown.map((edge): Link => {
      const known = this.places.get(edge.source) ?? this.places.get(edge.target);
      const from = node(edge.source, known);
      const to = node(edge.target, known ?? from);
      const pair = edge.source < edge.target ? `${edge.source} ${edge.target}` : `${edge.target} ${edge.source}`;
      const before = pairs.get(pair) ?? 0;
      pairs.set(pair, before + 1);
      const side = edge.source < edge.target ? 1 : -1;
      const bend = side * (before % 2 ? -1 : 1) * Math.ceil(before / 2);
      return { ...edge, key: keyOf(edge), name: this.names.get(edge.relation)?.name ?? edge.relation, from, to, bend };
    });
    for (const look of this.looks.keys()) {
      if (look.startsWith("entity/") && !nodes.has(look)) {
        const alone = this.places.get(look) ?? this.place(look);
        alone.degree = 0;
        nodes.set(look, alone);
      }
    }
    return { nodes: [...nodes.values()], links };
  }

  private place(id: string, near?: Node): Node {
    const known = this.names.get(id);
    // A turn of the golden angle for each: the same every time, and no two in one place.
    const n = this.places.size;
    const radius = near ? 40 : 12 * Math.sqrt(n + 1);
    const x = (near?.x ?? 0) + radius * Math.cos(n * 2.39996);
    const y = (near?.y ?? 0) + radius * Math.sin(n * 2.39996);
    const node: Node = { id, name: known?.name ?? id, type: (known?.type ?? "").toLowerCase(), degree: 0, x, y };
    this.places.set(id, node);
    return node;
  }
}

export const keyOf = (edge: Edge): string => `${edge.source}\n${edge.relation}\n${edge.target}\n${edge.model}`;

function lets(filter: Filter, edge: Edge): boolean {
  if (!filter.values && edge.target.startsWith("value/")) return false;
  if (filter.from !== "all" && edge.model !== (filter.from === "models")) return false;
  if (filter.document && !edge.documents.includes(filter.document)) return false;
  return !filter.hidden.has(edge.relation) && (edge.score ?? 1) >= filter.score;
}
