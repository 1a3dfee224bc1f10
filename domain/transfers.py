"""Transfers: stock on its way from one of our locations to another."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.inventory import Movement, StockState
from domain.kernel.changes import check_version
from domain.kernel.errors import DomainError, IllegalTransition, InvalidInput, NotFound, Several
from domain.kernel.quantities import MAX_QUANTITY
from domain.kernel.transitions import check_transition

MAX_LINES = 500
"""Most SKUs one transfer may have."""
MAX_NOTE_LENGTH = 500


class TransferStatus(StrEnum):
    """Life of a transfer."""

    DRAFT = "DRAFT"
    READY_TO_SHIP = "READY_TO_SHIP"
    IN_PROGRESS = "IN_PROGRESS"
    """It has left its source; units are incoming at its destination."""
    TRANSFERRED = "TRANSFERRED"
    CANCELED = "CANCELED"


TRANSITIONS: Mapping[TransferStatus, Set[TransferStatus]] = {
    TransferStatus.DRAFT: {TransferStatus.READY_TO_SHIP, TransferStatus.CANCELED},
    TransferStatus.READY_TO_SHIP: {
        TransferStatus.DRAFT,
        TransferStatus.IN_PROGRESS,
        TransferStatus.CANCELED,
    },
    TransferStatus.IN_PROGRESS: {TransferStatus.TRANSFERRED},
}
"""What has left cannot be canceled: it is received, or written off."""


@dataclass(frozen=True, slots=True)
class TransferLine:
    """Units of one SKU: how many are meant to go, have left, have arrived, and are given up as lost."""

    id: UUID
    variant_id: UUID
    sku: str
    quantity: int
    quantity_shipped: int = 0
    quantity_received: int = 0
    quantity_lost: int = 0

    @property
    def in_transit(self) -> int:
        """Units between the locations."""
        return self.quantity_shipped - self.quantity_received - self.quantity_lost


@dataclass(frozen=True, slots=True)
class Transfer:
    """Units that go from one location to another together."""

    id: UUID
    number: str
    source_id: UUID
    destination_id: UUID
    status: TransferStatus
    lines: tuple[TransferLine, ...]
    created_at: datetime
    note: str | None = None
    expected_at: datetime | None = None
    """When it should arrive."""
    shipped_at: datetime | None = None
    closed_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """What arrived of one line: good units, and others that must be looked at or are broken."""

    line_id: UUID
    available: int = 0
    quality_control: int = 0
    damaged: int = 0

    @property
    def units(self) -> int:
        """How many arrived."""
        return self.available + self.quality_control + self.damaged

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """Each count with the name of its input field."""
        return (
            ("available", self.available),
            ("qualityControl", self.quality_control),
            ("damaged", self.damaged),
        )


def check_lines(quantities: Sequence[tuple[UUID, int]]) -> None:
    """Raise InvalidInput naming the line, for what no transfer can be."""
    if not 1 <= len(quantities) <= MAX_LINES:
        raise InvalidInput(f"name from 1 to {MAX_LINES} lines", "lines")
    seen: set[UUID] = set()
    for position, (variant_id, quantity) in enumerate(quantities):
        if not 1 <= quantity <= MAX_QUANTITY:
            raise InvalidInput(f"must be between 1 and {MAX_QUANTITY}", "lines", str(position), "quantity")
        if variant_id in seen:
            raise InvalidInput("names a variant twice", "lines", str(position), "variant")
        seen.add(variant_id)


def check_editable(transfer: Transfer, expected_version: int | None) -> None:
    """Raise IllegalTransition unless it is a draft, and VersionConflict."""
    check_version(transfer.version, expected_version)
    if transfer.status is not TransferStatus.DRAFT:
        raise IllegalTransition(
            "only a draft is changed; take it back to DRAFT first",
            transfer.status.value,
            sorted(TRANSITIONS.get(transfer.status, ())),
            "id",
        )


def moved_to(transfer: Transfer, wanted: TransferStatus, expected_version: int | None) -> Transfer | None:
    """Return a transfer that has not left in another status; None when it is there already.

    Raises IllegalTransition and VersionConflict.
    """
    if not check_transition(TRANSITIONS, transfer.status, wanted, "the transfer", "id"):
        return None
    check_version(transfer.version, expected_version)
    return replace(transfer, status=wanted, version=transfer.version + 1)


def ship(
    transfer: Transfer, quantities: Mapping[UUID, int] | None, expected_version: int | None, now: datetime
) -> tuple[Transfer, list[Movement]] | None:
    """Return the transfer as it leaves, and the movements; None when it has left already.

    `quantities` are the units that really go, by line; None: all. Raises IllegalTransition, VersionConflict,
    and InvalidInput (nothing goes, or more than is meant to) and NotFound, naming the line.
    """
    moved = moved_to(transfer, TransferStatus.IN_PROGRESS, expected_version)
    if moved is None:
        return None
    if quantities is not None:
        _check_named(transfer, quantities)
    lines = tuple(
        replace(line, quantity_shipped=line.quantity if quantities is None else quantities.get(line.id, 0))
        for line in transfer.lines
    )
    for line in lines:
        if not 0 <= line.quantity_shipped <= line.quantity:
            wrong = f"must be between 0 and {line.quantity}"
            raise InvalidInput(wrong, *named_at(quantities, line.id, "quantity"))
    if not any(line.quantity_shipped for line in lines):
        raise InvalidInput("nothing would leave: cancel the transfer instead", "lines")
    leaving = [line for line in lines if line.quantity_shipped]
    return replace(moved, lines=lines, shipped_at=now), [
        *(_movement(line, transfer.source_id, AVAILABLE, BETWEEN, line.quantity_shipped) for line in leaving),
        *(
            _movement(line, transfer.destination_id, BETWEEN, INCOMING, line.quantity_shipped)
            for line in leaving
        ),
    ]


def named_at(quantities: Mapping[UUID, int] | None, line_id: UUID, field: str) -> tuple[str, ...]:
    """Return the path of a line's field in what was asked for; of the transfer where it was not named."""
    if quantities is None or line_id not in quantities:
        return ("id",)
    return ("lines", str(list(quantities).index(line_id)), field)


def receive(
    transfer: Transfer,
    receipts: Sequence[Receipt],
    *,
    close: bool,
    expected_version: int | None,
    now: datetime,
) -> tuple[Transfer, list[Movement]]:
    """Return the transfer with what arrived, and the movements; it is TRANSFERRED when nothing is left.

    `close` gives up what has not arrived: it was lost on the way. Raises IllegalTransition, VersionConflict,
    InvalidInput and NotFound naming the line.
    """
    check_version(transfer.version, expected_version)
    if transfer.status is not TransferStatus.IN_PROGRESS:
        raise IllegalTransition(
            "nothing of it is on its way: only a transfer that is IN_PROGRESS is received",
            transfer.status.value,
            sorted(TRANSITIONS.get(transfer.status, ())),
            "id",
        )
    _check_receipts(transfer, receipts, close=close)
    found = {receipt.line_id: receipt for receipt in receipts}
    lines, movements = [], []
    for line in transfer.lines:
        receipt = found.get(line.id, Receipt(line.id))
        arrived = replace(line, quantity_received=line.quantity_received + receipt.units)
        lost = arrived.in_transit if close else 0
        lines.append(replace(arrived, quantity_lost=line.quantity_lost + lost))
        movements += _arrivals(line, transfer.destination_id, receipt, lost)
    changed = replace(transfer, lines=tuple(lines), version=transfer.version + 1)
    if not any(line.in_transit for line in lines):
        changed = replace(changed, status=TransferStatus.TRANSFERRED, closed_at=now)
    return changed, movements


AVAILABLE, BETWEEN, INCOMING = StockState.AVAILABLE, StockState.TRANSFER, StockState.INCOMING


def _arrivals(line: TransferLine, location_id: UUID, receipt: Receipt, lost: int) -> list[Movement]:
    into = (
        (StockState.AVAILABLE, receipt.available, "TRANSFER_RECEIVED"),
        (StockState.QUALITY_CONTROL, receipt.quality_control, "TRANSFER_RECEIVED"),
        (StockState.DAMAGED, receipt.damaged, "TRANSFER_RECEIVED"),
        (StockState.ADJUSTMENT, lost, "TRANSFER_LOST"),
    )
    return [
        _movement(line, location_id, INCOMING, state, units, reason) for state, units, reason in into if units
    ]


def _movement(
    line: TransferLine,
    location_id: UUID,
    source: StockState,
    target: StockState,
    units: int,
    reason: str = "TRANSFER_SHIPPED",
) -> Movement:
    return Movement(line.variant_id, location_id, source, target, units, reason)


def _check_receipts(transfer: Transfer, receipts: Sequence[Receipt], *, close: bool) -> None:
    _check_named(transfer, {receipt.line_id: receipt.units for receipt in receipts})
    if len({receipt.line_id for receipt in receipts}) < len(receipts):
        raise InvalidInput("names a line twice", "lines")
    if not close and not any(receipt.units for receipt in receipts):
        raise InvalidInput("nothing arrived: say what did, or close the transfer", "lines")
    lines = {line.id: line for line in transfer.lines}
    wrong: list[DomainError] = []
    for position, receipt in enumerate(receipts):
        units, most = receipt.units, lines[receipt.line_id].in_transit
        for name, count in receipt.counts:
            if count < 0:
                wrong.append(InvalidInput("must not be below zero", "lines", str(position), name))
        if units > most:
            wrong.append(
                InvalidInput(f"{most} units of it are on their way", "lines", str(position), "available")
            )
    if wrong:
        raise wrong[0] if len(wrong) == 1 else Several(wrong)


def _check_named(transfer: Transfer, quantities: Mapping[UUID, int]) -> None:
    known = {line.id for line in transfer.lines}
    for position, line_id in enumerate(quantities):
        if line_id not in known:
            raise NotFound("the transfer has no such line", "lines", str(position), "lineId")
