"""Parses XML of files safely."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree


def parse_xml(text: str) -> ElementTree.Element | None:
    """Return the root of an XML text; None if it is not XML, or defines entities."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return None


def elements(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Yield the elements of a name, in any namespace."""
    return (element for element in root.iter() if element.tag.rpartition("}")[2] == name)
