"""Notebooks, run cell by cell in this process as a person would run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def execute(name: str) -> dict[str, Any]:
    """Run all code cells of a notebook; the names that it leaves, with what each cell shows as `shown`."""
    import ast

    names: dict[str, Any] = {"shown": []}
    for cell in json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), names)
        if last:
            names["shown"].append(eval(compile(ast.Expression(last.value), name, "eval"), names))
    return names
