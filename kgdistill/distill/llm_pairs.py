"""Document-graph pairs that large language models made elsewhere, brought into the form of the seed.

Two public sets are read: GPT-3.5's open triples of MuSiQue passages (HippoRAG, Gutiérrez et al. 2024) and Claude 2's
triples of other models' answers (RefChecker, Hu et al. 2024). They name relations freely and give neither propositions
nor entity types: names are brought into our style, propositions are written by rule, types stay empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from kgdistill.distill.relations import relation_name
from kgdistill.distill.swaps import SeedDocument, SeedEntity, SeedFact, SeedSentence
from kgdistill.errors import SourceError
from kgdistill.text.names import find, spelling
from kgdistill.text.sentences import sentence_spans

Shape = TypeVar("Shape")
_DATE = re.compile(
    r"(?:\W|\d|th|st|nd|rd|january|february|march|april|may|june|july|august|september|october|november|december|"
    r"century|bc|ad|bce|ce|s)+",
    re.IGNORECASE,
)
_BE = "is|was|are|were|has been|have been|had been"
_IS_SOMETHING = re.compile(rf"(?:{_BE})(?: an?| the| one of(?: the)?)?|(?:an?|one of)")
_IS_FIRST = re.compile(rf"(?:{_BE}|has|have|had|can|may|does|did)\b")
_ENDS_IN_BE = re.compile(rf"(.+) (?:{_BE})")
_NOUN = re.compile(r"(?:\w+[ -])*?\w+(?:er|or|ist|ion|ship|part|capital|name|sister|son|type) of")
_NEGATION = re.compile(r"\b(?:not|never|no longer|cannot)\b")
_MOST_WORDS = 12


class _Passage(Struct, frozen=True):
    text: str
    title: str = ""
    extracted_triples: tuple[tuple[str, ...], ...] = ()


class _Passages(Struct, frozen=True):
    docs: tuple[_Passage, ...]


class _Drawn(Struct, frozen=True):
    triplet: tuple[str, ...]


class _Answer(Struct, frozen=True):
    id: object
    response: str | None = None
    claude2_response_kg: tuple[_Drawn, ...] | None = ()


def read_llm_pairs(folder: Path) -> Iterator[SeedDocument]:
    """The documents of `folder/*.json` (passages) and `folder/refchecker/*/*.json` (answers), in the order of names.

    Raises SourceError when there are none or a file does not decode.
    """
    paths = [*sorted(folder.glob("*.json")), *sorted(folder.glob("refchecker/*/*.json"))]
    if not paths:
        raise SourceError(f"no document-graph pairs in {folder}: give the folder that holds llm_pairs, or leave it out")
    for path in paths:
        yield from _answers(path) if path.parent != folder else _passages(path)


def _passages(path: Path) -> Iterator[SeedDocument]:
    for number, passage in enumerate(_decoded(path, _Passages).docs):
        found = _document(f"{path.stem}/{number}", passage.title, passage.text, passage.extracted_triples)
        if found:
            yield found


def _answers(path: Path) -> Iterator[SeedDocument]:
    for answer in _decoded(path, tuple[_Answer, ...]):
        triples = tuple(drawn.triplet for drawn in answer.claude2_response_kg or ())
        if answer.response and (found := _document(f"{path.stem}/{answer.id}", "", answer.response, triples)):
            yield found


def _decoded(path: Path, shape: type[Shape]) -> Shape:
    try:
        # The files hold NaN, which strict readers refuse.
        return msgspec.convert(json.loads(path.read_bytes()), type=shape)
    except (msgspec.ValidationError, ValueError, OSError) as error:
        raise SourceError(f"{path.name}: {error}") from error


def _document(name: str, title: str, text: str, triples: Sequence[Sequence[str]]) -> SeedDocument | None:
    """The document with those triples whose ends the text names; None where no triple is left."""
    text = " ".join(_detokenised(text).split())
    spans = sentence_spans(text, "en")
    facts: list[list[SeedFact]] = [[] for _ in spans]
    seen = set()
    for triple in triples:
        fact = _fact(triple, text)
        if fact is None or (key := (fact.subject, fact.relation, fact.object)) in seen:
            continue
        seen.add(key)
        facts[_sentence_of(fact, text, [(span.start, span.end) for span in spans])].append(fact)
    if not seen:
        return None
    sentences = tuple(
        SeedSentence(part := text[span.start : span.end].strip(), part, tuple(found))
        for span, found in zip(spans, facts, strict=True)
    )
    names = dict.fromkeys(end for s in sentences for f in s.facts for end in (f.subject, f.object) if _is_name(end))
    subjects = dict.fromkeys(f.subject for s in sentences for f in s.facts)
    entities = tuple(SeedEntity(entity, "", (entity,)) for entity in subjects | names)
    return SeedDocument(name, "", title, text, sentences, entities)


def _detokenised(text: str) -> str:
    """Without the marks of an old tokenizer: "Person - centered", "`` quoted ''"."""
    text = re.sub(r"(?:``|'')", '"', text)
    text = re.sub(r'(^|\s)" ?([^"]*?) ?"', r'\1"\2"', text)
    return re.sub(r"(?<=\w) - (?=\w)", "-", text)


def _is_name(end: str) -> bool:
    return any(char.isupper() for char in end) and not _DATE.fullmatch(end)


def _fact(triple: Sequence[str], text: str) -> SeedFact | None:
    """The triple in our style, or None where it has no three parts or its ends do not stand in the text."""
    if len(triple) != 3:
        return None
    subject, said, object_ = (" ".join(part.split()) for part in triple)
    said = said.lower().strip(" .")
    object_ = re.sub(r"^(?:an?|the) (?=[^A-Z])", "", object_)
    if not (subject and said and object_) or len(object_.split()) > _MOST_WORDS or len(said.split()) > 5:
        return None
    if find(subject, text) is None or find(object_, text) is None or _DATE.fullmatch(subject):
        return None
    subject, object_ = spelling(subject, text), spelling(object_, text)
    relation = _relation(said)
    if subject.lower() == object_.lower() or not relation:
        return None
    negated = _NEGATION.search(said) is not None
    if relation == "instance of" and _is_name(object_) and " a" not in said:
        relation = "same as" if object_.istitle() else relation
    return SeedFact(proposition(subject, said, object_, text), subject, relation, object_, negated)


def _relation(said: str) -> str:
    """The relation in our style: positive, no auxiliary, "current editor is" without its verb."""
    if _IS_SOMETHING.fullmatch(said):
        return "instance of"
    said = " ".join(_NEGATION.sub(" ", said).split())
    if noun := _ENDS_IN_BE.fullmatch(said):
        said = noun[1]
    return relation_name(re.sub(r"^(?:an? |the )", "", relation_name(said)))


def proposition(subject: str, said: str, object_: str, text: str) -> str:
    """A sentence for a triple as it was said; "published by" becomes "was published by" where `text` has that."""
    if noun := _ENDS_IN_BE.fullmatch(said):
        return f"The {noun[1]} of {subject} is {object_}."
    verb = said
    if not _IS_FIRST.match(said):
        if _NOUN.fullmatch(said):
            verb = f"is the {said}"
        elif re.search(rf"\b(?:{_BE}|be|been)(?: \w+)? {re.escape(said.partition(' ')[0])}\b", text) or said.endswith(
            " by"
        ):
            verb = f"was {said}"
    return f"{subject[0].upper()}{subject[1:]} {verb} {object_}."


def _sentence_of(fact: SeedFact, text: str, spans: Iterable[tuple[int, int]]) -> int:
    """The sentence that names both ends, else the first that names the object, else the first."""
    places = [(find(fact.object, text, *span), find(fact.subject, text, *span)) for span in spans]
    both = [place for place, (object_, subject) in enumerate(places) if object_ and subject]
    one = [place for place, (object_, _) in enumerate(places) if object_]
    return next(iter([*both, *one, 0]))
