"""The report: everything a run found is in it, it stands alone, and no document breaks out of it."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sample_run import DATA, HOSTILE, make_run, sample_readings

from kgdistill.errors import RunFolderError, StorageError
from kgdistill.evaluate.figures import Axis, Series, chart, from_zero, histogram
from kgdistill.evaluate.findings import EDGES, Edge, Reason, Run, gather, read_run
from kgdistill.evaluate.found_pairs import gather_pairs
from kgdistill.evaluate.funnel import funnel
from kgdistill.evaluate.graph_picture import MOST, draw
from kgdistill.evaluate.highlight import AROUND, segments
from kgdistill.evaluate.report import write_report
from kgdistill.records import Document, Drop, Evidence, Passage, Rewording, Span, TextPair, Triple

VOID = {"meta", "br", "img", "link", "input", "hr"}
DRAWN = {"line", "circle", "rect", "path", "polyline"}


class Page(HTMLParser):
    """All elements with their attributes, the text, and whether every element is closed where it should be."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(content)
        assert self.open == [], "unclosed elements"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def contains(page: str, text: str) -> bool:
    """`text in page`, but a failing test does not compare them letter by letter."""
    return text in page


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(make_run(tmp_path_factory.mktemp("runs") / "sample")).read_text()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(make_run(tmp_path_factory.mktemp("runs") / "hostile", hostile=True)).read_text()


def test_everything_is_there(finished: str) -> None:
    page = Page(finished)
    headings = {attributes["id"] for tag, attributes in page.elements if tag == "section"}
    assert headings == {"graph", "funnel", "facts", "scores", "curves", "dropped", "merges", "failures", "cost"}
    for text in ("kgdistill-mini", "Sample documents", "4:05 min", "1 set aside: language", "101,651", "teacher, kept"):
        assert contains(page.text, text)
    assert sum(tag == "mark" for tag, _ in page.elements) > 20
    assert sum(tag == "figure" for tag, _ in page.elements) == 4
    assert all(contains(page.text, text) for text in ("negated", "hedged", "Univ. of Paris"))
    assert contains(page.text, "malformed") and contains(page.text, "low rouge")


def test_the_funnel_says_where_replies_were_lost_and_refused(finished: str) -> None:
    page = Page(finished)
    for text in (
        "Replies to refine",
        "lost: cut 40",
        "refused: malformed 60, low rouge 8",
        "no entity 17",
        "dropped: ",
    ):
        assert contains(page.text, text), text


def test_replies_lead_to_what_a_stage_keeps_of_them() -> None:
    """Events: what could be read is ranked, and repeats and the unlikely are set aside."""
    stage = {"name": "events", "planned": 2, "cached": 1, "samples": 20, "answered": 17, "lost": {"cut": 2}}
    stage |= {"refused": {"malformed": 3}, "reasons": {"malformed": 3, "cut": 2, "duplicate": 4, "empty": 1}}
    reasons = (
        Reason("events", "failed", "malformed", 3, 3),
        Reason("events", "failed", "cut", 2, 2),
        Reason("events", "rejected", "duplicate", 4, 4),
        Reason("events", "rejected", "empty", 1),  # a bad seed, and no reply
        Reason("infer", "rejected", "duplicate", 9, 9),
    )
    old = {"name": "judge", "planned": 5, "failed": {"endpoint": 1}, "rejected": {"low": 2}}
    state = {"stages": [stage, {"name": "store", "planned": 0}, old]}
    first, second = funnel(Run(state, None, (), {}, "", None, None, reasons))
    assert [(step.name, step.count, step.note) for step in first.steps] == [
        ("planned", 20, "replies, in 2 requests, 1 of them answered before"),
        ("answered", 17, "lost: cut 2, without a reason 1"),
        ("parsed", 14, "refused: malformed 3"),
        ("kept", 10, "set aside: duplicate 4"),
    ]
    assert first.note == "Besides these replies, recorded by reason: empty 1"
    assert [(step.name, step.count, step.note) for step in second.steps] == [
        ("planned", 5, "requests"), ("answered", 4, "failed: endpoint 1"), ("used", 2, "rejected: low 2"),
    ]  # fmt: skip


def test_the_counts_are_those_of_the_readings(tmp_path: Path) -> None:
    found = read_run(make_run(tmp_path / "run")).found
    assert found is not None
    assert found.claims == found.kept + sum(found.dropped.values())
    assert found.documents - found.set_aside.total() == len(found.lengths)
    assert sum(length.kept for length in found.lengths) == found.kept
    assert sum(map(sum, found.scores.values())) == found.claims
    assert len({example.document.id for example in found.facts}) == len(found.facts) == 12


def test_the_same_claim_and_the_same_pair_in_two_documents() -> None:
    """What a model says has the same id wherever it says it."""
    one = sample_readings()[0]
    found = gather([one, replace(one, document=replace(one.document, id="copy"))])
    assert found.documents == 2 and len({example.document.id for example in found.facts}) == 2
    copied = TextPair("2", "x", "x", "student", dropped=Drop("wording", ""))
    pairs = (TextPair("1", "It rained.", "Rain fell.", "sentences"), copied)
    known = [Rewording(Document(name, "x", "x"), (Passage("x", pairs=pairs),)) for name in "ab"]
    both = gather_pairs(known)
    assert (both.made, both.kept, both.dropped) == (4, 2, {"wording": 2})
    assert [example.document for example in both.kept_examples] == ["a"] and len(both.drops["wording"]) == 2


def test_it_stands_alone(finished: str, hostile: str) -> None:
    for content in (finished, hostile):
        page = Page(content)
        tags = {tag for tag, _ in page.elements}
        assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
        addresses = [v for _, a in page.elements for k, v in a.items() if k in ("href", "src", "action", "xlink:href")]
        assert not [address for address in addresses if address and re.match(r"\s*(\w+:|//)", address)]
        style = content[content.index("<style>") : content.index("</style>")]
        assert "url(" not in style and "@import" not in style


def test_hostile_text_stays_text(hostile: str) -> None:
    page = Page(hostile)
    assert sum(tag == "style" for tag, _ in page.elements) == 1
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert tag not in ("i", "u", "h1") or not attributes
    for text in (HOSTILE[:32], "{{ 7 * 7 }}", "<script>alert('raw')</script>", "‹U+202E›"):
        assert contains(page.text, text), text
    for text in ("\u202e", "\u2066", "javascript:alert(1)//&#34;"):
        assert not contains(hostile, text), text


def test_links_lead_from_the_run_to_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DATA.parent)
    path = write_report(make_run(tmp_path / "runs" / "sample"))
    page = Page(path.read_text())
    links = [a["href"] for tag, a in page.elements if tag == "a" and not str(a["href"]).startswith("#")]
    assert links
    assert all((path.parent / str(link)).resolve().is_file() for link in links)


def test_an_unfinished_run_says_so_and_shows_what_there_is(tmp_path: Path) -> None:
    page = Page(write_report(make_run(tmp_path / "run", finished=False)).read_text())
    assert contains(page.text, "This run is not finished") and contains(page.text, "12 of 40 requests failed")
    assert contains(page.text, "Facts with their evidence")
    assert not [a for tag, a in page.elements if tag == "section" and a["id"] in ("scores", "merges")]


def test_a_run_that_has_done_nothing_yet(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"name": "new", "state": "running", "started": "", "ended": "", "stages": []}')
    page = Page(write_report(tmp_path).read_text())
    assert contains(page.text, "not finished") and contains(page.text, "Nothing failed")


def test_no_run_is_a_clear_mistake(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not a run folder"):
        write_report(tmp_path)


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_a_long_corpus_does_not_make_it_huge(tmp_path: Path) -> None:
    small = write_report(make_run(tmp_path / "small")).stat().st_size
    large = write_report(make_run(tmp_path / "large", copies=20)).stat().st_size
    assert large < 1.2 * small < 400_000


def test_a_damaged_recipe_is_no_obstacle(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "recipe.toml").write_bytes(b"\xff = [")
    assert contains(write_report(run).read_text(), "Facts with their evidence")
    shutil.rmtree(run)


def test_damaged_scores_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "score-01234567" / "scores.json").write_text('{"rows": [{}]}')
    with pytest.raises(StorageError, match=r"scores\.json is damaged"):
        write_report(run)


# Highlighting


@given(st.text(max_size=40), st.data())
def test_pieces_are_the_documents_characters(text: str, data: st.DataObject) -> None:
    place = st.integers(0, len(text))

    def span() -> Span:
        start = data.draw(place)
        return Span(start, data.draw(st.integers(start, len(text))))

    sentence = span()
    claim = Triple("x", "s", "r", "o", evidence=Evidence(sentence, span(), span()))
    pieces = segments(claim, Document("d", text, "d"))
    shown = "".join(piece.text for piece in pieces if piece.mark != "cut")
    assert text[sentence.start : sentence.end] == shown or not shown or shown in text


def test_subject_and_object_are_marked() -> None:
    text = "Yes. Curie won the prize in Paris."
    claim = Triple("x", "Curie", "won", "prize", evidence=Evidence(Span(5, 34), Span(5, 10), Span(19, 24)))
    pieces = [(piece.text, piece.mark) for piece in segments(claim, Document("d", text, "d"))]
    assert pieces == [("Curie", "subject"), (" won the ", ""), ("prize", "object"), (" in Paris.", "")]
    assert segments(Triple("x", "s", "r", "o"), Document("d", text, "d")) == []


def test_marks_that_overlap_are_not_nested() -> None:
    claim = Triple("x", "s", "r", "o", evidence=Evidence(Span(0, 9), Span(0, 5), Span(3, 9)))
    pieces = [(piece.text, piece.mark) for piece in segments(claim, Document("d", "University", "d"))]
    assert pieces == [("Unive", "subject"), ("rsit", "")]


def test_a_very_long_sentence_is_cut_around_its_marks() -> None:
    text = "x " * 3000 + "Curie won" + " y" * 3000
    claim = Triple("x", "Curie", "won", "z", evidence=Evidence(Span(0, len(text)), Span(6000, 6005)))
    pieces = segments(claim, Document("d", text, "d"))
    assert ("Curie", "subject") in [(piece.text, piece.mark) for piece in pieces]
    assert sum(len(piece.text) for piece in pieces) <= AROUND + 4
    assert pieces[0].mark == pieces[-1].mark == "cut"


# Pictures


def a_graph(nodes: int, edges: int) -> dict[Edge, list[float]]:
    chance = random.Random(3)
    names = [f"Entity number {n}" for n in range(nodes)]
    return {Edge(chance.choice(names), "knows", chance.choice(names)): [chance.random()] for _ in range(edges)}


@pytest.mark.parametrize(("nodes", "edges"), [(400, 900), (300, 160), (70, 60), (4, 3)])
def test_labels_of_the_graph_do_not_cover_each_other(nodes: int, edges: int) -> None:
    picture = draw(a_graph(nodes, edges), {})
    assert picture is not None and 2 <= picture.nodes <= MOST
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)">([^<]*)</text>', picture.drawing)
    assert len(found) == picture.nodes
    boxes = [(float(x), float(y), len(text) * 3.0) for x, y, text in found]
    covered = sum(
        abs(x1 - x2) < (w1 + w2) * 0.9 and abs(y1 - y2) < 11
        for place, (x1, y1, w1) in enumerate(boxes)
        for x2, y2, w2 in boxes[:place]
    )
    assert covered <= 3
    assert all(w - 5 <= x <= 1125 - w for x, _, w in boxes)


PROGRAM = """
import sys; sys.path.insert(0, "tests")
from test_report import a_graph, draw
print(sha256(str(draw(a_graph(50, 80), {})).encode()).hexdigest())
"""


def test_the_graph_is_drawn_the_same_way_in_every_process() -> None:
    edges = a_graph(50, 80)
    types = {"Entity number 1": Counter(person=2, place=1)}
    assert draw(edges, types) == draw(dict(reversed(edges.items())), types)
    program = "from hashlib import sha256" + PROGRAM
    drawn = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, cwd=DATA.parent,
            capture_output=True, text=True, check=True, timeout=120,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(drawn) == 1


def test_colours_stand_for_types() -> None:
    edges = {Edge("Curie", "born in", "Warsaw"): [0.9], Edge("Curie", "born in", "Curie"): [0.9]}
    picture = draw(edges, {"Curie": Counter(person=1), "Warsaw": Counter(city=1)})
    assert picture is not None
    assert dict(picture.legend) == {"type0": "city", "type1": "person"}
    assert (picture.nodes, picture.edges) == (2, 1)
    assert "Curie — born in → Warsaw" in picture.drawing
    assert draw({}, {}) is None
    assert EDGES >= 10_000


def test_charts_escape_their_words_and_hold_their_points() -> None:
    line = Series("<b>", [(0.0, 0.0), (1.0, 1.0)], "one", [1, 4])
    drawing = chart("<t>", Axis("<x>"), Axis("y"), [line], "even")
    Page(f"<p>{drawing}</p>")
    assert "<b>" not in drawing and "<x>" not in drawing and "&lt;x&gt;" in drawing
    assert all(0 <= float(x) <= 440 for x in re.findall(r'cx="([\d.-]+)"', drawing))
    Page(f"<p>{histogram('h', [1, 0], [0, 3])}{histogram('h', [0], [0])}</p>")


@given(st.floats(0, 1e9))
def test_axes_reach_what_they_show_with_few_ticks(largest: float) -> None:
    axis = from_zero("x", largest)
    assert axis.high >= largest * 0.999
    assert 2 <= len(axis.ticks) <= 6
