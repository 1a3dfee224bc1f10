"""All background work of one process: stamping, and where it leads, consumers and scheduled jobs."""

import asyncio
from collections.abc import Callable, Sequence

from realtime.feed import Feed
from realtime.stamper import Stamper
from realtime.supervise import supervise
from services.context import ServiceContext
from worker.dispatcher import Dispatcher
from worker.jobs import JOBS
from worker.leader import Leader
from worker.schedule import Job, Schedule


class Background:
    """Runs beside the API in a server process, or alone in a worker process."""

    def __init__(
        self,
        stamper: Stamper,
        dispatcher: Dispatcher,
        direct_url: str,
        context: Callable[[str], ServiceContext],
        more_jobs: Sequence[Job] = (),
        feed: Feed | None = None,
    ) -> None:
        """Prepare; any number of processes may run this, each job and consumer runs in one of them.

        `more_jobs` are what only this deployment does; `feed` tells of events that jobs run for at once.
        """
        self._stamper = stamper
        self._dispatcher = dispatcher
        self._schedule = Schedule((*JOBS, *more_jobs), context, feed)
        self._leader = Leader(direct_url, self._lead)

    async def run(self) -> None:
        """Work until canceled, through any restart of the database."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stamper.run(), name="stamper")
            group.create_task(supervise("leader", self._leader.run), name="leader")

    async def _lead(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._schedule.run(), name="schedule")
            group.create_task(self._dispatcher.run(), name="dispatcher")
