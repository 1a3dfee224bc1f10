"""What the demo's terminal shows: counts, the newest events, and stock running low."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

_NEWEST = 14
_MINUTE_SECONDS = 60.0
# A SKU is running low at a tenth of what was on the shelves in the morning.
_LOW_SHARE = 0.1
_LOWEST_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Happening:
    """One event as the feed delivered it, in a few words for a person."""

    at: str  # time of day, UTC
    kind: str
    about: str


@dataclass(slots=True)
class Board:
    """Everything the screen shows; filled by the subscriptions and the replay, drawn by screen.py."""

    opening: dict[str, int]  # units in the morning, by SKU
    names: dict[str, str]  # by SKU
    clock: Callable[[], float] = time.monotonic
    newest: deque[Happening] = field(default_factory=lambda: deque(maxlen=_NEWEST))
    events: Counter[str] = field(default_factory=Counter)
    available: dict[str, int] = field(default_factory=dict)
    shoppers: int = 0
    failures: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    shop_time: str = ""
    day: int = 1
    _placed: deque[float] = field(default_factory=deque)

    def happened(self, event: Happening) -> None:
        """Take in one event of the feed."""
        self.newest.appendleft(event)
        self.events[event.kind] += 1
        if event.kind == "OrderPlaced":
            self._placed.append(self.clock())

    def stock_is(self, sku: str, available: int) -> None:
        """Take in the newest availability of one SKU."""
        self.available[sku] = available

    def name_of(self, sku: str) -> str:
        """Return what the SKU is called."""
        return self.names.get(sku, "")

    def orders_per_minute(self) -> int:
        """Count the orders placed during the last 60 seconds."""
        earliest = self.clock() - _MINUTE_SECONDS
        while self._placed and self._placed[0] < earliest:
            self._placed.popleft()
        return len(self._placed)

    def running_low(self) -> list[tuple[str, int, int]]:
        """Return (SKU, units available, units in the morning) of what runs low, lowest share first."""
        low = [
            (sku, units, self.opening[sku])
            for sku, units in self.available.items()
            if units <= self.opening[sku] * _LOW_SHARE
        ]
        low.sort(key=lambda row: (row[1] / row[2], row[0]))
        return list(islice(low, _LOWEST_SHOWN))
