"""Hostile text made visible: the one sanitiser for everything that may reach a terminal or a report.

SQL, notices, errors, names and file names go through `visible` before they are shown. What it returns
holds no control, bidirectional, zero-width or surrogate character, no blank but the space, and never a
line break.
"""

from __future__ import annotations

import unicodedata

_CONTROL_PICTURES = 0x2400
_DELETE, _DELETE_PICTURE = 0x7F, "␡"
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_HIDDEN_OTHERS = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
    | {*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
)
"""Drawn as nothing although their category says mark, letter or symbol: joiners, fillers, variation
selectors (Default_Ignorable_Code_Point in Unicode's DerivedCoreProperties) and the blank Braille cell."""


def visible(text: str, *, limit_chars: int = 0) -> str:
    """Return `text` with every character that a terminal would act on shown as a glyph.

    C0 controls and DEL become their control pictures, other hidden ones <U+XXXX>. `limit_chars` above
    0 shortens the result to that many characters, the last of which is then an ellipsis.
    """
    shown = text if text.isascii() and text.isprintable() else "".join(map(_glyph, text))
    if limit_chars and len(shown) > limit_chars:
        return shown[: limit_chars - 1] + "…"
    return shown


def _glyph(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    if code == _DELETE:
        return _DELETE_PICTURE
    if character != " " and (code in _HIDDEN_OTHERS or unicodedata.category(character) in _HIDDEN_CATEGORIES):
        return f"<U+{code:04X}>"
    return character


def one_line(text: str, *, limit_chars: int = 120) -> str:
    """Return `text` with white space folded to single blanks, made visible and shortened."""
    return visible(" ".join(text.split()), limit_chars=limit_chars)
