"""Model cards: what a model is, what it learnt from, what was measured, where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

{sources(figures.get("learnt_from", ()))}## Measured
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


def sources(learnt_from: Sequence[str]) -> str:
    """The section that names what others made and the model learnt from; empty where there is none."""
    return "## Learnt from\n" + "".join(f"- {source}\n" for source in learnt_from) + "\n" if learnt_from else ""


def teacher_card(
    name: str, parameters: int, documents: int, tokens: int, loss: float, learnt_from: Sequence[str] = ()
) -> str:
    """README.md of a teacher made by the `school` stage; `loss` in nats per reply token on the validation documents."""
    return f"""---
license: apache-2.0
language: en
library_name: transformers
base_model: sentence-transformers/all-MiniLM-L6-v2
tags:
  - knowledge-graph
---
# {name}

A causal language model of {parameters / 1e6:.1f} million parameters that answers kgdistill's own prompts: rewrite a
passage so that it can be read on its own, list its entities, write its propositions with their claims, judge a claim.
It began as all-MiniLM-L6-v2 (BERT's layers in OPT's frame, a cased byte-level vocabulary) and learnt from {documents}
seed documents, cut and swapped afresh at every pass, over {tokens / 1e6:.1f} million tokens.
Loss on the replies for validation documents: {loss:.3f} nats per token.

Made by `kgdistill run pipelines/mini_teacher.toml`; loads with `AutoModelForCausalLM` and in vLLM.

{sources(learnt_from)}## Limits
- English only, passages of up to about 120 tokens: longer ones lose facts.
- It has read little. Expect gaps, wrong ends of a relation, and names that it has half copied; every claim is grounded
  and judged for that reason. It knows no facts of its own and answers nothing but these prompts.
- The seed documents were written by a language model, not by people.
"""


def entailment_card(name: str, parameters: int, documents: int, pairs: int, rows: Sequence[Any], reader: str) -> str:
    """README.md of a judge of entailment; `rows` are those of evaluate/entailing, a `reader` may be none."""
    heard = (
        f"\n{reader} is heard beside it: it reads the facts of the second text and looks for them in the\n"
        "first, which tells exchanged ends and denials. What each is worth (joint.json) was learnt from the\n"
        "validation documents.\n"
        if reader
        else ""
    )
    table = "\n".join(
        f"| {row.kind} | {row.pairs} | {row.right:.3f} | {'' if row.area is None else f'{row.area:.3f}'} |"
        for row in rows
    )
    return f"""---
license: apache-2.0
language: en
library_name: kgdistill
base_model: sentence-transformers/all-MiniLM-L6-v2
tags:
  - natural-language-inference
---
# {name}

A cross-encoder of {parameters / 1e6:.1f} million parameters that reads two texts and says whether the first entails the
second, contradicts it, or neither. It began as all-MiniLM-L6-v2 and learnt from {pairs} pairs made of {documents} seed
documents: propositions with the passages that say so, and false neighbours of them. Its matrices are stored as 8-bit
rows with a scale; the labels are in config.json.
{heard}
    from kgdistill.stages.entailment import open_entailment
    open_entailment("{name}").score([("Ann sang and Bob danced.", "Ann sang.")])  # or a folder; (entailed, denied)

Made by `kgdistill run pipelines/mini_entailment.toml`.

## Measured
On pairs of the test documents, of which nothing was learnt. Right: true pairs that score 0.5 or more, false ones that
score less. Area: under the ROC curve, true pairs against false ones of that kind.

| kind | pairs | right | area |
|---|---|---|---|
{table}

## Limits
- English only, both texts together up to 256 word pieces; what stands behind is not read.
- It has seen no human labels. What it calls neutral or contradiction is what a program made of true propositions:
  paraphrase, world knowledge and arithmetic are outside of what it has learnt.
- The seed documents were written by a language model, not by people.
"""


def segmenter_card(documents: int, sentences: int, tokens: int, loss: float) -> str:
    """README.md of a student of propositions; `loss` in nats per reply token on the validation documents."""
    return f"""---
license: apache-2.0
language: en
library_name: transformers
tags:
  - propositions
---
# A student that cuts text into propositions

A causal language model that answers one of kgdistill's prompts (`segment`, in its brief form): a sentence, after those
before it, comes back as short statements that can be read on their own. It learnt from {documents} seed documents and
from {sentences} sentences that a teacher cut, over {tokens / 1e6:.2f} million tokens.
Loss on the replies for validation documents: {loss:.3f} nats per token.

Use it as the teacher of the stage `propositions`:

    kgdistill run recipe.toml --set teacher.model=FOLDER --set propositions.form=grouped --set propositions.window=1

## Limits
- One sentence at a time, with up to three before it.
- What it learnt from was written by language models, not by people; it leaves things out and confuses names.
"""
