"""A folder with a few documents of our own in each format of the public data sets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent

WEBNLG = [
    {
        "triples": [["Lake_Orvane", "areaTotal", '"12.5"'], ["Lake_Orvane", "located in/country", "Tessaly_(region)"]],
        "texts": ["Lake Orvane, in the region of Tessaly, covers 12.5 square kilometres.", "Another wording."],
    },
    {"triples": [["Mira_Holt", "birthPlace", "Oslo"]], "texts": ["Mira Holt was born in Oslo."]},
]
REDOCRED = [
    {
        "title": "Mira Holt",
        "sents": [
            ["Mira", "Holt", "(", "born", "1950", ")", "founded", "Holt", "&", "Sons", "."],
            ["Holt", "never", "left", "Oslo", "."],
        ],
        "vertexSet": [
            [{"sent_id": 0, "pos": [0, 2], "type": "PER"}, {"sent_id": 1, "pos": [0, 1], "type": "PER"}],
            [{"sent_id": 0, "pos": [4, 5], "type": "TIME"}],
            [{"sent_id": 0, "pos": [7, 10], "type": "ORG"}],
            [{"sent_id": 1, "pos": [3, 4], "type": "LOC"}],
        ],
        "labels": [{"r": "P1", "h": 2, "t": 0, "evidence": [0]}, {"r": "P2", "h": 0, "t": 1, "evidence": [0]}],
    }
]
CROSSRE = [
    {
        "doc_key": "x-1",
        "sentence": ["The", "Perceptron", ",", "by", "Frank", "Rosen", ",", "is", "a", "classifier", "."],
        "ner": [[1, 1, "algorithm"], [4, 5, "researcher"], [9, 9, "misc"]],
        "relations": [[1, 1, 4, 5, "origin", "", False, False], [1, 1, 9, 9, "type-of", "", True, False]],
    }
]
CARB = [
    ["She", "wo", "n't", "sell", "the", "house", "-LRB-", "built", "in", "1950", "-RRB-", "."],
]
CARB_ROWS = [
    (CARB[0], "wo n't sell", "She", "the house"),
    (CARB[0], "built in", "the house", "1950", "further", "ones"),
]
BIORED = """7|t|Aspirin and fever
7|a|Aspirin (ASA) lowers fever.
7\t0\t7\tAspirin\tChemicalEntity\tD1
7\t18\t25\tAspirin\tChemicalEntity\tD1
7\t27\t30\tASA\tChemicalEntity\tD1
7\t39\t44\tfever\tDiseaseOrPhenotypicFeature\tD2
7\tNegative_Correlation\tD1\tD2\tNovel
"""
KNOWLEDGENET = [
    {
        "fold": 1,
        "start": 100,
        "text": "Mira Holt, who Holt & Sons employs, and she lives in Oslo.",
        "facts": [
            {"property": "EMPLOYEE_OF", "subject_uri": "Q1", "object_uri": None, "spans": [100, 109, 115, 126]},
            {"property": "EMPLOYEE_OF", "subject_uri": None, "object_uri": None, "spans": [111, 114, 115, 126]},
            {"property": "LIVES_IN", "subject_uri": "Q1", "object_uri": None, "spans": [140, 143, 153, 157]},
        ],
    }
]


def lines(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def carb_text(rows: list[Any]) -> str:
    return "".join("\t".join([" ".join(tokens), *parts]) + "\n" for tokens, *parts in rows)


def folder(home: Path) -> Path:
    """All sets where pipelines/benchmark_mini.toml looks for them, and two more."""
    lines(home / "webnlg" / "dev.jsonl", WEBNLG)
    lines(home / "crossre" / "x-dev.json", CROSSRE)
    lines(home / "knowledgenet" / "folds.jsonl", KNOWLEDGENET)
    for name in ("redocred", "carb", "biored"):
        (home / name).mkdir(parents=True)
    (home / "redocred" / "dev_revised.json").write_text(json.dumps(REDOCRED))
    (home / "redocred" / "rel_info.json").write_text(json.dumps({"P1": "founded by", "P2": "date of birth"}))
    (home / "carb" / "gold_dev.tsv").write_text(carb_text(CARB_ROWS))
    (home / "biored" / "Dev.PubTator").write_text(BIORED)
    shutil.copytree(HOME / "data" / "seed", home / "seed")
    return home
