"""The shop's own delivery, or a carrier nobody can ask: our label, no tracking, and a person moves it on.

What it costs stands in the shop's rate tables, so it offers no rates of its own.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from domain.carrier_ports import (
    CarrierRefused,
    Label,
    LabelFormat,
    LabelRequest,
    Manifest,
    RateQuote,
    RateRequest,
    TrackingUpdate,
)
from domain.kernel.late import late

if TYPE_CHECKING:
    from providers.carriers.label_document import label_pdf, manifest_pdf
else:
    label_pdf = late("providers.carriers.label_document:label_pdf")
    manifest_pdf = late("providers.carriers.label_document:manifest_pdf")

_DIGITS: Final = 14


class TableRateCarrier:
    """Prints labels. It keeps no record: everything follows from the key, so asking again is the same."""

    def __init__(self, name: str) -> None:
        """Print `name` as the carrier's."""
        self._name = name

    def named_service(self, code: str) -> str:
        """Refuse: it quotes no services, so none can be offered."""
        raise CarrierRefused("no_services", "this carrier quotes nothing: set up a delivery rate instead")

    async def rates(self, request: RateRequest) -> Sequence[RateQuote]:
        """Return nothing: the rate tables have the prices."""
        return []

    async def buy_label(self, key: str, request: LabelRequest) -> Label:
        """Print the label of one parcel; its number follows from the key."""
        number = number_of(key)
        document = await asyncio.to_thread(
            label_pdf,
            self._name,
            request.service_code,
            number,
            request.sender,
            request.recipient,
            request.reference,
        )
        return Label(key, number, document, LabelFormat.PDF)

    async def find_label(self, key: str) -> Label | None:
        """Return nothing: what was printed before is printed the same again."""
        return None

    async def void_label(self, reference: str) -> bool:
        """Throw the paper away."""
        return True

    async def track(self, reference: str | None, tracking_number: str) -> Sequence[TrackingUpdate]:
        """Return nothing: whoever delivers it tells us."""
        return []

    async def close_out(self, key: str, references: Sequence[str]) -> Manifest:
        """Print the list of what the driver takes."""
        numbers = [number_of(one) for one in references]
        document = await asyncio.to_thread(manifest_pdf, self._name, key, numbers)
        return Manifest(key, document, LabelFormat.PDF)


def number_of(key: str) -> str:
    """Return the number of the parcel with this key: OD and fourteen digits, the same each time."""
    digest = hashlib.sha256(f"parcel:{key}".encode()).digest()
    return f"OD{int.from_bytes(digest[:8], 'big') % 10**_DIGITS:0{_DIGITS}d}"
