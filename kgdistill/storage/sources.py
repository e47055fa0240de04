"""Documents at the door: from a file, a folder or a glob, one after the other, each with its id."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from kgdistill.errors import SourceError
from kgdistill.records import Document, Failure
from kgdistill.storage.formats import READERS, Fields, Passage, Unreadable, read_dataset

_STAGE = "read"
_BLOCK = 1 << 20
_KNOWN = "txt, md, html, pdf, docx, csv, tsv, jsonl, json, parquet, or a folder saved by datasets"
_REJECTED = ("empty", "unknown format")


def read_documents(
    path: str | os.PathLike[str], *, text_field: str = "text", id_field: str = "", title_field: str = ""
) -> Iterator[Document | Failure]:
    """Every document of a file, folder (recursive, sorted) or glob; what gives no text is a Failure.

    An id is the path relative to what was given, in POSIX form, with `#row` (from 0) for a row; with `id_field` it is
    that field's value, as long as it is new. At most one file, line or batch of rows is in memory.
    Raises SourceError when nothing is there to read; it is raised at once, not at the first document.
    """
    root, entries = _entries(path)
    first = next(entries, None)
    if first is None:
        raise SourceError(f"{os.fspath(path)} holds no files: put in documents ({_KNOWN})")
    fields = Fields(text_field, id_field, title_field)

    def walk() -> Iterator[Document | Failure]:
        seen: set[str] = set()
        for entry in chain([first], entries):
            yield from _read(entry, root, fields, seen)

    return walk()


def fingerprint(path: str | os.PathLike[str]) -> str:
    """SHA-256 over the names, sizes and contents of everything that `read_documents` would read there.

    Raises SourceError as it does; a file that cannot be read counts by its name alone.
    """
    root, entries = _entries(path)
    total = hashlib.sha256()
    count = 0
    for entry in entries:
        for file in sorted(entry.rglob("*")) if entry.is_dir() else [entry]:
            if not file.is_file():
                continue
            count += 1
            content = hashlib.sha256()
            size = 0
            try:
                with file.open("rb") as stream:
                    while block := stream.read(_BLOCK):
                        content.update(block)
                        size += len(block)
            except OSError:
                size = -1
            total.update(f"{_relative(file, root)}\0{size}\0{content.hexdigest()}\n".encode())
    if not count:
        raise SourceError(f"{os.fspath(path)} holds no files: put in documents ({_KNOWN})")
    return total.hexdigest()


def root_of(path: str | os.PathLike[str]) -> Path:
    """The folder that ids of the documents of `path` are relative to. Raises SourceError where nothing is there."""
    return _entries(path)[0]


def _entries(path: str | os.PathLike[str]) -> tuple[Path, Iterator[Path]]:
    """The folder that ids are relative to, and the files and saved datasets, sorted, hidden ones left out."""
    text = os.path.expanduser(os.fspath(path))  # noqa: PTH111 - a glob is no path
    given = Path(text)
    if given.is_dir():
        return (given.parent if _saved(given) else given), _walk(given)
    if given.exists():
        return given.parent, iter([given])
    if not glob.has_magic(text):
        raise SourceError(f"{text} does not exist: name a file, a folder or a glob such as 'texts/**/*.md'")
    parts = given.parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed]) if fixed else Path()
    found = sorted({Path(name) for name in glob.iglob(text, recursive=True)}, key=lambda name: name.parts)  # noqa: PTH207
    if not found:
        raise SourceError(f"nothing matches {text}: check the pattern, or name the folder itself")
    folders = {name for name in found if name.is_dir()}
    # "**" gives folders beside their files: those are read as files already, unless only folders were asked for.
    if len(folders) == len(found) or any(_saved(folder) for folder in folders):
        return root, (file for name in found for file in _walk(name))
    return root, (name for name in found if name not in folders)


def _walk(place: Path) -> Iterator[Path]:
    if not place.is_dir() or _saved(place):
        yield place
        return
    splits = (place / "dataset_dict.json").is_file()
    try:
        children = sorted(child for child in place.iterdir() if not child.name.startswith("."))
    except OSError:
        # A folder that cannot be listed is recorded like a file that cannot be read.
        yield place
        return
    for child in children:
        if splits and child.name == "dataset_dict.json":
            continue
        if child.is_dir():
            if not child.is_symlink():
                yield from _walk(child)
        else:
            yield child


def _saved(folder: Path) -> bool:
    return (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()


def _relative(file: Path, root: Path) -> str:
    name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()
    return os.fsencode(name).decode("utf-8", "replace")


def _read(entry: Path, root: Path, fields: Fields, seen: set[str]) -> Iterator[Document | Failure]:
    """The documents of one file or saved dataset; whatever goes wrong in it is recorded, and the next one is read."""
    name = _relative(entry, root)
    silent = True
    try:
        reader = read_dataset if entry.is_dir() else READERS.get(entry.suffix.lower())
        if reader is None:
            raise Unreadable(
                "unknown format", f"{entry.suffix or 'a name without an ending'} is not read: {_KNOWN} are"
            )
        if not entry.is_dir() and not entry.is_file():
            raise Unreadable("unreadable", "neither a file nor a folder")
        for passage in reader(entry, fields):
            silent = False
            yield _document(passage, name, seen)
        if silent:
            yield _failure(name, Unreadable("empty", "no rows"))
    except Unreadable as problem:
        yield _failure(name, problem)
    except OSError as error:
        yield _failure(name, Unreadable("unreadable", error.strerror or str(error)))
    except Exception as error:  # the libraries raise what they like at a damaged file
        yield _failure(name, Unreadable("unreadable", f"{type(error).__name__}: {error}"))


def _document(passage: Passage, name: str, seen: set[str]) -> Document | Failure:
    key = name if passage.row < 0 else f"{name}#{passage.row}"
    if passage.problem:
        return _failure(key, passage.problem)
    if not passage.text.strip():
        return _failure(key, Unreadable("empty", "no text in it"))
    if "\0" in passage.text:
        return _failure(key, Unreadable("unreadable", "contains NUL characters: not text"))
    if not _encodable(passage.text):
        return _failure(key, Unreadable("unreadable", "contains lone surrogates: not valid Unicode"))
    title = passage.title if _encodable(passage.title) and "\0" not in passage.title else ""
    if passage.id and _encodable(passage.id) and passage.id not in seen:
        seen.add(passage.id)
        return Document(passage.id, passage.text, name, title)
    return Document(key, passage.text, name, title)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _failure(name: str, problem: Unreadable) -> Failure:
    message = re.sub(r"\s+", " ", str(problem).encode("utf-8", "replace").decode()).strip()[:300]
    if problem.reason in _REJECTED:
        return Failure(_STAGE, name, problem.reason, "rejected", message=message)
    return Failure(_STAGE, name, problem.reason, message=message)
