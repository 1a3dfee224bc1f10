"""Use cases of the rules of returns: what may come back, what follows from checks, and proven fraud."""

from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalog import VariantRef
from domain.channels import Channel
from domain.kernel.changes import check_version
from domain.kernel.emails import check_email
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.ids import new_id
from domain.kernel.quantities import is_storable, require_text
from domain.return_evidence import DEFAULT_ACTIONS, Check, Decision, allowed
from domain.return_policies import ReturnPolicy
from domain.return_policy_changes import PolicyChanges, changed
from domain.returns import MAX_NOTE_LENGTH
from persistence import catalog, channels
from persistence import return_policies as rows
from persistence.return_policies import FraudFlag
from services import audit
from services.access import Permission, require
from services.context import ServiceContext


@dataclass(frozen=True, slots=True)
class Scope:
    """What a policy covers: one item or a tag, in a channel (its slug) or in all; all None is everything."""

    channel: str | None = None
    tag: str | None = None
    sku: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows from a check of verdicts, and what else could."""

    check: Check
    decision: Decision
    default: Decision
    allowed: tuple[Decision, ...]


async def policies(
    context: ServiceContext, size: int, after: UUID | None, channel: str | None
) -> list[ReturnPolicy]:
    """Return policies in the order they were made, one more than the page has if there are more.

    With a channel (its slug) those that hold in it, of all channels among them.
    """
    require(context.actor, Permission.RETURNS_READ)
    async with context.read() as connection:
        found = await channel_of(connection, channel)
        return await rows.policies(connection, size + 1, after, found.id if found else None)


async def set_policy(
    context: ServiceContext, scope: Scope, changes: PolicyChanges, expected_version: int | None
) -> ReturnPolicy:
    """Set the policy of a scope, or change the one that it has: what is judged from now on is judged by it.

    Raises NotFound, InvalidInput naming the field, and VersionConflict; a scope without a policy has
    version 0.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    if scope.sku is not None and scope.tag is not None:
        raise InvalidInput("name an item or a tag, not both", "tag")
    for name, given in (("sku", scope.sku), ("tag", scope.tag)):
        if given is not None and not is_storable(given):
            raise NotFound(f"no variant has this {name}", name)
    async with context.transaction() as transaction:
        connection = transaction.connection
        channel = await channel_of(connection, scope.channel)
        wanted = ReturnPolicy(channel_id=channel.id if channel else None, tag=scope.tag, sku=scope.sku)
        before = await rows.lock_policy(connection, wanted)
        if before is None:
            await _check_goods(connection, scope)
        check_version(before.version if before else 0, expected_version)
        after = changed(before or wanted, changes, channel)
        stored = await rows.set_policy(connection, new_id(), after)
        assert stored.id is not None, "its key"  # noqa: S101
        await audit.record(transaction, "ReturnPolicySet", "return_policy", stored.id, before, stored)
    return stored


async def remove_policy(context: ServiceContext, policy_id: UUID, expected_version: int | None) -> None:
    """Forget a policy: what it covered has the next closest. Raises NotFound and VersionConflict."""
    require(context.actor, Permission.RETURNS_WRITE)
    async with context.transaction() as transaction:
        before = await rows.lock_by_id(transaction.connection, policy_id)
        if before is None:
            raise NotFound("no return policy has this id", "id")
        check_version(before.version, expected_version)
        await rows.remove_policy(transaction.connection, policy_id)
        await audit.record(transaction, "ReturnPolicyRemoved", "return_policy", policy_id, before)


async def rules(context: ServiceContext) -> list[Rule]:
    """Return what follows from every check of verdicts."""
    require(context.actor, Permission.RETURNS_READ)
    async with context.read() as connection:
        return _rules(await rows.rules(connection))


async def set_rule(context: ServiceContext, check: Check, decision: Decision | None) -> list[Rule]:
    """Say what shall follow from a check of verdicts, None for its default; returns all.

    Raises InvalidInput for what may not follow from it: records that do not fit are never approved by
    themselves, and what an honest customer may run into is never declined without a person.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    if decision is not None and decision not in allowed(check):
        possible = ", ".join(one.value for one in allowed(check))
        raise InvalidInput(f"from {check.value} only these can follow: {possible}", "decision")
    async with context.transaction() as transaction:
        before = _rules(await rows.rules(transaction.connection))
        await rows.set_rule(transaction.connection, check, decision)
        after = _rules(await rows.rules(transaction.connection))
        # A rule has no id of its own; it is named by its check.
        rule_id = uuid5(NAMESPACE_URL, f"return_rule/{check.value}")
        was, became = (next(one for one in found if one.check is check) for found in (before, after))
        await audit.record(transaction, "ReturnRuleSet", "return_rule", rule_id, was, became)
    return after


async def flags(
    context: ServiceContext, size: int, after: tuple[datetime, UUID] | None, email: str | None
) -> list[FraudFlag]:
    """Return proven frauds, the newest first, one more than the page has if there are more."""
    require(context.actor, Permission.RETURNS_READ)
    if email is not None and not is_storable(email):
        return []
    async with context.read() as connection:
        return await rows.flags(connection, size + 1, after, email)


async def flag_fraud(context: ServiceContext, email: str, note: str) -> FraudFlag:
    """Note a fraud of a customer that is proven: their returns are looked at by staff from now on.

    Raises InvalidInput naming the field.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    email, note = check_email(email, "email").lower(), require_text(note, MAX_NOTE_LENGTH, "note")
    async with context.transaction() as transaction:
        made = FraudFlag(new_id(), email, note, transaction.actor, transaction.now)
        await rows.flag(transaction.connection, made)
        await audit.record(transaction, "FraudFlagCreated", "fraud_flag", made.id, None, made)
    return made


async def unflag_fraud(context: ServiceContext, flag_id: UUID) -> None:
    """Take back what was noted as a fraud; raises NotFound."""
    require(context.actor, Permission.RETURNS_WRITE)
    async with context.transaction() as transaction:
        before = await rows.unflag(transaction.connection, flag_id)
        if before is None:
            raise NotFound("no fraud has this id", "id")
        await audit.record(transaction, "FraudFlagRemoved", "fraud_flag", flag_id, before)


def _rules(set_by_shop: dict[Check, Decision]) -> list[Rule]:
    found = []
    for check in Check:
        default = DEFAULT_ACTIONS.get(check, Decision.APPROVE)
        wanted = set_by_shop.get(check, default)
        possible = allowed(check)
        # What was set before it was forbidden does not hold.
        found.append(Rule(check, wanted if wanted in possible else default, default, possible))
    return found


async def channel_of(connection: AsyncConnection, slug: str | None) -> Channel | None:
    """Return the channel that has a slug, None without one; raises NotFound."""
    if slug is None:
        return None
    found = await channels.by_slug(connection, slug) if is_storable(slug) else None
    if found is None:
        raise NotFound("no channel has this slug", "channel")
    return found


async def _check_goods(connection: AsyncConnection, scope: Scope) -> None:
    """Raise NotFound for an item that was never sold, or a tag that nothing has: a slip of the pen."""
    # What is archived was sold, and may come back.
    if scope.sku is not None and not await catalog.variants_by_ref(connection, [VariantRef(sku=scope.sku)]):
        raise NotFound("no variant has this SKU", "sku")
    if scope.tag is not None and not await rows.is_tag_known(connection, scope.tag):
        raise NotFound("no variant has this tag", "tag")
