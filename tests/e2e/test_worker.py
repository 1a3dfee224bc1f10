"""`ordertide worker` beside `ordertide serve --role api`: who does the work behind the scenes."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from bench._environment import child_environment
from persistence.database import Database
from tests.factories import make_shop
from tests.processes import wait_until
from tests.server import SECRET_KEY, Server, app_token, running_server, running_worker

HOLD = {"cart_hold_seconds": "1"}
CREATE = """mutation ($channel: String!, $sku: String!) {
    cartCreate(input: { channel: $channel, lines: [{ variant: { sku: $sku }, quantity: 2 }] }) {
        userErrors { message } } }"""
DEFECTIVE = """
import asyncio
from realtime.outbox import OutboxWatch

async def run(self):
    await asyncio.sleep(1)
    raise RuntimeError("a defect")

OutboxWatch.run = run
from app.cli import main
main()
"""
"""The command line, but what looks after the outbox fails after a second."""

AVAILABLE = """query ($channel: String!, $sku: String!) {
    productVariant(variant: { sku: $sku }, channel: $channel) { availability { available } } }"""


async def test_a_worker_does_what_the_api_leaves_and_another_takes_over(
    fresh_database_url: str, tmp_path: Path
) -> None:
    database = Database(fresh_database_url, pool_size=1)
    shop = await make_shop(database, stock=5)
    await database.close()
    names = {"channel": shop.channel.slug, "sku": shop.variant.sku}
    token = await app_token(fresh_database_url)

    with running_server(fresh_database_url, token, tmp_path, "--role", "api", **HOLD) as server:
        hold_two(server, names)
        await asyncio.sleep(3)
        assert available(server, names) == 3, "the API alone must not do background work"

        with running_worker(fresh_database_url, tmp_path, **HOLD) as first:
            wait_until(lambda: available(server, names) == 5, seconds=30)
            with running_worker(fresh_database_url, tmp_path, **HOLD):
                first.kill()
                first.wait()
                hold_two(server, names)
                wait_until(lambda: available(server, names) == 5, seconds=30)


@pytest.mark.parametrize("command", [["worker"], ["serve", "--port", "0"]])
def test_a_process_ends_and_fails_when_part_of_its_work_has_ended(
    fresh_database_url: str, command: list[str]
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", DEFECTIVE, *command],
        env=child_environment(database_url=fresh_database_url, secret_key=SECRET_KEY),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1, ended.stderr
    assert "background_task_ended" in ended.stderr
    assert "a defect" in ended.stderr


def hold_two(server: Server, names: dict[str, str]) -> None:
    """Let a shopper put two of the shop's five units into a cart."""
    made = server.graphql(CREATE, token="", **names)
    assert made["data"]["cartCreate"]["userErrors"] == []


def available(server: Server, names: dict[str, str]) -> int:
    """Return how many units a shopper could have now."""
    answer = server.graphql(AVAILABLE, token="", **names)
    return int(answer["data"]["productVariant"]["availability"]["available"])
