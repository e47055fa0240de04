"""Recipes: from a TOML file and `--set` to typed settings, or one line that says what is wrong and where."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct, field

from kgdistill.contracts import Stage
from kgdistill.engine.wiring import Step, check_wiring, led, nearest
from kgdistill.errors import RecipeError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
HOLE = re.compile(r"\{([A-Za-z_]\w*)\}")
TOP = ("name", "base", "seed", "tolerance", "about", "paper", "expected", "stages", "teacher", "encoder")


class Catalogue(Struct, frozen=True):
    """What a recipe may name: stages by kind, and the unions of teachers' and encoders' settings."""

    stages: Mapping[str, type[Stage]]
    teachers: Any
    encoders: Any


class Top(Struct, frozen=True, forbid_unknown_fields=True):
    """A recipe's own keys."""

    name: str
    base: str
    stages: tuple[str, ...]
    seed: int = 0
    tolerance: float = 0.05
    """Share of a stage's requests that may fail."""
    about: str = ""
    paper: str = ""
    """Key of the paper (papers.toml) that this recipe reproduces."""
    expected: dict[str, Any] = field(default_factory=dict)
    """The paper's numbers; read by nobody but people."""


class Recipe(Struct, frozen=True):
    """A whole recipe, decoded; `plain` is what it was decoded from, after `--set`."""

    name: str
    base: str
    seed: int
    tolerance: float
    teacher: Any
    encoder: Any
    steps: tuple[Step, ...]
    plain: dict[str, Any]


def load(path: Path | str, catalogue: Catalogue, changes: Iterable[str] = ()) -> Recipe:
    """Read a recipe file and apply `key=value` changes. Raises RecipeError with one line."""
    try:
        plain = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}; `ls pipelines` shows the recipes that ship") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error
    try:
        return decode(plain, catalogue, changes)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error


def decode(plain: dict[str, Any], catalogue: Catalogue, changes: Iterable[str] = ()) -> Recipe:
    """Decode a recipe's plain tables. Raises RecipeError, its text without the file's name."""
    used, named = set(_holes(plain)), _stage_names(plain)
    for change in changes:
        _apply(plain, change)
    gone = named - _stage_names(plain)
    # Tables of stages that a change left out go with them, so that the recipe written into the run can be read again.
    plain = {key: value for key, value in plain.items() if key not in gone or not isinstance(value, dict)}
    variables = _variables(plain, used | set(_holes(plain)), _stage_names(plain))
    own = {key: value for key, value in plain.items() if key in TOP and key not in ("teacher", "encoder")}
    for key in ("name", "base", "stages"):
        if key not in own:
            raise RecipeError(f"`{key}` is missing")
    top = _convert(own, Top, "")
    _check_top(top)
    tables = {name: _filled(_table(plain, name), variables) for name in ("teacher", "encoder", *top.stages)}
    steps = led(tuple(_step(name, tables[name], catalogue) for name in top.stages), tables)
    check_wiring(steps)
    tables["teacher"].setdefault("kind", "local")
    tables["encoder"].setdefault("kind", "minilm")
    return Recipe(
        name=top.name,
        base=top.base,
        seed=top.seed,
        tolerance=top.tolerance,
        teacher=_one_of(tables["teacher"], catalogue.teachers, "teacher"),
        encoder=_one_of(tables["encoder"], catalogue.encoders, "encoder"),
        steps=steps,
        plain=plain,
    )


def _apply(plain: dict[str, Any], change: str) -> None:
    """Apply one `stage.key=value`; the value is TOML, or a bare string."""
    path, sign, text = change.partition("=")
    keys = path.strip().split(".")
    if not sign or not all(keys):
        raise RecipeError(f'--set wants stage.key=value, not "{change}"')
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    stages = plain.get("stages", [])
    if len(keys) > 1 and keys[0] not in (*TOP, *plain, *stages):
        raise RecipeError(f"--set {path}: no stage is named {keys[0]!r}{nearest(keys[0], [*stages, *TOP])}")
    table = plain
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise RecipeError(f"--set {path}: {key} is a value, not a table")
    table[keys[-1]] = value


def _holes(value: Any) -> Iterator[str]:
    """Names in braces in any string of a table."""
    if isinstance(value, str):
        yield from HOLE.findall(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _holes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _holes(item)


def _stage_names(plain: dict[str, Any]) -> set[str]:
    """What `stages` names, before it is checked."""
    stages = plain.get("stages", [])
    return set(map(str, stages)) if isinstance(stages, list) else set()


def _variables(plain: dict[str, Any], used: set[str], stages: set[str]) -> dict[str, str]:
    """The recipe's own strings, for `{name}` in settings; every other top-level key must be known."""
    variables = {}
    for key, value in plain.items():
        if key in TOP or key in stages:
            continue
        if isinstance(value, str) and key in used:
            variables[key] = value
        elif isinstance(value, dict):
            raise RecipeError(f"[{key}] is a table that `stages` does not name{nearest(key, [*stages, *TOP])}")
        else:
            raise RecipeError(f"unknown key `{key}`{nearest(key, TOP)}")
    return variables


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    """The value with `{name}` replaced where the recipe has that name; other braces stay as they are."""
    if isinstance(value, str):
        return HOLE.sub(lambda hole: variables.get(hole[1], hole[0]), value)
    if isinstance(value, dict):
        return {key: _filled(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, variables) for item in value]
    return value


def _check_top(top: Top) -> None:
    if not NAME.fullmatch(top.name):
        raise RecipeError(f"name: {top.name!r} is not usable as a folder's name")
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*:[^\s<>\"{}|\\^`]*[/#]", top.base):
        raise RecipeError(f'base: {top.base!r} is not an IRI that ends in "/" or "#"')
    if re.match(r"\w+://([^/]*\.)?example\.(org|com|net)\b", top.base):
        raise RecipeError("base: example.org belongs to nobody; give an address of your own")
    if not 0 <= top.tolerance <= 1:
        raise RecipeError("tolerance: Expected a share between 0 and 1")
    if not top.stages:
        raise RecipeError("stages: there is nothing to do")
    for name in top.stages:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in TOP:
            raise RecipeError(f"stages: {name!r} cannot be a stage's name (a-z, 0-9 and _)")
        if top.stages.count(name) > 1:
            raise RecipeError(f"stages: {name!r} stands there twice; give the second a name of its own and a `kind`")


def _table(plain: dict[str, Any], name: str) -> dict[str, Any]:
    table = plain.get(name, {})
    if not isinstance(table, dict):
        raise RecipeError(f"{name}: Expected a table")
    return table


def _step(name: str, table: dict[str, Any], catalogue: Catalogue) -> Step:
    settings = dict(table)
    kind, source = settings.pop("kind", name), settings.pop("from", "")
    if kind not in catalogue.stages:
        raise RecipeError(f"{name}: no stage is of kind {kind!r}{nearest(str(kind), catalogue.stages)}")
    stage: Stage = _convert(settings, catalogue.stages[kind], name)
    for key, inner in stage.tables().items():
        _convert(getattr(stage, key), inner, f"{name}.{key}")
    return Step(name, kind, stage, str(source))


def _one_of(table: dict[str, Any], union: Any, name: str) -> Any:
    members = {_tag(member): member for member in get_args(union) or (union,)}
    kind = table["kind"]
    if kind not in members:
        raise RecipeError(f"{name}.kind: {kind!r} is not one of {', '.join(sorted(members))}")
    return _convert(table, members[kind], name)


def _tag(member: Any) -> str:
    return str(member.__struct_config__.tag)


def _convert(table: dict[str, Any], kind: Any, name: str) -> Any:
    """Decode a table, with the path of a mistake in the recipe's own words."""
    check_keys(table, msgspec.inspect.type_info(kind), name)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        where = f"{name}{path.rstrip('`')}".strip(".")
        message = message.replace("`", "")
        raise RecipeError(f"{where}: {message}" if where else message) from error


def check_keys(value: Any, kind: Any, where: str) -> None:
    """Refuse keys that the settings do not know, in nested tables too, and suggest the nearest."""
    if isinstance(kind, msgspec.inspect.UnionType):
        candidates = [member for member in kind.types if isinstance(member, msgspec.inspect.StructType)]
        tagged = [m for m in candidates if isinstance(value, dict) and m.tag_field and value.get(m.tag_field) == m.tag]
        for member in tagged or (candidates if len(candidates) == 1 else []):
            check_keys(value, member, where)
    elif isinstance(kind, msgspec.inspect.StructType) and isinstance(value, dict):
        fields = {item.encode_name: item.type for item in kind.fields}
        for key, item in value.items():
            if key in fields:
                check_keys(item, fields[key], f"{where}.{key}".lstrip("."))
            elif key != kind.tag_field:
                raise RecipeError(f"{where}.{key}: unknown key{nearest(key, fields)}".lstrip("."))
    elif isinstance(value, list):
        inner = getattr(kind, "item_type", None)
        for index, item in enumerate(value if inner is not None else []):
            check_keys(item, inner, f"{where}[{index}]")
