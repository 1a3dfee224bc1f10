"""Reconciliation: do a provider's report and our own record of one day tell of the same money?"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID

from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.ports import ReportLine

LOOK_BACK = timedelta(days=3)
"""How much earlier than our own moment a provider may have recorded a movement: its callback comes
late, or the sweep found its answer out after an outage."""

LOOK_AHEAD = timedelta(hours=2)
"""How much later a provider may have recorded it: clocks differ, also about when a day ends."""

KINDS = (TransactionKind.CAPTURE, TransactionKind.REFUND, TransactionKind.CHARGEBACK)
"""The transactions that move money."""

MAX_NOTE_LENGTH = 500
"""Longest note on a difference, in characters."""


class DifferenceKind(StrEnum):
    """How a movement differs."""

    MISSING_HERE = "MISSING_HERE"
    """The provider reports what we have no settled transaction of."""
    MISSING_THERE = "MISSING_THERE"
    """We settled what the provider does not report."""
    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    CURRENCY_DIFFERS = "CURRENCY_DIFFERS"


class DifferenceState(StrEnum):
    """Whether somebody still has to look."""

    OPEN = "OPEN"
    RESOLVED = "RESOLVED"


@dataclass(frozen=True, slots=True)
class Settled:
    """One of our transactions that succeeded; `reference` is the provider's name of it."""

    id: UUID
    kind: TransactionKind
    reference: str | None
    amount: Money
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """One movement that the two records do not tell the same of; `ours` and `theirs` where they tell it."""

    kind: DifferenceKind
    movement: TransactionKind
    subject: str
    transaction_id: UUID | None
    reference: str | None
    ours: Money | None
    theirs: Money | None


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day in UTC, from `start` up to before `end`."""

    date: date

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime.combine(self.date, time(), UTC)

    @property
    def end(self) -> datetime:
        """The first moment of the day after."""
        return self.start + timedelta(days=1)

    def has(self, moment: datetime) -> bool:
        """Say whether a moment is in the day."""
        return self.start <= moment < self.end


def compare(day: Day, ours: Sequence[Settled], theirs: Sequence[ReportLine]) -> list[Difference]:
    """Return how `ours` and `theirs` differ about the movements of a day.

    Both may hold more than the day, so that what one recorded before and the other after midnight finds
    its other half: a line is judged on the day of its own moment, and a transaction without a line on
    its own. `theirs` must reach LOOK_BACK before the day and LOOK_AHEAD beyond it, `ours` must have
    whatever the lines name. A line that comes twice is one; two that name one transaction are not.
    """
    lines = {(line.kind, line.change_reference): line for line in theirs}
    pairs = _paired(ours, lines.values())
    found = [
        difference
        for name, line in lines.items()
        if day.has(line.occurred_at) and (difference := _judge(line, pairs.get(name)))
    ]
    matched = {mine.id for mine in pairs.values()}
    return found + [_missing_there(one) for one in ours if one.id not in matched and day.has(one.settled_at)]


def _paired(
    ours: Sequence[Settled], lines: Collection[ReportLine]
) -> dict[tuple[TransactionKind, str], Settled]:
    """Find each line's transaction: by the provider's name of it first, what is left by our key."""
    by_reference = {(one.kind, one.reference): one for one in ours if one.reference}
    by_id = {one.id: one for one in ours}
    pairs: dict[tuple[TransactionKind, str], Settled] = {}
    for line in lines:
        name = (line.kind, line.change_reference)
        if name in by_reference:
            pairs[name] = by_reference[name]
    taken = {mine.id for mine in pairs.values()}
    for line in lines:
        name, asked = (line.kind, line.change_reference), transaction_of(line.key)
        mine = by_id.get(asked) if asked else None
        if name not in pairs and mine is not None and mine.kind is line.kind and mine.id not in taken:
            pairs[name] = mine
            taken.add(mine.id)
    return pairs


def transaction_of(key: str | None) -> UUID | None:
    """Return the transaction whose idempotency key a provider kept; None for any other key."""
    prefix, _, tail = (key or "").partition("-")
    try:
        return UUID(hex=tail) if prefix == "ordertide" else None
    except ValueError:
        return None


def _judge(line: ReportLine, mine: Settled | None) -> Difference | None:
    if mine is None:
        kind = DifferenceKind.MISSING_HERE
    elif mine.amount.currency != line.amount.currency:
        kind = DifferenceKind.CURRENCY_DIFFERS
    elif mine.amount.amount_minor != line.amount.amount_minor:
        kind = DifferenceKind.AMOUNT_DIFFERS
    else:
        return None
    return Difference(
        kind,
        line.kind,
        str(mine.id) if mine else line.change_reference,
        mine.id if mine else None,
        line.change_reference,
        mine.amount if mine else None,
        line.amount,
    )


def _missing_there(one: Settled) -> Difference:
    kind = DifferenceKind.MISSING_THERE
    return Difference(kind, one.kind, str(one.id), one.id, one.reference, one.amount, None)
