"""Conversion of matplotlib's SVG to a page element: short, in the page's colours, with a tooltip for each point."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from archsieve.report.plot import COLOURS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_NAMES = {light: name for name, (light, _) in COLOURS.items()}
_LONG = re.compile(r"-?\d+\.\d{2,}")
_FONT = re.compile(r"font: ([\d.]+)px [^;]*|font-family: [^;]*|font-size: ([\d.]+)px")


def group_of_tips(number: int) -> str:
    """Return the group name of a mark's points, by the mark's number in its chart."""
    return f"points-{number}"


def as_part_of_a_page(text: str, name: str, description: str, tips: Mapping[str, Sequence[str]]) -> str:
    """Return the SVG element of an SVG file, for use in a page.

    Args:
        text: of the file, as matplotlib writes it.
        name: of the chart, which makes the names inside unique on a page.
        description: for those who cannot see it.
        tips: a text for each point of a group, by the name of the group.
    """
    root = ET.fromstring(text)  # noqa: S314 - matplotlib has just written it
    for element in list(root):
        if element.tag == f"{_SVG}metadata" or (element.tag == f"{_SVG}defs" and "style" in str(ET.tostring(element))):
            root.remove(element)
    for group in root.iter(f"{_SVG}g"):
        if texts := tips.get(group.get("id", "")):
            points = [point for point in group.iter() if point.tag in (f"{_SVG}use", f"{_SVG}path")]
            drawn = [point for point in points if point.tag == f"{_SVG}use"] or points
            for point, tip in zip(drawn, texts, strict=True):
                ET.SubElement(point, f"{_SVG}title").text = tip
            if len(styles := {point.get("style", "") for point in drawn}) == 1:
                group.set("style", styles.pop())  # once for all
                for point in drawn:
                    point.attrib.pop("style", None)
    wanted = {link.removeprefix("#") for element in root.iter() for link in _links(element)}
    for element in root.iter():
        _shorten(element, name, wanted)
    for key in ("version", "height", "width"):
        root.attrib.pop(key, None)
    root.attrib |= {"class": "chart", "role": "img", "aria-label": description}
    ET.register_namespace("", _SVG[1:-1])
    return ET.tostring(root, encoding="unicode")


def _links(element: ET.Element) -> list[str]:
    clip = re.findall(r"url\((#[^)]+)\)", element.get("clip-path", ""))
    return [*clip, *([element.attrib[_LINK]] if _LINK in element.attrib else [])]


def _shorten(element: ET.Element, name: str, wanted: set[str]) -> None:
    """Remove unneeded parts, replace colours by page variables, and make names unique to the chart."""
    identity = element.attrib.pop("id", None)
    if identity in wanted:
        element.set("id", f"{name}-{identity}")
    if link := element.attrib.pop(_LINK, None):
        element.set("href", f"#{name}-{link[1:]}")
    if clip := element.get("clip-path"):
        element.set("clip-path", clip.replace("#", f"#{name}-"))
    if style := element.get("style"):
        element.set("style", _in_colours_of_the_page(style))
    for key in ("d", "x", "y", "transform"):
        if key in element.attrib:
            element.set(key, _LONG.sub(lambda found: f"{float(found[0]):.1f}", " ".join(element.attrib[key].split())))
    element.tail = None
    if element.text is not None and not element.text.strip():
        element.text = None


def _in_colours_of_the_page(style: str) -> str:
    for light, name in _NAMES.items():
        style = style.replace(light, f"var(--{name})")
    return _FONT.sub(lambda found: f"font-size: {found[1] or found[2]}px" if found[1] or found[2] else "", style)
