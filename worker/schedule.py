"""What happens again and again: each job every so many seconds, none twice at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from prometheus_client import Gauge, Histogram

from realtime.events import Filter
from realtime.feed import Feed
from realtime.supervise import supervise
from services.context import ServiceContext

JOB_SECONDS = Histogram("ordertide_job_seconds", "Time one run of a scheduled job took", ["job"])
JOB_FINISHED = Gauge("ordertide_job_finished_timestamp", "When a scheduled job last ended well", ["job"])


@dataclass(frozen=True, slots=True)
class Job:
    """A use case to run every `seconds`, counted from the end of one run to the start of the next.

    Also at once after an event of one of the kinds `at_once`, whichever process it was that wrote it.
    """

    name: str
    seconds: float
    run: Callable[[ServiceContext], Awaitable[Any]]
    at_once: frozenset[str] = frozenset()


class Schedule:
    """Runs jobs side by side; one that fails is logged and tried again, and stops no other."""

    def __init__(
        self, jobs: Sequence[Job], context: Callable[[str], ServiceContext], feed: Feed | None = None
    ) -> None:
        """Prepare; `context` makes the service context of one run from its request id.

        Without a `feed` that tells of events, jobs run at their times alone.
        """
        self._jobs = jobs
        self._context = context
        self._feed = feed

    async def run(self) -> None:
        """Run every job until canceled."""
        async with asyncio.TaskGroup() as group:
            for job in self._jobs:
                group.create_task(supervise(job.name, lambda job=job: self._repeat(job)), name=job.name)  # type: ignore[misc]
            group.create_task(asyncio.Event().wait())

    async def _repeat(self, job: Job) -> None:
        if not job.at_once or self._feed is None:
            while True:
                await self._run(job)
                await asyncio.sleep(job.seconds)
        # Followed before the first look, so that nothing arrives unseen in between.
        wanted = Filter(only=lambda event: event.kind in job.at_once)
        async with self._feed.latest(lambda event: 0, wanted) as news:
            while True:
                await self._run(job)
                with suppress(TimeoutError):
                    async with asyncio.timeout(job.seconds):
                        await anext(news)

    async def _run(self, job: Job) -> None:
        started = time.perf_counter()
        await job.run(self._context(f"job-{job.name}"))
        JOB_SECONDS.labels(job.name).observe(time.perf_counter() - started)
        JOB_FINISHED.labels(job.name).set_to_current_time()
