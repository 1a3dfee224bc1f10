"""Use cases of discounts: the rules that a shop's staff make."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from domain import discounts as decide
from domain.channels import Channel, is_slug, money_in
from domain.discounts import Discount, DiscountKind
from domain.kernel.changes import KEEP, Keep, check_version, kept
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.moments import in_utc
from domain.kernel.money import Amount
from persistence import channels
from persistence import discounts as rows
from services import audit
from services.access import Permission, require
from services.channels import get as get_channel
from services.context import ServiceContext, Transaction


@dataclass(frozen=True, slots=True)
class DiscountChanges:
    """What shall become of a discount's fields; KEEP leaves one as it is (in a new one: the default).

    Kind, code and channel never change: that would be another discount.
    """

    name: str | Keep = KEEP
    percent: Decimal | Keep | None = KEEP
    amount: Amount | Keep | None = KEEP
    buy_quantity: int | Keep | None = KEEP
    get_quantity: int | Keep | None = KEEP
    minimum_subtotal: Amount | Keep | None = KEEP
    skus: Sequence[str] | Keep | None = KEEP
    starts_at: datetime | Keep | None = KEEP
    ends_at: datetime | Keep | None = KEEP
    usage_limit: int | Keep | None = KEEP
    usage_limit_per_customer: int | Keep | None = KEEP
    combinable: bool | Keep = KEEP
    priority: int | Keep = KEEP
    active: bool | Keep = KEEP


@dataclass(frozen=True, slots=True)
class Listed:
    """A discount in a list: with its channel's id, and when it was made."""

    discount: Discount
    channel_id: UUID
    created_at: datetime


async def page(
    context: ServiceContext,
    size: int,
    after: tuple[datetime, UUID] | None,
    *,
    channel: str | None = None,
    active: bool | None = None,
    code: str | None = None,
) -> list[Listed]:
    """Return discounts from the newest on, one more than the page has if there are more.

    Raises NotFound for the channel.
    """
    require(context.actor, Permission.PRICING_WRITE)
    if code is not None and not decide.is_code(code):
        return []
    channel_id = None if channel is None else (await get_channel(context, channel)).id
    async with context.read() as connection:
        found = await rows.page(connection, size + 1, after, channel_id=channel_id, active=active, code=code)
    return [_listed(row) for row in found]


async def create(
    context: ServiceContext,
    channel: str,
    kind: DiscountKind,
    code: str | None,
    given: DiscountChanges,
) -> tuple[Channel, Discount]:
    """Make a discount of a channel; without a code it applies by itself.

    Raises NotFound for the channel and InvalidInput naming the field, or channel when it has as many that
    apply by themselves as one may have.
    """
    require(context.actor, Permission.PRICING_WRITE)
    async with context.transaction() as transaction:
        connection = transaction.connection
        found = await channels.by_slug(connection, channel) if is_slug(channel) else None
        if found is None:
            raise NotFound("no channel has this slug", "channel")
        one = _changed(Discount(new_id(), kind, "", code), given, found)
        await rows.lock_channel(connection, found.id)
        if one.code is not None and await rows.is_code_taken(connection, found.id, one.code):
            raise InvalidInput(f"a discount with the code {one.code!r} exists already", "code")
        await _check_room(transaction, found.id, one)
        await rows.create(connection, one, found.id, transaction.now)
        await _record(transaction, "DiscountCreated", found.id, None, one)
    return found, one


async def update(
    context: ServiceContext, discount_id: UUID, given: DiscountChanges, expected_version: int | None = None
) -> tuple[Channel, Discount]:
    """Change a discount: carts are priced by it from now on, orders keep what they were told.

    Raises NotFound, VersionConflict, and InvalidInput naming the field.
    """
    require(context.actor, Permission.PRICING_WRITE)
    async with context.transaction() as transaction:
        one, channel = await _locked(transaction, discount_id, expected_version)
        changed = _changed(one, given, channel)
        if changed == one:
            return channel, one
        if changed.active and not one.active:
            await _check_room(transaction, channel.id, changed)
        changed = replace(changed, version=one.version + 1)
        await rows.save(transaction.connection, changed)
        await _record(transaction, "DiscountUpdated", channel.id, one, changed)
    return channel, changed


async def deactivate(
    context: ServiceContext, discount_id: UUID, expected_version: int | None = None
) -> tuple[Channel, Discount]:
    """Take a discount out of use; one that is out of use already stays so.

    Raises NotFound and VersionConflict.
    """
    return await update(context, discount_id, DiscountChanges(active=False), expected_version)


async def _locked(
    transaction: Transaction, discount_id: UUID, expected_version: int | None
) -> tuple[Discount, Channel]:
    found = await rows.lock(transaction.connection, discount_id)
    if found is None:
        raise NotFound("no discount has this id", "id")
    one, channel_id = found
    check_version(one.version, expected_version)
    return one, (await channels.by_ids(transaction.connection, [channel_id]))[channel_id]


async def _check_room(transaction: Transaction, channel_id: UUID, one: Discount) -> None:
    if one.code is not None or not one.active:
        return
    if await rows.count_automatic(transaction.connection, channel_id) >= decide.MAX_AUTOMATIC:
        raise InvalidInput(f"has {decide.MAX_AUTOMATIC} discounts that apply by themselves", "channel")


def _changed(one: Discount, given: DiscountChanges, channel: Channel) -> Discount:
    amount = _minor(channel, given.amount, "amount")
    minimum = _minor(channel, given.minimum_subtotal, "minimumSubtotal")
    return decide.check(
        replace(
            one,
            name=one.name if given.name is KEEP else given.name.strip(),
            basis_points=one.basis_points if given.percent is KEEP else _points(given.percent),
            amount_minor=kept(amount, one.amount_minor),
            buy_quantity=kept(given.buy_quantity, one.buy_quantity),
            get_quantity=kept(given.get_quantity, one.get_quantity),
            minimum_subtotal_minor=one.minimum_subtotal_minor if minimum is KEEP else minimum or 0,
            skus=one.skus if given.skus is KEEP else _skus(given.skus),
            starts_at=one.starts_at if given.starts_at is KEEP else _utc(given.starts_at, "startsAt"),
            ends_at=one.ends_at if given.ends_at is KEEP else _utc(given.ends_at, "endsAt"),
            usage_limit=kept(given.usage_limit, one.usage_limit),
            usage_limit_per_customer=kept(given.usage_limit_per_customer, one.usage_limit_per_customer),
            combinable=kept(given.combinable, one.combinable),
            priority=kept(given.priority, one.priority),
            active=kept(given.active, one.active),
        )
    )


def _minor(channel: Channel, amount: Amount | Keep | None, field: str) -> int | Keep | None:
    return amount if amount is KEEP or amount is None else money_in(channel, amount, field).amount_minor


def _points(percent: Decimal | None) -> int | None:
    return None if percent is None else decide.read_percent(percent)


def _skus(skus: Sequence[str] | None) -> frozenset[str] | None:
    return None if skus is None else frozenset(sku.strip() for sku in skus)


def _utc(moment: datetime | None, field: str) -> datetime | None:
    return None if moment is None else in_utc(moment, field)


def _listed(row: Row[*tuple[Any, ...]]) -> Listed:
    return Listed(rows.discount(row), row.channel_id, row.created_at)


async def _record(
    transaction: Transaction, kind: str, channel_id: UUID, before: Discount | None, after: Discount
) -> None:
    await audit.record(transaction, kind, "discount", after.id, before, after)
    payload = {"kind": after.kind.value, "name": after.name, "active": after.active}
    transaction.emit(Event(kind, "discount", after.id, after.version, transaction.now, channel_id, payload))
