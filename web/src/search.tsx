// A field that finds entities while one types: a combobox as ARIA describes it, worked by keys alone.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ask } from "./ask";
import { Name } from "./claim";
import type { Found } from "./types";

interface Shown {
  label: string;
  placeholder?: string;
  onChoose: (found: Found) => void;
  keep?: boolean;
  start?: string;
  large?: boolean;
}

const PAUSE = 120;

export function Search({ label, placeholder = "", onChoose, keep = false, start = "", large = false }: Shown) {
  const id = useId();
  const [text, setText] = useState(start);
  const [found, setFound] = useState<Found[] | null>(null);
  const [active, setActive] = useState(0);
  const field = useRef<HTMLInputElement>(null);
  const asked = useRef("");
  const chosen = useRef(start);

  useEffect(() => {
    const wanted = text.trim();
    if (!wanted || wanted === chosen.current) return setFound(null);
    const control = new AbortController();
    const timer = setTimeout(() => {
      asked.current = wanted;
      ask<Found[]>("search", { text: wanted, limit: 8 }, control.signal).then(
        (rows) => {
          setFound(rows);
          setActive(0);
        },
        () => {},
      );
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [text]);

  const choose = (one: Found) => {
    chosen.current = one.name;
    setText(keep ? one.name : "");
    setFound(null);
    onChoose(one);
  };
  const key = (event: KeyboardEvent) => {
    const rows = found ?? [];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (rows.length) setActive((active + (event.key === "ArrowDown" ? 1 : rows.length - 1)) % rows.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const one = rows[active];
      if (one && asked.current === text.trim()) choose(one);
    } else if (event.key === "Escape") {
      setFound(null);
    }
  };
  const option = (place: number) => `${id}-option-${place}`;
  return (
    <div class={large ? "search large" : "search"} onFocusOut={(event) => {
      if (!(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget))) setFound(null);
    }}>
      <label class="sr" for={id}>
        {label}
      </label>
      <input
        id={id}
        ref={field}
        type="search"
        role="combobox"
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder || label}
        aria-expanded={found !== null}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={found?.length ? option(active) : undefined}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={key}
      />
      <div class="found" hidden={found === null}>
        <ul id={`${id}-list`} role="listbox" aria-label="Entities">
          {(found ?? []).map((one, place) => (
            <li
              id={option(place)}
              role="option"
              aria-selected={place === active}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => choose(one)}
              onMouseEnter={() => setActive(place)}
            >
              <Name text={one.name} />
              {one.label !== one.name && (
                <span class="quiet">
                  {" "}
                  also <Name text={one.label} />
                </span>
              )}
              {one.rank === 4 && <span class="quiet"> like what you wrote</span>}
            </li>
          ))}
        </ul>
        {found?.length === 0 && <p class="quiet">No entity has a name like that.</p>}
      </div>
      <span class="sr" role="status">
        {found ? `${found.length} found` : ""}
      </span>
    </div>
  );
}
