"""A real server process for tests, over a real database, asked over real HTTP."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx

from bench._environment import child_environment
from domain.inventory import HoldPolicy
from persistence.database import Database
from services import apps
from services.access import SYSTEM
from services.context import Environment, ServiceContext
from services.tokens import TokenSigner
from tests import warm

SECRET_KEY = "a key that only tests use, 32 chars+"
_ORDERTIDE = str(Path(sys.executable).with_name("ordertide"))
SECONDS_TO_START = 120
PROMPT_SECONDS = 0.3
_PROMPT_TRIES = 3

Process = subprocess.Popen[str] | warm.Forked


class PromptTransport(httpx.HTTPTransport):
    """Demands an answer within PROMPT_SECONDS, at the best of a few tries.

    What is slow by nature is slow each time; what only met a busy machine is not. Send nothing by it
    that must not be sent again.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the first answer that came in time, whole; fails when none did."""
        seconds = []
        for _ in range(_PROMPT_TRIES):
            started = time.perf_counter()
            response = super().handle_request(request)
            response.read()
            seconds.append(time.perf_counter() - started)
            if seconds[-1] < PROMPT_SECONDS:
                return response
            time.sleep(PROMPT_SECONDS)
        raise AssertionError(f"answered in {seconds} seconds, never in {PROMPT_SECONDS}")


class Server:
    """One `ordertide serve` and a client for it; `token` is an app's with every permission."""

    def __init__(self, process: Process, port: int, token: str, log: Path) -> None:
        self.process = process
        self.port = port
        self.token = token
        self.log = log
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=30)

    def graphql(self, query: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
        """Ask one GraphQL request by POST; `token` "" asks anonymously, None as the all-powerful app."""
        answer = self.http.post(
            "/graphql", json={"query": query, "variables": variables}, headers=self.headers(token)
        )
        return dict(answer.json())

    def headers(self, token: str | None = None) -> dict[str, str]:
        """Return the authorization header."""
        token = self.token if token is None else token
        return {"authorization": f"Bearer {token}"} if token else {}

    def demand_prompt_answers(self) -> None:
        """Fail from here on when a question is not answered within PROMPT_SECONDS; it may be repeated."""
        self.http.close()
        self.http = httpx.Client(base_url=self.url, timeout=30, transport=PromptTransport())

    def kill(self) -> None:
        """Let it die without a word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop and return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.stop()


async def app_token(database_url: str, *permissions: str) -> str:
    """Make an app and return its token; without permissions named it may do everything."""
    database = Database(database_url, pool_size=1)
    try:
        environment = Environment(database, TokenSigner(SECRET_KEY), HoldPolicy(900, 7200))
        context = ServiceContext(environment, SYSTEM, "test")
        return await apps.create(context, "tests", list(permissions) or [apps.ALL_PERMISSIONS])
    finally:
        await database.close()


@contextmanager
def running_server(
    database_url: str, token: str, folder: Path, *arguments: str, **settings: str
) -> Iterator[Server]:
    """Run `ordertide serve` until the block ends; `settings` as in `CART_HOLD_SECONDS`.

    Without a `port` among them it gets a free one; with an empty `database_url` it brings its own
    PostgreSQL, under `home`.
    """
    port = int(settings.pop("port", 0)) or free_port()
    log = folder / f"server-{port}.log"
    process = _start(["serve", "--port", str(port), *arguments], database_url, log, settings)
    with Server(process, port, token, log) as server:
        _wait_until_ready(server)
        yield server


@contextmanager
def running_worker(database_url: str, folder: Path, **settings: str) -> Iterator[Process]:
    """Run `ordertide worker` until the block ends, however it has ended by then."""
    log = folder / f"worker-{uuid4().hex[:8]}.log"
    process = _start(["worker"], database_url, log, settings)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            assert process.wait(timeout=30) == 0, log.read_text()


def refused(answer: httpx.Response) -> str:
    """Return the code of an answer that must be a GraphQL error with nothing else."""
    assert answer.status_code < 500, answer.text
    body = answer.json()
    assert body.get("data") is None
    error = body["errors"][0]
    assert error["message"]
    return str(error["extensions"]["code"])


def post(server: Server, body: bytes, **headers: str) -> httpx.Response:
    """Send a raw body."""
    return server.http.post("/graphql", content=body, headers={"content-type": "application/json", **headers})


def free_port() -> int:
    """Return a port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def metric(server: Server, name: str) -> float:
    """Return the sum of one metric over its labels."""
    text = server.http.get("/metrics").text
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def _start(arguments: list[str], database_url: str, log: Path, settings: Mapping[str, str]) -> Process:
    environment = child_environment(database_url=database_url, secret_key=SECRET_KEY, **settings)
    with log.open("a") as out:
        if "--workers" not in arguments:
            return warm.start(arguments, environment, out, out)
        return subprocess.Popen([_ORDERTIDE, *arguments], env=environment, stdout=out, stderr=out, text=True)


def _wait_until_ready(server: Server) -> None:
    end = time.monotonic() + SECONDS_TO_START
    last = "never answered"
    while time.monotonic() < end:
        if server.process.poll() is not None:
            break
        try:
            answer = server.http.get("/readyz")
            last = answer.text
            if answer.status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"the server did not get ready ({last}):\n{server.log.read_text()}")
