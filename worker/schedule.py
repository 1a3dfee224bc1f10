"""What happens again and again: each job every so many seconds, none twice at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import Gauge, Histogram

from realtime.supervise import supervise
from services.context import ServiceContext

JOB_SECONDS = Histogram("ordertide_job_seconds", "Time one run of a scheduled job took", ["job"])
JOB_FINISHED = Gauge("ordertide_job_finished_timestamp", "When a scheduled job last ended well", ["job"])


@dataclass(frozen=True, slots=True)
class Job:
    """A use case to run every `seconds`, counted from the end of one run to the start of the next."""

    name: str
    seconds: float
    run: Callable[[ServiceContext], Awaitable[Any]]


class Schedule:
    """Runs jobs side by side; one that fails is logged and tried again, and stops no other."""

    def __init__(self, jobs: Sequence[Job], context: Callable[[str], ServiceContext]) -> None:
        """Prepare; `context` makes the service context of one run from its request id."""
        self._jobs = jobs
        self._context = context

    async def run(self) -> None:
        """Run every job until canceled."""
        async with asyncio.TaskGroup() as group:
            for job in self._jobs:
                group.create_task(supervise(job.name, lambda job=job: self._repeat(job)), name=job.name)  # type: ignore[misc]
            group.create_task(asyncio.Event().wait())

    async def _repeat(self, job: Job) -> None:
        while True:
            started = time.perf_counter()
            await job.run(self._context(f"job-{job.name}"))
            JOB_SECONDS.labels(job.name).observe(time.perf_counter() - started)
            JOB_FINISHED.labels(job.name).set_to_current_time()
            await asyncio.sleep(job.seconds)
