"""The whole recipe of paraphrases on a scripted teacher and tiny models, its student, its report and its notebook."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

import msgspec
import pytest
from line import CATALOGUE, HOME
from notebook import execute
from rewording import goes_on
from students import tiny_classifier, tiny_writer

from kgdistill.contracts import Reply, Request
from kgdistill.distill.pairs import read_pairs, write_pairs
from kgdistill.distill.paraphraser import CometSettings, Paraphraser
from kgdistill.engine.forget import forget
from kgdistill.engine.progress import Quiet
from kgdistill.engine.recipe import Recipe, decode
from kgdistill.engine.runner import run
from kgdistill.errors import KgdistillError, RecipeError
from kgdistill.evaluate.findings import read_run
from kgdistill.evaluate.funnel import funnel
from kgdistill.evaluate.report import write_report
from kgdistill.records import Entity, Fact, Failure, Pair, Rewording, Span, TextPair
from kgdistill.stages.paraphrases import PAIRS
from kgdistill.stages.rephrase import Rephrase
from kgdistill.storage.artifact import latest
from kgdistill.storage.shards import read_records, write_records

LONG = "long.txt"
LEFT, RIGHT = "Ann met Bo in Rome.", "In Rome there were Ann and Bo, who met."


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of text pairs that knows nothing, in the form of any other."""
    return tiny_classifier(tmp_path_factory.mktemp("nli"), "the was in .", "neutral entailment contradiction")


def recipe(folder: Path, writer: Path, classifier: Path, **changes: Any) -> Recipe:
    plain = tomllib.loads((HOME / "pipelines" / "jung2024_paraphrase.toml").read_text(encoding="utf-8"))
    plain["stages"].remove("split")
    del plain["split"]
    plain["teacher"] = {"kind": "scripted", "script": "rewording:goes_on", "languages": ["en"]}
    plain["read"] = {"path": str(folder)}
    plain["sentences"] = {"samples": 12}
    plain["pair_sentences"] = {"entailment": str(classifier), "filters": {"entail": 0.0}}
    tiny = {"model": str(writer), "threads": 1, "settings": {"epochs": 1.0, "max_tokens": 12}}
    plain["paraphraser"] |= tiny
    plain["paraphraser_again"] |= {**tiny, "learn_from": []}
    for name in ("sample_paraphraser", "sample_again"):
        plain[name] |= {"sentences": 1, "samples": 2, "threads": 1}
    return decode(plain | changes, CATALOGUE)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, classifier: Path) -> Path:
    folder = tmp_path_factory.mktemp("jung")
    texts = folder / "texts"
    texts.mkdir()
    for number in range(8):
        (texts / f"{number}.txt").write_text(f"The town has a river, and the year was {1900 + number}.")
    (texts / LONG).write_text("The river is long. " * 600)
    (texts / "empty.txt").write_text("")
    writer = tiny_writer(folder / "writer", paired=False)
    run(recipe(texts, writer, classifier), folder / "out", workers=0, progress=Quiet())
    return folder / "out"


def failures(out: Path) -> list[Failure]:
    return [f for path in sorted(out.glob("*/failures/*.jsonl")) for f in read_records(path, Failure)]


def test_the_recipe_runs_from_texts_to_pairs_and_students(finished: Path) -> None:
    records = list(latest(finished, "rewordings").records(Rewording))
    pairs = [pair for record in records for pair in record.pairs]
    makers = {pair.method for pair in pairs}
    assert "sentences" in makers <= {"sentences", "student", "again"}
    kept = [pair for pair in pairs if pair.kept]
    assert kept and all(pair.verdict("entails") is not None for pair in kept)
    assert {pair.dropped.rule for pair in pairs if pair.dropped} >= {"length"}
    told = list(read_records(latest(finished, "paraphrases").folder / PAIRS, TextPair))
    assert sorted(pair.id for pair in told) == sorted(pair.id for pair in kept)
    assert all(s.said and p.asked[0].key == s.said[0].request for r in records for p in r.passages for s in p.sentences)


def test_bad_contexts_and_replies_are_recorded_and_what_is_skipped_says_so(finished: Path) -> None:
    found = failures(finished)
    [overlong] = [failure for failure in found if failure.reason == "overlong"]
    assert overlong.document.endswith(LONG) and "at most 4,000" in overlong.message
    assert {"unfinished", "repeats itself", "empty"} <= {failure.reason for failure in found}
    assert "syntax was not compared (skipped: no pipeline is named)" in (finished / "run.json").read_text()


def test_the_report_shows_what_each_filter_left(finished: Path) -> None:
    page = write_report(finished).read_text(encoding="utf-8")
    assert "What each filter left of the pairs" in page and "of those before" in page


def test_the_report_counts_pairs_and_their_cost_and_shows_some(finished: Path) -> None:
    page = write_report(finished).read_text(encoding="utf-8")
    pairs = [pair for record in latest(finished, "rewordings").records(Rewording) for pair in record.pairs]
    kept = [pair for pair in pairs if pair.kept]
    stages = json.loads((finished / "run.json").read_text())["stages"]
    tokens = sum(stage["prompt_tokens"] + stage["reply_tokens"] for stage in stages)
    assert f"<b>{len(pairs)}</b><span>pairs made" in page and f"<b>{len(kept)}</b><span>pairs kept" in page
    assert f"{tokens / len(kept):,.0f} per kept pair" in page
    shown = page[page.index("Pairs that say the same") : page.index("What was dropped, and why")]
    assert any(escape(pair.left) in shown and escape(pair.right) in shown for pair in kept)
    dropped = page[page.index("What was dropped, and why") : page.index('<section id="failures">')]
    for rule in {pair.dropped.rule for pair in pairs if pair.dropped}:
        assert f'<th scope="row">{rule}</th>' in dropped
    for gone in ("per chunk", "claims", "Do long documents", "From question to fact"):
        assert gone not in page


def test_the_funnel_counts_replies_and_says_why_they_were_refused(finished: Path) -> None:
    """It once said "8 answered, 8 used, 0 rejected" beside a table of refused samples."""
    found = failures(finished)
    refused = Counter(failure.reason for failure in found if failure.request)
    [sentences] = [group for group in funnel(read_run(finished)) if group.heading == "Replies to sentences"]
    planned, answered, parsed = sentences.steps
    assert (planned.count, answered.count) == (8 * 12, 8 * 12)
    assert parsed.count == answered.count - refused.total() and refused["unfinished"]
    assert all(f"{reason} {count}" in parsed.note for reason, count in refused.items())
    assert "overlong 1" in sentences.note and "overlong" not in parsed.note


def test_the_notebook_runs_on_it(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KGDISTILL_RUN", str(finished))
    execute("paraphrase")
    said = capsys.readouterr().out
    assert "sentences: " in said and "length: " in said and "The town has a river" in said


def test_training_pairs_come_again_in_other_words(finished: Path, tmp_path: Path) -> None:
    """Paraphrases of a file, put into pairs by the stage."""
    write_records(tmp_path / "known.jsonl", [TextPair("1", LEFT, RIGHT)])
    names = {name: Span(LEFT.index(name), LEFT.index(name) + len(name)) for name in ("Ann", "Bo")}
    fact = Fact("Ann", "met", "Bo", 1.0, 0, len(LEFT), names["Ann"], names["Bo"])
    entities = tuple(Entity(name, "person", (span,)) for name, span in names.items())
    before = [Pair(name, name, LEFT, split, entities, (fact,)) for name, split in (("a", "train"), ("b", "test"))]  # type: ignore[arg-type]
    write_pairs(tmp_path / "pairs", before)

    class Bench:
        seed, folder = 0, tmp_path / "new"

        def __init__(self) -> None:
            self.notes: dict[str, float] = {}

        def has(self, kind: str) -> bool:
            return False

        def upstream(self, kind: str) -> Path:
            return tmp_path / "pairs"

        def note(self, name: str, amount: float = 1) -> None:
            self.notes[name] = self.notes.get(name, 0) + amount

    bench: Any = Bench()
    Rephrase(paraphrases=str(tmp_path / "known.jsonl")).run(iter(()), bench)
    found = {pair.text: pair for pair in read_pairs(tmp_path / "new")}
    assert len(list(read_pairs(tmp_path / "new"))) == 3 and bench.notes["sentences in other words"] == 1
    [subject] = [f.subject_span for f in found[RIGHT].facts]
    assert subject and RIGHT[subject.start : subject.end] == "Ann" and found[RIGHT].split == "train"
    with pytest.raises(RecipeError, match="name a run or file"):
        Rephrase().run(iter(()), bench)
    assert Rephrase(paraphrases=str(finished)).fingerprint()


def test_a_student_keeps_the_full_stop_and_comes_back(tmp_path: Path) -> None:
    settings = CometSettings(epochs=60, batch_tokens=256, learning_rate=1e-2, dropout=0.0, max_tokens=12)
    student = Paraphraser.start(tiny_writer(tmp_path / "tiny", paired=False), settings)
    said = [(f"PersonX {number}.", "paraphrase", "kind.") for number in range(4)]
    student.learn(said, said[:1], tmp_path / "checkpoints")
    student.save_pretrained(tmp_path / "student")
    again = Paraphraser.from_pretrained(tmp_path / "student")
    assert "kind." in again.reword("PersonX 2.", 6) and again.reword("PersonX 2.", 6) == student.reword("PersonX 2.", 6)
    with pytest.raises(RecipeError, match="nothing to learn from"):
        student.learn([], [], tmp_path)


def test_an_unknown_classifier_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The town has a river.")
    plain = tomllib.loads((HOME / "pipelines" / "jung2024_paraphrase.toml").read_text(encoding="utf-8"))
    kept = {name: plain[name] for name in ("name", "base", "sentences", "teacher")}
    kept["read"] = {"path": str(tmp_path / "a.txt"), "languages": []}
    kept["pair_sentences"] = {"entailment": str(tmp_path)}
    given = decode(kept | {"stages": ["read", "sentences", "pair_sentences"]}, CATALOGUE)
    with pytest.raises(KgdistillError, match="no model there"):
        run(given, tmp_path / "out", workers=0, progress=Quiet())


def test_running_again_asks_nothing_and_a_broken_off_run_ends_the_same(
    finished: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sentences are taken from the run, with half of what was journalled of them."""
    given = recipe(finished.parent / "texts", finished.parent / "writer", classifier)
    before = {path: path.read_bytes() for path in finished.glob("*-????????/shards/*")}
    journals = {path: path.read_bytes() for path in finished.glob("journal/sentences/*.jsonl")}
    asked: list[str] = []

    def counted(request: Request, sample: int) -> Reply:
        asked.append(request.key)
        return goes_on(request, sample)

    monkeypatch.setattr("rewording.goes_on", counted)
    for taken in (0, 2):
        for path in finished.glob("sentences-????????/**/*"):
            if path.is_file():
                path.unlink()
        for path, content in journals.items() if taken else ():
            lines = content.splitlines(keepends=True)
            path.write_bytes(b"".join(lines[: len(lines) // taken]) + lines[-1][:40])
        run(given, finished, workers=0, progress=Quiet())
        assert {path: path.read_bytes() for path in finished.glob("*-????????/shards/*")} == before
        assert bool(asked) == bool(taken)
    for path, content in journals.items():
        assert sorted(path.read_bytes().splitlines()) == sorted(content.splitlines())


def test_a_forgotten_document_leaves_no_pair_behind(finished: Path) -> None:
    """Last, since it takes from the run."""
    name = "3.txt"
    whole = tomllib.loads((finished / "recipe.toml").read_text(encoding="utf-8"))
    done = forget(decode(whole, CATALOGUE), finished, [name])
    assert name in done.documents
    for path in finished.rglob("*"):
        assert path.is_dir() or path.name == "forgotten.json" or b'"3.txt"' not in path.read_bytes(), path
    assert msgspec.json.decode((finished / "forgotten.json").read_bytes())
