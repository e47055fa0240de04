"""The command line: every command in a few lines, what it needs imported inside it so that help comes at once."""

from __future__ import annotations

import sys
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from kgdistill.engine.recipe import Recipe

app = typer.Typer(
    name="kgdistill",
    help="Distil a language model's reading of a corpus into a knowledge graph with evidence, and a small extractor.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ENDINGS = "ttl, nq, trig, jsonld, rdf12.ttl, rdf12.trig, graphml, parquet, csv, neo4j or dataset"
FAILURES = 3

Where = StrEnum("Where", "local ray")
ExtractFormat = StrEnum("ExtractFormat", "jsonl turtle nquads table")
QueryFormat = StrEnum("QueryFormat", "table json csv")

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe file, e.g. pipelines/quickstart.toml.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, e.g. runs/quickstart.")]
Changes = Annotated[list[str], typer.Option("--set", metavar="stage.key=value", help="Change a setting; repeatable.")]
Out = Annotated[Path | None, typer.Option(metavar="runs/NAME", help="Run folder; by default runs/ and the name.")]
WithoutMerge = Annotated[list[str], typer.Option("--without-merge", metavar="ID", help="Undo a merge; repeatable.")]
TeacherName = Annotated[str, typer.Option("--teacher", metavar="NAME", help="Model, recipe or server:URL#MODEL.")]
Workers = Annotated[int, typer.Option(min=0, help="Workers; 0: as many as the teacher makes use of.")]


@app.callback()
def options(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    """Options of every command; `main` reads --debug itself."""


@app.command()
def run(
    recipe: RecipeFile,
    change: Changes = [],  # noqa: B006  # typer reads the default
    out: Out = None,
    on: Annotated[Where, typer.Option(help="This machine, or a Ray cluster (RAY_ADDRESS).")] = Where.local,
    workers: Workers = 0,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Stop, resumably, when so many are paid for.")] = None,
    without_merge: WithoutMerge = [],  # noqa: B006
) -> None:
    """Run a recipe, going on from whatever is done already."""
    from kgdistill.engine.progress import progress_for
    from kgdistill.engine.runner import run as run_recipe
    from kgdistill.errors import BudgetSpent, ToleranceExceeded
    from kgdistill.evaluate.report import write_report

    loaded = _load(recipe, [*change, *_without(without_merge)])
    folder = out or Path("runs") / loaded.name
    progress = progress_for(sys.stderr)
    try:
        state = run_recipe(loaded, folder, on=on.value, workers=workers, max_tokens=max_tokens, progress=progress)
    except (ToleranceExceeded, BudgetSpent):
        write_report(folder)
        raise
    write_report(folder)
    show(folder, failures=False)
    if state.failures:
        raise typer.Exit(FAILURES)


@app.command()
def plan(
    recipe: RecipeFile,
    change: Changes = [],  # noqa: B006
    out: Out = None,
    workers: Workers = 0,
    probe: Annotated[bool, typer.Option(help="Forecast requests and tokens from 20 chunks, really asked.")] = True,
) -> None:
    """Print the steps of a recipe, what is done, and a forecast of requests and tokens."""
    from kgdistill.engine.forecast import forecast, step_table
    from kgdistill.engine.progress import progress_for

    loaded = _load(recipe, change)
    folder = out or Path("runs") / loaded.name
    _show(step_table(loaded, folder))
    if probe:
        _show(forecast(loaded, folder, workers=workers, progress=progress_for(sys.stderr)))


@app.command()
def show(
    run: RunFolder, failures: Annotated[bool, typer.Option("--failures", help="What did not come through.")] = False
) -> None:
    """Print a run's final table again, or what failed in it and why; a newer review goes into its report."""
    from kgdistill.engine.summary import failure_table, summary
    from kgdistill.evaluate.report import refresh_report

    refresh_report(run)
    _show(failure_table(run) if failures else summary(run))


@app.command()
def doctor() -> None:
    """Check this machine: versions, devices, models, optional parts; each with the way out."""
    from kgdistill.engine.doctor import examine

    found = list(examine())
    for finding in found:
        typer.echo(finding.line)
    if any(finding.fatal for finding in found):
        raise typer.Exit(1)


@app.command()
def papers() -> None:
    """Print the systems that kgdistill builds on, and where each of them lives."""
    from kgdistill.engine.papers import paper_table

    _show(paper_table())


@app.command()
def extract(
    path: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders, globs; - is standard input.")],
    student: Annotated[str, typer.Option(metavar="DIR", help="A trained student; by default the shipped one.")] = "",
    format: Annotated[ExtractFormat, typer.Option(help="What to print.")] = ExtractFormat.jsonl,
    min_score: Annotated[float | None, typer.Option(min=0, max=1, help="Least score of a fact.")] = None,
    text_field: Annotated[str, typer.Option(metavar="NAME", help="Field of a row that has its text.")] = "text",
) -> None:
    """Read documents with a student and print what it found."""
    from kgdistill.engine.extraction import extract_documents, write_extractions

    found = extract_documents(path, student, min_score, _complain, text_field)
    if write_extractions(found, format.value, sys.stdout):
        raise typer.Exit(FAILURES)


@app.command()
def query(
    run: RunFolder,
    sparql: Annotated[str, typer.Argument(metavar="SPARQL", help="A SPARQL 1.1 query.")],
    format: Annotated[QueryFormat, typer.Option(help="What to print.")] = QueryFormat.table,
) -> None:
    """Ask a run's knowledge graph in SPARQL."""
    from kgdistill.graph.store import KnowledgeGraph
    from kgdistill.query.sparql import query as ask
    from kgdistill.query.sparql import shown

    with KnowledgeGraph.open(run) as graph:
        typer.echo(shown(ask(graph.store, sparql, graph.prefixes), format.value, graph.prefixes).rstrip())


@app.command()
def search(
    run: RunFolder,
    text: Annotated[str, typer.Argument(metavar="WORDS", help="A question, words, or with `names` a name.")],
    method: Annotated[str, typer.Option(help="See docs/retrieval.md; `names`: entities.")] = "graph_propositions",
    count: Annotated[int, typer.Option(min=1, help="How much to find.")] = 10,
    format: Annotated[QueryFormat, typer.Option(help="What to print.")] = QueryFormat.table,
    encoder: Annotated[str, typer.Option(help="A sentence-transformers model in place of the embedded one.")] = "",
    propositions: Annotated[int | None, typer.Option(min=1, help="M nearest; by default twice as many.")] = None,
    hops: Annotated[int | None, typer.Option(min=0, max=100, help="N from its entities; by default 2.")] = None,
    rerank: Annotated[bool, typer.Option("--rerank", help="In the teacher's order: P(yes) that each helps.")] = False,
    teacher: TeacherName = "",
) -> None:
    """Find evidence in a run's knowledge graph for a question, or entities by name."""
    from kgdistill.serve.searching import Search, searched

    asked = Search(method, count, encoder, propositions, hops, rerank, teacher)
    typer.echo(searched(run, text, asked, format.value, _complain))


@app.command()
def ask(
    run: RunFolder,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="A question in plain words.")],
    teacher: TeacherName = "",
    sparql: Annotated[bool, typer.Option("--sparql", help="Turn it into SPARQL, show that and run it.")] = False,
    gate: Annotated[Path | None, typer.Option(metavar="gate.json", help="A gate of your own.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Answer a question from a run's evidence alone, with citations, or say that it is not in the graph."""
    from kgdistill.serve.asking import ask_run

    typer.echo(ask_run(run, question, teacher, gate, sparql=sparql, plain=not json))


@app.command()
def serve(
    run: RunFolder,
    host: Annotated[str, typer.Option(help="Address; one that other machines reach needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8008,
    token: Annotated[str, typer.Option(envvar="KGDISTILL_TOKEN", help="What every client must know.")] = "",
    cors: Annotated[list[str], typer.Option(metavar="ORIGIN", help="A site whose pages may ask; repeatable.")] = [],  # noqa: B006
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that a query may take.")] = 30,
    max_result: Annotated[int, typer.Option(min=1, help="MiB that an answer may have.")] = 256,
    max_memory: Annotated[int, typer.Option(min=256, help="MiB that a query may take.")] = 4096,
    workers: Annotated[int, typer.Option(min=0, help="Queries at the same time; 0: as many as cores.")] = 0,
    teacher: TeacherName = "",
) -> None:
    """Answer SPARQL over HTTP from a run's knowledge graph, until Ctrl-C."""
    from kgdistill.query.pool import limits_of
    from kgdistill.serve.server import serve as serve_run

    bounds = limits_of(workers, timeout, max_result, max_memory)
    announce = lambda address: _complain(f"{run} is at {address}, SPARQL at {address}sparql; Ctrl-C stops")  # noqa: E731
    sites = tuple(cors)
    serve_run(run, host=host, port=port, token=token, origins=sites, teacher=teacher, limits=bounds, announce=announce)


@app.command()
def mcp(run: RunFolder, teacher: TeacherName = "") -> None:
    """Offer search, facts, path, sparql and ask to a language-model client (MCP over standard input and output)."""
    from kgdistill.serve.model_context import serve_tools

    serve_tools(run, teacher)


@app.command()
def export(
    run: RunFolder,
    to: Annotated[Path, typer.Option(metavar="NAME.ENDING", help=f"The ending decides: {ENDINGS}.")],
) -> None:
    """Write a run's knowledge graph to a file or folder of another format."""
    from kgdistill.graph.export import export as export_graph
    from kgdistill.graph.store import KnowledgeGraph

    with KnowledgeGraph.open(run) as graph:
        written = export_graph(graph, to)
    typer.echo(f"wrote {to}: {written:,} entries")


@app.command()
def forget(
    run: RunFolder,
    document: Annotated[list[str], typer.Argument(metavar="DOC...", help="Ids of documents, as in the graph.")],
    keep_students: Annotated[bool, typer.Option("--keep-students", help="Also those that learnt from it.")] = False,
) -> None:
    """Take a document out of a run with all that only it has said; no later run brings it back."""
    from kgdistill.engine.forget import forget as forget_documents
    from kgdistill.engine.state import load_state
    from kgdistill.evaluate.report import write_report

    load_state(run)
    done = forget_documents(_load(run / "recipe.toml"), run, document, keep_students=keep_students)
    write_report(run)
    for line in done.lines(run):
        typer.echo(line)


def _load(path: Path, changes: Iterable[str] = ()) -> Recipe:
    from kgdistill import catalog
    from kgdistill.engine.recipe import Catalogue, load
    from kgdistill.stages import STAGES

    return load(path, Catalogue(STAGES, catalog.TEACHERS, catalog.ENCODERS), changes)


def _without(merges: list[str]) -> list[str]:
    quoted = ", ".join(f'"{merge}"' for merge in merges)
    return [f"names.without=[{quoted}]"] if merges else []


def _show(what: RenderableType) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(what)


def _complain(line: str) -> None:
    typer.echo(line, err=True)


def main() -> None:
    """The `kgdistill` command: errors become one line and an exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an old terminal lacks some letters: better a mark than no table
    sys.exit(_guarded([argument for argument in sys.argv[1:] if argument != "--debug"], "--debug" in sys.argv))


def _guarded(arguments: list[str], debug: bool) -> int:
    from kgdistill.engine.ending import guarded

    return guarded(app, arguments, debug)


if __name__ == "__main__":
    main()
