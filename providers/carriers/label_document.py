"""Labels that we print ourselves: one page of 4 x 6 inches with addresses and a barcode.

For carriers without an electronic one, and the sandbox. The barcode is Code 128, which every scanner reads.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from barcode.codex import Code128  # type: ignore[import-untyped]
from fpdf import FPDF

from domain.addresses import Address
from domain.document_ports import PageSize
from providers.documents.fonts import MAIN, Fonts, is_right_to_left
from providers.documents.sheet import SIZES, Sheet

_MARGIN_MM: Final = 6.0
# Ten modules of quiet on each side, as the standard demands.
_QUIET_MODULES: Final = 10
_BAR_HEIGHT_MM: Final = 24.0
_WIDEST_MODULE_MM: Final = 0.5
_ROWS_A_PAGE: Final = 40
# A font that every reader has, which knows Latin 1 only.
_LATIN: Final = "helvetica"


def label_pdf(
    carrier: str, service: str, number: str, sender: Address, recipient: Address, reference: str
) -> bytes:
    """Return a label as a PDF of one page; `number` is what its barcode says."""
    title, origin, destination = f"{carrier}  {service}", address_lines(sender), address_lines(recipient)
    page = _document(PageSize.LABEL_4X6, [title, *origin, *destination, reference], recipient.country)
    _line(page, 16, title, bold=True)
    _block(page, "From", origin, 8)
    _block(page, "To", destination, 12)
    _line(page, 8, reference)
    _barcode(page, number, page.h - _MARGIN_MM - _BAR_HEIGHT_MM - 8)
    return bytes(page.output())


def manifest_pdf(carrier: str, reference: str, rows: Sequence[str]) -> bytes:
    """Return a list of parcels as an A4 document with a place to sign."""
    parcels = f"{len(rows)} parcel" if len(rows) == 1 else f"{len(rows)} parcels"
    title = f"{carrier}: {parcels}, {reference}"
    page = _document(PageSize.A4, [title, *rows])
    for first in range(0, max(len(rows), 1), _ROWS_A_PAGE):
        if first:
            page.add_page()
        _line(page, 14, title, bold=True)
        for row in rows[first : first + _ROWS_A_PAGE]:
            _line(page, 10, row)
    page.ln(10)
    _line(page, 10, "Taken over by (name, time, signature): ______________________________")
    return bytes(page.output())


def address_lines(address: Address) -> list[str]:
    """Return an address as it is written, a line each, the country's code last."""
    town = " ".join(filter(None, (address.postal_code, address.city, address.region)))
    lines = (address.name, address.company, address.line1, address.line2, town, address.country)
    return [line for line in lines if line]


def _document(size: PageSize, texts: Iterable[str], country: str = "") -> FPDF:
    """Return an empty page that can show `texts`: our own fonts, which take their time, only where needed."""
    fonts = Fonts(country)
    shown = fonts.all_printable(texts)
    page = FPDF(unit="mm", format=SIZES[size]) if _is_latin("".join(shown)) else Sheet(size, fonts, "")
    page.set_margin(_MARGIN_MM)
    page.set_auto_page_break(auto=False)
    if not page.page:
        page.add_page()
    page.set_xy(_MARGIN_MM, _MARGIN_MM)
    return page


def _is_latin(text: str) -> bool:
    return all(ord(char) < 256 for char in text)


def _block(page: FPDF, title: str, lines: Iterable[str], points: float) -> None:
    page.ln(2)
    _line(page, 7, title)
    for line in lines:
        _line(page, points, line)


def _line(page: FPDF, points: float, text: str, *, bold: bool = False) -> None:
    page.set_font(MAIN if isinstance(page, Sheet) else _LATIN, "B" if bold else "", points)
    shown = Fonts("").printable(text)
    room = page.w - 2 * _MARGIN_MM
    while shown and page.get_string_width(shown) > room:
        shown = shown[:-1]
    align = "R" if is_right_to_left(shown) else "L"
    page.cell(room, points * 0.45, shown, new_x="LMARGIN", new_y="NEXT", align=align)


def _barcode(page: FPDF, number: str, top_mm: float) -> None:
    (modules,) = Code128(number).build()
    room = page.w - 2 * _MARGIN_MM
    module = min(room / (len(modules) + 2 * _QUIET_MODULES), _WIDEST_MODULE_MM)
    left = (page.w - module * len(modules)) / 2
    start = 0
    for end in range(1, len(modules) + 1):
        if end < len(modules) and modules[end] == modules[start]:
            continue
        if modules[start] == "1":
            page.rect(left + start * module, top_mm, (end - start) * module, _BAR_HEIGHT_MM, style="F")
        start = end
    page.set_xy(_MARGIN_MM, top_mm + _BAR_HEIGHT_MM + 1)
    page.set_font("courier", "B", 11)
    page.cell(room, 6, number, align="C")
