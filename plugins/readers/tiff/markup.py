"""XML that comes with files, parsed without what could harm."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree


def parse_xml(text: str) -> ElementTree.Element | None:
    """Return the root of an XML text; None for what is no XML, or defines entities of its own."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return None


def elements(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Yield the elements of a name, in whatever namespace."""
    return (element for element in root.iter() if element.tag.rpartition("}")[2] == name)
