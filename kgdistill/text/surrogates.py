"""Lone surrogates: code points that a Python string can hold and Unicode text cannot."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def scrub(text: str) -> str:
    """`text` with each lone surrogate as U+FFFD: RDF, Parquet and tokenisers take Unicode only. Offsets stay."""
    return _SURROGATE.sub("\ufffd", text)
