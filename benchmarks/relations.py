"""Do weighted prompts tell true from false pairs better than the definition does? On the seed's labelled relations.

    python benchmarks/relations.py                              the embedded teacher, as a causal model
    python benchmarks/relations.py --model FOLDER               another causal model
    python benchmarks/relations.py --model FOLDER --masked      a masked model (see masked_model.py)

Weights are learnt from a relation's five seed pairs and from these shuffled, as the stage `prompt_weights` does; the
true and false pairs are not looked at. The figure is the area under the precision-recall curve of each relation
(average precision), averaged over relations; intervals are 95 %, by drawing relations again; differences are paired.
The embedded teacher has learnt sentences of these true pairs: only the gain over the definition says something of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import convert
from msgspec.structs import replace
from sklearn.metrics import average_precision_score

from kgdistill.contracts import Answer, Reply, Request
from kgdistill.judge.consistency import PromptWeights, Weigher, fit
from kgdistill.records import Reading, RelationSeed
from kgdistill.stages.seeds import seed_reading
from kgdistill.teacher.local import Local
from kgdistill.teacher.masked import Masked
from kgdistill.text.slots import casings, styled, weighted

SEED = Path(__file__).parent.parent / "data" / "seed" / "relations.jsonl"
SYSTEMS = ("definition", "first prompt", "all prompts alike", "top prompt", "weighted prompts")


class Asker:
    """A teacher that is asked directly, and never the same twice."""

    def __init__(self, teacher: Any) -> None:
        self.teacher, self.known, self.lost = teacher, {}, 0  # type: ignore[var-annotated]

    def answer(self, requests: list[Request]) -> list[list[Reply]]:
        fresh = {request.key: request for request in requests if request.key not in self.known}
        keys = list(fresh)
        for ticket, key in enumerate(keys):
            self.teacher.submit(ticket, fresh[key])
        waiting = len(keys)
        while waiting:
            for ticket, said in self.teacher.poll():
                waiting -= 1
                self.known[keys[ticket]] = list(said.replies) if isinstance(said, Answer) else []
                self.lost += not isinstance(said, Answer)
        return [self.known[request.key] for request in requests]

    def weights(self, method: PromptWeights, reading: Reading, fills: bool) -> RelationSeed:
        dialogue = method(reading, fills)
        try:
            dialogue.send(self.answer(next(dialogue)))
        except StopIteration as end:
            return end.value.seed  # type: ignore[no-any-return]
        raise AssertionError("a second turn")


def fits(
    asker: Asker, weigher: Weigher, seed: RelationSeed, prompts: list[str], pairs: list[Any], fills: bool, cased: bool
) -> np.ndarray[Any, Any]:
    """(pairs, prompts, casings): how well each pair fits each prompt in each casing."""
    ways = [list(casings(pair)) if cased else [tuple(pair)] for pair in pairs]
    wide = max(map(len, ways))
    ways = [(way * wide)[:wide] for way in ways]
    plan = [weigher.ask(prompt, seed, names, fills) for way in ways for prompt in prompts for names in way]
    found = [fit(replies[0].weighed) if replies else -50.0 for replies in asker.answer(plan)]
    return np.array(found).reshape(len(pairs), len(prompts), wide)


def curve_areas(
    asker: Asker, row: dict[str, Any], method: PromptWeights, fills: bool, cased: bool
) -> tuple[list[float], float]:
    """(the area under the precision-recall curve of each of SYSTEMS, the share of pairs that are true)."""
    seed = RelationSeed(row["relation"], row["definition"], convert(row["seeds"], tuple[tuple[str, ...], ...]),
                        tuple(row["prompts"]))  # fmt: skip
    prompts = list(weighted(seed))
    weights = weighted(asker.weights(method, seed_reading(seed, SEED.name), fills))
    pairs = [*row["true_pairs"], *row["false_pairs"]]
    labels = [True] * len(row["true_pairs"]) + [False] * len(row["false_pairs"])
    found = fits(asker, method, seed, prompts, pairs, fills, cased)
    shares = {
        "definition": {styled(seed.definition): 1.0},
        "first prompt": {styled(seed.prompts[0]): 1.0},
        "all prompts alike": dict.fromkeys(prompts, 1 / len(prompts)),
        "top prompt": {max(weights, key=lambda prompt: weights[prompt]): 1.0},
        "weighted prompts": weights,
    }
    areas = []
    for system in SYSTEMS:
        share = np.array([shares[system].get(prompt, 0.0) for prompt in prompts])
        scores = (found * share[None, :, None]).sum(axis=1).max(axis=1)
        areas.append(float(average_precision_score(labels, scores)))
    return areas, sum(labels) / len(labels)


def interval(values: np.ndarray[Any, Any], rounds: int = 10_000) -> tuple[float, float]:
    drawn = values[np.random.default_rng(0).integers(len(values), size=(rounds, len(values)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def lines(table: np.ndarray[Any, Any], base: float) -> Iterator[str]:
    yield f"{len(table)} relations; a share of {base:.3f} of the pairs is true, which is what chance scores"
    first = table[:, SYSTEMS.index("definition")]
    for number, system in enumerate(SYSTEMS):
        low, high = interval(table[:, number])
        shown = f"{system:<20}{table[:, number].mean():.4f}  [{low:.4f}, {high:.4f}]"
        if system != "definition":
            gain = table[:, number] - first
            low, high = interval(gain)
            better = f"{int((gain > 0).sum())} better, {int((gain < 0).sum())} worse"
            shown += f"   beside the definition {gain.mean():+.4f}  [{low:+.4f}, {high:+.4f}]  {better}"
        yield shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="kgdistill-mini")
    parser.add_argument("--masked", action="store_true", help="the model fills blanks")
    parser.add_argument("--cased", action="store_true", help="try every casing of the names")
    parser.add_argument("--examples", type=int, default=3)
    parser.add_argument("--first-words", action="store_true", help="weigh the first word of each name only")
    parser.add_argument("--temperature", type=float, default=2.0)
    parser.add_argument("--most", type=int, default=0, help="how many relations; 0: all")
    parser.add_argument("--labels", default=str(SEED))
    arguments = parser.parse_args()
    settings: Any = Masked(arguments.model) if arguments.masked else Local(arguments.model)
    asker = Asker(settings.open())
    method = replace(
        PromptWeights(), examples=arguments.examples, whole_names=not arguments.first_words,
        temperature=arguments.temperature,
    )  # fmt: skip
    rows = [json.loads(line) for line in Path(arguments.labels).read_text(encoding="utf-8").splitlines()]
    table, shares = [], []
    sys.stdout.write(f"{'':<28}" + ", ".join(SYSTEMS) + "\n")
    for row in rows[: arguments.most or len(rows)]:
        areas, share = curve_areas(asker, row, method, arguments.masked, arguments.cased)
        table.append(areas)
        sys.stdout.write(f"{row['relation']:<28}" + "  ".join(f"{area:.4f}" for area in areas) + "\n")
        sys.stdout.flush()
        shares.append(share)
    for line in lines(np.array(table), float(np.mean(shares))):
        sys.stdout.write(line + "\n")
    sys.stdout.write(f"{len(asker.known)} questions, {asker.lost} without an answer\n")


if __name__ == "__main__":
    main()
