"""Use cases of refunds without an order: asked for, approved by a second person, received, and paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import unlinked_refund_receipts as receipts
from domain import unlinked_refund_requests as requests
from domain import unlinked_refunds as decide
from domain.catalog import VariantRef
from domain.channels import Channel, is_slug
from domain.kernel.emails import check_email
from domain.kernel.errors import NotFound
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.money import Amount
from domain.kernel.quantities import is_storable, require_text
from domain.return_receipts import Look
from domain.unlinked_refund_receipts import Arrived
from domain.unlinked_refund_requests import UnlinkedRefundPolicy, WantedLine
from domain.unlinked_refunds import (
    Evidence,
    Recipient,
    UnlinkedRefund,
    UnlinkedRefundStatus,
    refund_event,
)
from persistence import catalog, channels
from persistence import unlinked_refunds as rows
from persistence.idempotency import Claim, claim_for
from services import audit, four_eyes, received
from services.access import Permission, require
from services.context import ServiceContext, Transaction

_KINDS = {
    UnlinkedRefundStatus.APPROVED: "UnlinkedRefundApproved",
    UnlinkedRefundStatus.DECLINED: "UnlinkedRefundDeclined",
    UnlinkedRefundStatus.CANCELED: "UnlinkedRefundCanceled",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A refund to be asked for, still to be checked."""

    channel: str
    recipient: Recipient
    evidence: Evidence
    lines: Sequence[WantedLine]
    keeps_items: bool = False
    document_known: bool = False
    """Whether who asks knows that the document has brought money before, or is an order's number."""


async def create(context: ServiceContext, wanted: Wanted, key: str) -> UnlinkedRefund:
    """Ask for money for goods whose sale is not in the books; above an amount it waits for a second person.

    Raises InvalidInput and NotFound naming the field, and AmountTooLarge above a limit of the channel.
    """
    require(context.actor, Permission.REFUNDS_UNLINKED)
    recipient = wanted.recipient
    if recipient.email is not None:
        recipient = replace(recipient, email=check_email(recipient.email, "email"))
    recipient, evidence = requests.checked(recipient, wanted.evidence)
    taken = claim(context, "unlinkedRefundCreate", key, str(wanted))
    async with context.transaction() as transaction:
        stored = await transaction.replay(taken)
        if stored is not None:
            return await known(transaction, UUID(stored["unlinkedRefund"]))
        connection = transaction.connection
        channel = await _channel(connection, wanted.channel)
        policy = await rows.lock_policy(connection, channel.id) or requests.SHOP_DEFAULT
        since, document = transaction.now - requests.PERIOD, evidence.document_reference
        spent, order = await rows.spent(
            connection,
            channel.id,
            await four_eyes.tokens_of(connection, transaction.actor),
            document,
            recipient.email,
            [line.sku for line in wanted.lines if is_storable(line.sku)],
            since,
        )
        requests.check_document(order, document_known=wanted.document_known)
        made = requests.create(
            channel,
            policy,
            recipient,
            evidence,
            wanted.lines,
            await _variants(connection, wanted.lines),
            spent,
            transaction.actor,
            transaction.now,
            keeps_items=wanted.keeps_items,
            document_known=wanted.document_known,
        )
        number = await rows.create(connection, made)
        if number is None:
            raise requests.used_before(await rows.of_document(connection, channel.id, document))
        made = replace(made, number=number)
        await tell(transaction, "UnlinkedRefundRequested", None, made)
        if made.status is UnlinkedRefundStatus.APPROVED:
            transaction.emit(refund_event("UnlinkedRefundApproved", made, transaction.now))
        transaction.answer({"unlinkedRefund": str(made.id)})
    return made


async def decide_on(
    context: ServiceContext,
    refund_id: UUID,
    wanted: UnlinkedRefundStatus,
    note: str | None,
    expected_version: int | None,
) -> UnlinkedRefund:
    """Approve, decline or cancel a refund; again, it changes nothing.

    Raises NotFound, IllegalTransition, VersionConflict, and SameActor where who asked for it approves it.
    """
    canceling = wanted is UnlinkedRefundStatus.CANCELED
    require(context.actor, Permission.REFUNDS_UNLINKED if canceling else Permission.REFUNDS_APPROVE)
    if note is not None:
        note = require_text(note, decide.MAX_TEXT_LENGTH, "note")
    async with context.transaction() as transaction:
        before = await locked(transaction, refund_id)
        only_of = _only_of(context)
        if only_of is not None and not decide.is_for(before, only_of):
            raise NotFound("no refund has this id", "id")
        if wanted is UnlinkedRefundStatus.APPROVED:
            one = await four_eyes.is_same_person(transaction.connection, before.created_by, transaction.actor)
            decide.check_other(is_same_person=one)
        after = decide.decided(before, wanted, note, transaction.actor, transaction.now, expected_version)
        if after is None:
            return before
        await rows.save(transaction.connection, after)
        await tell(transaction, _KINDS[wanted], before, after)
    return after


async def receive(
    context: ServiceContext,
    refund_id: UUID,
    location_code: str,
    units: Mapping[UUID, int],
    expected_version: int | None,
    key: str,
) -> UnlinkedRefund:
    """Count goods that came in: they are in quality control.

    Raises NotFound, InvalidInput naming the line, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.REFUNDS_UNLINKED)
    facts = [str(refund_id), location_code, sorted((str(line), n) for line, n in units.items())]
    taken = claim(context, "unlinkedRefundReceive", key, [*facts, expected_version])
    async with context.transaction() as transaction:
        if await transaction.replay(taken) is not None:
            return await known(transaction, refund_id)
        place = await received.place_of(transaction.connection, location_code)
        before = await locked(transaction, refund_id)
        arrived = receipts.receive(before, units, place, expected_version)
        return await _arrived(transaction, "UnlinkedRefundReceived", before, arrived)


async def inspect(
    context: ServiceContext, refund_id: UUID, looks: Sequence[Look], expected_version: int | None, key: str
) -> UnlinkedRefund:
    """Say how goods were found: what is good is on sale again at once.

    Raises NotFound, InvalidInput naming the line, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.REFUNDS_UNLINKED)
    taken = claim(context, "unlinkedRefundInspect", key, [str(refund_id), str(looks), expected_version])
    async with context.transaction() as transaction:
        if await transaction.replay(taken) is not None:
            return await known(transaction, refund_id)
        before = await locked(transaction, refund_id)
        arrived = receipts.inspect(before, looks, expected_version)
        return await _arrived(transaction, "UnlinkedRefundInspected", before, arrived)


async def find(context: ServiceContext, refund_id: UUID) -> UnlinkedRefund | None:
    """Return a refund, None where there is none that the actor may see."""
    only_of = _only_of(context)
    async with context.read() as connection:
        found = await rows.by_id(connection, refund_id)
    return found if found is None or only_of is None or decide.is_for(found, only_of) else None


async def page(
    context: ServiceContext,
    size: int,
    after: tuple[datetime, UUID] | None,
    status: UnlinkedRefundStatus | None,
    channel: str | None,
) -> list[UnlinkedRefund]:
    """Return refunds from the newest on, one more than the page has if there are more; raises NotFound.

    Who may only approve gets what waits for that, and what they have decided.
    """
    only_of = _only_of(context)
    async with context.read() as connection:
        channel_id = None if channel is None else (await _channel(connection, channel)).id
        return await rows.page(connection, size + 1, after, status, channel_id, only_of)


async def policies(context: ServiceContext) -> list[UnlinkedRefundPolicy]:
    """Return the limits of all channels that have some."""
    require(context.actor, Permission.REFUNDS_UNLINKED, Permission.CHANNELS_WRITE)
    async with context.read() as connection:
        return await rows.policies(connection)


async def set_policy(
    context: ServiceContext,
    channel: str,
    four_eyes_above: Amount,
    most: Amount | None,
    most_per_day: Amount | None,
    alone_per_day: Amount | None = None,
) -> UnlinkedRefundPolicy:
    """Set the limits of a channel; raises NotFound, and InvalidInput naming the field."""
    require(context.actor, Permission.CHANNELS_WRITE)
    async with context.transaction() as transaction:
        connection = transaction.connection
        found = await _channel(connection, channel)
        wanted = requests.limits(found, four_eyes_above, most, most_per_day, alone_per_day)
        after = await rows.set_policy(connection, new_id(), wanted)
        assert after.id is not None, "it is written"  # noqa: S101
        await audit.record(
            transaction, "UnlinkedRefundPolicySet", "unlinked_refund_policy", after.id, None, after
        )
    return after


async def _arrived(
    transaction: Transaction, kind: str, before: UnlinkedRefund, arrived: Arrived
) -> UnlinkedRefund:
    after = arrived.after
    await rows.save(transaction.connection, after)
    await tell(transaction, kind, before, after)
    if arrived.movements:
        await received.move_stock(transaction, arrived.movements, "unlinked_refund", after.id)
    transaction.answer({"unlinkedRefund": str(after.id)})
    return after


async def tell(
    transaction: Transaction, kind: str, before: UnlinkedRefund | None, after: UnlinkedRefund
) -> None:
    """Let the audit trail and the feed tell what became of a refund, whose lock the caller has."""
    await audit.record(transaction, kind, "unlinked_refund", after.id, before, after)
    transaction.emit(refund_event(kind, after, transaction.now))


def _only_of(context: ServiceContext) -> str | None:
    """Return who sees only what is theirs to decide, None for who sees all; raises AccessDenied."""
    require(context.actor, Permission.REFUNDS_UNLINKED, Permission.REFUNDS_APPROVE)
    return None if context.actor.may(Permission.REFUNDS_UNLINKED) else context.actor.label


async def _channel(connection: AsyncConnection, slug: str) -> Channel:
    found = await channels.by_slug(connection, slug) if is_slug(slug) else None
    if found is None:
        raise NotFound("there is no such channel", "channel")
    return found


async def _variants(connection: AsyncConnection, lines: Sequence[WantedLine]) -> dict[str, UUID]:
    refs = [VariantRef(sku=line.sku) for line in lines if is_storable(line.sku)]
    found = await catalog.variants_by_ref(connection, refs)
    return {ref.sku: variant.id for ref, variant in found.items() if ref.sku is not None}


async def locked(transaction: Transaction, refund_id: UUID) -> UnlinkedRefund:
    """Lock a refund; raises NotFound."""
    found = await rows.lock(transaction.connection, refund_id)
    if found is None:
        raise NotFound("no refund has this id", "id")
    return found


async def known(transaction: Transaction, refund_id: UUID) -> UnlinkedRefund:
    """Return a refund as it is, for who asks again under the same key; raises NotFound."""
    found = await rows.by_id(transaction.connection, refund_id)
    if found is None:
        raise NotFound("no refund has this id", "id")
    return found


def claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    """Return the claim of an idempotency key for one operation of whoever asks."""
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)
