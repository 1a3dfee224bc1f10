"""Hypothesis' state machines over a real database, on a loop and a connection of their own."""

import asyncio

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.database import Database


def check(machine: type[RuleBasedStateMachine], database_url: str) -> None:
    """Try a machine, which finds `runner` and `connection` in its class."""
    database = Database(database_url, pool_size=1)

    async def connected() -> AsyncConnection:
        return await database.engine.connect()

    with asyncio.Runner() as runner:
        connection = runner.run(connected())
        here = type(f"{machine.__name__}Here", (machine,), {"runner": runner, "connection": connection})
        run_state_machine_as_test(
            here,
            settings=settings(
                max_examples=40,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
        runner.run(connection.close())
        runner.run(database.close())
