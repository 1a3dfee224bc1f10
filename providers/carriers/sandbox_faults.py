"""How the sandbox carrier misbehaves: kept in its record, so that it can be changed while everything runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from secrets import SystemRandom

_LATEST_SECONDS = 5.0
_SHUFFLED_SECONDS = 1.0
_CHANCE = SystemRandom()


class CarrierFate(Enum):
    """How a request ends for whoever sent it."""

    ANSWERED = auto()
    # It fails before anything is recorded.
    LOST = auto()
    # Recorded, and answered with a server error: that says nothing about the outcome.
    SERVER_ERROR = auto()
    # Recorded, and the connection stays open until the caller's own time limit ends it.
    HANGS = auto()


@dataclass(frozen=True, slots=True)
class CarrierFaults:
    """How often what goes wrong, from 0 (never) to 1 (always), and until when nothing is answered at all.

    Requests fail by chance, each anew; an error comes before or after the request is recorded, as chance has
    it. What asks what became of a request fails only while the carrier is down.
    """

    hang: float = 0.0
    error: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    shuffle: float = 0.0
    down_until: datetime | None = None

    def is_down(self, now: datetime) -> bool:
        """Say whether nothing is answered now."""
        return self.down_until is not None and now < self.down_until

    def fate(self) -> CarrierFate:
        """Return how the next request ends."""
        chance = _CHANCE.random()
        if chance < self.hang:
            return CarrierFate.HANGS
        if chance < self.hang + self.error:
            return _CHANCE.choice((CarrierFate.LOST, CarrierFate.SERVER_ERROR))
        return CarrierFate.ANSWERED

    def deliveries(self) -> int:
        """Return how often the next callback is delivered."""
        return 2 if _CHANCE.random() < self.duplicate else 1

    def delay(self) -> timedelta:
        """Return how long the next callback waits: others overtake it."""
        seconds = 0.0
        if _CHANCE.random() < self.shuffle:
            seconds += _SHUFFLED_SECONDS * _CHANCE.random()
        if _CHANCE.random() < self.late:
            seconds += _LATEST_SECONDS * _CHANCE.random()
        return timedelta(seconds=seconds)
