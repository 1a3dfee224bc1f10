"""Use cases of rules of approval: staff say which orders wait for a person, and which are turned down."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain import approvals as decide
from domain.approvals import ApprovalRule, RuleAction, RuleKind
from domain.channels import Channel, is_slug, money_in
from domain.kernel.changes import KEEP, Keep, check_version, kept
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.money import Amount
from persistence import approvals as rows
from persistence import channels
from services import audit
from services.access import Permission, require
from services.channels import get as get_channel
from services.context import ServiceContext, Transaction


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """What shall become of a rule's fields; KEEP leaves one as it is (in a new rule: the default)."""

    action: RuleAction | Keep = KEEP
    priority: int | Keep = KEEP
    active: bool | Keep = KEEP
    amount_from: Amount | Keep | None = KEEP
    countries: Sequence[str] | Keep | None = KEEP
    orders_from: int | Keep | None = KEEP
    within_minutes: int | Keep | None = KEEP
    counted_by: Sequence[str] | Keep | None = KEEP
    score_from: int | Keep | None = KEEP


async def list_rules(context: ServiceContext, channel: str) -> tuple[Channel, list[ApprovalRule]]:
    """Return a channel and its rules, by priority; raises NotFound."""
    require(context.actor, Permission.APPROVALS_WRITE)
    found = await get_channel(context, channel)
    async with context.read() as connection:
        return found, await rows.of_channel(connection, found.id)


async def create(
    context: ServiceContext, channel: str, kind: RuleKind, given: RuleChanges
) -> tuple[Channel, ApprovalRule]:
    """Add a rule to a channel: checkouts that begin from now on heed it.

    Raises NotFound for the channel and InvalidInput naming the field, or channel when it has as
    many rules as one may have.
    """
    require(context.actor, Permission.APPROVALS_WRITE)
    async with context.transaction() as transaction:
        found = await channels.by_slug(transaction.connection, channel) if is_slug(channel) else None
        if found is None:
            raise NotFound("no channel has this slug", "channel")
        if await rows.count(transaction.connection, found.id) >= decide.MAX_RULES:
            raise InvalidInput(f"has {decide.MAX_RULES} rules, the most there may be", "channel")
        rule = _changed(ApprovalRule(new_id(), found.id, kind, RuleAction.REVIEW), given, found)
        await rows.create(transaction.connection, rule, transaction.now)
        await _record(transaction, "ApprovalRuleCreated", None, rule, rule.version)
    return found, rule


async def update(
    context: ServiceContext, rule_id: UUID, given: RuleChanges, expected_version: int | None = None
) -> tuple[Channel, ApprovalRule]:
    """Change a rule; what it has found of orders stays as it was found.

    Raises NotFound, VersionConflict, and InvalidInput naming the field.
    """
    require(context.actor, Permission.APPROVALS_WRITE)
    async with context.transaction() as transaction:
        rule, channel = await _locked(transaction, rule_id, expected_version)
        changed = _changed(rule, given, channel)
        if changed == rule:
            return channel, rule
        changed = replace(changed, version=rule.version + 1)
        await rows.save(transaction.connection, changed)
        await _record(transaction, "ApprovalRuleUpdated", rule, changed, changed.version)
    return channel, changed


async def delete(
    context: ServiceContext, rule_id: UUID, expected_version: int | None = None
) -> tuple[Channel, ApprovalRule]:
    """Take a rule away; reviews keep what it has found. Raises NotFound and VersionConflict."""
    require(context.actor, Permission.APPROVALS_WRITE)
    async with context.transaction() as transaction:
        rule, channel = await _locked(transaction, rule_id, expected_version)
        await rows.delete(transaction.connection, rule.id)
        await _record(transaction, "ApprovalRuleDeleted", rule, None, rule.version + 1)
    return channel, rule


async def _locked(
    transaction: Transaction, rule_id: UUID, expected_version: int | None
) -> tuple[ApprovalRule, Channel]:
    rule = await rows.lock(transaction.connection, rule_id)
    if rule is None:
        raise NotFound("no approval rule has this id", "id")
    check_version(rule.version, expected_version)
    return rule, (await channels.by_ids(transaction.connection, [rule.channel_id]))[rule.channel_id]


def _changed(rule: ApprovalRule, given: RuleChanges, channel: Channel) -> ApprovalRule:
    minor: int | Keep | None = KEEP
    if given.amount_from is None:
        minor = None
    elif given.amount_from is not KEEP:
        minor = money_in(channel, given.amount_from, "amountFrom").amount_minor
    return decide.check(
        replace(
            rule,
            action=kept(given.action, rule.action),
            priority=kept(given.priority, rule.priority),
            active=kept(given.active, rule.active),
            amount_from_minor=kept(minor, rule.amount_from_minor),
            countries=kept(_set(given.countries), rule.countries),
            orders_from=kept(given.orders_from, rule.orders_from),
            within_minutes=kept(given.within_minutes, rule.within_minutes),
            counted_by=kept(_set(given.counted_by), rule.counted_by),
            score_from=kept(given.score_from, rule.score_from),
        )
    )


async def _record(
    transaction: Transaction, kind: str, before: ApprovalRule | None, after: ApprovalRule | None, version: int
) -> None:
    rule = after or before
    assert rule is not None, "a change has at least one side"  # noqa: S101
    await audit.record(transaction, kind, "approval_rule", rule.id, before, after)
    payload = {"kind": rule.kind.value, "action": rule.action.value, "active": rule.active}
    transaction.emit(
        Event(kind, "approval_rule", rule.id, version, transaction.now, rule.channel_id, payload)
    )


def _set(values: Sequence[str] | Keep | None) -> frozenset[str] | Keep | None:
    return values if values is KEEP or values is None else frozenset(values)
