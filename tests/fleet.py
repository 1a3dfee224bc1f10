"""Server processes on one database, to be killed by tests: a killed one is replaced."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.server import Server, metric, running_server

STAMPED = "ordertide_events_stamped_total"


class Fleet:
    """Some processes of `ordertide serve`; every second one sends by the portable path."""

    def __init__(
        self, database_url: str, token: str, folder: Path, count: int, settings: Mapping[str, str]
    ) -> None:
        """Prepare; with an empty `database_url` they bring their PostgreSQL, under the settings' `home`."""
        self.token = token
        self._database_url = database_url
        self._folder = folder
        self._count = count
        self._settings = settings
        self._started = 0
        self._servers: list[tuple[Server, ExitStack]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let them run until the end of the block."""
        try:
            for _ in range(self._count):
                self.add()
            yield
        finally:
            for _, stack in self._servers:
                stack.close()

    @property
    def servers(self) -> list[Server]:
        """Those that run, the oldest first."""
        return [server for server, _ in self._servers]

    @property
    def urls(self) -> list[str]:
        """Where they listen."""
        return [server.url for server in self.servers]

    def kill(self, server: Server) -> None:
        """Kill a server, and start another one elsewhere."""
        (found,) = (one for one in self._servers if one[0] is server)
        self._servers.remove(found)
        server.kill()
        found[1].close()
        self.add()

    def kill_the_stamping_one(self) -> None:
        """Kill whoever has moved most events into the feed."""
        self.kill(max(self.servers, key=lambda server: metric(server, STAMPED)))

    def add(self) -> Server:
        """Start one more."""
        self._started += 1
        stack = ExitStack()
        server = stack.enter_context(
            running_server(
                self._database_url,
                self.token,
                self._folder,
                **self._settings,
                live_fast_path="true" if self._started % 2 else "false",
            )
        )
        self._servers.append((server, stack))
        return server
