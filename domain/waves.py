"""Waves: parts of orders that one location picks together, by one walk along its bins.

Picking moves no stock: units stay committed until their parcel is handed over. What a wave counts is who has
taken which units from the shelves, so that none is picked twice and a part is PICKED when all of it is there.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.fulfillment import WORKED_ON, FulfillmentOrderStatus, FulfillmentWork
from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.kernel.scan_errors import Expected, ScanRefused, scanned_code

MAX_PARTS = 100
"""Most fulfillment orders of one wave."""


class WaveStatus(StrEnum):
    """How far a wave is."""

    OPEN = "OPEN"
    PICKED = "PICKED"
    CANCELED = "CANCELED"


class ShortReason(StrEnum):
    """Why units that should be in their bin are not picked."""

    NOT_FOUND = "NOT_FOUND"
    DAMAGED = "DAMAGED"
    OTHER = "OTHER"


WAVES: Mapping[WaveStatus, Set[WaveStatus]] = {WaveStatus.OPEN: {WaveStatus.PICKED, WaveStatus.CANCELED}}
WORK: Mapping[FulfillmentWork, Set[FulfillmentWork]] = {
    FulfillmentWork.ALLOCATED: {FulfillmentWork.PICKING},
    FulfillmentWork.PICKING: {FulfillmentWork.PICKED, FulfillmentWork.ALLOCATED},
}
"""What waves make of a part's work; packing goes on from PICKED (`domain/shipment_changes.py`)."""


@dataclass(frozen=True, slots=True)
class BinPlace:
    """A bin on the way through a location: zones by name, within one by position along the path."""

    code: str
    zone: str
    position: int
    preferred: bool = False


@dataclass(frozen=True, slots=True)
class Pick:
    """Units of one line of a part, to be put in the part's tote.

    `open_units` are those that the part has still to send; 0 where it was ended meanwhile.
    """

    id: UUID
    part_id: UUID
    order_id: UUID
    order_number: str
    line_id: UUID
    variant_id: UUID
    sku: str
    barcode: str | None
    name: str
    tote: int
    quantity: int
    picked: int
    short: int
    part_status: FulfillmentOrderStatus
    part_work: FulfillmentWork
    open_units: int
    bins: tuple[BinPlace, ...] = ()

    @property
    def left(self) -> int:
        """How many units are still to be picked."""
        return max(0, min(self.quantity - self.short, self.open_units) - self.picked)

    @property
    def workable(self) -> bool:
        """Whether its part may be picked now: one on hold waits in its tote."""
        return self.part_status in WORKED_ON and self.part_work is FulfillmentWork.PICKING

    @property
    def bin(self) -> BinPlace | None:
        """The bin to go to: the preferred one, else the first on the way."""
        return min(self.bins, key=lambda one: (not one.preferred, one.zone, one.position), default=None)


@dataclass(frozen=True, slots=True)
class Wave:
    """What is picked together at one location."""

    id: UUID
    location_id: UUID
    status: WaveStatus
    version: int
    created_by: str
    created_at: datetime
    ended_at: datetime | None = None
    picks: tuple[Pick, ...] = ()

    def with_picks(self, changed: Iterable[Pick], now: datetime) -> "Wave":
        """Return the wave with picks changed, one version on, PICKED when nothing is left to pick."""
        by_id = {pick.id: pick for pick in changed}
        picks = tuple(by_id.get(pick.id, pick) for pick in self.picks)
        after = replace(self, picks=picks, version=self.version + 1)
        if any(pick.left for pick in picks):
            return after
        return replace(after, status=WaveStatus.PICKED, ended_at=now)


@dataclass(frozen=True, slots=True)
class PickRow:
    """One stop of the walk: units of a SKU for one or more totes, in the order of the way."""

    sku: str
    name: str
    barcode: str | None
    bin: BinPlace | None
    quantity: int
    picked: int
    short: int
    left: int
    picks: tuple[Pick, ...]


def pick_list(picks: Sequence[Pick], *, by_order: bool = False) -> list[PickRow]:
    """Return the walk: by zone and position, what has no bin last; per SKU, or tote by tote (`by_order`)."""
    groups: dict[tuple[int, UUID], list[Pick]] = {}
    for pick in picks:
        groups.setdefault((pick.tote if by_order else 0, pick.variant_id), []).append(pick)
    rows = [(tote, _row(group)) for (tote, _), group in groups.items()]
    return [row for _, row in sorted(rows, key=lambda one: (one[0], _way(one[1])))]


def confirm(
    wave: Wave, scanned: str, quantity: int, bin_code: str | None, part_id: UUID | None
) -> list[Pick]:
    """Count units scanned (by SKU or barcode) as picked, tote by tote; returns the picks that change.

    Raises IllegalTransition for a wave that has ended, InvalidInput for what no code or count can be, and
    ScanRefused for what is not to be picked, more than is, or a bin where it does not lie.
    """
    _check_open(wave)
    scanned = scanned_code(scanned)
    concerned = [pick for pick in wave.picks if part_id is None or pick.part_id == part_id]
    matching = [pick for pick in concerned if scanned in (pick.sku, pick.barcode)]
    if not matching:
        raise _wrong_item(scanned, concerned)
    bins = {place.code for pick in matching for place in pick.bins}
    if bin_code is not None and bins and bin_code not in bins:
        expected = [
            Expected(matching[0].sku, sum(pick.left for pick in matching), one) for one in sorted(bins)
        ]
        raise ScanRefused("WRONG_BIN", "it does not lie in this bin", bin_code, expected, "binCode")
    return _spread(matching, scanned, quantity)


def short_picks(wave: Wave, sku: str, quantity: int, part_id: UUID | None) -> list[tuple[Pick, int]]:
    """Say which totes do without units that are not there: the last first, so that the oldest go out whole.

    Raises what `confirm` does.
    """
    _check_open(wave)
    sku = scanned_code(sku)
    concerned = [pick for pick in wave.picks if part_id in (None, pick.part_id)]
    matching = [pick for pick in concerned if sku in (pick.sku, pick.barcode)]
    if not matching:
        raise _wrong_item(sku, concerned)
    workable = [pick for pick in matching if pick.workable and pick.left]
    _check_units(workable, sku, quantity)
    rest, taken = quantity, []
    for pick in reversed(workable):
        units = min(rest, pick.left)
        if units:
            taken.append((replace(pick, short=pick.short + units), units))
            rest -= units
    return taken


def finished_parts(wave: Wave, changed: Iterable[Pick]) -> set[UUID]:
    """Return the parts of changed picks of which nothing is left to pick and something was picked."""
    concerned = {pick.part_id for pick in changed}
    return {
        part_id
        for part_id in concerned
        if all(not pick.left for pick in wave.picks if pick.part_id == part_id)
        and any(pick.picked for pick in wave.picks if pick.part_id == part_id)
    }


def _wrong_item(scanned: str, picks: Iterable[Pick]) -> ScanRefused:
    rows = pick_list([pick for pick in picks if pick.left and pick.workable])
    return ScanRefused(
        "WRONG_ITEM", "is not to be picked here", scanned, [_expected(row) for row in rows[:3]], "code"
    )


def _spread(matching: Sequence[Pick], scanned: str, quantity: int) -> list[Pick]:
    workable = [pick for pick in matching if pick.workable and pick.left]
    _check_units(workable, scanned, quantity)
    rest, changed = quantity, []
    for pick in workable:
        units = min(rest, pick.left)
        if units:
            changed.append(replace(pick, picked=pick.picked + units))
            rest -= units
    return changed


def _check_units(workable: Sequence[Pick], scanned: str, quantity: int) -> None:
    if quantity < 1:
        raise InvalidInput("must be at least 1", "quantity")
    left = sum(pick.left for pick in workable)
    if quantity > left:
        expected = [_expected(_row(workable))] if workable else []
        message = f"{left} units of it are still to be picked, not {quantity}"
        raise ScanRefused("SURPLUS", message, scanned, expected, "quantity")


def _check_open(wave: Wave) -> None:
    if wave.status is not WaveStatus.OPEN:
        raise IllegalTransition(
            f"the wave is {wave.status.value}", wave.status.value, [WaveStatus.OPEN.value], "waveId"
        )


def _row(picks: Sequence[Pick]) -> PickRow:
    first = picks[0]
    return PickRow(
        first.sku,
        first.name,
        first.barcode,
        first.bin,
        sum(pick.quantity for pick in picks),
        sum(pick.picked for pick in picks),
        sum(pick.short for pick in picks),
        sum(pick.left for pick in picks),
        tuple(picks),
    )


def _way(row: PickRow) -> tuple[bool, str, int, str]:
    if row.bin is None:
        return True, "", 0, row.sku
    return False, row.bin.zone, row.bin.position, row.sku


def _expected(row: PickRow) -> Expected:
    return Expected(row.sku, row.left, row.bin.code if row.bin else None)
