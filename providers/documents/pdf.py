"""Packing slips, address labels and lists as PDF, by fpdf2."""

from collections.abc import Sequence
from dataclasses import fields, replace

from domain.address_lines import address_lines
from domain.addresses import Address
from domain.document_ports import AddressLabel, Column, Document, Listing, PackingSlip
from domain.slip_words import slip_words
from providers.documents.fonts import Fonts, is_right_to_left
from providers.documents.merging import merge_pdfs
from providers.documents.sheet import Sheet, is_barcode_text

_BARCODE_HEIGHT = 11.0


class PdfDocuments:
    """Renders papers as PDF (`domain.document_ports.Documents`)."""

    def packing_slip(self, slip: PackingSlip) -> Document:
        """Return a packing slip over as many pages as it takes."""
        words = slip_words(slip.language)
        fonts = Fonts(slip.recipient.country)
        number, date = fonts.printable(slip.order_number), fonts.printable(slip.date)
        sender, recipient = _lines(fonts, slip.sender), _lines(fonts, slip.recipient)
        rows = [
            [fonts.printable(line.name), fonts.printable(line.sku), str(line.quantity)] for line in slip.lines
        ]
        fonts.all_printable(getattr(words, field.name) for field in fields(words))
        sheet = Sheet(slip.page, fonts, f"{words.title} {number}", words.page)
        narrow = sheet.w < 150
        top = sheet.get_y()
        sheet.line_of(words.title, 14 if narrow else 20, bold=True)
        sheet.line_of(f"{words.order} {number} · {words.date} {date}", 8 if narrow else 10)
        if is_barcode_text(number) and not narrow:
            width = 60.0
            sheet.barcode(number, sheet.w - sheet.r_margin - width, top, width, _BARCODE_HEIGHT)
        sheet.ln(3)
        _addresses(sheet, [(words.sender, sender), (words.ship_to, recipient)])
        columns = (Column(words.item, 6), Column(words.sku, 3), Column(words.quantity, 2, numbers=True))
        _table(sheet, columns, rows)
        sheet.ln(2)
        units = sum(line.quantity for line in slip.lines)
        sheet.line_of(f"{words.units}: {units}", 10, bold=True, align="R")
        sheet.ln(2)
        sheet.line_of(words.thanks, 9)
        return Document(bytes(sheet.output()), fonts.warnings)

    def address_label(self, label: AddressLabel) -> Document:
        """Return an address label of one page; the recipient's lines shrink until they fit."""
        fonts = Fonts(label.recipient.country)
        sender, recipient = _lines(fonts, label.sender), _lines(fonts, label.recipient)
        reference, service = fonts.printable(label.reference), fonts.printable(label.service)
        sheet = Sheet(label.page, fonts, reference)
        sheet.set_auto_page_break(False)
        width = sheet.w - sheet.l_margin - sheet.r_margin
        foot = sheet.h - sheet.b_margin - 26
        _fitted(sheet, sender, 7, 5, width, foot / 3)
        sheet.ln(2)
        sheet.rule()
        if service:
            sheet.line_of(service, 11, bold=True, align="L")
            sheet.ln(1)
        sheet.ln(2)
        _fitted(sheet, recipient, 15, 6, width, foot - sheet.get_y())
        if is_barcode_text(reference):
            sheet.barcode(reference, sheet.l_margin, foot + 2, width, 17)
        sheet.set_y(foot + 20)
        sheet.line_of(reference, 9, align="C")
        return Document(bytes(sheet.output()), fonts.warnings)

    def listing(self, listing: Listing) -> Document:
        """Return a list over as many pages as it takes."""
        fonts = Fonts("")
        shown = replace(
            listing,
            title=fonts.printable(listing.title),
            facts=[(fonts.printable(name), fonts.printable(value)) for name, value in listing.facts],
            rows=[fonts.all_printable(row) for row in listing.rows],
            signatures=fonts.all_printable(listing.signatures),
        )
        sheet = Sheet(listing.page, fonts, shown.title, "Page")
        top = sheet.get_y()
        sheet.line_of(shown.title, 18, bold=True)
        if is_barcode_text(listing.barcode):
            sheet.barcode(listing.barcode, sheet.w - sheet.r_margin - 60, top, 60, _BARCODE_HEIGHT)
        for name, value in shown.facts:
            sheet.line_of(f"{name}: {value}", 10)
        sheet.ln(3)
        _table(sheet, shown.columns, shown.rows)
        for signature in shown.signatures:
            if sheet.get_y() > sheet.h - sheet.b_margin - 22:
                sheet.add_page()
            sheet.ln(14)
            sheet.rule()
            sheet.line_of(signature, 9)
        return Document(bytes(sheet.output()), fonts.warnings)

    def merged(self, documents: Sequence[bytes]) -> bytes:
        """Return PDFs as one, in their order; raises UnreadableDocument for what is none."""
        return merge_pdfs(documents)


def _lines(fonts: Fonts, address: Address | None) -> list[str]:
    if address is None:
        return []
    lines = address_lines(address)
    if address.phone:
        lines.append(address.phone)
    return fonts.all_printable(lines)


def _addresses(sheet: Sheet, blocks: list[tuple[str, list[str]]]) -> None:
    """Print blocks of addresses beside each other, and go below the longest."""
    shown = [block for block in blocks if block[1]]
    gap = 6.0
    width = (sheet.w - sheet.l_margin - sheet.r_margin - gap * (len(shown) - 1)) / len(shown)
    top, bottom = sheet.get_y(), sheet.get_y()
    for at, (heading, lines) in enumerate(shown):
        left = sheet.l_margin + at * (width + gap)
        sheet.set_xy(left, top)
        sheet.line_of(heading, 8, bold=True, width=width, x=left)
        for line in lines:
            sheet.line_of(line, 11 if sheet.w > 150 else 8, width=width, x=left)
        bottom = max(bottom, sheet.get_y())
    sheet.set_xy(sheet.l_margin, bottom + 5)


def _fitted(sheet: Sheet, lines: list[str], size: float, least: float, width: float, height: float) -> None:
    """Print lines as large as fits; none is ever cut off, for the smallest holds any address."""
    while size > least and sheet.height_of(lines, size, width) > height:
        size -= 0.5
    for line in lines:
        sheet.line_of(line, size, width=width)


def _table(sheet: Sheet, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose heading is repeated on each page; no row is torn apart by a page's end."""
    sheet.set_font(size=9 if sheet.w > 150 else 7)
    sheet.set_draw_color(190)
    with sheet.table(
        col_widths=tuple(column.share for column in columns),
        text_align=tuple("RIGHT" if column.numbers else "LEFT" for column in columns),
        line_height=5 if sheet.w > 150 else 4,
        padding=1,
        borders_layout="HORIZONTAL_LINES",
    ) as table:
        heading = table.row()
        for column in columns:
            heading.cell(column.heading)
        for values in rows:
            row = table.row()
            for column, value in zip(columns, values, strict=True):
                right = column.numbers or is_right_to_left(value)
                row.cell(value, align="RIGHT" if right else "LEFT")
