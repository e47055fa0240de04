"""The generative student: a causal or sequence-to-sequence model that writes a document's graph in one pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from msgspec import Struct

from kgdistill.distill.settings import GenerativeSettings
from kgdistill.distill.student import FILE
from kgdistill.errors import ModelError
from kgdistill.records import Entity, Extraction, Fact, Failure, Pair, Span
from kgdistill.text.names import find, find_all, normal
from kgdistill.text.notation import read_lenient, write
from kgdistill.text.split import sentence_spans

INSTRUCTION = "Write the entities and facts of this text.\n\n"
ANSWER = "\n\nGraph:\n"
IGNORE = -100


class GenerativeConfig(Struct, frozen=True):
    """What a saved generative student says of itself."""

    family: str
    sequence_to_sequence: bool
    max_source: int
    max_target: int
    threshold: float = 0.0


class GenerativeStudent:
    """Model and tokeniser; see `Student` for what it promises. `failures` gathers replies that could not be read."""

    def __init__(self, model: Any, tokenizer: Any, config: GenerativeConfig) -> None:
        self.model, self.tokenizer, self.config = model, tokenizer, config
        self.settings = GenerativeSettings(model="")
        self.failures: list[Failure] = []

    @classmethod
    def start(cls, settings: GenerativeSettings) -> GenerativeStudent:
        """A student on the model in `settings.model`. Raises ModelError where it cannot be loaded."""
        torch.manual_seed(settings.seed)
        from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

        try:
            architecture = AutoConfig.from_pretrained(settings.model)
            paired = bool(architecture.is_encoder_decoder)
            loader = AutoModelForSeq2SeqLM if paired else AutoModelForCausalLM
            model = loader.from_pretrained(settings.model, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(settings.model)
        except (OSError, ValueError) as error:
            raise ModelError(f"no model in {settings.model!r}: {str(error).splitlines()[0]}") from error
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        if settings.rank:
            from peft import LoraConfig, TaskType, get_peft_model

            task = TaskType.SEQ_2_SEQ_LM if paired else TaskType.CAUSAL_LM
            lora = LoraConfig(
                task_type=task, r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear"
            )
            model = get_peft_model(model, lora)
        student = cls(
            model, tokenizer, GenerativeConfig("generative", paired, settings.max_source, settings.max_target)
        )
        student.settings = settings
        return student

    def fit(self, train: Sequence[Pair], validation: Sequence[Pair], folder: Path) -> dict[str, Any]:
        """Train with early stopping on the validation loss; see `Student.fit`."""
        # The trainer brings peft and datasets along: seconds that reading a text must not pay.
        from transformers import EarlyStoppingCallback, Trainer, TrainingArguments
        from transformers.trainer_utils import get_last_checkpoint

        settings = self.settings
        arguments = TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=settings.batch,
            per_device_eval_batch_size=settings.batch,
            learning_rate=settings.learning_rate,
            warmup_steps=settings.warmup,
            lr_scheduler_type="cosine",
            bf16=torch.cuda.is_available(),
            use_cpu=not torch.cuda.is_available(),
            eval_strategy="epoch",
            save_strategy="epoch",
            logging_strategy="epoch",
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            seed=settings.seed,
            report_to="none",
            remove_unused_columns=False,
            disable_tqdm=True,
        )
        sets = [[row for pair in pairs if (row := self.row(pair)) is not None] for pairs in (train, validation)]
        trainer = Trainer(
            model=self.model,
            args=arguments,
            train_dataset=sets[0],
            eval_dataset=sets[1] or sets[0],
            data_collator=self._collate,
            callbacks=[EarlyStoppingCallback(settings.patience)],
        )
        trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)) if folder.is_dir() else None)
        losses = [
            {key: float(value) for key, value in row.items() if key in ("epoch", "loss", "eval_loss")}
            for row in trainer.state.log_history
        ]
        return {"log": losses, "too_long": len(train) - len(sets[0]), "best_loss": trainer.state.best_metric}

    def row(self, pair: Pair) -> dict[str, list[int]] | None:
        """Token ids and labels of a pair, labels on the target only; None where it does not fit."""
        source, target = self._source(pair.text), self._ids(graph_text(pair), special=False)
        target = [*target, self.tokenizer.eos_token_id]
        if len(source) > self.config.max_source or len(target) > self.config.max_target:
            return None
        if self.config.sequence_to_sequence:
            return {"input_ids": source, "labels": target}
        return {"input_ids": source + target, "labels": [IGNORE] * len(source) + target}

    def _source(self, text: str) -> list[int]:
        return self._ids(f"{INSTRUCTION}{text}{ANSWER}", special=True)

    def _ids(self, text: str, *, special: bool) -> list[int]:
        ids = [int(i) for i in self.tokenizer(text, add_special_tokens=special)["input_ids"]]
        # Some tokenisers close every text; a causal prompt must stay open.
        closed = special and not self.config.sequence_to_sequence and ids and ids[-1] == self.tokenizer.eos_token_id
        return ids[:-1] if closed else ids

    def _collate(self, rows: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        def padded(name: str, padding: int) -> torch.Tensor:
            longest = max(len(row[name]) for row in rows)
            return torch.tensor([row[name] + [padding] * (longest - len(row[name])) for row in rows])

        longest = max(len(row["input_ids"]) for row in rows)
        mask = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]
        return {
            "input_ids": padded("input_ids", self.tokenizer.pad_token_id),
            "attention_mask": torch.tensor(mask),
            "labels": padded("labels", IGNORE),
        }

    def extract(
        self, text: str, min_score: float | None = None, relations: Sequence[str] | None = None, *, id: str = ""
    ) -> Extraction:
        """See `Student.extract`; a text longer than the model's source length is read in runs of sentences.

        A fact's score is the mean probability of the tokens written; with `relations`, others are left out.
        """
        least = self.config.threshold if min_score is None else min_score
        entities: dict[str, Entity] = {}
        facts: list[Fact] = []
        sentences = sentence_spans(text)
        for run in self._runs(text, sentences):
            raw, score = self._write(text[run.start : run.end])
            named, told, problems = read_lenient(raw)
            self.failures += [Failure("extract", id, "malformed", message=problem, raw=raw) for problem in problems]
            for entity in named:
                entities.setdefault(normal(entity.name), Entity(entity.name, entity.type, find_all(entity.name, text)))
            facts += [located(fact, text, run, sentences, score) for fact in told if score >= least]
        if relations:
            wanted = {normal(relation) for relation in relations}
            facts = [fact for fact in facts if normal(fact.relation) in wanted]
        distinct = {(normal(f.subject), normal(f.relation), normal(f.object)): f for f in reversed(facts)}
        return Extraction(id, tuple(entities.values()), tuple(reversed(distinct.values())))

    def _runs(self, text: str, sentences: Sequence[Span]) -> list[Span]:
        """As few runs of whole sentences as fit the model; one where the whole text fits."""
        if len(self._source(text)) <= self.config.max_source:
            return [Span(0, len(text))] if text.strip() else []
        runs: list[Span] = []
        for sentence in sentences:
            joined = Span(runs[-1].start, sentence.end) if runs else sentence
            if runs and len(self._source(text[joined.start : joined.end])) <= self.config.max_source:
                runs[-1] = joined
            else:
                runs.append(sentence)
        return runs

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _write(self, text: str) -> tuple[str, float]:
        """What the model writes for a text (greedily), and the mean probability of its tokens."""
        self.model.eval()
        source = self._source(text)[-self.config.max_source :]
        ids = torch.tensor([source], device=self.model.device)
        written = self.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=self.config.max_target,
            do_sample=False,
            num_beams=1,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
            return_dict_in_generate=True,
            output_logits=True,
        )
        tokens = written.sequences[0, -len(written.logits) :]
        logs = [
            float(step[0].float().log_softmax(-1)[token]) for step, token in zip(written.logits, tokens, strict=True)
        ]
        return self.tokenizer.decode(tokens, skip_special_tokens=True), math.exp(sum(logs) / max(1, len(logs)))

    def save_pretrained(self, folder: Path) -> None:
        """Write model (adapters merged in, bfloat16), tokeniser and configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        if hasattr(self.model, "merge_and_unload"):
            self.model = self.model.merge_and_unload()
        self.model.to(torch.bfloat16).save_pretrained(folder)
        self.model.float()
        self.tokenizer.save_pretrained(folder)
        (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self.config)) + b"\n")

    @classmethod
    def from_pretrained(cls, folder: Path) -> GenerativeStudent:
        """The student in `folder`. Raises ModelError where the folder is not one."""
        from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

        try:
            config = msgspec.json.decode((folder / FILE).read_bytes(), type=GenerativeConfig)
            loader = AutoModelForSeq2SeqLM if config.sequence_to_sequence else AutoModelForCausalLM
            kind = torch.bfloat16 if torch.cuda.is_available() else torch.float32
            model = loader.from_pretrained(folder, dtype=kind, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder} is no generative student: {str(error).splitlines()[0]}") from error
        return cls(model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer, config)


def graph_text(pair: Pair) -> str:
    """The target: entities and facts in the project's notation, without propositions (they repeat the text)."""
    return write(pair.entities, [msgspec.structs.replace(fact, proposition="") for fact in pair.facts])


def located(fact: Fact, text: str, run: Span, sentences: Sequence[Span], score: float) -> Fact:
    """`fact` with its evidence: the first sentence of the run that names both ends, else the object, else the subject.

    Where neither is named literally, the whole run.
    """
    inside = [s for s in sentences if run.start <= s.start and s.end <= run.end]
    places = [(find(fact.subject, text, s.start, s.end), find(fact.object, text, s.start, s.end), s) for s in inside]
    order = sorted(places, key=lambda p: (p[0] is None) + 2 * (p[1] is None))
    subject, object_, sentence = order[0] if order else (None, None, run)
    if subject is None and object_ is None:
        sentence = run
    return msgspec.structs.replace(
        fact, score=score, start=sentence.start, end=sentence.end, subject_span=subject, object_span=object_
    )
