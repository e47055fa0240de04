"""The readable text of an HTML page."""

from __future__ import annotations

import re
from typing import Any

_LEFT_OUT = frozenset(
    [
        "script",
        "style",
        "nav",
        "head",
        "noscript",
        "template",
        "svg",
        "iframe",
        "object",
        "button",
        "select",
        "textarea",
    ]
)
_CONTENT = ("main", "article")
_OWN = frozenset(["main", "article", "section"])
"""A header, footer or aside in one of these belongs to it, not to the page."""
_INLINE = re.compile(
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|img|ins|kbd|label|mark|q|rp|rt|ruby|s|samp|small|"
    "span|strike|strong|sub|sup|time|tt|u|var|wbr|td|th|br"
)
_SPACE = re.compile(r"[ \t\r\n\f]+")


def readable(page: str) -> tuple[str, str]:
    """(text, title) of a page: no scripts, styles, navigation, head or comments; every block is a paragraph.

    What a site puts around its pages is left out too: header, footer and asides that belong to the page as a whole.
    An article's own header stays. Character references are decoded; white space counts as in a browser, and is kept
    within `pre`.
    """
    from lxml import etree

    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True)
    root = etree.fromstring(page.encode("utf-8", "replace"), parser) if page.strip() else None
    if root is None:
        return "", ""
    title = root.findtext(".//head/title") or ""
    around = {element for element in root.iter("header", "footer", "aside") if _around(element, root)}
    pieces: list[str] = []
    hidden = kept = 0
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        name = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            hidden += name in _LEFT_OUT or element in around
            kept += name == "pre"
            if not hidden:
                pieces += [_edge(name), _said(element.text, kept)]
            continue
        if event == "end":
            if not hidden:
                pieces.append(_edge(name, closing=True))
            hidden -= name in _LEFT_OUT or element in around
            kept -= name == "pre"
        if not hidden:
            pieces.append(_said(element.tail, kept))
    return _laid_out("".join(pieces)), _SPACE.sub(" ", title).strip()


def _around(element: Any, root: Any) -> bool:
    """Whether an element is the site's and not the text's.

    On a page that does not say where its text is, only a header without a heading: others may be all that it has.
    """
    if any(parent.tag in _OWN for parent in element.iterancestors()):
        return False
    if next(root.iter(*_CONTENT), None) is not None:
        return True
    return element.tag == "header" and next(element.iter("h1", "h2", "h3", "h4", "h5", "h6"), None) is None


# Private marks, taken out of the page's own text: end of a line, end of a block, a space and a tab that are kept.
_LINE, _BLOCK, _BLANK, _TAB = "\ue000", "\ue001", "\ue002", "\ue003"
_MARKS = re.compile("[\ue000-\ue003]")
_KEPT = str.maketrans({"\n": _LINE, "\r": None, " ": _BLANK, "\t": _TAB})
_GIVEN = str.maketrans({_BLANK: " ", _TAB: "\t"})


def _edge(name: str, *, closing: bool = False) -> str:
    if name == "br":
        return "" if closing else _LINE
    if name in ("td", "th"):
        return "\t" if closing else ""
    return "" if _INLINE.fullmatch(name) else _BLOCK


def _said(text: str | None, kept: int) -> str:
    text = _MARKS.sub("", text or "")
    return text.translate(_KEPT) if kept else _SPACE.sub(" ", text)


def _laid_out(text: str) -> str:
    blocks = []
    for block in text.split(_BLOCK):
        lines = (re.sub(r" *\t[ \t]*", "\t", re.sub(r" {2,}", " ", line)).strip(" \t") for line in block.split(_LINE))
        joined = "\n".join(lines).strip("\n").translate(_GIVEN)
        if joined.strip():
            blocks.append(joined)
    return "\n\n".join(blocks)
