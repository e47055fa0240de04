// Where the page is: everything that is shown has an address, so that it can be kept, shared and gone back to.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  page: string;
  id: string;
  query: URLSearchParams;
}

export function read(hash: string): Route {
  const [way = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [page = "", ...rest] = way.split("/");
  let id = rest.join("/");
  try {
    id = decodeURIComponent(id);
  } catch {
    // A mistyped address is looked for as it is.
  }
  return { page, id, query: new URLSearchParams(query) };
}

export function href(page: string, id = "", query: Record<string, string> = {}): string {
  const asked = new URLSearchParams(query).toString();
  return `#/${page}${id ? "/" + encodeURIComponent(id) : ""}${asked ? "?" + asked : ""}`;
}

export const entityHref = (identity: string): string => href("entity", identity.replace(/^entity\//, ""));

export function documentHref(document: string, claim = ""): string {
  return href("document", document, claim ? { claim } : {});
}

export function go(address: string): void {
  location.hash = address;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => read(location.hash));
  useEffect(() => {
    const moved = () => setRoute(read(location.hash));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return route;
}
