"""Use cases of notifications: messages that are due are sent, each once; staff look at them and send anew.

A message is claimed (tx), brought to the mail server up to where it could be taken, written to be handed over
(tx), handed over, and its outcome written (tx): docs/decisions/0010-mails-exactly-once.md.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog

from domain import notifications as decide
from domain.kernel.emails import check_email
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Event
from domain.kernel.keys import check_key
from domain.letters import Letter, letter
from domain.message_ports import (
    Message,
    MessageDoubtful,
    MessageError,
    MessagePutOff,
    MessageRefused,
    MessageSession,
    Messaging,
)
from domain.notifications import WAITS, Notification, NotificationKind, NotificationState
from domain.shipments import Shipment
from persistence import channels, order_parts, orders
from persistence import notifications as rows
from persistence.idempotency import claim_for
from persistence.outages import is_outage
from services import audit, return_letters
from services.access import Permission, require
from services.context import ServiceContext
from services.one_by_one import passed_over
from services.pickups import code_of

MOST_AT_ONCE = 40
"""Messages claimed at once; a run goes on until fewer are due."""
LANES = 4
"""Connections to the mail server side by side."""

_log = structlog.get_logger(__name__)


class _LostClaim(Exception):
    """Somebody else has the message now: it took us too long."""


@dataclass(frozen=True, slots=True)
class _Due:
    notification: Notification
    letter: Callable[[], Letter]
    """What is said; it may fail, and then fails this one alone."""
    reply_to: str | None


async def send_due(context: ServiceContext) -> Counter[NotificationState]:
    """Send what is due; returns how many came to which state.

    Safe beside another run and after any death: a message is claimed by one, and goes out only while the
    claim is still its own.
    """
    reached: Counter[NotificationState] = Counter()
    messaging = context.environment.messaging
    taken = MOST_AT_ONCE if messaging else 0
    while messaging and taken == MOST_AT_ONCE:
        now = context.now()
        # As long again as one message may take: until then one is begun, and then comes to its end.
        leased_until = now + timedelta(seconds=2 * messaging.time_limit_seconds)
        async with context.read() as connection:
            claimed = await rows.claim(connection, most=MOST_AT_ONCE, now=now, leased_until=leased_until)
        for one in claimed:
            if one.state is NotificationState.SENDING:
                reached[await _save(context, decide.lost(one, now))] += 1
        due = iter(await _load(context, [one for one in claimed if one.state is NotificationState.PENDING]))
        begun_until = leased_until - timedelta(seconds=messaging.time_limit_seconds)
        lanes = [_send_each(context, messaging, due, begun_until) for _ in range(min(LANES, len(claimed)))]
        # One that fails keeps no other from what it has begun.
        for states in await asyncio.gather(*lanes, return_exceptions=True):
            if isinstance(states, BaseException):
                raise states
            reached.update(states)
        taken = len(claimed)
    return reached


async def page(
    context: ServiceContext,
    state: NotificationState | None,
    size: int,
    after: tuple[datetime, UUID] | None,
) -> list[Notification]:
    """Return notifications from the newest on, one more than the page has if there are more."""
    require(context.actor, Permission.ORDERS_READ)
    async with context.read() as connection:
        return await rows.page(connection, state, size + 1, after)


async def resend(context: ServiceContext, notification_id: UUID, email: str | None, key: str) -> Notification:
    """Have a notification sent anew, as a message of its own, to another address if one is named.

    One that waits only changes its address. Raises NotFound, InvalidInput, and IllegalTransition for one
    that is with the mail server.
    """
    require(context.actor, Permission.ORDERS_WRITE)
    email = None if email is None else check_email(email, "email")
    scope = f"notificationResend:{context.actor.label}"
    claim = claim_for(scope, check_key(key), [str(notification_id), email])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        found = await rows.lock(transaction.connection, notification_id)
        if found is None:
            raise NotFound("no notification has this id", "id")
        if stored is not None:
            return found
        transaction.answer({"notification": str(notification_id)})
        if found.state in WAITS and email in {None, found.recipient}:
            return found
        again = decide.resent(found, email or found.recipient, transaction.now)
        await rows.resend(transaction.connection, again)
        # Whereto is personal data, and stands in the notification.
        await audit.record(transaction, "NotificationResent", "notification", found.id)
    return again


async def preview(context: ServiceContext, number: str, kind: NotificationKind, locale: str | None) -> Letter:
    """Return what the customer of an order would be told, of its newest parcel where it is of one.

    Nothing is written. Raises NotFound where there is no such order, parcel or return, and InvalidInput for a
    kind that tells what only an event knows.
    """
    require(context.actor, Permission.ORDERS_READ)
    if kind is NotificationKind.ORDER_REFUNDED:
        raise InvalidInput("how much was refunded is not known without a refund: look at a sample")
    async with context.read() as connection:
        order = await orders.by_number(connection, number)
        if order is None:
            raise NotFound("no order has this number")
        parcels = (await order_parts.parts_of(connection, [order.id]))[order.id].shipments
        settings = (await channels.settings_of(connection, [order.channel_id]))[order.channel_id]
        newest = await return_letters.newest_of(connection, order.id) if kind in decide.OF_RETURNS else None
    if kind in decide.OF_PARCELS and not parcels:
        raise NotFound("the order has no parcel yet")
    facts = {"shipmentId": str(parcels[-1].id)} if kind in decide.OF_PARCELS else {}
    if newest is not None:
        facts["returnId"] = str(newest)
    now = context.now()
    shown = Notification(
        order.id, order.id, kind, "", "", locale or settings.locale, NotificationState.PENDING, now, now, now,
        facts,
    )  # fmt: skip
    return (await _load(context, [shown]))[0].letter()


async def _load(context: ServiceContext, claimed: Sequence[Notification]) -> list[_Due]:
    """Return what is to be said, of each order as it is now."""
    if not claimed:
        return []
    ids = list({one.order_id for one in claimed})
    async with context.read() as connection:
        found = await orders.by_ids(connection, ids)
        lines = await order_parts.lines_of(connection, ids)
        parts = await order_parts.parts_of(connection, ids)
        channel_ids = list({order.channel_id for order in found.values()})
        named = await channels.by_ids(connection, channel_ids)
        settings = await channels.settings_of(connection, channel_ids)
        returned = await return_letters.letters_of(connection, claimed, found, parts)
    due = []
    for one in claimed:
        if (order := found.get(one.order_id)) is None:
            continue
        channel = order.channel_id
        token = context.environment.tokens.sign("order", order.id, order.token_generation)
        shipments = parts[order.id].shipments
        said = partial(
            letter,
            one,
            order,
            lines.get(order.id, ()),
            shipments,
            named[channel],
            settings[channel],
            token,
            _pickup_code(context, one, shipments),
            returned.get(one.return_id) if one.return_id else None,
        )
        due.append(_Due(one, said, settings[channel].reply_to))
    return due


def _pickup_code(
    context: ServiceContext, notification: Notification, shipments: Sequence[Shipment]
) -> str | None:
    """Return the code of what waits in our own store, if that is what is told."""
    if notification.kind is not NotificationKind.READY_FOR_PICKUP:
        return None
    waits = next((one for one in shipments if one.id == notification.shipment_id), None)
    return code_of(context, waits.id) if waits is not None and waits.waits_for_pickup else None


async def _send_each(
    context: ServiceContext, messaging: Messaging, due: Iterator[_Due], begun_until: datetime
) -> list[NotificationState]:
    """Send one after the other, until none is left that nobody has begun."""
    reached = []
    async with messaging.sender.session() as session:
        for one in due:
            if context.now() > begun_until:
                break  # the lease ends soon: left for the next claim
            reached.append(await _Sending(context, messaging, session, one).run())
    return reached


@dataclass(slots=True)
class _Sending:
    """One message on its way to the mail server."""

    context: ServiceContext
    messaging: Messaging
    session: MessageSession
    due: _Due
    handed_over: bool = False

    async def run(self) -> NotificationState:
        """Send it and write what became of it; one that is handed over comes to its end though we stop.

        A server that is stopped for a new version would otherwise leave messages in doubt each time.
        """
        work = asyncio.create_task(self._send())
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if not self.handed_over:
                work.cancel()
            await asyncio.wait([work])
            raise

    async def _send(self) -> NotificationState:
        context, claimed = self.context, self.due.notification
        try:
            # The first loads the templates, and puts them into code.
            message = await asyncio.to_thread(_message, self.messaging, self.due)
            async with asyncio.timeout(self.messaging.time_limit_seconds):
                await self.session.send(message, self._handing_over)
        except _LostClaim:
            _log.warning("notification_taken_over", notification_id=str(claimed.id))
            return claimed.state
        except MessageError as error:
            return await _save(context, _unsent(claimed, error, context.now()), error.code)
        except TimeoutError:
            return await self._unfinished("no answer in time")
        except Exception as error:
            if is_outage(error):
                raise
            passed_over("send_notifications", claimed.id, error)
            return await self._unfinished(f"we failed: {type(error).__name__}")
        return await _save(context, decide.sent(claimed, self.messaging.sender.name, context.now()))

    async def _unfinished(self, reason: str) -> NotificationState:
        late = MessageDoubtful if self.handed_over else MessagePutOff
        now = self.context.now()
        return await _save(self.context, _unsent(self.due.notification, late(reason), now))

    async def _handing_over(self) -> None:
        leased_until = self.context.now() + timedelta(seconds=2 * self.messaging.time_limit_seconds)
        async with self.context.transaction() as transaction:
            connection = transaction.connection
            if not await rows.hand_over(connection, self.due.notification, leased_until=leased_until):
                raise _LostClaim
        self.handed_over = True


def _message(messaging: Messaging, due: _Due) -> Message:
    """Return the message; what cannot be written fails, and keeps no other waiting."""
    claimed = due.notification
    try:
        check_email(claimed.recipient)
    except InvalidInput as error:
        raise MessageRefused(f"the address {error.message}") from error
    said = due.letter()
    content = messaging.renderer.render(said)
    return Message(
        claimed.message_name,
        claimed.begun_at,
        claimed.recipient,
        said.shop_name,
        due.reply_to,
        content,
    )


def _unsent(claimed: Notification, error: MessageError, now: datetime) -> Notification:
    reason = error.reason[: decide.LONGEST_REASON]
    if isinstance(error, MessageRefused):
        return decide.failed(claimed, reason, now)
    if isinstance(error, MessageDoubtful):
        return decide.doubted(claimed, reason, now)
    return decide.put_off(claimed, reason, now)


async def _save(context: ServiceContext, after: Notification, code: int | None = None) -> NotificationState:
    """Write what became of a claimed notification; staff are told where the customer was not."""
    untold = after.state in {NotificationState.FAILED, NotificationState.UNCONFIRMED}
    async with context.transaction() as transaction:
        # An event is appended under its aggregate's lock, which comes before all others.
        order = await rows.lock_order(transaction.connection, after.order_id) if untold else None
        mine = await rows.save(transaction.connection, after)
        if order is not None and mine:
            transaction.emit(_not_told(order, after, code, transaction.now))
    if not mine:
        _log.warning("notification_taken_over", notification_id=str(after.id))
    elif after.state is not NotificationState.SENT:
        _log.warning(
            "notification_not_sent",
            notification_id=str(after.id),
            kind=after.kind.value,
            state=after.state.value,
            attempts=after.attempts,
            code=code,
        )
    return after.state


def _not_told(order: rows.ToldOrder, notification: Notification, code: int | None, now: datetime) -> Event:
    """Return the event that tells staff; nothing of the order changes, so its version stays."""
    return Event(
        kind="NotificationFailed",
        aggregate="order",
        aggregate_id=notification.order_id,
        version=order.version,
        occurred_at=now,
        channel_id=order.channel_id,
        payload={
            "number": order.number,
            "notification": notification.kind.value,
            "state": notification.state.value,
            "code": code,
        },
    )
