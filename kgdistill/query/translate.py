"""Questions as SPARQL: a teacher writes a query under a grammar of the graph's own names, and the query is checked.

The grammar binds teachers that can be bound (a local model, vLLM); an endpoint may pass it over. So what comes back is
checked as if it came from a stranger: it parses, it only reads, and it names no relation or type but the graph's own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from kgdistill.contracts import Dialogue, Encoder, Request
from kgdistill.errors import UserError
from kgdistill.prompts.render import render
from kgdistill.query.screen import screen
from kgdistill.query.sparql import query
from kgdistill.query.tokens import keywords
from kgdistill.query.wording import asks_for, content

if TYPE_CHECKING:
    import pyoxigraph

MOST_RELATIONS, MOST_TYPES, MOST_ENTITIES = 30, 12, 8
COMMONEST = 2000
"""Relations that are compared with the question, those with most claims first."""
PATTERNS = 3
SPELLED = 120
"""Characters of a name as queries spell it: a longer one is no name that anybody would ask about."""
LONGEST = 4000
"""Characters of a query."""
ROWS = 200
RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_LOCAL = re.compile(r"[^\W_](?:\w|-|%[0-9A-F]{2})*")
_OURS = {"PREFIX", "BASE", "FROM", "GRAPH", "SERVICE"}
_NUMBERS = {"number", "numbers", "count", "total"}
_PREFIXES = {"e": "entity/", "r": "relation/", "t": "type/"}

_RELATIONS = """
PREFIX kgd: <https://w3id.org/kgdistill/ns#> PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
SELECT ?term (SAMPLE(?name) AS ?label) WHERE {
  { SELECT ?term (COUNT(*) AS ?often) WHERE { GRAPH <%s> { ?s ?term ?o } } GROUP BY ?term }
  ?term rdfs:label ?name } GROUP BY ?term ?often ORDER BY DESC(?often) ?term LIMIT %d"""
_TYPES = """
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
SELECT ?term (SAMPLE(?name) AS ?label) WHERE {
  ?term a rdfs:Class ; rdfs:label ?name . ?e a ?term } GROUP BY ?term ORDER BY DESC(COUNT(?e)) ?term LIMIT %d"""
_NAMED = """
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
SELECT DISTINCT ?term ?label WHERE {
  VALUES ?wanted { %s } ?term a skos:Concept ; skos:prefLabel|skos:altLabel ?wanted ; skos:prefLabel ?label }"""


class Term(Struct, frozen=True):
    """A name of the graph: its address, how queries spell it, and what it is called."""

    address: str
    short: str
    label: str


class Terms(Struct, frozen=True):
    """What a query about one question may name."""

    base: str
    relations: tuple[Term, ...]
    types: tuple[Term, ...] = ()
    entities: tuple[Term, ...] = ()

    @property
    def prefixes(self) -> dict[str, str]:
        return {name: self.base + place for name, place in _PREFIXES.items()}

    @property
    def graphs(self) -> tuple[str, str]:
        """Where a query looks: the facts that documents state, and the names."""
        return f"{self.base}graph/facts", f"{self.base}graph/names"


def terms_of(store: pyoxigraph.Store, base: str) -> Terms:
    """The graph's relations and types, the most used first. Raises UserError for a graph without facts."""
    relations = _terms(store, _RELATIONS % (f"{base}graph/facts", COMMONEST), base)
    if not relations:
        raise UserError("this graph has no facts to ask SPARQL of")
    return Terms(base, relations, _terms(store, _TYPES % COMMONEST, base))


def terms_for(question: str, whole: Terms, store: pyoxigraph.Store, names: Iterable[str], encoder: Encoder) -> Terms:
    """Those relations and types that are nearest to the question, and the entities of `names` that it may be about."""
    return Terms(
        whole.base,
        _nearest(whole.relations, question, encoder, MOST_RELATIONS),
        _nearest(whole.types, question, encoder, MOST_TYPES),
        _entities(store, whole.base, question, names),
    )


def _terms(store: pyoxigraph.Store, sparql: str, base: str) -> tuple[Term, ...]:
    rows = (row for row in query(store, sparql).rows if row[0] is not None)
    found = (Term(term.value, short(term.value, base), label.value) for term, label in rows)
    return tuple(term for term in found if len(term.short) <= SPELLED)


def _entities(store: pyoxigraph.Store, base: str, question: str, names: Iterable[str]) -> tuple[Term, ...]:
    import pyoxigraph

    asked = set(content(question))
    covered = {name: len(asked & set(content(name))) / max(1, len(set(content(name)))) for name in dict.fromkeys(names)}
    wanted = sorted((name for name in covered if covered[name] > 0), key=lambda name: (-covered[name], name))
    if not wanted:
        return ()
    values = " ".join(str(pyoxigraph.Literal(name)) for name in wanted[:MOST_ENTITIES])
    return _terms(store, _NAMED % values, base)[:MOST_ENTITIES]


def _nearest(terms: Sequence[Term], question: str, encoder: Encoder, most: int) -> tuple[Term, ...]:
    if len(terms) <= most:
        return tuple(terms)
    vectors = encoder.encode([question, *(term.label for term in terms)])
    order = (-(vectors[1:] @ vectors[0])).argsort(kind="stable")[:most]
    return tuple(terms[place] for place in order.tolist())


def short(address: str, base: str) -> str:
    """An address with the prefix that it has, or in angle brackets where its name could not stand behind one."""
    for prefix, place in _PREFIXES.items():
        name = address.removeprefix(base + place)
        if name != address and _LOCAL.fullmatch(name) and name.isascii():
            return f"{prefix}:{name}"
    return f"<{address}>"


def grammar_of(terms: Terms, question: str) -> str:
    """The queries that may be written, as EBNF in the notation of xgrammar: those that could answer the question."""
    variables = ("?answer", "?x", "?y")
    kinds = {
        "variable": variables,
        "relation": [term.short for term in terms.relations],
        "type": [term.short for term in terms.types],
        "entity": [term.short for term in terms.entities],
    }
    bodies = [' " . " '.join(["pattern"] * count) for count in range(1, PATTERNS + 1)]
    ends = "variable | entity" if kinds["entity"] else "variable"
    patterns = ['thing " " relation " " thing']
    if kinds["type"]:
        patterns.append('variable " a " type')
    rules = {
        "root": " | ".join(_shapes(question)).lower(),
        "select": '"SELECT DISTINCT ?answer WHERE { " body " }"',
        "count": '"SELECT (COUNT(DISTINCT ?answer) AS ?count) WHERE { " body " }"',
        "ask": '"ASK { " body " }"',
        "body": " | ".join(bodies),
        "pattern": " | ".join(patterns),
        "thing": ends,
        **{name: " | ".join(map(_quoted, words)) for name, words in kinds.items() if words},
    }
    return "\n".join(f"{name} ::= {rule}" for name, rule in rules.items()) + "\n"


def _shapes(question: str) -> tuple[str, ...]:
    """The forms of a query that could answer it: yes or no is none to "where", and a number only to "how many"."""
    if not (word := asks_for(question)):
        return ("SELECT", "COUNT", "ASK")
    return ("SELECT", "COUNT") if word == "how" or _NUMBERS & set(content(question)) else ("SELECT",)


def _quoted(text: str) -> str:
    spelled = "".join(
        letter
        if " " <= letter <= "~" and letter not in '"\\'
        else f"\\u{ord(letter):04x}"
        if ord(letter) < 0x10000
        else f"\\U{ord(letter):08x}"
        for letter in text
    )
    return f'"{spelled}"'


def translate(question: str, terms: Terms, seed: int = 0) -> Dialogue[str]:
    """Ask the teacher once for the query's text; "" where no reply came. It is not checked yet."""
    shown = {"relations": terms.relations, "types": terms.types, "entities": terms.entities}
    prompt = render("sparql", question=question, shapes=_shapes(question), **shown)
    request = Request("sparql", prompt, max_tokens=200, seed=seed, grammar=grammar_of(terms, question))
    [replies] = yield [request]
    return replies[0].text if replies else ""


def completed(text: str, terms: Terms, question: str) -> str:
    """The teacher's text as a whole query: with prefixes, the graphs that it is put to, and a limit. Raises UserError.

    Prefixes and graphs are ours alone, so that it runs anywhere as it is shown. A pattern that only repeats another one
    is left out.
    """
    plain = _unfenced(text)
    if len(plain) > LONGEST:
        raise UserError(f"the teacher's query is refused: it has more than {LONGEST} characters")
    if found := _OURS & set(keywords(plain)):
        raise UserError(f"the teacher's query is refused: it may not say {min(found)}")
    head, brace, body = plain.partition("{")
    if not brace:
        raise UserError(f"the teacher's query is refused: {plain[:80]!r} is no query")
    head = re.sub(r"\s*\bWHERE\s*$", "", head.strip(), flags=re.IGNORECASE)
    shapes = set(keywords(head))
    for shape in ("ASK", "COUNT"):
        if shape in shapes and shape not in _shapes(question):
            asked = f'the question asks "{asks_for(question)}", which {shape} does not answer'
            raise UserError(f"the teacher's query is refused: {asked}")
    names = "\n".join(f"PREFIX {name}: <{space}>" for name, space in terms.prefixes.items())
    graphs = "\n".join(f"FROM <{graph}>" for graph in terms.graphs)
    limit = "" if "ASK" in shapes or "LIMIT" in keywords(body) else f"\nLIMIT {ROWS}"
    whole = f"{names}\n{head}\n{graphs}\nWHERE {{{_once(body)}{limit}"
    _check(whole, terms)
    return whole


def _once(body: str) -> str:
    """What stands behind the first brace, each pattern once; as it is where there is more than plain patterns."""
    inside, brace, rest = body.rpartition("}")
    if not brace or re.search(r"""[{}()\[\];,"'#]""", inside):
        return body
    patterns = (" ".join(pattern.split()) for pattern in re.split(r"\s*\.(?:\s+|$)", inside.strip()))
    return f" {' . '.join(dict.fromkeys(filter(None, patterns)))} {brace}{rest}"


def _unfenced(text: str) -> str:
    fence = re.search(r"```(?:\w*)\s*(.*?)```", text, re.DOTALL)
    return (fence[1] if fence else text).strip()


def _check(sparql: str, terms: Terms) -> None:
    """Raises UserError unless the query parses, only reads, and names the relations and types of `terms` alone."""
    from rdflib.plugins.sparql import prepareQuery

    try:
        screen(sparql)
    except UserError as error:
        raise UserError(f"the teacher's query is refused: {error}") from error
    try:
        algebra = prepareQuery(sparql).algebra
    except Exception as error:  # rdflib raises whatever its parser meets
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"the teacher's query is refused: it is no SPARQL ({reason})") from error
    if algebra.name not in ("SelectQuery", "AskQuery"):
        raise UserError("the teacher's query is refused: it neither selects nor asks")
    relations = {term.address for term in terms.relations}
    types = {term.address for term in terms.types}
    triples = list(_triples(algebra))
    if not triples:
        raise UserError("the teacher's query is refused: it has no pattern")
    for triple in triples:
        if len(triple) != 3 or not _known(triple[1], triple[2], relations, types):
            name = " ".join(map(str, triple[1:]))[:80]
            raise UserError(f"the teacher's query is refused: {name} is no relation that it was shown")


def _known(predicate: Any, target: Any, relations: Collection[str], types: Collection[str]) -> bool:
    if str(predicate) == RDF_TYPE:
        return str(target) in types
    return type(predicate).__name__ == "URIRef" and str(predicate) in relations


def _triples(node: Any) -> list[tuple[Any, ...]]:
    """All triple patterns of an algebra, wherever they stand."""
    found: list[tuple[Any, ...]] = []
    waiting, seen = [node], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if hasattr(one, "values") and hasattr(one, "name"):  # a part of the algebra
            for said in dict(one).get("triples", ()):  # inside EXISTS several stand in one flat list
                found += [tuple(said[place : place + 3]) for place in range(0, len(said), 3)]
            waiting += [value for key, value in one.items() if key != "triples"]
        elif isinstance(one, list | tuple | set):
            waiting += one
    return found
