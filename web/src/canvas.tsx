// The canvas, moved by mouse, touch and keys.
import { useEffect, useRef } from "preact/hooks";
import type { Link, Node } from "./network";
import { Stage } from "./stage";

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
    if (held) stage.release();
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
