"""GraphML: the asserted facts for Gephi, yEd, Cytoscape and networkx, written as they stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

from kgdistill.graph.property_graph import EDGE, PropertyGraph
from kgdistill.graph.store import KnowledgeGraph

_NODE = {"label": "string", "types": "string", "aliases": "string", "literal": "bool"}
_KINDS = {"string": "string", "int64": "long", "float64": "double", "bool": "boolean"}
_OPENING = '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'


def write(graph: KnowledgeGraph, file: IO[bytes]) -> int:
    """Write nodes (label, types, aliases, literal) and edges (`property_graph.EDGE`) under their addresses.

    Returns the number of edges. Several types or aliases are separated by "|", which stands as "\\u007c" inside one;
    a character that XML does not know (most control characters) stands as "\\u0001". Lists of an edge are JSON.
    """
    count = 0
    with PropertyGraph(graph) as found:
        file.write(_OPENING.encode())
        for purpose, columns in (("node", _NODE), ("edge", EDGE)):
            file.writelines(_key(purpose, name, kind) for name, kind in columns.items())
        file.write(b'<graph edgedefault="directed">\n')
        for node in found.nodes():
            data = {"label": node.name, "types": _joined(node.types), "aliases": _joined(node.aliases)}
            file.write(f"<node id={_attribute(node.id)}>".encode())
            file.writelines(_data("node", {**data, "literal": node.literal}))
            file.write(b"</node>\n")
        for count, edge in enumerate(found.edges(), 1):  # noqa: B007  # how many there were is the answer
            ends = f"source={_attribute(edge.source)} target={_attribute(edge.target)}"
            file.write(f"<edge id={_attribute(edge.id)} {ends}>".encode())
            file.writelines(_data("edge", edge.said))
            file.write(b"</edge>\n")
        file.write(b"</graph>\n</graphml>\n")
    return count


def _key(purpose: str, name: str, kind: str) -> bytes:
    line = f'<key id="{purpose}-{name}" for="{purpose}" attr.name="{name}" attr.type="{_KINDS[kind]}"/>\n'
    return line.encode()


def _data(purpose: str, said: Mapping[str, Any]) -> Iterator[bytes]:
    for name, value in said.items():
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else _text(str(value))
            yield f'<data key="{purpose}-{name}">{text}</data>'.encode()


def _joined(texts: Iterable[str]) -> str:
    return "|".join(text.replace("|", "\\u007c") for text in texts)


def _text(text: str) -> str:
    # A parser would read a bare carriage return as a line feed.
    return escape(_allowed(text), {"\r": "&#13;"})


def _attribute(text: str) -> str:
    return quoteattr(_allowed(text))


def _allowed(text: str) -> str:
    if text.isprintable():
        return text
    known = (c if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff") else f"\\u{ord(c):04x}" for c in text)
    return "".join(known)
