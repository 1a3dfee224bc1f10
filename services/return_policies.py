"""Use cases of the rules of returns: what may come back, what follows from checks, and proven fraud."""

from dataclasses import replace

from domain.kernel.emails import check_email
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.ids import new_id
from domain.kernel.quantities import require_text
from domain.return_evidence import DEFAULT_ACTIONS, LENIENT, Check, Decision
from domain.return_policies import ReturnPolicy, checked
from domain.returns import MAX_NOTE_LENGTH
from persistence import channels
from persistence import return_policies as rows
from services import audit
from services.access import Permission, require
from services.context import ServiceContext


async def policies(context: ServiceContext) -> list[ReturnPolicy]:
    """Return all policies."""
    require(context.actor, Permission.RETURNS_READ)
    async with context.read() as connection:
        return await rows.policies(connection)


async def set_policy(context: ServiceContext, wanted: ReturnPolicy, channel: str | None) -> ReturnPolicy:
    """Set the policy of a channel (a slug), a tag, an item or of everything, in place of the one there was.

    Raises NotFound and InvalidInput naming the field.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    wanted = checked(wanted)
    async with context.transaction() as transaction:
        if channel is not None:
            found = await channels.by_slug(transaction.connection, channel)
            if found is None:
                raise NotFound("there is no such channel", "channel")
            wanted = replace(wanted, channel_id=found.id)
        stored = await rows.set_policy(transaction.connection, new_id(), wanted)
        assert stored.id is not None, "its key"  # noqa: S101
        await audit.record(transaction, "ReturnPolicySet", "return_policy", stored.id, None, stored)
    return stored


async def rules(context: ServiceContext) -> dict[Check, Decision]:
    """Return what follows from each check of verdicts that is not simply in order."""
    require(context.actor, Permission.RETURNS_READ)
    async with context.read() as connection:
        return {**DEFAULT_ACTIONS, **await rows.rules(connection)}


async def set_rule(context: ServiceContext, check: Check, decision: Decision) -> dict[Check, Decision]:
    """Say what shall follow from a check of verdicts; returns all.

    Raises InvalidInput for a check that stands for records that do not fit: nothing approves those alone.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    if decision is Decision.APPROVE and check in DEFAULT_ACTIONS and check not in LENIENT:
        raise InvalidInput("records that do not fit are never approved by themselves", "decision")
    async with context.transaction() as transaction:
        await rows.set_rule(transaction.connection, check, decision)
        known = await rows.rules(transaction.connection)
    return {**DEFAULT_ACTIONS, **known}


async def flag_fraud(context: ServiceContext, email: str, note: str) -> None:
    """Note a fraud of a customer that is proven: their returns are looked at by staff from now on.

    Raises InvalidInput naming the field.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    email, note = check_email(email, "email"), require_text(note, MAX_NOTE_LENGTH, "note")
    async with context.transaction() as transaction:
        await rows.flag(transaction.connection, new_id(), email, note, transaction.actor, transaction.now)
