"""The examples of docs/live.md follow a real server as they stand there, through the death of a server."""

import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.factories import Shop, make_shop
from tests.feeds import cart_cursors, first_cursor, opened
from tests.node import ROOT, Node
from tests.postgres import TestServer
from tests.processes import wait_until
from tests.programs import Program, running
from tests.server import Server, app_token, free_port, running_server

PAGE = ROOT / "docs" / "live.md"
PATIENCE_SECONDS = 60
CREATE = """mutation ($channel: String!, $sku: String!) {
    cartCreate(input: { channel: $channel, lines: [{ variant: { sku: $sku }, quantity: 1 }] }) {
        userErrors { message } } }"""

# What the page says is the reader's own: url, token, saved, handle.
PYTHON = """import json, os
url, token, saved = os.environ["LIVE_URL"], os.environ["LIVE_TOKEN"], os.environ["LIVE_AFTER"]
def handle(event): print(json.dumps(event), flush=True)
"""
JAVASCRIPT = """import WebSocket from "ws";
globalThis.WebSocket ??= WebSocket;
const { LIVE_URL: url, LIVE_TOKEN: token, LIVE_AFTER: saved } = process.env;
const handle = (event) => console.log(JSON.stringify(event));
"""
TYPESCRIPT = """import WebSocket from "ws";
globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket;
const { LIVE_URL: url = "", LIVE_TOKEN: token, LIVE_AFTER: saved } = process.env;
const handle = (event: { cursor: string }): void => console.log(JSON.stringify(event));
"""
BEFORE = {"python": PYTHON, "js": JAVASCRIPT, "ts": TYPESCRIPT}
SUFFIXES = {"python": "py", "js": "mjs", "ts": "ts"}


@dataclass(frozen=True)
class Example:
    """A block of the page, named by the heading above it."""

    heading: str
    language: str
    text: str


def examples() -> list[Example]:
    found = []
    for section in PAGE.read_text().split("\n## ")[1:]:
        heading = section.splitlines()[0]
        found += [
            Example(heading, language, text)
            for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        ]
    return found


PHONE = "A parcel, on a phone"
"""It follows no carts: `test_tracking.py` runs it."""
RUN = [one for one in examples() if one.language in SUFFIXES and one.heading != PHONE]


SHELL = [example for example in examples() if example.language == "sh"]


def test_only_what_is_marked_is_not_run() -> None:
    page = PAGE.read_text()
    marked = re.findall(r"^## (.*)\n\n\*No test runs this example\.\*", page, re.MULTILINE)

    assert [example.heading for example in examples() if example not in RUN + SHELL] == [*marked, PHONE]
    assert len(RUN) == 8


class Followed:
    """What the feed held in the end, and what each example handled."""

    def __init__(self) -> None:
        self.feed: list[str] = []
        self.handled: dict[str, list[Any]] = {}
        self.complaints: dict[str, str] = {}


@pytest.fixture(scope="module")
async def followed(
    postgres: TestServer, node: Node, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Followed]:
    """Run all examples together while their server is killed and another takes its place."""
    folder = tmp_path_factory.mktemp("examples")
    url = await postgres.clone()
    seen = Followed()
    token = await app_token(url)
    async with opened(url) as database:
        shop = await make_shop(database, stock=1_000)
        start = await first_cursor(database)
        port = free_port()
        environment = {
            "LIVE_URL": f"ws://127.0.0.1:{port}/graphql",
            "LIVE_TOKEN": token,
            "LIVE_AFTER": start,
        }
        with ExitStack() as stack:
            with running_server(url, token, folder, port=str(port)) as server:
                programs = {
                    one.heading: stack.enter_context(started(one, node, folder, environment)) for one in RUN
                }
                write(server, shop)
                wait_for_all(programs, len(await cart_cursors(database)))
                # Nobody may have seen these when the server goes, and then they come from the next.
                write(server, shop)
                server.kill()
            with running_server(url, token, folder, port=str(port)) as server:
                write(server, shop)
                seen.feed = await cart_cursors(database)
                wait_for_all(programs, len(seen.feed))
            seen.handled = {name: program.printed() for name, program in programs.items()}
            seen.complaints = {name: program.complaints() for name, program in programs.items()}
    yield seen
    await postgres.drop(url)


def started(
    example: Example, node: Node, folder: Path, environment: dict[str, str]
) -> AbstractContextManager[Program]:
    name = re.sub(r"\W+", "-", example.heading.lower())
    program = folder / f"{name}.{SUFFIXES[example.language]}"
    program.write_text(BEFORE[example.language] + example.text)
    if example.language == "python":
        helper = {"PYTHONPATH": str(ROOT / "clients" / "python")}
        return running([sys.executable, str(program)], folder, name, environment | helper)
    return node.run(program, folder=folder, **environment)


@pytest.mark.skipif(not shutil.which("curl") or not shutil.which("bash"), reason="needs curl and bash")
@pytest.mark.parametrize("text", [example.text for example in SHELL])
async def test_an_example_for_the_shell_shows_every_event(
    fresh_database_url: str, tmp_path: Path, text: str
) -> None:
    token = await app_token(fresh_database_url)
    async with opened(fresh_database_url) as database:
        shop = await make_shop(database, stock=1_000)
        start = await first_cursor(database)
        with running_server(fresh_database_url, token, tmp_path) as server:
            write(server, shop)
            given = {"url": f"ws://127.0.0.1:{server.port}/graphql", "token": token, "saved": start}
            with running(["bash", "-c", f"set -u\n{text}"], tmp_path, "shell", given) as shell:
                feed = await cart_cursors(database)
                shown = tmp_path / "shell.out"
                wait_until(lambda: feed[-1] in shown.read_text(), "curl does not show the newest event")
                server.stop()
                assert shell.process.wait(10) == 0
    assert re.findall(r"^id: (.*)$", shown.read_text(), re.MULTILINE) == feed


def write(server: Server, shop: Shop) -> None:
    for _ in range(3):
        answer = server.graphql(CREATE, channel=shop.channel.slug, sku=shop.variant.sku)
        assert answer["data"]["cartCreate"]["userErrors"] == []


def wait_for_all(programs: dict[str, Program], count: int) -> None:
    """Wait until every example has handled so many events; who died is told by its own test."""

    def caught_up(program: Program) -> bool:
        return program.process.poll() is not None or len(program.printed()) >= count

    wait_until(
        lambda: all(caught_up(program) for program in programs.values()),
        f"{[name for name, program in programs.items() if not caught_up(program)]} do not follow",
        seconds=PATIENCE_SECONDS,
    )


@pytest.mark.slow
@pytest.mark.parametrize("heading", [example.heading for example in RUN])
def test_an_example_handles_every_event_once_and_in_order(followed: Followed, heading: str) -> None:
    cursors = [event["cursor"] for event in followed.handled[heading]]

    assert len(followed.feed) >= 18
    assert cursors == followed.feed, followed.complaints[heading]
