"""The rules of the house (docs/architecture.md) as tests: floors, sizes, names, imports, recipes, papers, links."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from kgdistill.engine.recipe import Catalogue, load

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "kgdistill"
FILES = sorted(HOUSE.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]

GROUND = {"errors": 0, "claims": 1, "records": 2, "contracts": 3}
HALLS = ("text", "storage", "prompts")
ROOMS = ("teacher", "encoders", "generate", "judge", "refine", "graph", "distill", "query", "evaluate")
FLOORS = {
    **GROUND,
    **dict.fromkeys(HALLS, 10),
    **dict.fromkeys(ROOMS, 20),
    "catalog": 30,
    "stages": 40,
    "engine": 50,
    "serve": 50,
    "cli": 60,
}

WINDOWS = {
    "kgdistill/query/retrieve.py": "opens a run from its folder alone, with the encoder that is embedded",
    "kgdistill/query/rerank.py": "takes a reply for a yes as the judge does",
    "kgdistill/__init__.py": "names the public classes, for a type checker only, and imports them when asked",
}
"""Files that may look up or sideways, each with its reason."""
LATE = {
    "kgdistill/cli.py": "each command imports what it needs, so that --help is quick",
    "kgdistill/stages/school.py": "a stage's settings are read without torch, its training is not",
    "kgdistill/stages/learn.py": "a stage's settings are read without torch, its training is not",
    "kgdistill/stages/corroborate.py": "a stage's settings are read without torch, its reading is not",
    "kgdistill/stages/commonsense.py": "a stage's settings are read without torch, its training is not",
    "kgdistill/stages/paraphrases.py": "a stage's settings are read without torch, its training is not",
    "kgdistill/stages/comet.py": "a stage's settings are read without torch, its training is not",
    "kgdistill/stages/entailment.py": "a stage's settings are read without torch, its training is not",
    "kgdistill/stages/relations.py": "a stage's settings are read without torch, a paraphrase student is not",
    "kgdistill/stages/segmenter.py": "a stage's settings are read without torch, its training is not",
    "kgdistill/distill/spacy_component.py": "spaCy finds the component by its entry point, long before it is used",
}
"""Files that may import modules of ours inside functions, each with its reason."""
HEAVY = {
    "torch", "transformers", "vllm", "spacy", "pyoxigraph", "ray", "pandas", "pyarrow", "scipy", "sklearn",
    "matplotlib", "lingua", "xgrammar", "peft", "datasets", "networkx", "fastapi", "uvicorn", "starlette",
}  # fmt: skip
FORBIDDEN = re.compile(r"(^|_)(utils?|helpers?|common|base|managers?|handlers?|misc)(_|$)", re.IGNORECASE)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def home(module: str) -> str:
    """The room (or ground-floor module) that a module of ours belongs to; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> Iterator[tuple[str, bool, bool]]:
    """(imported module, inside a function, for type checkers only) of each import of a file."""
    yield from _imports(tree(path), False, False)


def _imports(node: ast.AST, inside: bool, typing: bool) -> Iterator[tuple[str, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, inside, typing) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                yield (whole if whole in MODULES else str(child.module)), inside, typing
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports(child, inside, True)
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, inside or function, typing)


def ours(path: Path) -> set[str]:
    return {module for module, _, typing in imports(path) if module.split(".")[0] == "kgdistill" and not typing}


@pytest.mark.parametrize("name", NAMES)
def test_imports_go_down_only(name: str) -> None:
    path = ROOT / name
    own = home(module_of(path))
    if name in WINDOWS:
        return
    for module, _, _ in imports(path):
        other = home(module)
        if module.split(".")[0] != "kgdistill" or not other or other == own:
            continue
        assert other in FLOORS, f"{module} stands on no floor"
        assert FLOORS[other] < FLOORS[own], f"{own} may not import {module}"


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {
        module: ours(path) & MODULES.keys()
        for module, path in MODULES.items()
        if str(path.relative_to(ROOT)) not in WINDOWS
    }
    done: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module not in done:
            for other in sorted(graph.get(module, ())):
                walk(other, (*way, module))
            done.add(module)

    for module in sorted(graph):
        walk(module, ())


@pytest.mark.parametrize("name", NAMES)
def test_our_own_modules_are_imported_at_the_top(name: str) -> None:
    if name not in LATE:
        late = [module for module, inside, _ in imports(ROOT / name) if inside and module.split(".")[0] == "kgdistill"]
        assert not late, f"imported inside a function: {late}"


def test_help_needs_no_heavy_library() -> None:
    program = "import sys\nfrom kgdistill.cli import main\nsys.argv = ['kgdistill', '--help']\ntry:\n    main()\n"
    program += "except SystemExit:\n    pass\nprint('loaded:', *sorted({name.split('.')[0] for name in sys.modules}))\n"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT, check=True
    )
    loaded = set(ran.stdout.splitlines()[-1].split()[1:])
    assert "kgdistill" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("ray", "engine/ray.py"),
        ("vllm", "teacher/vllm.py"),
        ("xgrammar", "teacher/grammar.py"),
        ("peft", "distill/students/generative.py"),
    ],
)
def test_what_only_one_file_knows(library: str, home: str) -> None:
    users = [name for name in NAMES if library in {module.split(".")[0] for module, _, _ in imports(ROOT / name)}]
    assert users == [f"kgdistill/{home}"]


@pytest.mark.parametrize("name", NAMES)
def test_files_are_short_and_say_what_they_are_for(name: str) -> None:
    path = ROOT / name
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 300, f"{lines} lines"
    empty = path.name == "__init__.py" and not tree(path).body
    assert empty or (ast.get_docstring(tree(path)) or "").strip(), "the module has no docstring"


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("name", NAMES)
def test_functions_are_short(name: str) -> None:
    # Methods that stand in a class count by themselves; a signature with its docstring is part of a function.
    long = [
        f"{f.name} ({f.end_lineno - f.lineno + 1})" for f in functions(ROOT / name) if f.end_lineno - f.lineno >= 50
    ]  # type: ignore[operator]
    assert not long, long


@pytest.mark.parametrize("name", NAMES)
def test_names_say_something(name: str) -> None:
    parts = Path(name).with_suffix("").parts
    assert not [part for part in parts if FORBIDDEN.search(part)]
    classes = [node.name for node in ast.walk(tree(ROOT / name)) if isinstance(node, ast.ClassDef)]
    assert not [own for own in classes if FORBIDDEN.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", own))]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_prints_but_the_command_line(name: str) -> None:
    if name != "kgdistill/cli.py":
        calls = [node for node in ast.walk(tree(ROOT / name)) if isinstance(node, ast.Call)]
        lines = [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        assert not lines, f"print in lines {lines}"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_unpickles_or_trusts_remote_code(name: str) -> None:
    loaded = {module.split(".")[0] for module, _, _ in imports(ROOT / name)}
    assert not loaded & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    for node in ast.walk(tree(ROOT / name)):
        if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
            assert not (isinstance(node.value, ast.Constant) and node.value.value), f"line {node.value.lineno}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            safe = [k for k in node.keywords if k.arg == "weights_only" and ast.unparse(k.value) == "True"]
            assert safe, f"torch.load without weights_only=True in line {node.lineno}"


@pytest.mark.parametrize("name", NAMES)
def test_only_the_front_door_speaks_http(name: str) -> None:
    if home(module_of(ROOT / name)) != "serve":
        assert not {module.split(".")[0] for module, _, _ in imports(ROOT / name)} & {"fastapi", "starlette", "uvicorn"}


def fresh(path: Path) -> ModuleType:
    """The module in this file, whatever stands under its name: other tests put their own phone book there."""
    spec = spec_from_file_location(f"fresh_{path.stem}", path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def catalogue() -> Catalogue:
    """The real phone book: stages, teachers and encoders."""
    catalog, stages = fresh(HOUSE / "catalog.py"), fresh(HOUSE / "stages" / "__init__.py")
    return Catalogue(stages.STAGES, catalog.TEACHERS, catalog.ENCODERS)


def test_every_catalogue_member_is_documented_and_tested() -> None:
    book = catalogue()
    members = dict(book.stages)
    members |= {m.__struct_config__.tag: m for m in (*get_args(book.teachers), *get_args(book.encoders))}
    assert {"Read", "Generate", "Score", "Local", "MiniLM"} <= {member.__name__ for member in members.values()}
    texts = [*(ROOT / "tests").glob("*.py"), *(ROOT / "pipelines").glob("*.toml")]
    content = "\n".join(path.read_text(encoding="utf-8") for path in texts)
    assert not [member for member in members.values() if not vars(member).get("__doc__")]
    # A stage is tested by its class, or by a recipe or test that names its kind.
    assert not [k for k, m in members.items() if not re.search(rf'\b{m.__name__}\b|"{re.escape(k)}"', content)]


@pytest.mark.parametrize("path", sorted((ROOT / "pipelines").glob("*.toml")), ids=lambda path: path.name)
def test_every_recipe_loads(path: Path) -> None:
    plain = tomllib.loads(path.read_text(encoding="utf-8"))
    assert plain["name"] and plain["stages"]
    loaded = load(path, catalogue())
    assert [step.name for step in loaded.steps] == plain["stages"]


def test_papers_that_work_are_there() -> None:
    papers = tomllib.loads((HOUSE / "papers.toml").read_text(encoding="utf-8"))["paper"]
    assert len({paper["key"] for paper in papers}) == len(papers)
    for paper in papers:
        assert {"key", "title", "year", "idea", "home", "status"} <= paper.keys()
        if paper["status"] == "works":
            for place in re.split(r",\s*", paper["home"]):
                importlib.import_module("kgdistill." + place.strip().removesuffix(".py").replace("/", "."))


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=False).stdout
    return [ROOT / name for name in listed.split("\0") if name]


@pytest.mark.parametrize(
    "name", ["README.md", *(str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs").glob("*.md")))]
)
def test_links_lead_somewhere(name: str) -> None:
    path = ROOT / name
    content = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for address in re.findall(r"\]\(([^)\s]+)\)", content):
        if not re.match(r"[a-z]+:|#", address):
            assert (path.parent / address.partition("#")[0]).exists(), address


def test_no_file_names_a_place_on_one_machine() -> None:
    roots = ["/" + name + "/" for name in ("work", "root")]
    found = []
    for path in tracked():
        if (
            path.suffix in {".py", ".md", ".toml", ".jinja", ".json", ".cfg", ".yml", ".ttl", ".txt", ""}
            and path.is_file()
        ):
            content = path.read_bytes()[:1_000_000].decode("utf-8", "replace")
            found += [f"{path.name}: {root}" for root in roots if re.search(rf"(?<![\w.]){root}", content)]
    assert not found


def test_exceptions_are_still_needed() -> None:
    listed = {**WINDOWS, **LATE}
    assert not [name for name in listed if not (ROOT / name).is_file()]
    for name in LATE:
        assert [m for m, inside, _ in imports(ROOT / name) if inside and m.startswith("kgdistill")], name
