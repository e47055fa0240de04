"""The documentation tells the truth: recipes decode, commands parse, queries find rows, tables agree with the code."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
import pyoxigraph
import pytest
import typer.main
from readings import MERGES, aside, curie, event, fruits, stated, triad
from service import Served, served

from kgdistill import KnowledgeGraph, catalog
from kgdistill.cli import _load, app
from kgdistill.distill.settings import FAMILIES
from kgdistill.engine.recipe import TOP, Catalogue, Top, decode
from kgdistill.graph.export import FORMATS
from kgdistill.graph.store import write_store
from kgdistill.graph.terms import KGD
from kgdistill.records import Evidence, Reading
from kgdistill.serve.negotiate import GRAPHS, TABLES
from kgdistill.serve.protocol import STATUS
from kgdistill.stages import STAGES

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SERVICE_PAGE, SERVICE = ROOT / "docs" / "serving.md", "http://127.0.0.1:8008/"
GRAPH_PAGE = ROOT / "docs" / "reading_the_graph.md"
BASE = "https://w3id.org/kgdistill/quickstart/"
CATALOGUE = Catalogue(STAGES, catalog.TEACHERS, catalog.ENCODERS)
SHIPPED = ROOT / "kgdistill" / "models" / "mini-extractor"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str, pages: list[Path] = PAGES) -> list[Any]:
    """Every fenced block of a language, with its page as the test's name."""
    return [
        pytest.param(match[2], id=f"{page.name}-{number}")
        for page in pages
        for number, match in enumerate(FENCE.finditer(page.read_text(encoding="utf-8")))
        if match[1] == language
    ]


def with_object_span(reading: Reading) -> Reading:
    """The reading with the place of the first claim's object, so that every property of evidence occurs."""
    [graph] = reading.chunks
    first, *others = graph.claims
    assert first.evidence
    text = reading.document.text
    start = text.index(first.object)
    span = msgspec.structs.replace(first.evidence.sentence, start=start, end=start + len(first.object))
    found = Evidence(first.evidence.sentence, first.evidence.subject, span)
    claims = (msgspec.structs.replace(first, evidence=found), *others)
    return msgspec.structs.replace(reading, chunks=(msgspec.structs.replace(graph, claims=claims),))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents that say the same, one that was set aside, and what a model says by itself."""
    folder = tmp_path_factory.mktemp("documented") / "store"
    readings = [with_object_span(curie()), curie("nobel.txt"), stated(), aside(), event(), fruits(), triad()]
    write_store(folder, readings, base=BASE, run="quickstart", teacher="kgdistill-mini", merges=MERGES)
    return folder


# What pages say of the graph


@pytest.mark.parametrize("query", blocks("sparql"))
def test_every_query_finds_rows(query: str, store: Path) -> None:
    with KnowledgeGraph.open(store) as graph:
        found = graph.query(query)
        names = [variable.value for variable in found.variables]
        rows = list(found)
    assert rows
    required = [name for name in names if name != "also"]
    assert all(row[name] is not None for row in rows for name in required)


def test_quoted_evidence_is_the_documents_own_text(store: Path) -> None:
    first = next(match[2] for match in FENCE.finditer(GRAPH_PAGE.read_text(encoding="utf-8")) if match[1] == "sparql")
    text = curie().document.text
    with KnowledgeGraph.open(store) as graph:
        for row in graph.query(first):
            assert text[int(row["start"].value) : int(row["end"].value)] == row["quote"].value


@pytest.mark.parametrize("turtle", blocks("turtle"))
def test_turtle_on_a_page_is_in_the_graph(turtle: str, store: Path) -> None:
    with KnowledgeGraph.open(store) as graph:
        held = {quad.triple for quad in graph.store}
        declared = "".join(f"@prefix {name}: <{space}> .\n" for name, space in graph.prefixes.items())
    shown = {quad.triple for quad in pyoxigraph.parse(declared + turtle, format=pyoxigraph.RdfFormat.TURTLE)}
    assert shown and shown <= held


def test_every_property_of_the_vocabulary_is_explained(store: Path) -> None:
    page = GRAPH_PAGE.read_text(encoding="utf-8")
    with KnowledgeGraph.open(store) as graph:
        used = {quad.predicate.value for quad in graph.store if quad.predicate.value.startswith(KGD)}
    missing = {name for name in used if f"`kgd:{name.removeprefix(KGD)}`" not in page}
    named = set(re.findall(r"`kgd:([a-z]\w*)`", page))
    assert not missing
    assert named <= {name.removeprefix(KGD) for name in used}


def test_every_export_format_is_named() -> None:
    page = GRAPH_PAGE.read_text(encoding="utf-8").partition("## Taking it elsewhere")[2]
    assert set(re.findall(r"`(\.[\w.]+)`", page)) == set(FORMATS)


@pytest.mark.parametrize("code", blocks("python", [page for page in PAGES if page.name != "serving.md"]))
def test_python_runs_as_it_stands(code: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = compile(code, "page", "exec")
    if "KnowledgeGraph" not in code and not SHIPPED.is_dir():
        pytest.skip("no extractor ships with this checkout")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "quickstart").symlink_to(store)
    monkeypatch.chdir(tmp_path)
    exec(program, {"__name__": "page"})


@pytest.fixture(scope="module")
def service(store: Path) -> Iterator[Served]:
    with served(store) as service:
        yield service


@pytest.mark.parametrize("code", blocks("python", [SERVICE_PAGE]))
def test_clients_of_the_service_run_as_they_stand(
    code: str, service: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(code.replace(SERVICE, service.root), "page", "exec"), {"__name__": "page"})
    assert "Marie Curie" in capsys.readouterr().out


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("text", [block for block in blocks("bash") if "curl" in block.values[0]])
def test_curl_finds_rows(text: str, service: Served) -> None:
    ran = subprocess.run(["sh", "-ec", text.replace(SERVICE, service.root)], capture_output=True, text=True, check=True)
    assert len(ran.stdout.splitlines()) > 3


def test_every_refusal_is_explained() -> None:
    page = SERVICE_PAGE.read_text(encoding="utf-8")
    said = {int(status) for status in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert {int(status) for status in STATUS.values()} - {200} <= said
    assert all(f"`{form.media}`" in page for form in (*TABLES, *GRAPHS))


def test_example_of_evidence_is_in_its_document() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| [^|]+ \| [^|]+ \| (\S+) \| (\d+) \| (\d+) \| ([^|]+) \|$", readme, re.MULTILINE)
    assert rows
    for document, start, end, said in rows:
        text = (ROOT / "data" / "corpus" / document).read_text(encoding="utf-8")
        assert text[int(start) : int(end)] == said


# What pages say of recipes and commands


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_recipe_decodes(text: str) -> None:
    """A block with `stages` is a recipe; any other is tables to be put into the quickstart's."""
    plain = tomllib.loads(text)
    if "stages" not in plain:
        whole = tomllib.loads((ROOT / "pipelines" / "quickstart.toml").read_text(encoding="utf-8"))
        plain = {**whole, **plain}
        plain["stages"] = [*whole["stages"], *(n for n in tomllib.loads(text) if n not in (*TOP, *whole["stages"]))]
    decode(plain, CATALOGUE)


def command_lines(text: str) -> Iterator[list[str]]:
    """The commands of a bash block as words: quotes may hold line ends, a backslash joins lines."""
    gathered = ""
    for line in text.replace("\\\n", " ").splitlines():
        gathered += line + "\n"
        try:
            words = shlex.split(gathered, comments=True)
        except ValueError:
            continue  # a quote is still open
        gathered = ""
        ends = [place for place, word in enumerate(words) if word in ("|", ">", "<", "&&")]
        while words and "=" in words[0]:
            words.pop(0)
        yield words[: ends[0]] if ends else words
    assert not gathered


@pytest.mark.parametrize("text", blocks("bash"))
def test_every_command_is_one(text: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    command = typer.main.get_command(app)
    assert isinstance(command, click.Group) or hasattr(command, "commands")
    for words in command_lines(text):
        if words[:1] == ["make"]:
            assert set(words[1:]) <= targets
        if words[:1] != ["kgdistill"] or words[1:] == ["--help"]:
            continue
        name, arguments = words[1], [word.replace("$", "") for word in words[2:]]
        context = command.commands[name].make_context(name, arguments)
        recipe = context.params.get("recipe")
        if recipe is not None and Path(recipe).parts[0] == "pipelines":
            _load(ROOT / recipe, context.params["change"])


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert not [name for name in commands if f"kgdistill {name}" not in readme]


# What docs/recipes.md says of every key


def key_tables() -> dict[str, dict[str, str]]:
    """By the name in a heading's backticks: the defaults that its table gives, by key."""
    found: dict[str, dict[str, str]] = {}
    rows: dict[str, str] = {}
    for line in (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            rows = {}
            found |= dict.fromkeys(re.findall(r"`([^`]+)`", line), rows)
        elif match := re.match(r"\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+)\|$", line):
            rows[match[1]] = match[3].strip().strip("`")
    return found


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def check(
    kind: type[msgspec.Struct], name: str, tables: dict[str, dict[str, str]], given: msgspec.Struct | None = None
) -> Iterator[str]:
    """What is wrong with the table `name`, against the fields of `kind` (or their values in `given`)."""
    rows = tables.get(name)
    if rows is None:
        yield f"{name}: no heading"
        return
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    yield from (f"{name}.{key}: no such key" for key in rows.keys() - fields.keys())
    for key, field in fields.items():
        said, default = rows.get(key), default_of(field) if given is None else getattr(given, key)
        if said is None:
            yield f"{name}.{key}: no row"
        elif default is msgspec.NODEFAULT or default is None:
            if said != ("required" if default is msgspec.NODEFAULT else "not set"):
                yield f"{name}.{key}: {said!r} is not its default"
        elif isinstance(default, msgspec.Struct):
            if said != "a table":
                yield f"{name}.{key}: its default is a table"
            yield from check(type(default), f"{name}.{key}", tables, default)
        elif tomllib.loads(f"value = {said}")["value"] != msgspec.json.decode(msgspec.json.encode(default)):
            yield f"{name}.{key}: {said} is not {default!r}"


def test_every_key_of_a_stage_is_written_down_with_its_default() -> None:
    tables = key_tables()
    assert not [wrong for name, stage in STAGES.items() for wrong in check(stage, name, tables)]


def test_every_key_of_teachers_and_encoders_is_written_down() -> None:
    tables = key_tables()
    members = [*get_args(catalog.TEACHERS), *get_args(catalog.ENCODERS)]
    named = {str(member.__struct_config__.tag): member for member in members}
    assert not [wrong for name, member in named.items() for wrong in check(member, name, tables)]


def test_every_key_of_students_and_of_the_recipe_itself_is_written_down() -> None:
    tables = key_tables()
    assert not [wrong for name, member in FAMILIES.items() for wrong in check(member, name, tables)]
    own = tables["recipe"]
    assert set(own) == set(TOP)
    assert {own.pop(name) for name in ("teacher", "encoder")} == {'{ kind = "local" }', '{ kind = "minilm" }'}
    assert not list(check(Top, "recipe", tables))


# Links and places


def test_every_module_stands_in_the_tree() -> None:
    """The tree of docs/architecture.md names every module, and nothing that is not there."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = page.partition("\nkgdistill/\n")[2].partition("```")[0]
    shown: set[str] = set()
    folders: list[str] = []
    for line in tree.splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        if name.endswith("/"):
            folders = [*folders[: depth - 1], name]
        elif name.endswith(".py"):
            shown.add("".join(folders[: depth - 1]) + name)
    package = ROOT / "kgdistill"
    there = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if path.name != "__init__.py"}
    assert not shown - there, "take these out of the tree"
    assert not there - shown, "put these into the tree, with the first line of their docstrings"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", FENCE.sub("", page.read_text(encoding="utf-8")))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert not [link for link in local if not (page.parent / link).exists()]
