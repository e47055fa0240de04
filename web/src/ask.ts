// Questions to the service that this page came from, and to no other.
import { useEffect, useState } from "preact/hooks";

export type Parameters = Record<string, string | number | boolean>;

/** An answer of the service. Throws an Error with the service's own line where there is none. */
export async function ask<T>(name: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
  const query = new URLSearchParams(Object.entries(parameters).map(([key, value]) => [key, String(value)]));
  const answer = await fetch(`api/${name}?${query}`, { signal: signal ?? null, headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error((await answer.text()).trim() || `status ${answer.status}`);
  return (await answer.json()) as T;
}

export interface Asked<T> {
  value: T | null;
  error: string;
  again: () => void;
}

/** The answer to a question, asked again when what it depends on changes; the old one stays until the new one is there. */
export function useAsked<T>(question: (signal: AbortSignal) => Promise<T>, depends: unknown[]): Asked<T> {
  const [state, setState] = useState<{ value: T | null; error: string; of: unknown[] }>({ value: null, error: "", of: [] });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    question(control.signal).then(
      (value) => control.signal.aborted || setState({ value, error: "", of: depends }),
      (error: Error) => control.signal.aborted || setState({ value: null, error: error.message, of: depends }),
    );
    return () => control.abort();
  }, [...depends, turn]);
  return { value: state.value, error: state.error, again: () => setTurn((n) => n + 1) };
}
