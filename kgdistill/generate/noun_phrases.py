"""A baseline without a teacher: pairs of noun phrases in a sentence, with the words between them as the relation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kgdistill.errors import RecipeError
from kgdistill.records import Chunk, ChunkGraph, Claim, Entity, Evidence, Span, Triple, content_id
from kgdistill.text.names import normal
from kgdistill.text.noun_phrases import noun_phrases
from kgdistill.text.sentences import sentence_spans

_DENIAL = frozenset(("not", "n't", "never"))
_EMPTY = frozenset(("and", "or", "but"))


class NounPhrases(Struct, frozen=True):
    """What reading without any learning finds. Raises RecipeError for a pipeline that gives no noun phrases."""

    pipeline: str = ""
    """Name or folder of a spaCy pipeline with a parser; empty: rules on capitals, numbers and determiners."""
    reach: int = 2
    """How many of the phrases to its right each phrase is paired with."""
    most_between: int = 8
    """Most words of a relation."""

    def __call__(self, graph: ChunkGraph, language: str = "en") -> ChunkGraph:
        """The chunk with the claims, each with its evidence, in place of what it had."""
        chunk = graph.chunk
        claims: dict[str, Claim] = {}
        entities: dict[str, Entity] = {}
        for sentence, phrases in self._sentences(chunk.text, language):
            for span in phrases:
                name = _words(chunk.text[span.start : span.end])
                known = entities.get(normal(name)) or Entity(name, "")
                entities[normal(name)] = replace(known, spans=(*known.spans, _moved(span, chunk)))
            for claim in self._claims(sentence, phrases, chunk):
                claims.setdefault(claim.id, claim)
        return replace(graph, entities=tuple(entities.values()), claims=tuple(claims.values()))

    def _sentences(self, text: str, language: str) -> Iterator[tuple[Span, list[Span]]]:
        """Each sentence with its noun phrases, in offsets of `text`."""
        if self.pipeline:
            for sentence in _parsed(text, self.pipeline).sents:
                chunks = [_content(chunk) for chunk in sentence.noun_chunks]
                yield Span(sentence.start_char, sentence.end_char), [span for span in chunks if span.start < span.end]
            return
        for bound in sentence_spans(text, language):
            found = noun_phrases(text[bound.start : bound.end])
            yield bound, [Span(bound.start + span.start, bound.start + span.end) for span in found]

    def _claims(self, sentence: Span, phrases: list[Span], chunk: Chunk) -> Iterator[Claim]:
        proposition = _words(chunk.text[sentence.start : sentence.end])
        for place, subject in enumerate(phrases):
            for object_ in phrases[place + 1 : place + 1 + self.reach]:
                between = _words(chunk.text[subject.end : object_.start]).strip(" ,;:()[]\"'-–—").lower().split()
                relation = [word for word in between if word not in _DENIAL]
                if not 0 < len(relation) <= self.most_between or not any(map(_says_something, relation)):
                    continue
                ends = [_words(chunk.text[span.start : span.end]) for span in (subject, object_)]
                if normal(ends[0]) == normal(ends[1]):
                    continue
                negated = len(relation) < len(between)
                name = " ".join(relation)
                yield Triple(
                    content_id("noun phrases", chunk.document, chunk.index, subject.start, object_.start),
                    ends[0],
                    name,
                    ends[1],
                    proposition=proposition,
                    negated=negated,
                    method="noun phrases",
                    evidence=Evidence(_moved(sentence, chunk), _moved(subject, chunk), _moved(object_, chunk)),
                )


def _says_something(word: str) -> bool:
    return any(letter.isalpha() for letter in word) and word not in _EMPTY


def _words(text: str) -> str:
    return " ".join(text.split())


def _moved(span: Span, chunk: Chunk) -> Span:
    return Span(chunk.start + span.start, chunk.start + span.end)


def _content(chunk: Any) -> Span:
    """A spaCy noun chunk without its leading determiners and pronouns."""
    tokens = list(chunk)
    while tokens and tokens[0].tag_ in ("DT", "PRP", "PRP$", "WP", "WDT", "WP$"):
        tokens = tokens[1:]
    return Span(tokens[0].idx, tokens[-1].idx + len(tokens[-1])) if tokens else Span(0, 0)


def _parsed(text: str, pipeline: str) -> Any:
    """spaCy's document. Its noun chunks go by coarse tags, which a pipeline with fine ones alone leaves empty."""
    document = _pipeline(pipeline)(text)
    for token in document:
        if not token.pos_ and token.tag_.startswith("NN"):
            token.pos_ = "PROPN" if token.tag_.startswith("NNP") else "NOUN"
    return document


@lru_cache(maxsize=2)
def _pipeline(name: str) -> Any:
    import spacy

    try:
        loaded = spacy.load(name)
    except OSError as error:
        message = f"no spaCy pipeline {name!r} is on this machine; leave `pipeline` out to go by rules"
        raise RecipeError(message) from error
    if "parser" not in loaded.pipe_names:
        raise RecipeError(f"the spaCy pipeline {name!r} has no parser: it finds no noun phrases")
    return loaded
