// The frame: name, search, the ways to go, and the page that is looked at.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import "./base.css";
import "./parts.css";
import "./pages.css";
import { ask, useAsked } from "./ask";
import { DocumentPage } from "./document";
import { DocumentsPage } from "./documents";
import { EntityPage } from "./entity";
import { GraphPage } from "./graph";
import { HomePage } from "./home";
import { MergesPage } from "./merges";
import { open } from "./outbox";
import { ReviewerDialog, Sending } from "./reviewer";
import { ReviewPage } from "./review";
import { entityHref, go, href, useRoute } from "./route";
import type { Route } from "./route";
import { Search } from "./search";
import { SparqlPage } from "./sparql";
import { visible } from "./text";
import type { About } from "./types";

const WAYS: [string, string][] = [
  ["graph", "Graph"],
  ["documents", "Documents"],
  ["merges", "Merges"],
  ["review", "Review"],
  ["sparql", "SPARQL"],
];
const TITLES: Record<string, string> = { "": "Home", entity: "Entity", document: "Document", ...Object.fromEntries(WAYS) };

function Page({ route, about }: { route: Route; about: About }) {
  switch (route.page) {
    case "":
      return <HomePage about={about} />;
    case "entity":
      return <EntityPage id={route.id} about={about} />;
    case "document":
      return <DocumentPage id={route.id} claim={route.query.get("claim") ?? ""} about={about} />;
    case "documents":
      return <DocumentsPage />;
    case "graph":
      return <GraphPage entity={route.query.get("entity") ?? ""} document={route.query.get("document") ?? ""} />;
    case "merges":
      return <MergesPage about={about} />;
    case "review":
      return <ReviewPage about={about} />;
    case "sparql":
      return <SparqlPage about={about} />;
    default:
      return <p class="error" role="alert">There is no such page here.</p>;
  }
}

const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

function wear(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
  dispatchEvent(new Event("recolour"));
}

function ThemeButton() {
  const [theme, setTheme] = useState<Theme>(() => (localStorage.getItem("kgdistill.theme") as Theme | null) ?? "system");
  useEffect(() => {
    localStorage.setItem("kgdistill.theme", theme);
    wear(theme);
  }, [theme]);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  return (
    <button type="button" class="theme" aria-label={`Colours: ${theme}. Change to ${next}`} title={`Colours: ${theme}`} onClick={() => setTheme(next)}>
      <span aria-hidden="true">{theme === "system" ? "◐" : theme === "light" ? "○" : "●"}</span>
    </button>
  );
}

function App() {
  const route = useRoute();
  const { value: about, error } = useAsked(async (signal) => {
    const found = await ask<About>("about", {}, signal);
    if (found.review) open(found.folder);
    return found;
  }, []);
  const main = useRef<HTMLElement>(null);
  const before = useRef(route);
  useEffect(() => {
    if (about) document.title = `${route.id || (TITLES[route.page] ?? "")} · ${about.run}`;
    if (before.current !== route) {
      before.current = route;
      main.current?.focus({ preventScroll: true });
      if (!route.query.get("claim")) scrollTo(0, 0);
    }
  }, [route, about]);
  if (error) return <main class="middle"><p class="error" role="alert">{error}</p></main>;
  if (!about) return <main class="middle"><p class="wait" role="status">Opening the graph …</p></main>;
  const wide = ["graph", "document", "sparql"].includes(route.page);
  return (
    <>
      <a class="skip" href="#page-main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to the content
      </a>
      <header class="top">
        <a class="run" href={href("")}>{visible(about.run)}</a>
        {route.page !== "" && <Search label="Search entities" placeholder="Search a name" onChoose={(one) => go(entityHref(one.id))} />}
        <nav aria-label="Pages">
          {WAYS.map(([page, name]) => (
            <a href={href(page)} aria-current={route.page === page || (page === "documents" && route.page === "document") ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <ThemeButton />
      </header>
      <main id="page-main" ref={main} tabIndex={-1} class={wide ? "wide" : ""}>
        <Page route={route} about={about} />
      </main>
      <Sending />
      <ReviewerDialog />
    </>
  );
}

render(<App />, document.getElementById("page") as HTMLElement);
