"""A worker is killed at every commit of a message's life; each customer gets one message all the same."""

from pathlib import Path

import asyncpg
import pytest

from persistence.database import Database
from tests.checkouts import make_stocked_shop, order_now
from tests.killed_workers import Gates, Workers, until
from tests.mail_server import ADDRESS, mail_server

WRITTEN, CLAIMED, HANDED_OVER, ENDED = range(1, 5)
"""The commits of a message's life: by the consumer, then by the job."""

_GATE = f"""CASE
    WHEN TG_OP = 'INSERT' THEN {WRITTEN}
    WHEN NEW.state = 'SENT' THEN {ENDED}
    WHEN NEW.state = 'SENDING' AND OLD.state = 'PENDING' THEN {HANDED_OVER}
    ELSE {CLAIMED} END"""
_ROWS = "SELECT id, state, repeats FROM notifications ORDER BY created_at, id"


@pytest.mark.slow
async def test_a_worker_killed_at_any_commit_tells_each_customer_once(
    fresh_database_url: str, tmp_path: Path
) -> None:
    database = Database(fresh_database_url, pool_size=2)
    shop = await make_stocked_shop(database, 100)
    connection = await asyncpg.connect(fresh_database_url)
    gates = Gates(connection)
    await gates.build("notifications", _GATE)
    async with (
        mail_server() as server,
        Workers(
            fresh_database_url,
            tmp_path,
            mail_url=server.url,
            mail_from=ADDRESS,
            mail_time_limit_seconds="0.3",
        ) as workers,
    ):
        await until(connection, "SELECT count(*) FROM feed_consumers", 1)
        for gate in (WRITTEN, CLAIMED, HANDED_OVER, ENDED):
            for is_lost in (True, False):
                await gates.close(gate)
                await order_now(database, shop, 1)
                waiting = await gates.waiting(gate)
                await workers.kill_the_first()
                await workers.until_one_leads()
                if is_lost:
                    await gates.lose(waiting)
                await gates.open(gate)
                await until(connection, "SELECT count(*) FROM notifications WHERE state <> 'SENT'", 0)
        sent = await connection.fetch(_ROWS)
    await connection.close()
    await database.close()

    ids = server.ids()
    messages = [f"<{row['id'].hex}.1@{ADDRESS.partition('@')[2]}>" for row in sent]
    assert len(sent) == 8
    assert set(ids) == set(messages), "everybody was told"
    # The one that had an answer which was never written down; and it is the same message.
    doubled = [one for one in messages if ids.count(one) > 1]
    assert doubled == [messages[6]]
    copies = [content for content, one in zip(server.taken, ids, strict=True) if one == messages[6]]
    assert len(copies) == 2
    assert copies[0] == copies[1]
    # In doubt were those alone that had been handed over.
    assert [row["repeats"] for row in sent] == [0, 0, 0, 0, 0, 1, 1, 0]
