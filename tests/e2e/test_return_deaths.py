"""A worker is killed around every commit of a refund for a return: the provider gives it back once."""

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import asyncpg
import pytest
from asyncpg import Connection

from domain.returns import Return
from persistence.database import Database
from tests.checkouts import make_stocked_shop
from tests.killed_workers import Gates, Workers, until
from tests.mail_server import ADDRESS, mail_server
from tests.mortal import Death, Died, Mortal
from tests.sent_back import arrived_order, ask_for, bring_back, let_return, look_at

NOWHERE, INTENT, PROVIDER, OUTCOME, END = range(5)
"""Who commits what: we our intent, the provider its record, we its outcome, and the end of the return."""

_OURS = f"""CASE
    WHEN NEW.kind <> 'REFUND' THEN {NOWHERE}
    WHEN TG_OP = 'INSERT' THEN {INTENT}
    WHEN NEW.status = 'SUCCEEDED' THEN {OUTCOME}
    ELSE {NOWHERE} END"""
_THEIRS = f"CASE WHEN NEW.kind = 'REFUND' THEN {PROVIDER} ELSE {NOWHERE} END"
_END = f"CASE WHEN NEW.status = 'CLOSED' THEN {END} ELSE {NOWHERE} END"
DEATHS = (
    (INTENT, True),
    (PROVIDER, True),  # in the midst of the request, before it has arrived
    (PROVIDER, False),  # in the midst of it: the money is given back, and nobody hears of it
    (OUTCOME, True),  # right after the answer
    (OUTCOME, False),  # right after it was written down
    (END, True),
)
"""At which commit a worker is killed, and whether that is lost with it."""
WORTH = 2500

_OVERDUE = "UPDATE payment_transactions SET next_attempt_at = now() WHERE status = 'REQUESTED'"
_GIVEN = """
    SELECT (SELECT count(*) FROM sandbox_changes WHERE kind = 'REFUND'),
           (SELECT sum(refunded_minor) FROM sandbox_charges),
           (SELECT count(*) FROM payment_transactions WHERE kind = 'REFUND'),
           (SELECT sum(refunded_minor) FROM payments),
           (SELECT count(*) FROM ledger_entries WHERE kind = 'REFUNDED'),
           (SELECT refund_minor FROM returns WHERE status = 'CLOSED'),
           (SELECT count(*) FROM event_feed WHERE kind = 'ReturnClosed')"""
_TOLD = "SELECT count(*) FROM notifications WHERE kind = 'RETURN_REFUNDED' AND state = 'SENT'"
_LETTERS = "SELECT id FROM notifications WHERE kind IN ('RETURN_REFUNDED', 'ORDER_REFUNDED')"


@pytest.fixture
async def connection(fresh_database_url: str) -> AsyncIterator[Connection]:
    """A connection that holds the gates."""
    connection = await asyncpg.connect(fresh_database_url)
    yield connection
    await connection.close()


async def looked_at_return(database: Database) -> Return:
    """Return a return of two mugs that were looked at by a process that died before it saw to their money."""
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    asked = await ask_for(database, await arrived_order(database, 2, shop=shop), 2)
    here = await bring_back(database, asked, shop.locations[0].code)
    with pytest.raises(Died):
        await look_at(Mortal(database, 1, Death.AFTER), here)
    return here


async def test_a_refund_is_given_once_whichever_commit_its_worker_is_killed_at(
    connection: Connection, fresh_database_url: str, tmp_path: Path
) -> None:
    database = Database(fresh_database_url, pool_size=2)
    await looked_at_return(database)
    await database.close()
    gates = Gates(connection)
    for table, number in (("payment_transactions", _OURS), ("sandbox_changes", _THEIRS), ("returns", _END)):
        await gates.build(table, number)
    await gates.close(DEATHS[0][0])
    async with (
        mail_server() as server,
        Workers(fresh_database_url, tmp_path, mail_url=server.url, mail_from=ADDRESS) as workers,
    ):
        for (gate, is_lost), (following, _) in pairwise((*DEATHS, (NOWHERE, False))):
            waiting = await gates.waiting(gate)
            await workers.kill_the_first()
            # Before this one opens, so that nobody slips through the next.
            await gates.close(following)
            if is_lost:
                await gates.lose(waiting)
            await gates.open(gate)
            # Nobody waits for the answer any more, so the next worker need not either.
            await connection.execute(_OVERDUE)
            await workers.until_one_leads()
        await until(connection, _TOLD, 1)
        (given,), letters = await connection.fetch(_GIVEN), await connection.fetch(_LETTERS)

    assert tuple(given) == (1, WORTH, 1, WORTH, 1, WORTH, 1)
    (letter,) = letters
    assert server.ids().count(f"<{letter['id'].hex}.1@{ADDRESS.partition('@')[2]}>") == 1
