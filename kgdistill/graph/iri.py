"""IRIs: names of any script become stable, readable addresses under the recipe's base, and two never share one."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from kgdistill.errors import UserError

# Characters that are legal both in an IRI (RFC 3987, ucschar) and in a Turtle local name (PN_CHARS), written as a
# fixed table: Python's own categories change with its Unicode version, and addresses must not.
_KEPT = re.compile(
    "[A-Za-z0-9\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u061b\u061d-\u167f\u1681-\u180d\u180f-\u1fff"
    "\u203f-\u2040\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufefe\uff00-\uffef"
    "\U00010000-\U000dffff\U000e1000-\U000effff-]"
)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x20\x7f-\x9f\ud800-\udfff]+[/#]")
_EXAMPLE = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?:[^/?#:]*\.)?example(?:\.(?:org|com|net))?\.?(?=[:/?#]|$)", re.I
)


def check_base(base: str) -> str:
    """The base as given; raises UserError unless it is an absolute IRI of one's own that ends in "/" or "#"."""
    if not _ABSOLUTE.fullmatch(base) or base.count("#") > base.endswith("#"):
        raise UserError(f'base {base!a} is not an absolute IRI that ends in "/" or "#": try "https://my.domain/graph/"')
    if _EXAMPLE.match(base):
        raise UserError(f"base {base!a} is a documentation address that belongs to nobody: choose one of your own")
    return base


@lru_cache(maxsize=65536)
def local(name: str) -> str:
    """The part of an IRI that stands for `name`, safe in IRIs, Turtle and SPARQL.

    NFC, " " becomes "_", letters and digits of every script stay, everything else ("_" too) is percent-encoded as
    UTF-8. Two names have the same result exactly when their NFC forms are equal; the result is in NFC itself.
    """
    composed = unicodedata.normalize("NFC", name)
    parts: list[str] = []
    joins = False
    for place, character in enumerate(composed):
        # A mark stays only behind a character that stays: behind the hexadecimal digits of an encoded one it would
        # change them when somebody normalises the IRI. A dot at either end would be path or sentence punctuation.
        inner_dot = character == "." and 0 < place < len(composed) - 1
        if inner_dot or (_kept(character) and (joins or not unicodedata.combining(character))):
            parts.append(character)
            joins = True
        elif character == " ":
            parts.append("_")
            joins = False
        else:
            parts.extend(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
            joins = False
    return "".join(parts)


def _kept(character: str) -> bool:
    return bool(_KEPT.match(character)) and ord(character) & 0xFFFE != 0xFFFE


def entity_iri(base: str, name: str) -> str:
    return f"{base}entity/{local(name)}"


def relation_iri(base: str, name: str) -> str:
    return f"{base}relation/{local(name)}"


def type_iri(base: str, name: str) -> str:
    return f"{base}type/{local(name)}"


def document_iri(base: str, document: str) -> str:
    return f"{base}document/{local(document)}"


def claim_iri(base: str, document: str, claim: str) -> str:
    return f"{base}claim/{local(document)}/{local(claim)}"


def merge_iri(base: str, merge: str) -> str:
    return f"{base}merge/{local(merge)}"


def activity_iri(base: str, run: str, method: str) -> str:
    return f"{base}activity/{local(run)}/{local(method)}"


def agent_iri(base: str, teacher: str) -> str:
    return f"{base}agent/{local(teacher)}"


def evidence_iri(base: str, document: str) -> str:
    """The named graph that holds what was claimed about one document."""
    return f"{evidence_space(base)}{local(document)}"


def evidence_space(base: str) -> str:
    """How the names of those graphs begin."""
    return f"{base}evidence/"


def facts_iri(base: str) -> str:
    """The named graph of plain facts."""
    return f"{base}graph/facts"


def names_iri(base: str) -> str:
    """The named graph of labels, types and merges."""
    return f"{base}graph/names"


def model_facts_iri(base: str) -> str:
    """The named graph of plain facts that no document vouches for."""
    return f"{base}graph/model-facts"


def model_evidence_iri(base: str, seed: str) -> str:
    """The named graph that holds what a model said of one seed."""
    return f"{model_evidence_space(base)}{local(seed)}"


def model_evidence_space(base: str) -> str:
    return f"{base}model-evidence/"


def seed_iri(base: str, seed: str) -> str:
    return f"{base}seed/{local(seed)}"


def model_claim_iri(base: str, seed: str, claim: str) -> str:
    return f"{base}model-claim/{local(seed)}/{local(claim)}"


def prompt_iri(base: str, key: str) -> str:
    return f"{base}prompt/{local(key)}"
