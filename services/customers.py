"""Use cases of customers: sessions that an app vouches for, their tokens, and how they end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.customers import Customer, Session
from domain.kernel.emails import check_email
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.kernel.sign_in_errors import SignInRefused
from persistence import customers as rows
from services import audit
from services.access import Actor, ActorKind, Permission, require
from services.context import Environment, ServiceContext, Transaction

SESSION = "customer_session"
"""The stream of events that sign-ins have ended; one of its own, as no order is concerned."""
SIGNED_OUT = "CustomerSignedOut"
"""The kind of the event that a session's tokens are worth nothing any more."""

_ACCESS = "customer access"
_REFRESH = "customer refresh"
_PREFIX = "ordertide_customer_"
_REFRESH_PREFIX = "ordertide_refresh_"
_KEPT_FOR = timedelta(days=30)
_MOST_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with the tokens given out for it: never stored, and told this once."""

    session: Session
    access_token: str
    access_expires_at: datetime
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is signed in by a session, and the app that vouched for them, if one did."""

    actor: Actor
    app_id: UUID | None


async def vouch(context: ServiceContext, email: str) -> SignedIn:
    """Sign in a customer whom an app knows otherwise, such as by a log-in of the shop's own.

    The session ends with the app's token. Raises InvalidInput naming email.
    """
    require(context.actor, Permission.CUSTOMERS_SIGN_IN)
    email = check_email(email, "email")
    app_id = context.actor.id if context.actor.kind is ActorKind.APP else None
    async with context.transaction() as transaction:
        signed_in = await start(context, transaction, email, app_id)
        await audit.record(transaction, "CustomerSessionCreated", "customer", signed_in.session.customer.id)
    return signed_in


async def start(
    context: ServiceContext, transaction: Transaction, email: str, app_id: UUID | None = None
) -> SignedIn:
    """Begin a session of whoever has proved to have an address; one statement."""
    lasts = timedelta(seconds=context.environment.sign_in.session_seconds)
    session = await rows.start(
        transaction.connection,
        new_id(),
        new_id(),
        email,
        app_id,
        now=transaction.now,
        expires_at=transaction.now + lasts,
    )
    return _with_tokens(context.environment, session, transaction.now)


async def refresh(context: ServiceContext, refresh_token: str) -> SignedIn:
    """Give out new tokens for a refresh token, which is worth nothing from then on.

    Shown once more it ends the session: of two who have it, one has stolen it. Raises SignInRefused.
    """
    subject = context.environment.tokens.read(_REFRESH, refresh_token.removeprefix(_REFRESH_PREFIX))
    if subject is None:
        raise _refused()
    async with context.transaction() as transaction:
        connection, now = transaction.connection, transaction.now
        session = await rows.refresh(connection, subject.id, subject.generation, now)
        if session is None and await rows.end_reused(connection, subject.id, subject.generation, now):
            transaction.emit(_ended(subject.id, now, "REFRESH_TOKEN_REUSED"))
    if session is None:
        raise _refused()
    return _with_tokens(context.environment, session, now)


async def sign_out(context: ServiceContext, refresh_token: str, *, everywhere: bool = False) -> int:
    """End the session of a refresh token, or every one of its customer; returns how many ended.

    One that has ended already stays so. Raises SignInRefused for what is no refresh token, and where all
    are to end, for one that is not good any more.
    """
    subject = context.environment.tokens.read(_REFRESH, refresh_token.removeprefix(_REFRESH_PREFIX))
    if subject is None:
        raise _refused()
    async with context.transaction() as transaction:
        connection, now = transaction.connection, transaction.now
        if everywhere:
            ended = await rows.end_all(connection, subject.id, subject.generation, now)
        else:
            ended = await rows.end(connection, subject.id, now)
        transaction.emit(*(_ended(one, now, "SIGNED_OUT") for one in ended))
    if everywhere and not ended:
        raise _refused()
    return len(ended)


async def me(context: ServiceContext) -> Customer | None:
    """Return the customer who asks; None for anybody else."""
    if context.actor.customer_id is None:
        return None
    async with context.read() as connection:
        return await rows.by_id(connection, context.actor.customer_id)


async def store_credit(context: ServiceContext, customer_id: UUID) -> list[Money]:
    """Return what a customer may spend of their store credit, by currency."""
    async with context.read() as connection:
        return await rows.store_credit(connection, customer_id, context.now())


def is_access_token(token: str) -> bool:
    """Say whether a bearer token looks like one of a customer, and not of an app."""
    return token.startswith(_PREFIX)


def read_access_token(environment: Environment, token: str) -> tuple[UUID, datetime] | None:
    """Return which session an access token is of and until when it is good; None for one that is not."""
    read = environment.tokens.read_until(_ACCESS, token.removeprefix(_PREFIX))
    return None if read is None or read[1] <= environment.clock.now() else read


async def holders(environment: Environment, session_ids: Sequence[UUID]) -> Mapping[UUID, Holder]:
    """Return who is signed in by each session that has not ended; one statement, however many."""
    async with environment.database.read() as connection:
        found = await rows.holders(connection, session_ids, environment.clock.now())
    return {
        session_id: Holder(Actor(ActorKind.CUSTOMER, customer_id), app_id)
        for session_id, (customer_id, app_id) in found.items()
    }


async def forget_old(context: ServiceContext) -> int:
    """Remove sessions that expired long ago, batch by batch; returns how many."""
    total = 0
    while True:
        async with context.transaction() as transaction:
            gone = await rows.forget_sessions(
                transaction.connection, before=transaction.now - _KEPT_FOR, most=_MOST_AT_ONCE
            )
        total += gone
        if gone < _MOST_AT_ONCE:
            return total


def _with_tokens(environment: Environment, session: Session, now: datetime) -> SignedIn:
    until = session.access_until(now, environment.sign_in)
    access = environment.tokens.sign_until(_ACCESS, session.id, until)
    refresh_token = environment.tokens.sign(_REFRESH, session.id, session.refresh_generation)
    return SignedIn(session, _PREFIX + access, until, _REFRESH_PREFIX + refresh_token)


def _ended(session_id: UUID, now: datetime, reason: str) -> Event:
    return Event(
        kind=SIGNED_OUT,
        aggregate=SESSION,
        aggregate_id=session_id,
        version=2,
        occurred_at=now,
        payload={"reason": reason},
    )


def _refused() -> SignInRefused:
    return SignInRefused("the refresh token is not valid, or no longer: sign in again", "refreshToken")
