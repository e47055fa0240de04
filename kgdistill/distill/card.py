"""A student's model card: what it is, what it learnt from, what was measured, where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "precision": "Precision of pairs",
    "recall": "Recall of pairs",
    "f1": "F1 of pairs",
    "relation_accuracy": "Right pairs whose relation name is the gold one",
    "strict_f1": "F1 of pairs with the gold relation name",
    "calibration_error": "Expected calibration error of the scores",
}
_KINDS = {
    "span": "An encoder that marks spans and scores every pair of them, in one pass per window of 256 word pieces.",
    "generative": "A language model that writes a document's entities and facts in one pass.",
}


def model_card(figures: Mapping[str, Any]) -> str:
    """README.md with a YAML header, from what `train` returns."""
    documents, facts, test = figures["documents"], figures["facts"], figures.get("test")
    family = str(figures["family"])
    table = "no test documents were set aside"
    if test:
        rows = "\n".join(f"| {words} | {test[name]:.3f} |" for name, words in _WORDS.items() if name in test)
        table = f"| {documents['test']} held-out documents | |\n|---|---|\n{rows}"
    settings = ", ".join(f"{name} {value}" for name, value in sorted(figures["settings"].items()) if value != "")
    return f"""---
license: apache-2.0
language: en
library_name: kgdistill
tags:
  - knowledge-graph
  - relation-extraction
  - {family}
---
# A student that reads knowledge graphs

{_KINDS[family]}
Trained by kgdistill on {documents["train"]} documents with {facts["train"]} facts; {documents["validation"]} documents
chose the moment to stop, the threshold and the calibration; {documents["test"]} were kept
for the test. Split by document.

    from kgdistill import Extractor
    Extractor.from_pretrained("this folder").extract("Marie Curie was born in Warsaw.")

## Measured
{table}

A pair is right when subject and object each share at least half their words (F1) with those of a gold fact,
one to one.
Scores are calibrated (isotonic, on the validation documents) to the share of right pairs; they do not
speak of the relation.

## Settings
{settings}

## Limits
- The graphs it learnt from were written by a language model, not by people; where that is wrong or silent, so is this.
- Few documents were seen: subjects far from them, long sentences and rare relations are read worse.
- One relation for each (subject, object); what a text only implies is not read.
- Do not rely on it for facts about people.
"""
