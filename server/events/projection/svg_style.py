"""The style of the drawn timeline: colours for light and dark, textures that differ without colour, signs."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement

_COLOURS: Mapping[str, tuple[str, str, str]] = {
    "paper": ("fill:{}", "#ffffff", "#0d1117"),
    "ink": ("fill:{}", "#1f2328", "#e6edf3"),
    "soft": ("fill:{}", "#57606a", "#9da7b3"),
    "band": ("fill:{}", "#f6f8fa", "#151b23"),
    "grid": ("stroke:{};fill:none", "#d8dee4", "#2a313a"),
    "edge": ("stroke:{};fill:none", "#57606a", "#9da7b3"),
    "stay": ("fill:{0};stroke:{1};stroke-width:1", "#dbe6f5 #6f88ad", "#22304a #7089b0"),
    "talking": ("fill:{0};stroke:{1};stroke-width:2;paint-order:stroke", "#1f5fc4 #dbe6f5", "#6cb0ff #22304a"),
    "held": ("fill:{}", "#f7d58a", "#6a4c0e"),
    "bars": ("stroke:{};stroke-width:2;fill:none", "#8f5f00", "#f0bd4f"),
    "hatch": ("stroke:{};stroke-width:1.8;fill:none", "#4a5360", "#c3ccd6"),
    "recording": ("fill:{}", "#c62f3b", "#ff7b72"),
    "paused": ("stroke:{};stroke-width:1.5;stroke-dasharray:3 2;fill:none", "#c62f3b", "#ff7b72"),
    "playback": ("fill:{}", "#0b7a75", "#4fd1c5"),
    "speak": ("stroke:{};stroke-width:1.5;fill:none", "#0b7a75", "#4fd1c5"),
    "sign": ("fill:{}", "#1f2328", "#e6edf3"),
    "line": ("stroke:{};stroke-width:1.6;fill:none", "#1f2328", "#e6edf3"),
}
"""By class: the rule, and its colours for light and for dark."""

_ALWAYS = (
    "text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}"
    ".title{font-size:20px;font-weight:600}.small{font-size:12px}.strong{font-weight:600}"
    ".ticks text{font-variant-numeric:tabular-nums}"
    ".on_hold{fill:url(#on-hold)}.muted{fill:url(#muted)}.hearing{fill:url(#hearing)}"
)

SIGNS: Mapping[str, tuple[str, str]] = {
    "joined": ("sign", "M{} {}m-3-4l6 4l-6 4z"),
    "unknown": ("line", "M{} {}m2-4l-4 4l4 4"),
    "left": ("line", "M{} {}m-3-3.5l5.5 3.5l-5.5 3.5z"),
    "hangup": ("line", "M{} {}m-3.2-3.2l6.4 6.4m0-6.4l-6.4 6.4"),
    "conference ended": ("sign", "M{} {}m-3-3h6v6h-6z"),
    "not listed": ("line", "M{} {}m-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z"),
}
"""The class and shape of each sign, by how a participant joined or left."""


def style() -> Element:
    """The style sheet."""
    light, dark = (_rules(side) for side in (1, 2))
    rules = Element("style")
    rules.text = f"{_ALWAYS}{light}@media (prefers-color-scheme:dark){{{dark}}}"
    return rules


def _rules(side: int) -> str:
    return "".join(f".{name}{{{rule[0].format(*str(rule[side]).split())}}}" for name, rule in _COLOURS.items())


def textures() -> Element:
    """Patterns for bars that must differ without colour too."""
    defs = Element("defs")
    hold = _pattern(defs, "on-hold", "6", "6")
    SubElement(hold, "rect", {"class": "held", "width": "6", "height": "6"})
    SubElement(hold, "path", {"class": "bars", "d": "M1 0v6"})
    muted = _pattern(defs, "muted", "6", "6")
    muted.set("patternTransform", "rotate(45)")
    SubElement(muted, "path", {"class": "hatch", "d": "M1 0v6"})
    hearing = _pattern(defs, "hearing", "5", "4")
    SubElement(hearing, "rect", {"class": "playback", "width": "3", "height": "4"})
    return defs


def _pattern(defs: Element, name: str, width: str, height: str) -> Element:
    attributes = {"id": name, "width": width, "height": height, "patternUnits": "userSpaceOnUse"}
    return SubElement(defs, "pattern", attributes)
