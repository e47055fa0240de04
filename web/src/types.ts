// What the service says, as JSON. Offsets count code points.
export type Span = [number, number];

export interface About {
  run: string;
  base: string;
  teacher: string;
  counts: { documents: number; claims: number; facts: number; merges: number; quads: number; model_facts: number };
  text: boolean;
  review: boolean;
  closed: string;
  recipe: string;
  folder: string;
}

export interface Verdict {
  judge: string;
  score: number;
  reason: string;
}

export type Choice = "accept" | "reject" | "correct" | "add" | "complete" | "unmerge" | "withdraw";

export interface Decision {
  id: string;
  at: string;
  reviewer: string;
  choice: Choice;
  document: string;
  claim: string;
  subject: string;
  relation: string;
  object: string;
  literal: boolean;
  negated: boolean;
  hedged: boolean;
  start: number;
  end: number;
  quote: string;
  merge: string;
  note: string;
}

export interface Claim {
  id: string;
  document: string;
  model: boolean;
  subject: string;
  relation: string;
  object: string;
  said: [string, string, string];
  subjectId: string;
  objectId: string;
  literal: boolean;
  kept: boolean;
  negated: boolean;
  hedged: boolean;
  score: number | null;
  quote: string;
  sentence: Span | null;
  subjectSpan: Span | null;
  objectSpan: Span | null;
  rule: string;
  reason: string;
  proposition: string;
  verdicts: Verdict[];
  decisions: Decision[];
}

export interface Group {
  relation: string;
  name: string;
  forward: boolean;
  claims: number;
  kept: number;
}

export interface Entity {
  id: string;
  name: string;
  aliases: string[];
  types: string[];
  groups: Group[];
}

export interface Found {
  id: string;
  name: string;
  label: string;
  rank: number;
}

export interface Document {
  id: string;
  title: string;
  source: string;
  language: string;
  text: string;
  setAside: string;
  model: boolean;
  claims: Claim[];
  mentions: string[];
  decisions: Decision[];
}

export interface DocumentRow {
  id: string;
  title: string;
  source: string;
  language: string;
  length: number;
  claims: number;
  set_aside: string;
}

export interface Edge {
  source: string;
  relation: string;
  target: string;
  model: boolean;
  score: number | null;
  documents: string[];
  claims: number;
}

export interface Part {
  nodes: Record<string, { name: string; type: string }>;
  edges: Edge[];
  more: boolean;
}

export interface Merge {
  id: string;
  kind: "entity" | "relation";
  from: string;
  into: string;
  address: string;
  score: number;
  reason: string;
  undone: Decision | null;
}

export interface Share {
  value: number;
  low: number;
  high: number;
  count: number;
  documents: number;
}

export interface Figures {
  decisions: number;
  reviewers: Record<string, number>;
  choices: Record<string, number>;
  precision: Share | null;
  recall: Share | null;
  agreements: { one: string; other: string; claims: number; same: number; kappa: number | null }[];
}
