"""How much of what the extractor gets wrong is who is who: its facts, with the names that gold gives their mentions.

    python benchmarks/who_is_who.py [STUDENT_FOLDER] [--split validation]

The facts of the seed's documents as the student reads them, then the same facts with every subject and object named as
gold names the mention that was read, so that only the names differ. Then, of the pronouns and other mentions that do
not spell their entity's name, how many the student gives the right one. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from msgspec.structs import replace

from kgdistill.distill.pairing import agreement
from kgdistill.distill.seed import seed_pairs
from kgdistill.distill.student import SHIPPED
from kgdistill.distill.students.span import SpanStudent
from kgdistill.distill.students.span_naming import PRONOUNS, who_is_who
from kgdistill.records import Fact, Pair, Span

Owners = Mapping[Span, str]


def renamed(facts: Sequence[Fact], owners: Owners) -> list[Fact]:
    """Each (subject, object) once, under gold's names where the mention that was read is one of gold's."""
    found: dict[tuple[str, str, int], Fact] = {}
    for fact in facts:
        subject = owners.get(fact.subject_span, fact.subject) if fact.subject_span else fact.subject
        entity = fact.object_span and not fact.literal
        object_ = owners.get(fact.object_span, fact.object) if entity and fact.object_span else fact.object
        if subject.casefold() != object_.casefold():
            key = subject.casefold(), object_.casefold(), fact.start
            found.setdefault(key, replace(fact, subject=subject, object=object_))
    return list(found.values())


@torch.inference_mode()  # type: ignore[untyped-decorator]
def named(student: SpanStudent, pair: Pair, owners: Owners) -> Iterator[tuple[str, bool]]:
    """(kind, whether its name is right) of each mention that the student takes for one, and gold too.

    Left out are those whose entity is not spelt in full among the candidates of the window.
    """
    words, cut, _ = student.prepare(pair.text)
    for window in cut:
        [passage] = student.passages([(words, window)])
        spans = student.network.spans(passage)
        mentions = who_is_who(student.network, spans, words, window, pair.text)
        spelt = {text.casefold() for text in mentions.texts}
        for number, (first, last) in enumerate(spans.places(mentions.chosen)):
            place = Span(words.spans[first + window.start].start, words.spans[last + window.start].end)
            owner, text = owners.get(place, "").casefold(), mentions.texts[number].casefold()
            if owner and text != owner and owner in spelt:
                yield "pronouns" if text in PRONOUNS else "others", mentions.name(number).casefold() == owner


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("student", nargs="?", default=str(SHIPPED))
    parser.add_argument("--seed", default="data/seed")
    parser.add_argument("--split", default="validation")
    arguments = parser.parse_args()
    student = SpanStudent.from_pretrained(Path(arguments.student))
    pairs = [pair for pair in seed_pairs(Path(arguments.seed)) if pair.split == arguments.split]
    owners = [{span: entity.name for entity in pair.entities for span in entity.spans} for pair in pairs]
    read = [student.extract(pair.text, id=pair.id).facts for pair in pairs]
    gold = [pair.facts for pair in pairs]
    lines = ["| names | facts | precision | recall | pair F1 |", "|---|---:|---:|---:|---:|"]
    own = [renamed(facts, known) for facts, known in zip(read, owners, strict=True)]
    for title, facts in (("as the student gives them", read), ("as gold gives them", own)):
        row = agreement(facts, gold)
        cells = [title, str(sum(map(len, facts))), *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1"))]
        lines.append(f"| {' | '.join(cells)} |")
    count, right = Counter[str](), Counter[str]()
    for pair, known in zip(pairs, owners, strict=True):
        for kind, good in named(student, pair, known):
            count[kind] += 1
            right[kind] += good
    lines += ["", "| mentions | number | right name |", "|---|---:|---:|"]
    lines += [f"| {kind} | {count[kind]} | {right[kind] / count[kind]:.3f} |" for kind in sorted(count)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
