"""A sheet to print on: texts in any script, rules, and Code 128 barcodes. Measures are in millimetres."""

from collections.abc import Sequence
from typing import Any

import barcode  # type: ignore[import-untyped]
from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos, YPos

from domain.document_ports import PageSize
from providers.documents.fonts import BOLD, FILES, FOLDER, MAIN, Fonts, is_right_to_left

SIZES: dict[PageSize, tuple[float, float]] = {
    PageSize.A4: (210, 297),
    PageSize.A6: (105, 148),
    PageSize.LETTER: (215.9, 279.4),
    PageSize.LABEL_4X6: (101.6, 152.4),
}
QUIET_MODULES = 10
"""White on both sides of a Code 128, in modules (ISO/IEC 15417)."""


class Sheet(FPDF):
    """A document on the way: its fonts must be known before the first page."""

    def __init__(self, page: PageSize, fonts: Fonts, title: str, page_word: str = "") -> None:
        """Begin a document that has the fonts needed by texts made printable before."""
        width, height = SIZES[page]
        super().__init__(unit="mm", format=(width, height))
        self._page_word = page_word
        self.set_margin(12 if width > 150 else 6)
        self.set_auto_page_break(True, 14 if width > 150 else 9)
        self.set_title(title)
        self.set_creator("Ordertide")
        self.add_font(MAIN, fname=FOLDER / FILES[MAIN])
        self.add_font(MAIN, "B", fname=FOLDER / BOLD)
        for name in fonts.fallbacks():
            self.add_font(name, fname=FOLDER / FILES[name])
        self.set_fallback_fonts(fonts.fallbacks(), exact_match=False)
        self.set_text_shaping(True)
        self.set_font(MAIN, size=10)
        self.add_page()

    def _render_styled_text_line(self, *args: Any, **kwargs: Any) -> Any:
        """Print one line, with its font always named.

        fpdf2 2.8.9 takes a font that it named inside `q ... Q` for the page's: a line after one that begins
        with a fallback font would come out in the wrong font, as boxes.
        """
        self.current_font_is_set_on_page = False
        return super()._render_styled_text_line(*args, **kwargs)

    def footer(self) -> None:
        """Print which page it is; fpdf2 calls this at the end of each."""
        if not self._page_word:
            return
        self.set_y(-10)
        self.set_font(MAIN, size=8)
        self.cell(0, 5, f"{self._page_word} {self.page_no()}", align="R")

    def line_of(
        self,
        text: str,
        size: float = 10,
        *,
        bold: bool = False,
        width: float = 0,
        x: float | None = None,
        align: str | None = None,
    ) -> None:
        """Print a text, over as many lines as it takes, and go below it; right-to-left texts stand right."""
        if x is not None:
            self.set_x(x)
        self.set_font(MAIN, "B" if bold else "", size)
        align = align or ("R" if is_right_to_left(text) else "L")
        self.multi_cell(width, size * 0.5, text, align=align, new_x=XPos.LEFT, new_y=YPos.NEXT)

    def height_of(self, texts: Sequence[str], size: float, width: float) -> float:
        """Return how high texts would be in a column of that width."""
        self.set_font(MAIN, "", size)
        total = 0.0
        for text in texts:
            height: Any = self.multi_cell(
                width, size * 0.5, text, dry_run=True, output=MethodReturnValue.HEIGHT
            )
            total += height
        return total

    def barcode(self, text: str, x: float, y: float, width: float, height: float) -> None:
        """Draw `text` (ASCII) as Code 128 with its quiet zones in a box of that width."""
        modules: str = barcode.Code128(text).build()[0]
        module = width / (len(modules) + 2 * QUIET_MODULES)
        left, at = x + QUIET_MODULES * module, 0
        self.set_fill_color(0)
        while at < len(modules):
            end = at
            while end < len(modules) and modules[end] == modules[at]:
                end += 1
            if modules[at] == "1":
                self.rect(left + at * module, y, (end - at) * module, height, style="F")
            at = end

    def rule(self) -> None:
        """Draw a thin line across, and go a little below it."""
        self.set_draw_color(150)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.ln(2)


def is_barcode_text(text: str) -> bool:
    """Say whether Code 128 can hold a text, and a reader can read it at a glance."""
    return 0 < len(text) <= 40 and all(" " <= char <= "~" for char in text)
