"""Retrieval: the passages of a graph that say something about a question, the best first (here by BM25)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kgdistill.errors import RunFolderError, UserError
from kgdistill.query.sparql import query
from kgdistill.storage.artifact import latest
from kgdistill.text.overlap import words

SATURATION, LENGTH = 1.2, 0.75
"""BM25's k1 and b (Robertson and Zaragoza 2009)."""

_CLAIMS = """
PREFIX kgd: <https://w3id.org/kgdistill/ns#> PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> PREFIX prov: <http://www.w3.org/ns/prov#>
PREFIX dcterms: <http://purl.org/dc/terms/>
SELECT ?claim ?document ?start ?end ?quote ?subject ?relation ?object WHERE {
  ?claim a kgd:Claim ; kgd:kept true ; kgd:negated false ; kgd:hedged false ; kgd:start ?start ; kgd:end ?end ;
         kgd:quote ?quote ; kgd:subject/skos:prefLabel ?subject ; kgd:predicate/rdfs:label ?relation ;
         kgd:object ?term ; prov:wasDerivedFrom/dcterms:identifier ?document .
  OPTIONAL { ?term skos:prefLabel ?name }
  BIND(COALESCE(?name, STR(?term)) AS ?object)
} ORDER BY ?document ?start ?end ?claim"""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage with the facts that it is evidence of."""

    address: str
    document: str
    start: int
    end: int
    text: str
    facts: tuple[tuple[str, str, str], ...]
    score: float


class Retriever(Protocol):
    """Finds passages for a question."""

    def retrieve(self, question: str, count: int = 10) -> list[Found]: ...


def open_retriever(run: Path, method: str = "graph_propositions", **settings: object) -> Retriever:
    """A retriever over the graph of a run, or of a store's own folder. Raises RunFolderError and UserError.

    Both methods are BM25 over sentences with asserted claims for now.
    """
    import pyoxigraph

    if method not in ("graph_propositions", "bm25"):
        raise UserError(f'there is no retrieval called "{method}": choose graph_propositions or bm25')
    folder = run if (run / "graph.json").is_file() else latest(run, "store").folder
    try:
        store = pyoxigraph.Store.read_only(str(folder / "oxigraph"))
    except OSError as error:
        raise RunFolderError(f"{folder} holds no readable graph ({error}): run the recipe again") from error
    return BM25(_passages(query(store, _CLAIMS).rows))


def _passages(rows: Iterable[tuple[object, ...]]) -> list[Found]:
    """One for each sentence, with all its facts."""
    gathered: dict[tuple[str, int, int], list[tuple[str, ...]]] = defaultdict(list)
    for row in rows:
        claim, document, start, end, *rest = (str(getattr(term, "value", term)) for term in row)
        gathered[document, int(start), int(end)].append((claim, *rest))
    return [
        Found(said[0][0], *place, said[0][1], tuple(dict.fromkeys((s, r, o) for _, _, s, r, o in said)), 0.0)
        for place, said in gathered.items()
    ]


class BM25:
    """Passages in memory, by the words of their text and facts."""

    def __init__(self, passages: list[Found]) -> None:
        self._passages = passages
        self._places: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._lengths: list[int] = []
        for place, passage in enumerate(passages):
            counts = Counter(words(" ".join((passage.text, *(" ".join(fact) for fact in passage.facts))).casefold()))
            self._lengths.append(counts.total())
            for word, count in counts.items():
                self._places[word].append((place, count))
        self._mean = sum(self._lengths) / max(1, len(self._lengths))

    def retrieve(self, question: str, count: int = 10) -> list[Found]:
        scores: dict[int, float] = defaultdict(float)
        for word in sorted(set(words(question.casefold()))):
            found = self._places.get(word, [])
            weight = math.log(1 + (len(self._passages) - len(found) + 0.5) / (len(found) + 0.5))
            for place, often in found:
                norm = 1 - LENGTH + LENGTH * self._lengths[place] / self._mean
                scores[place] += weight * often * (SATURATION + 1) / (often + SATURATION * norm)
        best = sorted(scores, key=lambda place: (-scores[place], place))[:count]
        return [_scored(self._passages[place], scores[place]) for place in best]


def _scored(passage: Found, score: float) -> Found:
    p = passage
    return Found(p.address, p.document, p.start, p.end, p.text, p.facts, score)
