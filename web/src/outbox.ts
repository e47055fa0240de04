// Decisions on their way to the review log. Each is kept in the browser until the service says that it is on its disk,
// so that neither a reload nor a crash of either side loses one; its id makes sure that none is written twice.
import { useEffect, useState } from "preact/hooks";
import type { Choice, Claim, Decision } from "./types";

export interface Wish {
  id: string;
  reviewer: string;
  choice: Choice;
  document?: string;
  claim?: string;
  subject?: string;
  relation?: string;
  object?: string;
  literal?: boolean;
  negated?: boolean;
  hedged?: boolean;
  start?: number;
  end?: number;
  merge?: string;
  of?: string;
  note?: string;
}

const RETRY = 3000;
let waiting = "kgdistill.waiting";
const REVIEWER = "kgdistill.reviewer";
const listeners = new Set<() => void>();
const known = new Map<string, Decision>();
const withdrawn = new Set<string>();
let sending = false;
let message = "";

function told(): void {
  for (const listener of listeners) listener();
}

function load(): Wish[] {
  try {
    return JSON.parse(localStorage.getItem(waiting) ?? "[]") as Wish[];
  } catch {
    return [];
  }
}

function store(wishes: Wish[]): void {
  localStorage.setItem(waiting, JSON.stringify(wishes));
}

export const reviewer = (): string => localStorage.getItem(REVIEWER) ?? "";

export function callReviewer(name: string): void {
  localStorage.setItem(REVIEWER, name.trim());
  told();
}

export const newId = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

/** Write a decision down here, and send it. */
export function decide(wish: Omit<Wish, "id" | "reviewer">): void {
  const whole: Wish = { ...wish, id: newId(), reviewer: reviewer() };
  store([...load(), whole]);
  remember(asDecision(whole));
  message = "";
  told();
  void send();
}

function asDecision(wish: Wish): Decision {
  const empty = { document: "", claim: "", subject: "", relation: "", object: "", quote: "", merge: "", note: "" };
  const flags = { literal: false, negated: false, hedged: false, start: -1, end: -1, at: "" };
  return { ...empty, ...flags, ...wish };
}

function remember(decision: Decision & { of?: string }): void {
  if (decision.choice === "withdraw") withdrawn.add(decision.of ?? "");
  else known.set(decision.id, decision);
}

/** Send what waits, one after the other, until it is all written or the service is not there. */
export async function send(): Promise<void> {
  if (sending) return;
  sending = true;
  try {
    for (let wishes = load(); wishes[0]; wishes = load()) {
      const wish = wishes[0];
      const answer = await fetch("api/review", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Kgdistill": "review" },
        body: JSON.stringify(wish),
      });
      // Only what is no decision at all is given up; a service that is closed, full or guarded may not be so for ever.
      if (!answer.ok && answer.status !== 400 && answer.status !== 413) throw new Error((await answer.text()).trim());
      if (!answer.ok) {
        message = (await answer.text()).trim();
        known.delete(wish.id);
      } else {
        const decision = (await answer.json()) as Decision;
        if (wish.choice !== "withdraw") known.set(decision.id, decision);
      }
      store(load().filter((other) => other.id !== wish.id));
      told();
    }
  } catch {
    setTimeout(() => void send(), RETRY);
  } finally {
    sending = false;
    told();
  }
}

/** Begin: what an earlier visit to this run could not send is sent now. Another run may be served here tomorrow. */
export function open(run: string): void {
  waiting = `kgdistill.waiting ${run}`;
  for (const wish of load()) remember(asDecision(wish));
  addEventListener("online", () => void send());
  void send();
}

export interface State {
  reviewer: string;
  waiting: number;
  message: string;
}

export function useReview(): State {
  const [, setTurn] = useState(0);
  useEffect(() => {
    const listener = () => setTurn((n) => n + 1);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return { reviewer: reviewer(), waiting: load().length, message };
}

/** The decisions that stand, of those that the service gave and of one's own newer ones. */
export function merged(given: Decision[], about: (decision: Decision) => boolean): Decision[] {
  const all = [...given.filter((one) => !known.has(one.id)), ...[...known.values()].filter(about)];
  const standing = new Map<string, Decision>();
  for (const one of all) {
    const key = JSON.stringify(one.choice === "add" ? [one.reviewer, one.id] : [one.reviewer, one.claim, one.merge]);
    if (withdrawn.has(one.id)) standing.delete(key);
    else standing.set(key, one);
  }
  return [...standing.values()];
}

export function decisionsOf(claim: Claim): Decision[] {
  return merged(claim.decisions, (one) => one.document === claim.document && one.claim === claim.id);
}
