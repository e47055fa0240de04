"""The review log and what is made of it: nothing lost, nothing doubled, and figures that are what they say."""

from __future__ import annotations

import multiprocessing
import random
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_run import sample_readings
from sklearn.metrics import cohen_kappa_score

from kgdistill.evaluate.review import Labels, agreements, cohen_kappa, measure, said_by_reviewers, wilson
from kgdistill.records import Claim, Reading
from kgdistill.stages.commonsense import TrainCritic
from kgdistill.stages.refine import Calibrate, Calibration
from kgdistill.storage.review import (
    FILE,
    Decision,
    ReviewLog,
    forget_in_review,
    read_review,
    review_fingerprint,
    standing,
)


def decision(identity: str, choice: Any = "accept", reviewer: str = "Ada", **more: Any) -> Decision:
    at = "2026-11-24T10:00:00+00:00"
    return Decision(**{"id": identity, "at": at, "reviewer": reviewer, "choice": choice, "document": "d", **more})


def about(claim: Claim, document: str, choice: Any, identity: str = "", reviewer: str = "Ada", **more: Any) -> Decision:
    """A decision about a claim, as the service writes it."""
    named = {"subject": claim.names[0], "relation": claim.names[1], "object": claim.names[2], "negated": claim.negated}
    whole = {"document": document, "claim": claim.id, "said": claim.stated, "denied": claim.negated, **named, **more}
    return decision(identity or f"{reviewer}-{document}-{claim.id}", choice, reviewer, **whole)


# The log


def test_the_log_grows_and_knows_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / FILE
    assert read_review(path).decisions == () and ReviewLog(path).decisions() == []
    log, other = ReviewLog(path), ReviewLog(path)
    first, second = decision("1" * 8, claim="c", note="\n\u2028 ‮"), decision("2" * 8, "reject", claim="c")
    log.add(first)
    other.add(second)
    changed = msgspec.structs.replace(first, note="other")
    assert other.add(changed) == first  # its id was written before, by another process
    assert log.decisions() == other.decisions() == list(read_review(path).decisions) == [first, second]
    assert path.read_bytes().count(b"\n") == 2


@given(st.data())
def test_a_crash_in_a_line_loses_only_what_was_never_acknowledged(data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        log = ReviewLog(path)
        made = [decision(f"{place:08}", claim=str(place)) for place in range(3)]
        for one in made[:2]:
            log.add(one)
        whole = path.read_bytes()
        line = msgspec.json.encode(made[2]) + b"\n"
        cut = data.draw(st.integers(0, len(line) - 1))
        path.write_bytes(whole + line[:cut])
        after = decision("9" * 8, "complete")
        ReviewLog(path).add(after)
        # A line that lacks only its end is whole, whoever was told.
        lost = [] if cut == len(line) - 1 else [made[2]]
        kept = [one for one in (*made, after) if one not in lost]
        assert list(read_review(path).decisions) == ReviewLog(path).decisions() == kept
        assert path.read_bytes().startswith(whole)


def write(path: Path, name: str) -> None:
    log = ReviewLog(path)
    for place in range(20):
        log.add(decision(f"{name}-{place:08}", claim=str(place), reviewer=name))
        log.add(decision(f"same-{place:08}", claim=str(place), reviewer="both"))


def test_several_services_write_one_log(tmp_path: Path) -> None:
    path = tmp_path / FILE
    writers = [multiprocessing.get_context("fork").Process(target=write, args=(path, name)) for name in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    found = read_review(path)
    assert not found.damaged and len(found.decisions) == len({one.id for one in found.decisions}) == 60
    assert path.read_bytes().count(b"\n") == 60


def test_many_threads_of_one_service_read_and_write_one_log(tmp_path: Path) -> None:
    log, each = ReviewLog(tmp_path / FILE), 300
    made = [decision(f"{place:08}", claim=str(place)) for place in range(40 * each)]
    together = threading.Barrier(8)

    def ask(place: int) -> list[Decision]:
        together.wait()
        if not place:
            log.add(one)
        return list(log.decisions())

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            for start in range(0, len(made), each):
                known, one = made[: start + each - 1], made[start + each - 1]
                with log.path.open("ab") as file:  # another service
                    file.writelines(msgspec.json.encode(decision) + b"\n" for decision in known[start:])
                for found in threads.map(ask, range(8)):
                    assert found in (known, [*known, one])
    finally:
        sys.setswitchinterval(before)
    assert log.decisions() == list(read_review(tmp_path / FILE).decisions) == made
    assert (tmp_path / FILE).read_bytes().count(b"\n") == len(made), "each is written once"


def test_the_last_word_of_each_reviewer_stands() -> None:
    said = [
        decision("a" * 8, claim="c"),
        decision("b" * 8, "reject", claim="c"),
        decision("c" * 8, claim="c", reviewer="Grace"),
        decision("d" * 8, "add"),
        decision("e" * 8, "add"),
        decision("f" * 8, "complete"),
        decision("g" * 8, "withdraw", of="d" * 8),
        decision("h" * 8, "withdraw", of="c" * 8),  # not Ada's to take back
        decision("i" * 8, "unmerge", merge="m", document=""),
        decision("j" * 8, "withdraw", of="i" * 8),
    ]
    assert [one.id[0] for one in standing(said)] == ["b", "c", "e", "f"]
    assert (said[0].verdict.judge, said[0].verdict.score, said[1].verdict.score) == ("reviewer Ada", 1.0, 0.0)


def test_forgetting_takes_a_document_out(tmp_path: Path) -> None:
    log = ReviewLog(tmp_path / FILE)
    for place, document in enumerate(("secret", "plain", "secret")):
        log.add(decision(f"{place:08}", document=document, claim="c"))
    forget_in_review(tmp_path, ["secret"])
    assert b"secret" not in (tmp_path / FILE).read_bytes()
    assert [one.document for one in log.decisions()] == ["plain"]
    log.add(decision("9" * 8, "complete"))
    assert len(read_review(tmp_path / FILE).decisions) == 2
    forget_in_review(tmp_path / "none", ["secret"])


# Figures


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_kappa_is_that_of_others(pairs: list[tuple[bool, bool]]) -> None:
    ours = cohen_kappa(pairs)
    one, other = zip(*pairs, strict=True)
    if len({*one, *other}) < 2:
        assert ours is None
    else:
        assert ours == pytest.approx(cohen_kappa_score(one, other))


def test_wilson_is_that_of_the_book() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0) and wilson(0, 5)[0] == 0.0 and wilson(5, 5)[1] == 1.0


def reviewed(readings: list[Reading], chance: random.Random) -> tuple[list[Decision], dict[tuple[str, str], bool]]:
    """Every claim judged by one who draws lots: 7 of 10 are right."""
    truth = {(r.document.id, claim.id): chance.random() < 0.7 for r in readings for claim in r.claims}
    choice = lambda right: "accept" if right else "reject"  # noqa: E731
    made = [about(claim, r.document.id, choice(truth[r.document.id, claim.id])) for r in readings for claim in r.claims]
    return made, truth


def test_precision_and_recall_are_counted() -> None:
    [reading] = [reading for reading in sample_readings() if reading.document.id == "marie_curie.txt"]
    claims = list({claim.stated: claim for claim in reading.claims if not claim.negated}.values())
    kept, lost = [claim for claim in claims if claim.kept], [claim for claim in claims if not claim.kept]
    document = reading.document.id
    made = [
        about(kept[0], document, "accept"),
        about(kept[1], document, "accept"),
        about(kept[2], document, "reject"),
        about(lost[0], document, "accept"),
        about(kept[3], document, "correct", object="something else"),
        decision("a" * 8, "add", document=document, subject="x", relation="y", object="z", start=0, end=3),
    ]
    found = measure(made, [reading])
    assert found.precision and (found.precision.value, found.precision.count) == (0.5, 4)
    assert found.recall is None  # nobody says that the document was read completely
    found = measure([*made, decision("b" * 8, "complete", document=document)], [reading])
    # Right: two kept, one dropped, one as corrected, one that nobody claimed.
    assert found.recall and (found.recall.value, found.recall.count) == (pytest.approx(2 / 5), 5)
    assert (found.precision.low, found.precision.high) == wilson(2, 4)


def test_many_documents_are_resampled() -> None:
    readings = list(sample_readings())
    made, truth = reviewed(readings, random.Random(3))
    kept = [truth[r.document.id, claim.id] for r in readings for claim in r.claims if claim.kept]
    found = measure(made, readings).precision
    assert found and found.documents == len(readings) >= 10
    assert found.value == pytest.approx(sum(kept) / len(kept), abs=0.02)  # a claim made twice has one label
    assert found.low < found.value < found.high


def test_labels_hold_for_other_ids_and_divided_reviewers_give_none() -> None:
    [first, second, *_] = [claim for claim in sample_readings()[0].claims if not claim.negated]
    made = [about(first, "d", "accept"), about(second, "d", "accept"), about(second, "d", "reject", reviewer="Grace")]
    labels = Labels(made)
    renamed = msgspec.structs.replace(first, id="another", canonical=None)
    assert labels.of("d", renamed) is True and labels.of("e", renamed) is None
    assert labels.of("d", msgspec.structs.replace(first, negated=True)) is None
    assert labels.of("d", second) is None
    assert Labels([*made, about(second, "d", "reject", reviewer="Lin")]).of("d", second) is False
    assert [(pair.one, pair.other, pair.claims) for pair in agreements(made)] == [("Ada", "Grace", 1)]


# Used


class _Bench:
    """As much of a bench as these stages touch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    encoder: Any = None


def test_calibration_learns_from_the_review(tmp_path: Path) -> None:
    readings = list(sample_readings())
    made, _ = reviewed(readings, random.Random(5))
    path = tmp_path / FILE
    log = ReviewLog(path)
    stage = Calibrate(review=str(path), test=0.2)
    before = stage.fingerprint()
    for one in made[:200]:
        log.add(one)
    assert stage.fingerprint() != before != Calibrate().fingerprint()

    def records() -> Iterator[Reading]:
        yield from readings

    stage.run(records(), _Bench(tmp_path))  # type: ignore[arg-type]
    found = msgspec.json.decode((tmp_path / "calibration.json").read_bytes(), type=Calibration)
    assert found.calibrator.fitted and 100 < found.calibrator.count <= 220
    assert set(found.documents) <= {one.document for one in made[:200]}
    Calibrate(review=str(tmp_path / "none yet")).run(records(), _Bench(tmp_path))  # type: ignore[arg-type]
    found = msgspec.json.decode((tmp_path / "calibration.json").read_bytes(), type=Calibration)
    assert not found.calibrator.fitted and found.calibrator.count == 0


def test_a_critic_learns_from_the_review(tmp_path: Path) -> None:
    path, labels = tmp_path / FILE, tmp_path / "labels.jsonl"
    log = ReviewLog(path)
    rows = [("PersonX eats", "xWant", "to rest"), ("PersonX eats", "xReact", "blue")]
    log.add(decision("1" * 8, "accept", claim="i1", said=rows[0]))
    log.add(
        decision("2" * 8, "correct", claim="i2", said=rows[1], subject=rows[1][0], relation="xReact", object="full")
    )
    assert said_by_reviewers(read_review(path).decisions) == {
        rows[0]: True, rows[1]: False, ("PersonX eats", "xReact", "full"): True,
    }  # fmt: skip
    line = {"head": rows[0][0], "relation": rows[0][1], "tail": rows[0][2], "valid": 0, "split": "train"}
    labels.write_bytes(msgspec.json.encode(line) + b"\n" + msgspec.json.encode({**line, "tail": "other"}) + b"\n")
    said, right = TrainCritic(labels=str(labels), review=str(path))._labelled(_Bench(tmp_path))  # type: ignore[arg-type]
    found = dict(zip(said, right, strict=True))
    assert found[rows[0]] is True and found[rows[0][0], "xWant", "other"] is False and found[rows[1]] is False
    assert len(said) == 4
    assert review_fingerprint(path) != review_fingerprint(tmp_path / "none")
