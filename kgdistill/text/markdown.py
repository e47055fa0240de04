"""Markdown as prose: what only says how a text looks, or where a link leads, becomes white space of the same length."""

from __future__ import annotations

import re

_FENCE = re.compile(r"[ \t]{0,3}(`{3,}|~{3,})")
_BLANK_LINE = re.compile(
    r"[ \t]{0,3}\[[^\]\n]{1,200}\]:[ \t]*\S.*|[ \t|:+-]*-{3}[ \t|:+-]*$"  # where a link leads; under a table's head
)
_IMAGE = re.compile(r"!\[[^\[\]\n]{0,500}\](?:\([^()\n]{0,1000}\)|\[[^\[\]\n]{0,200}\])")
_LINK = re.compile(r"\[([^\[\]\n]{0,500})\](?:\([^()\n]{0,1000}\)|\[[^\[\]\n]{0,200}\])")
_TAG = re.compile(r"<!--[^>\n]{0,2000}-->|</?[A-Za-z][^<>\n]{0,1000}>")
_MARK = re.compile(r"`+|\*\*|~~|(?<!\w)[*_]+(?=\w)|(?<=[\w.,;:!?)\"'])[*_]+(?!\w)")


def unmarked(text: str) -> str:
    """`text` with fenced code, link targets, pictures, tags and emphasis blanked; every offset stays what it was."""
    lines, fence = [], ""
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = ""
            lines.append(_blank(line))
        elif mark:
            fence = mark[1]
            lines.append(_blank(line))
        else:
            lines.append(_prose(line))
    return "".join(lines)


def _prose(line: str) -> str:
    if _BLANK_LINE.match(line.rstrip("\r\n")):
        return _blank(line)
    line = _IMAGE.sub(lambda found: _blank(found[0]), line)
    line = _LINK.sub(lambda found: f" {found[1]}".ljust(len(found[0])), line)
    line = _TAG.sub(lambda found: _blank(found[0]), line)
    return _MARK.sub(lambda found: _blank(found[0]), line)


def _blank(text: str) -> str:
    return re.sub(r"[^\r\n]", " ", text)
