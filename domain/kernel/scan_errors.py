"""What is wrong with a scan: what was scanned, and what should have been."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.kernel.errors import DomainError
from domain.kernel.quantities import require_text

MAX_CODE_LENGTH = 100
"""Longest of what may be scanned, SKU or barcode."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What may be scanned instead: units of a SKU, and the bin they are in where that is known."""

    sku: str
    quantity: int
    bin: str | None = None


class ScanRefused(DomainError):
    """A scan does not fit; `reason` is WRONG_ITEM, SURPLUS or WRONG_BIN, `expected` what would."""

    code = "SCAN_REFUSED"

    def __init__(
        self, reason: str, message: str, scanned: str, expected: Sequence[Expected], *path: str
    ) -> None:
        super().__init__(message, *path)
        self.reason = reason
        self.scanned = scanned
        self.expected = tuple(expected)


def scanned_code(code: str) -> str:
    """Return what a scanner sent without the white space around it; raises InvalidInput naming `code`.

    What no SKU or barcode can be (nothing, or a whole label's text) is told as that, not as a wrong item.
    """
    return require_text(code, MAX_CODE_LENGTH, "code")
