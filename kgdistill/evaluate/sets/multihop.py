"""Multi-hop questions with their own corpora: MuSiQue (Trivedi et al., 2022) and HotpotQA (Yang et al., 2018).

Both come as HippoRAG's authors publish them: `<set>_train.json`, the questions, and `<set>_train_corpus.json`, every
passage that any of them was given with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from kgdistill.errors import SourceError
from kgdistill.records import Document

Content = TypeVar("Content")


class Question(Struct, frozen=True):
    """A question, what may be answered, and by their ids the passages that it needs and those that it came with."""

    id: str
    text: str
    answers: tuple[str, ...]
    supporting: tuple[str, ...]
    given: tuple[str, ...]

    @property
    def worded(self) -> bool:
        """Whether the answer can stand in a text: yes and no do not."""
        return not {answer.casefold() for answer in self.answers} <= {"yes", "no"}


class MultiHop(Struct, frozen=True):
    """A set: passages (title, line break, text) and questions."""

    name: str
    passages: tuple[Document, ...]
    questions: tuple[Question, ...]

    def first(self, documents: int) -> MultiHop:
        """As many of the first questions as need no more than so many passages, with just those; 0: the whole set."""
        if not documents:
            return self
        kept: dict[str, None] = {}
        questions = []
        for question in self.questions:
            more = kept | dict.fromkeys(question.given)
            if len(more) > documents:
                break
            kept = more
            questions.append(question)
        return MultiHop(self.name, tuple(one for one in self.passages if one.id in kept), tuple(questions))


class _Paragraph(Struct, frozen=True):
    title: str
    paragraph_text: str
    is_supporting: bool


class _MusiqueQuestion(Struct, frozen=True):
    id: str
    question: str
    answer: str
    paragraphs: tuple[_Paragraph, ...]
    answer_aliases: tuple[str, ...] = ()


class _MusiquePassage(Struct, frozen=True):
    title: str
    text: str


class _HotpotQuestion(Struct, frozen=True):
    _id: str
    question: str
    answer: str
    supporting_facts: tuple[tuple[str, int], ...]
    context: tuple[tuple[str, tuple[str, ...]], ...]


def read(folder: Path, name: str) -> MultiHop:
    """The set "musique" or "hotpotqa" in a folder. Raises SourceError where it is not there or not in its form."""
    if name not in READERS:
        raise SourceError(f'there is no set "{name}": choose from {", ".join(READERS)}')
    try:
        return READERS[name](folder / f"{name}_train.json", folder / f"{name}_train_corpus.json")
    except KeyError as error:
        raise SourceError(f"{folder}: a question of {name} names a passage that is not there: {error}") from error


def _musique(questions: Path, corpus: Path) -> MultiHop:
    documents: dict[tuple[str, str], Document] = {}
    for number, passage in enumerate(_decoded(corpus, tuple[_MusiquePassage, ...])):
        documents[passage.title, passage.text] = _document("musique", number, passage.title, passage.text, corpus)
    found = []
    for item in _decoded(questions, tuple[_MusiqueQuestion, ...]):
        ids = [documents[one.title, one.paragraph_text].id for one in item.paragraphs]
        needed = [id for id, one in zip(ids, item.paragraphs, strict=True) if one.is_supporting]
        answers = tuple(dict.fromkeys((item.answer, *item.answer_aliases)))
        found.append(Question(item.id, item.question, answers, _once(needed), _once(ids)))
    return MultiHop("musique", tuple(documents.values()), tuple(found))


def _hotpotqa(questions: Path, corpus: Path) -> MultiHop:
    documents = {
        title: _document("hotpotqa", number, title, "".join(sentences), corpus)
        for number, (title, sentences) in enumerate(_decoded(corpus, dict[str, tuple[str, ...]]).items())
    }
    found = []
    for item in _decoded(questions, tuple[_HotpotQuestion, ...]):
        needed = [documents[title].id for title, _ in item.supporting_facts]
        given = [documents[title].id for title, _ in item.context]
        found.append(Question(item._id, item.question, (item.answer,), _once(needed), _once(given)))
    return MultiHop("hotpotqa", tuple(documents.values()), tuple(found))


READERS: dict[str, Callable[[Path, Path], MultiHop]] = {"musique": _musique, "hotpotqa": _hotpotqa}


def _document(name: str, number: int, title: str, text: str, corpus: Path) -> Document:
    return Document(f"{name}/{number:04}", f"{title}\n{text}", corpus.name, title, "en")


def _once(ids: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))


def _decoded(path: Path, kind: type[Content]) -> Content | Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: {error}") from error
