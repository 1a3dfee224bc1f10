"""Which font has which character: nothing is ever printed as an empty box."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from domain.document_ports import MissingGlyphs

FOLDER = Path(__file__).parent / "fonts"
MAIN = "NotoSans"
"""Latin, Greek, Cyrillic."""
MISSING = "\ufffd"
FILES = {
    MAIN: "NotoSans-Regular.ttf",
    "Arabic": "NotoSansArabic-Regular.ttf",
    "Armenian": "NotoSansArmenian-Regular.ttf",
    "Bengali": "NotoSansBengali-Regular.ttf",
    "Devanagari": "NotoSansDevanagari-Regular.ttf",
    "Georgian": "NotoSansGeorgian-Regular.ttf",
    "Hebrew": "NotoSansHebrew-Regular.ttf",
    "Tamil": "NotoSansTamil-Regular.ttf",
    "Thai": "NotoSansThai-Regular.ttf",
    "JP": "NotoSansJP.otf",
    "SC": "NotoSansSC.otf",
    "KR": "NotoSansKR.otf",
}
BOLD = "NotoSans-Bold.ttf"
_HAN_FIRST = {"CN": "SC", "TW": "SC", "HK": "SC", "MO": "SC", "SG": "SC", "KR": "KR"}
# Invisible: what fonts need no picture for, and HarfBuzz takes away.
_INVISIBLE = {"Cf", "Cc", "Zl", "Zp"}
# Left in words of right-to-left, Indic and Persian writing, where they decide the letters' shapes.
_JOINERS = {"\u200c", "\u200d"}


@lru_cache(maxsize=len(FILES))
def characters_of(name: str) -> frozenset[int]:
    """Return the characters that one of FILES has; read once a process."""
    with TTFont(FOLDER / FILES[name], lazy=True) as font:
        return frozenset(font.getBestCmap())


@dataclass(slots=True)
class Fonts:
    """The fonts that a document needs, found out while its texts are made ready.

    Han characters are drawn as `country` draws them: the same character differs between Japan and China.
    """

    country: str
    needed: dict[str, None] = field(default_factory=dict)
    """Names of FILES, besides MAIN, in the order they were needed."""
    missing: dict[tuple[str, str], None] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[MissingGlyphs, ...]:
        """What could not be printed."""
        return tuple(MissingGlyphs(*one) for one in self.missing)

    def fallbacks(self) -> list[str]:
        """Return the needed fonts, the one of the country's Han characters before the others of its kind."""
        return sorted(self.needed, key=self._order().index)

    def printable(self, text: str) -> str:
        """Return `text` composed (NFC), in one line, and with U+FFFD for what no font has, noting what."""
        composed = unicodedata.normalize("NFC", text)
        shown = "".join(map(self._printable, composed))
        if MISSING in shown and MISSING not in composed:
            lost = sorted({char for char in composed if self._printable(char) == MISSING})
            self.missing[("".join(lost), text)] = None
        return " ".join(shown.split())

    def all_printable(self, texts: Iterable[str]) -> list[str]:
        """Return every text made printable."""
        return [self.printable(text) for text in texts]

    def _printable(self, char: str) -> str:
        code = ord(char)
        if char.isspace():
            return " "
        if code in characters_of(MAIN):
            return char
        if unicodedata.category(char) in _INVISIBLE or 0xFE00 <= code <= 0xFE0F:
            return char if char in _JOINERS else ""
        for name in self._order():
            if code in characters_of(name):
                self.needed[name] = None
                return char
        return MISSING

    def _order(self) -> Sequence[str]:
        han = _HAN_FIRST.get(self.country, "JP")
        others = [name for name in FILES if name not in {MAIN, han}]
        return [han, *others]


def is_right_to_left(text: str) -> bool:
    """Say whether the first letter of a text is of a script that is written from right to left."""
    kinds = (unicodedata.bidirectional(char) for char in text)
    return next((kind for kind in kinds if kind in {"L", "R", "AL"}), "L") != "L"
