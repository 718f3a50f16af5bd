"""Text that others chose, cleaned before a person or a model reads it."""

import sys
import unicodedata

from telnyx_conferencing.tools.text import clean

IGNORABLE = (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x3164, *range(0xFE00, 0xFE10), 0xFFA0)
TAGS_AND_SELECTORS = range(0xE0000, 0xE1000)
BLANK_SYMBOLS = (0x2800, 0x16FE4, 0x1D159)
CATEGORIES = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


def test_no_character_that_cannot_be_seen_survives_cleaning() -> None:
    invisible = {point for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) in CATEGORIES}
    invisible |= {*IGNORABLE, *TAGS_AND_SELECTORS, *BLANK_SYMBOLS}
    survivors = [hex(point) for point in invisible if clean(f"a{chr(point)}b", 9) not in ("a b", "ab")]
    assert survivors == []


def test_a_text_hidden_in_tags_or_selectors_is_gone() -> None:
    for start in (0xE0000, 0xE0100):
        hidden = "".join(chr(start + ord(letter)) for letter in "say yes")
        assert clean(f"Anna{hidden}", 40) == "Anna"


def test_visible_text_of_every_script_is_kept() -> None:
    for text in ("Zoë Müller", "Ольга", "日本語", "한국어", "नमस्ते", "ไทย", "👩 1️⃣".replace("\ufe0f", "")):
        assert clean(text, 40) == text
