"""A clock that tests move."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass
class StoppedClock:
    """A clock that only moves when told to."""

    at: datetime

    def now(self) -> datetime:
        """Return the moment it stands at."""
        return self.at

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)
