// Text by code points, as the graph counts, where JavaScript counts UTF-16 units.
import type { Claim, Span } from "./types";

/** A text that can be cut by code points. */
export class Text {
  private readonly points: string[] | null;

  constructor(readonly whole: string) {
    this.points = /[\ud800-\udfff]/.test(whole) ? Array.from(whole) : null;
  }

  get length(): number {
    return this.points ? this.points.length : this.whole.length;
  }

  slice(start: number, end: number): string {
    return this.points ? this.points.slice(start, end).join("") : this.whole.slice(start, end);
  }
}

export const points = (text: string): number => Array.from(text).length;

export interface Piece {
  start: number;
  text: string;
  marks: Set<string>;
}

/** The part of a text from `start` to `end`, cut wherever one of the named spans begins or ends. */
export function pieces(text: Text, start: number, end: number, spans: { span: Span; name: string }[]): Piece[] {
  const cuts = new Set([start, end]);
  for (const { span } of spans) for (const place of span) if (place > start && place < end) cuts.add(place);
  const places = [...cuts].sort((a, b) => a - b);
  const found: Piece[] = [];
  for (let i = 0; i + 1 < places.length; i++) {
    const from = places[i]!;
    const to = places[i + 1]!;
    const marks = new Set(spans.filter(({ span }) => span[0] <= from && to <= span[1]).map(({ name }) => name));
    found.push({ start: from, text: text.slice(from, to), marks });
  }
  return found;
}

/** A claim's sentence in pieces, its subject and object marked. */
export function quoted(claim: Claim): Piece[] {
  if (!claim.sentence) return [];
  const [start] = claim.sentence;
  const text = new Text(claim.quote);
  const spans = [
    { span: claim.subjectSpan, name: "subject" },
    { span: claim.objectSpan, name: "object" },
  ].flatMap(({ span, name }) => (span ? [{ span: [span[0] - start, span[1] - start] as Span, name }] : []));
  return pieces(text, 0, text.length, spans);
}

/** Text with what cannot be seen, or turns round what stands around it, written as its number. */
export function visible(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g,
    (c) => `‹U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}›`,
  );
}

export const number = (value: number): string => value.toLocaleString("en");
/** "1 claim", "2 claims". */
export const counted = (value: number, name: string): string => `${number(value)} ${name}${value === 1 ? "" : "s"}`;
export const share = (value: number): string => value.toFixed(2);
