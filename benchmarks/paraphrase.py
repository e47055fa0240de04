"""Whether a student's pairs pass the filters more often than its teacher's, before and after one round of
self-distillation, and what each filter leaves (Jung et al., Impossible Distillation, 2024).

    python benchmarks/paraphrase.py --texts FOLDER --pipeline PATH_OR_NAME

Contexts are the beginnings of paragraphs: JSON lines with `paragraphs`, such as the OpenStax textbooks; with `texts`
about `triples`, as WebNLG has them (a paragraph is then a few texts about one thing, and the teacher a model of a
narrow domain); else the sample corpus. The teacher is the model that ships, first fine-tuned to write next sentences.
Figures are of documents from which no student has learnt; intervals are by drawing these documents again.

Without --entailment kgdistill-mini-entailment judges. `--entailment similarity` puts a stand-in there, the cosine of
sentence embeddings: that is not entailment, and figures with it are marked.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.json import Decoder
from msgspec.structs import replace

from kgdistill.contracts import Answer, Reply, Teacher
from kgdistill.distill.comet import CometSettings
from kgdistill.distill.lessons import Lesson, Turn
from kgdistill.distill.mixture import read_paragraphs
from kgdistill.distill.paraphraser import Paraphraser, rows_of
from kgdistill.distill.schooling import Schooling, school
from kgdistill.encoders.minilm import MiniLM
from kgdistill.errors import RecipeError
from kgdistill.evaluate.paraphrases import difference, funnel, passing
from kgdistill.evaluate.sets.webnlg import Set
from kgdistill.generate.paraphrases import METHOD, NextSentences
from kgdistill.judge.entailment import EMBEDDED
from kgdistill.records import Document, Passage, Reading, Rewording, content_id
from kgdistill.refine.paraphrases import (
    CHOICES,
    TESTS,
    PairFilters,
    Relate,
    candidates,
    filtered,
    most_different,
    text_pair,
)
from kgdistill.refine.syntax import Parser, open_parser
from kgdistill.stages.entailment import open_entailment
from kgdistill.stages.paraphrases import place
from kgdistill.storage.sources import read_documents
from kgdistill.teacher import weights
from kgdistill.teacher.local import Local
from kgdistill.text.sentences import sentence_spans

CORPUS = Path(__file__).parent.parent / "data" / "corpus"
OPENING = 'Text:\n"""\n'
"""What the model that ships has learnt to read on behind."""


def about_one_thing(path: Path, seed: int) -> list[str]:
    """Paragraphs of up to six texts whose triples have the same subject most often, in random order."""
    chance, found = random.Random(seed), defaultdict(list)
    for line in Decoder(Set).decode_lines(path.read_bytes()):
        subject = Counter(triple[0] for triple in line.triples).most_common(1)[0][0]
        found[subject] += [" ".join(text.split()) for text in line.texts]
    for texts in found.values():
        chance.shuffle(texts)
    parts = (texts[start : start + 6] for texts in found.values() for start in range(0, len(texts), 6))
    return [" ".join(part) for part in parts if len(part) > 1]


def paragraphs_of(texts: str, seed: int) -> list[str]:
    if texts:
        return about_one_thing(Path(texts), seed) if Path(texts).is_file() else read_paragraphs(Path(texts))
    documents = [document for document in read_documents(str(CORPUS)) if isinstance(document, Document)]
    return [" ".join(part.split()) for document in documents for part in document.text.split("\n\n") if len(part) > 80]


def beginnings(paragraphs: Sequence[str], count: int, seed: int) -> list[Reading]:
    """The first two sentences of some paragraphs."""
    chance, found = random.Random(seed), []
    for text in chance.sample(list(paragraphs), len(paragraphs)):
        spans = sentence_spans(text)
        if len(spans) > 2 and spans[1].end < 400 and len(found) < count:
            found.append(Reading(Document(content_id(text), text[: spans[1].end].strip(), "benchmark")))
    return found


def next_lessons(paragraphs: Sequence[str], seed: int) -> Iterator[Lesson]:
    """A sentence behind one to three others; it ends where the model ends it."""
    chance = random.Random(seed)
    for _ in itertools.count():
        text = chance.choice(paragraphs)
        spans = sentence_spans(text)
        if len(spans) > 1:
            at = chance.randrange(1, len(spans))
            start = spans[max(0, at - chance.randint(1, 3))].start
            end = text[spans[at].start : spans[at].end].strip()
            yield Lesson((Turn(f"{OPENING}{text[start : spans[at].start].strip()}", f" {end}"),))


def next_sentence_model(paragraphs: Sequence[str], tokens: int, seed: int, folder: Path) -> Path:
    """The model that ships, fine-tuned to write the next sentence and to end there."""
    start = Paraphraser.start(weights.find_folder("kgdistill-mini"), CometSettings(seed=seed))
    settings = Schooling(tokens=tokens, batch_tokens=2048, learning_rate=3e-4, checkpoints=1, seed=seed)
    school(start.model, start.tokenizer, next_lessons(paragraphs, seed), folder / "checkpoints", settings)
    start.save_pretrained(folder / "model")
    return folder / "model"


def written(teacher: Teacher, readings: Sequence[Reading], method: NextSentences) -> list[Rewording]:
    """The sentences behind each context."""
    done = []
    for reading in readings:
        dialogue = method(reading)
        requests = next(dialogue)
        replies: list[list[Reply]] = []
        for number, request in enumerate(requests):
            teacher.submit(number, request)
            [(_, answer)] = teacher.poll()
            replies.append(
                [replace(r, request=request.key) for r in answer.replies] if isinstance(answer, Answer) else []
            )
        try:
            dialogue.send(replies)
        except StopIteration as end:
            done.append(end.value)
    return done


def similarity() -> Relate:
    """A stand-in for entailment: how near two texts are, whichever way round."""
    encoder, known = MiniLM().open(), {}

    def relate(pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
        texts = [text for text in dict.fromkeys(itertools.chain(*pairs)) if text not in known]
        known.update(zip(texts, encoder.encode(texts), strict=True) if texts else ())
        return [(max(0.0, float(known[one] @ known[other])), 0.0) for one, other in pairs]

    return relate


class Round:
    """One command's judge, parser and settings."""

    start = "kgdistill-mini"
    """What a student begins as: the teacher."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        name = arguments.entailment
        own = name == "similarity"
        self.relate = similarity() if own else open_entailment(name or EMBEDDED).score
        self.parser: Parser | None = open_parser(arguments.pipeline) if arguments.pipeline else None
        self.filters = PairFilters(kind=arguments.kind, min_distance=arguments.distance, entail=arguments.entail)
        self.arguments = arguments

    def teacher_pairs(self, records: Sequence[Rewording]) -> list[Rewording]:
        return [
            replace(record, passages=tuple(self._paired(passage) for passage in record.passages)) for record in records
        ]

    def _paired(self, passage: Passage) -> Passage:
        made = candidates(passage.sentences, self.filters.kind, METHOD)
        return replace(passage, pairs=tuple(filtered(made, self.filters, self.relate, self.parser)))

    def student_pairs(self, records: Sequence[Rewording], student: Paraphraser, name: str) -> list[Rewording]:
        done = []
        for record in records:
            passages = []
            for passage in record.passages:
                told = [sentence.text for sentence in passage.sentences[: self.arguments.sentences]]
                said = [(t, student.reword(t, self.arguments.rewordings, self.filters.kind)) for t in told]
                made = [text_pair(text, other, name) for text, others in said for other in others]
                pairs = most_different(filtered(made, self.filters, self.relate, self.parser, choose=False))
                passages.append(replace(passage, pairs=(*passage.pairs, *pairs)))
            done.append(replace(record, passages=tuple(passages)))
        return done

    def student(self, records: Sequence[Rewording], learn_from: str, folder: Path) -> tuple[Paraphraser, int]:
        settings = CometSettings(
            epochs=self.arguments.epochs, temperature=0.7, max_tokens=64, seed=self.arguments.seed, batch_tokens=1024
        )
        model = Paraphraser.start(weights.find_folder(self.start), settings)
        parts: dict[str, list[tuple[str, str, str]]] = {"train": [], "validation": [], "test": []}
        for record in records:
            kept = [pair for pair in record.pairs if pair.kept and pair.method == learn_from]
            parts[place(record.document.id, self.arguments.test)] += rows_of(kept, self.filters.kind, both_ways=True)
        model.learn(parts["train"], parts["validation"], folder)
        return model, len(parts["train"])


def shown(records: Sequence[Rewording], test: float, parser: Parser | None) -> None:
    write = sys.stdout.write
    write(f"\n{'maker':<12}{'after':<22}{'pairs':>7}{'of those before':>17}{'of all':>9}\n")
    for row in funnel(records, (*TESTS, *CHOICES), () if parser else ("syntax",)):
        write(f"{row.method:<12}{row.after:<22}{row.pairs:>7}{row.share:>17.3f}{row.of_all:>9.4f}\n")
    unseen = [record for record in records if place(record.document.id, test) == "test"]
    write(f"\nPassing all tests, {len(unseen)} documents that no student has learnt from\n")
    methods = list(dict.fromkeys(pair.method for record in records for pair in record.pairs))
    for method in methods:
        found = passing(unseen, method, TESTS)
        rate = f"{found.share:.4f} [{found.low:.4f}, {found.high:.4f}]"
        write(f"  {method:<12}{found.passed:>6} of {found.pairs:<7}{rate}\n")
        if method != METHOD:
            gain, low, high = difference(unseen, METHOD, method, TESTS)
            write(f"{'':<14}above the teacher by {gain:+.4f} [{low:+.4f}, {high:+.4f}]\n")
    for method in methods:
        kept = [pair for record in unseen for pair in record.pairs if pair.method == method and pair.kept]
        for pair in kept[:3]:
            write(f"  {method}: {pair.left}\n{'':<12}{pair.right}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--texts", default="", help="folder of paragraphs, or a file as WebNLG's; none: the sample corpus"
    )
    parser.add_argument("--entailment", default="", help="a classifier of text pairs; none: kgdistill-mini-entailment")
    parser.add_argument("--pipeline", default="", help="a spaCy pipeline with a parser; none: no syntactic filter")
    parser.add_argument(
        "--tokens", type=int, default=400_000, help="to make a next-sentence model of the teacher; 0: as it is"
    )
    parser.add_argument("--generator", default="", help="a folder that keeps the next-sentence model for the next time")
    parser.add_argument("--kind", default="paraphrase", choices=("paraphrase", "summary"))
    parser.add_argument("--contexts", type=int, default=60)
    parser.add_argument("--samples", type=int, default=20, help="next sentences for each context")
    parser.add_argument("--temperature", type=float, default=0.5)
    parser.add_argument("--entail", type=float, default=0.75)
    parser.add_argument("--distance", type=int, default=12, help="least edits between dependency trees")
    parser.add_argument("--sentences", type=int, default=3, help="that a student rewords of each context")
    parser.add_argument("--rewordings", type=int, default=6, help="that it samples of each sentence")
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--test", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    write, started = sys.stdout.write, time.perf_counter()
    paragraphs, work = paragraphs_of(arguments.texts, arguments.seed), Round(arguments)
    with tempfile.TemporaryDirectory() as folder:
        model, home = "kgdistill-mini", Path(arguments.generator or folder)
        if arguments.tokens and (home / "model" / "config.json").is_file():
            model = str(home / "model")
        elif arguments.tokens:
            model = str(next_sentence_model(paragraphs, arguments.tokens, arguments.seed, home))
            write(f"next-sentence model after {time.perf_counter() - started:.0f} s\n")
        work.start = model
        method = NextSentences(
            samples=arguments.samples,
            temperature=arguments.temperature,
            opening=OPENING,
            max_tokens=64,
            closing="" if arguments.tokens else " ",
        )
        readings = beginnings(paragraphs, arguments.contexts, arguments.seed)
        records = written(Local(model).open(), readings, method)
        write(
            f"judge: {arguments.entailment or EMBEDDED}; teacher: {model if not arguments.tokens else 'fine-tuned'}\n"
        )
        write(f"{len(records)} contexts, {sum(len(p.sentences) for r in records for p in r.passages)} sentences\n")
        records = work.teacher_pairs(records)
        learn_from = METHOD
        for name in ("student", "again"):
            try:
                student, learnt = work.student(records, learn_from, Path(folder) / name)
            except RecipeError as error:
                write(f"{name}: {error}\n")
                break
            write(f"{name}: learnt {learnt} examples after {time.perf_counter() - started:.0f} s\n")
            records, learn_from = work.student_pairs(records, student, name), name
    shown(records, arguments.test, work.parser)
    write(f"{time.perf_counter() - started:.0f} s\n")


if __name__ == "__main__":
    main()
