"""How often one caller may ask: a token bucket each, in this process."""

import time
from collections import OrderedDict
from collections.abc import Callable

_REMEMBERED = 50_000


class RateLimiter:
    """Token buckets by caller: `per_second` on average, `burst` at once; 0 a second means no limit.

    Counts are of one process. The least recently seen callers are forgotten first, which only ever
    gives them a full bucket again.
    """

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with every bucket full."""
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, caller: str) -> float:
        """Count one request of `caller`; return 0, or after how many seconds to try again."""
        if self._per_second <= 0:
            return 0.0
        now = self._clock()
        tokens, since = self._buckets.get(caller, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._per_second)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._per_second
        self._buckets[caller] = (tokens - 1 if wait == 0 else tokens, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        return wait

    def give_back(self, caller: str) -> None:
        """Take back one request counted before, which turned out not to be one of those that count."""
        if bucket := self._buckets.get(caller):
            tokens, since = bucket
            self._buckets[caller] = (min(self._burst, tokens + 1), since)
