"""Questions as SPARQL: what may be written, what is refused whoever wrote it, and that what is left can be run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from readings import BASE, HOSTILE, MERGES, curie, event, hostile
from test_match import Words

from kgdistill.contracts import Clause, Constraints, Reply, Request
from kgdistill.errors import TeacherError, UserError
from kgdistill.graph.store import KnowledgeGraph, write_store
from kgdistill.query.sparql import query
from kgdistill.query.translate import Terms, completed, grammar_of, short, terms_for, terms_of, translate
from kgdistill.teacher import wire
from kgdistill.teacher.constrained import clause_grammar
from kgdistill.teacher.grammar import Grammars
from kgdistill.teacher.local import Local

WON = "What did Marie Curie win?"
NAMES = ["Marie Curie", "Warsaw", HOSTILE, "nobody"]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeGraph]:
    folder: Path = tmp_path_factory.mktemp("translate") / "store"
    write_store(folder, [curie(), hostile(), event()], base=BASE, run="test", merges=MERGES)
    with KnowledgeGraph.open(folder) as graph:
        yield graph


@pytest.fixture(scope="module")
def terms(graph: KnowledgeGraph) -> Terms:
    return terms_for("Where was Marie Curie born?", terms_of(graph.store, BASE), graph.store, NAMES, Words())


@pytest.fixture(scope="module")
def grammars() -> Grammars:
    from kgdistill.teacher.weights import EMBEDDED, find_folder, load

    model, tokenizer = load(find_folder(EMBEDDED, ""), device="cpu", dtype="float32", trust_remote_code=False)
    size = int(model.get_output_embeddings().weight.shape[0])
    return Grammars(tokenizer, size, [tokenizer.eos_token_id])


def test_the_terms_are_the_graphs_own(terms: Terms) -> None:
    assert {term.short for term in terms.relations} >= {"r:born_in", "r:won", "r:year_of_birth"}
    assert "r:xNeed" not in {term.short for term in terms.relations}, "what a model said is no fact of a document"
    assert {term.short for term in terms.types} >= {"t:Person", "t:City"}
    assert [term.short for term in terms.entities] == ["e:Marie_Curie"], "the one that the question names"
    assert all(" " not in term.short and "\n" not in term.short for term in (*terms.relations, *terms.types))


def test_a_name_that_fits_behind_no_prefix_is_a_whole_address() -> None:
    assert short(f"{BASE}relation/born_in", BASE) == "r:born_in"
    assert short(f"{BASE}entity/C%2B%2B", BASE) == "e:C%2B%2B"
    for name in ("a.b", "%3Ca", "-a", "玛丽", ""):
        assert short(f"{BASE}entity/{name}", BASE) == f"<{BASE}entity/{name}>"


def test_a_hostile_name_is_a_line_of_the_prompt_and_the_grammar_still_compiles(
    graph: KnowledgeGraph, grammars: Grammars
) -> None:
    question = "He said what to http evil.test?"
    terms = terms_for(question, terms_of(graph.store, BASE), graph.store, [HOSTILE, HOSTILE[:40]], Words())
    assert [term.label for term in terms.entities] == [HOSTILE[:40]], "one as long as a page is no name to ask about"
    grammars.matcher("", grammar_of(terms, question))
    [request] = next(translate(question, terms))
    lines = request.prompt.split("\n")
    assert not any(line.startswith(("@prefix", "INSERT", "<http://evil")) for line in lines)
    assert lines[-3:] == [f"Question: {question}", "Task: sparql", ""]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("SELECT DISTINCT ?answer WHERE { e:Marie_Curie r:born_in ?answer }", True),
        ("SELECT DISTINCT ?answer WHERE { ?x r:born_in ?answer . ?x a t:Person . ?x r:won ?y }", True),
        ("SELECT (COUNT(DISTINCT ?answer) AS ?count) WHERE { e:Marie_Curie r:won ?answer }", True),
        ("ASK { e:Marie_Curie r:born_in ?x }", True),
        ("ASK { e:Marie_Curie r:killed ?x }", False),
        ("ASK { e:Napoleon r:born_in ?x }", False),
        ("ASK { ?x ?y ?answer }", False),
        ("ASK { ?x r:won ?y . ?x r:won ?y . ?x r:won ?y . ?x r:won ?y }", False),
        ("DROP ALL", False),
        ("ASK { ?x r:won ?y } # more", False),
    ],
)
def test_the_grammar_holds_the_queries_and_nothing_else(
    grammars: Grammars, terms: Terms, text: str, fits: bool
) -> None:
    matcher = grammars.matcher("", grammar_of(terms, "Wurde Marie Curie in Warschau geboren?"))._matcher
    # `accept_string` goes letter by letter: a whole query also ends.
    assert (matcher.accept_string(text) and matcher.is_completed()) == fits


@pytest.mark.parametrize(
    ("question", "shapes"),
    [
        ("Where was Marie Curie born?", "SELECT"),
        ("In which city was Marie Curie born?", "SELECT"),
        ("Who's the one that won?", "SELECT"),
        ("Marie Curie was born where?", "SELECT"),
        ("How many prizes did Marie Curie win?", "SELECT COUNT"),
        ("What is the number of prizes?", "SELECT COUNT"),
        ("Was Marie Curie born where Tesla was?", "SELECT COUNT ASK"),
        ("Isn’t it Marie Curie who won?", "SELECT COUNT ASK"),
        ("Prizes of Marie Curie", "SELECT COUNT ASK"),
        ("Wo wurde Marie Curie geboren?", "SELECT COUNT ASK"),
    ],
)
def test_a_query_has_a_form_that_could_answer_the_question(
    grammars: Grammars, terms: Terms, question: str, shapes: str
) -> None:
    [request] = next(translate(question, terms))
    heads = {
        "SELECT": "SELECT DISTINCT ?answer WHERE {",
        "COUNT": "SELECT (COUNT(DISTINCT ?answer) AS ?count) WHERE {",
        "ASK": "ASK {",
    }
    fitting = set(shapes.split())
    assert {shape for shape, head in heads.items() if f"\n{head}" in request.prompt} == fitting
    written = {shape: f"{head} e:Marie_Curie r:won ?answer }}" for shape, head in heads.items()}
    for shape, text in written.items():
        matcher = grammars.matcher("", request.grammar)._matcher
        assert (matcher.accept_string(text) and matcher.is_completed()) == (shape in fitting)
        if shape in fitting:
            completed(text, terms, question)
        else:  # an endpoint may pass over the grammar
            with pytest.raises(UserError, match=f"question asks .*, which {shape} does not"):
                completed(text, terms, question)


def test_a_pattern_that_repeats_another_is_left_out(graph: KnowledgeGraph, terms: Terms) -> None:
    first, second = "e:Marie_Curie r:won ?answer", "?answer a t:Award"
    once = completed(f"SELECT ?answer {{ {first} . {second} }}", terms, WON)
    assert first in once and second in once
    for body in (f"{first} . {first} . {second} . {first}", f"\n{first}.\n  {first} .\n{second} .\n"):
        assert completed(f"SELECT ?answer {{ {body} }}", terms, WON) == once
    assert completed(f"SELECT ?answer {{{first}. {second}}} LIMIT 3", terms, WON).endswith(f"{second} }} LIMIT 3")
    # What is more than patterns stays as it is.
    more = f'{first} . FILTER(?answer != "x . x . x") . {first}'
    assert f"{{ {more} }}" in completed(f"SELECT ?answer {{ {more} }}", terms, WON)


def test_the_embedded_teacher_writes_a_query_that_runs(graph: KnowledgeGraph, terms: Terms) -> None:
    teacher = Local().open()
    try:
        dialogue = translate("Where was Marie Curie born?", terms)
        [request] = next(dialogue)
        teacher.submit(0, request)
        [(_, found)] = teacher.poll()
    finally:
        teacher.close()
    assert not isinstance(found, Exception), found
    sparql = completed(found.replies[0].text, terms, "Where was Marie Curie born?")
    assert "ASK" not in sparql and "COUNT" not in sparql
    body = sparql[sparql.index("{") + 1 : sparql.rindex("}")].strip().split(" . ")
    assert len(set(body)) == len(body)
    query(graph.store, sparql)


def test_a_request_carries_one_kind_of_bond_only() -> None:
    request = Request("p", "q", grammar='root ::= "a"')
    assert clause_grammar(request, True) == 'root ::= "a"' == clause_grammar(request, False)
    assert request.key != Request("p", "q").key
    body = json.loads(wire.write(request, model="m", chat=True, samples=1, seed=0, logprobs=False, extra={}))
    assert body["structured_outputs"] == {"grammar": 'root ::= "a"'} and "response_format" not in body
    both = [
        Request("p", "q", schema="{}", grammar="x"),
        Request("p", "q", constraints=Constraints((Clause(("a",)),)), grammar="x"),
    ]
    for mixed in both:
        with pytest.raises(TeacherError, match="one of them"):
            clause_grammar(mixed, True)


# What comes back


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT DISTINCT ?answer WHERE { e:Marie_Curie r:born_in ?answer }", ["entity/Warsaw"]),
        ("```sparql\nSELECT ?answer\nWHERE {\n  e:Marie_Curie r:born_in ?answer .\n}\nLIMIT 5\n```", ["entity/Warsaw"]),
        ("SELECT DISTINCT ?answer { ?answer a t:Person . ?answer r:won ?x }", ["entity/Marie_Curie"]),
        ("SELECT (COUNT(DISTINCT ?answer) AS ?count) WHERE { e:Marie_Curie r:won ?answer }", ["1"]),
        ('SELECT ?answer { ?answer r:born_in ?x FILTER(STR(?x) != "FROM { } GRAPH") }', ["entity/Marie_Curie"]),
        ("SELECT DISTINCT ?answer WHERE { e:Marie_Curie r:worked_in ?answer }", None),
    ],
)
def test_a_query_gets_prefixes_graphs_and_a_limit_and_runs_as_it_is_shown(
    graph: KnowledgeGraph, terms: Terms, text: str, rows: list[str] | None
) -> None:
    if rows is None:  # the graph denies it: it is no fact, so no relation either
        with pytest.raises(UserError, match="no relation that it was shown"):
            completed(text, terms, "")
        return
    sparql = completed(text, terms, "")
    assert [row[0].value.removeprefix(BASE) for row in query(graph.store, sparql).rows] == rows
    assert sparql.count("LIMIT") == 1 and f"FROM <{BASE}graph/facts>" in sparql


def test_ask_is_answered(graph: KnowledgeGraph, terms: Terms) -> None:
    assert query(graph.store, completed("ASK { e:Marie_Curie r:born_in e:Warsaw }", terms, "")).truth is True
    assert query(graph.store, completed("ASK { e:Warsaw r:born_in e:Marie_Curie }", terms, "")).truth is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I do not know.",
        "DROP ALL",
        "INSERT DATA { e:a r:born_in e:b }",
        "SELECT * { SERVICE <http://evil.test/> { ?a r:born_in ?b } }",
        "SELECT * FROM <http://evil.test/> { ?a r:born_in ?b }",
        "SELECT * { GRAPH ?g { ?a r:born_in ?b } }",
        "PREFIX r: <http://evil.test/> SELECT * { ?a r:born_in ?b }",
        "SELECT * { ?a ?b ?c }",
        "SELECT * { ?a r:born_in/r:won ?c }",
        "SELECT * { ?a !r:born_in ?c }",
        "SELECT * { ?a r:unheard_of ?c }",
        "SELECT * { ?a <http://evil.test/p> ?c }",
        "SELECT * { ?a a t:Unheard }",
        "SELECT * { ?a a ?type }",
        "SELECT * { ?a r:born_in ?b FILTER EXISTS { ?a ?p ?o } }",
        "SELECT * { ?a r:born_in ?b { SELECT ?a { ?a ?p ?o } } }",
        "SELECT * { ?a r:born_in ?b OPTIONAL { ?a kgd:quote ?q } }",
        "SELECT * { ?a r:born_in ?b MINUS { ?b ?p ?q } }",
        "SELECT * { }",
        "SELECT * { ?a r:born_in ?b } ; DROP ALL",
        "DESCRIBE e:Marie_Curie { e:Marie_Curie r:born_in ?x }",
        "CONSTRUCT { ?a r:born_in ?b } WHERE { ?a r:born_in ?b }",
        "SELECT * { ?a r:born_in ?b " + "}" * 50,
        "SELECT * { " + "{" * 200,
        "ASK { ?a r:born_in ?b } #" + "x" * 5000,
    ],
)
def test_whatever_else_a_teacher_writes_is_refused_in_one_line(terms: Terms, text: str) -> None:
    with pytest.raises(UserError) as caught:
        completed(text, terms, "")
    assert str(caught.value).startswith("the teacher's query is refused: ")
    assert "\n" not in str(caught.value)


SPELLED = (
    "SELECT DISTINCT * ?answer ?x ?p WHERE { } . ; a r:born_in r:won r:other e:Marie_Curie t:Person ASK COUNT ( ) "
    "FILTER OPTIONAL UNION LIMIT 3 <http://evil.test/p> 'x' / | ^ # FROM DELETE"
)
PIECES = st.sampled_from(SPELLED.split())


@given(st.lists(PIECES, max_size=14))
def test_what_passes_names_only_what_was_shown(terms: Terms, graph: KnowledgeGraph, pieces: list[str]) -> None:
    try:
        sparql = completed(" ".join(pieces), terms, "")
    except UserError:
        return
    assert "evil.test" not in sparql.split("FILTER")[0] and "DELETE" not in sparql and "r:other" not in sparql
    query(graph.store, sparql)


def test_a_graph_without_facts_is_one_line(tmp_path: Path) -> None:
    write_store(tmp_path / "store", [event()], base=BASE, run="test")
    with KnowledgeGraph.open(tmp_path / "store") as graph, pytest.raises(UserError, match="no facts"):
        terms_of(graph.store, BASE)


def test_no_reply_is_no_query(terms: Terms) -> None:
    for replies, text in (([], ""), ([Reply("ASK")], "ASK")):
        dialogue = translate("Where?", terms)
        next(dialogue)
        with pytest.raises(StopIteration) as end:
            dialogue.send([replies])
        assert end.value.value == text
