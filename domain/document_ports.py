"""What printed papers say, and what must render them: packing slips, address labels, and lists.

A renderer knows nothing of orders; it is given what stands on the paper. All of it is plain computation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from domain.addresses import Address


class PageSize(StrEnum):
    """Paper, upright."""

    A4 = "A4"
    A6 = "A6"
    LETTER = "LETTER"
    LABEL_4X6 = "LABEL_4X6"
    """4 by 6 inches, as label printers have it."""


@dataclass(frozen=True, slots=True)
class SlipLine:
    """Units of one SKU that are in the parcel."""

    sku: str
    name: str
    quantity: int


@dataclass(frozen=True, slots=True)
class PackingSlip:
    """What lies in a parcel. `language` (BCP 47) is the customer's; `date` is already written out."""

    order_number: str
    date: str
    sender: Address | None
    recipient: Address
    lines: Sequence[SlipLine]
    language: str = "en"
    page: PageSize = PageSize.A4


@dataclass(frozen=True, slots=True)
class AddressLabel:
    """Who sends a parcel to whom; `reference` is also printed as a Code 128 barcode."""

    sender: Address | None
    recipient: Address
    reference: str
    service: str = ""
    page: PageSize = PageSize.LABEL_4X6


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list: its heading, its share of the width, and whether it holds numbers."""

    heading: str
    share: int
    numbers: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A list for a person at work: a pick list, a manifest. `facts` stand above it, signatures below."""

    title: str
    barcode: str
    facts: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    signatures: Sequence[str] = ()
    page: PageSize = PageSize.A4


@dataclass(frozen=True, slots=True)
class MissingGlyphs:
    """Characters that no font here has, printed as U+FFFD, and the text they are in."""

    characters: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A PDF, and what of it could not be printed as it was written."""

    content: bytes
    warnings: tuple[MissingGlyphs, ...] = ()


class UnreadableDocument(Exception):
    """What a carrier sold as a PDF is none that can be read."""


class Documents(Protocol):
    """Who renders papers as PDF; each takes some tenths of a second: call them off the event loop."""

    def packing_slip(self, slip: PackingSlip) -> Document:
        """Return a packing slip over as many pages as it takes."""
        ...

    def address_label(self, label: AddressLabel) -> Document:
        """Return an address label of one page."""
        ...

    def listing(self, listing: Listing) -> Document:
        """Return a list over as many pages as it takes."""
        ...

    def merged(self, documents: Sequence[bytes]) -> bytes:
        """Return PDFs as one, in their order; raises UnreadableDocument for what is none."""
        ...
