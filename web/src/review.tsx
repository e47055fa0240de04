// Review: what is next, what the graph is worth by what was decided so far, and where the decisions go.
import { ask, useAsked } from "./ask";
import { callReviewer, reviewer as current, useReview } from "./outbox";
import { withReviewer } from "./reviewer";
import { documentHref, go } from "./route";
import { counted, number, share, visible } from "./text";
import type { About, Figures, Share } from "./types";

interface Next {
  document: string;
  done: number;
  documents: number;
}

export function ReviewPage({ about }: { about: About }) {
  if (!about.review) {
    return (
      <header class="head">
        <h1>Review</h1>
        <p class="lead">{about.closed}</p>
      </header>
    );
  }
  return <Reviewing about={about} />;
}

function Reviewing({ about }: { about: About }) {
  const { reviewer, waiting } = useReview();
  const next = useAsked((signal) => ask<Next>("review/next", { reviewer }, signal), [reviewer, waiting]);
  const figures = useAsked((signal) => ask<Figures>("review/figures", {}, signal), [waiting]);
  const start = () => withReviewer(() => void ask<Next>("review/next", { reviewer: current() }).then((one) => one.document && go(documentHref(one.document))));
  return (
    <>
      <header class="head">
        <h1>Review</h1>
        <p class="lead">
          Read a document, accept or reject what was claimed from it, correct what is nearly right, and add what is missing by selecting the words that say it. Tick the document off when you have looked for every fact in it.
        </p>
        <div class="row">
          <button type="button" class="main" onClick={start}>
            {reviewer ? "Next document" : "Begin"}
          </button>
          {next.value && reviewer && (
            <span class="quiet">
              {number(next.value.done)} of {number(next.value.documents)} documents done
            </span>
          )}
          {reviewer && (
            <span class="quiet">
              as {visible(reviewer)}{" "}
              <button type="button" class="link" onClick={() => callReviewer("")}>
                someone else
              </button>
            </span>
          )}
        </div>
      </header>
      {figures.error && <p class="error" role="alert">{figures.error}</p>}
      {figures.value && <Worth figures={figures.value} />}
      <section>
        <h2>Where it goes</h2>
        <p class="lead">
          Every decision is a line in <code>{about.folder}/review.jsonl</code>, with reviewer and time; it is on the disk before this page says so. <a href="api/review.jsonl" download="review.jsonl">Save the log</a>.
        </p>
        <p class="lead">With the lines below in a recipe, scores are calibrated on it, and a critic learns from it. <code>kgdistill show {about.folder}</code> takes the figures into the run’s report.</p>
        <pre tabIndex={0}>{`[calibrate]\nreview = "${about.folder}/review.jsonl"\n\n[critic]\nreview = "${about.folder}/review.jsonl"`}</pre>
      </section>
    </>
  );
}

function Worth({ figures }: { figures: Figures }) {
  if (!figures.decisions) return <p class="lead">Nothing has been decided yet.</p>;
  return (
    <section>
      <h2>What it says of the graph</h2>
      <div class="tiles">
        <Tile name="precision" says="of the kept claims that were judged, are right" share={figures.precision} unit="claim" />
        <Tile name="recall" says="of what the documents that are ticked off say, is kept" share={figures.recall} unit="fact" />
        <div class="tile">
          <b>{number(figures.decisions)}</b>
          <span>{figures.decisions === 1 ? "decision" : "decisions"}</span>
          <small>{Object.entries(figures.reviewers).map(([name, count]) => `${visible(name)} ${count}`).join(", ")}</small>
        </div>
      </div>
      {figures.agreements.length > 0 && (
        <>
          <h3>Two reviewers, the same claims</h3>
          <div class="scroll" tabIndex={0} role="group" aria-label="Agreement">
            <table>
              <thead>
                <tr><th scope="col">reviewers</th><th scope="col" class="n">claims</th><th scope="col" class="n">same</th><th scope="col" class="n">Cohen’s kappa</th></tr>
              </thead>
              <tbody>
                {figures.agreements.map((pair) => (
                  <tr>
                    <th scope="row">{visible(pair.one)} and {visible(pair.other)}</th>
                    <td class="n">{number(pair.claims)}</td>
                    <td class="n">{share(pair.same)}</td>
                    <td class="n">{pair.kappa === null ? "–" : share(pair.kappa)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}

function Tile({ name, says, share: found, unit }: { name: string; says: string; share: Share | null; unit: string }) {
  return (
    <div class="tile">
      <b>{found ? share(found.value) : "–"}</b>
      <span>{name}</span>
      <small>
        {found ? `95 %: ${share(found.low)} to ${share(found.high)}; ${counted(found.count, unit)}, ${counted(found.documents, "document")}` : says}
      </small>
    </div>
  );
}
