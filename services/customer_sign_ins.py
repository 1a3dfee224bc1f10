"""Use cases of signing in by a code: asked for, mailed, and tried.

Whether the shop knows an address makes no difference to anything here, so that nobody finds out by asking.
"""

import asyncio
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from domain import customers as decide
from domain.channels import check_locale
from domain.customers import SignIn, SignInLetter
from domain.kernel.emails import check_email
from domain.kernel.errors import InvalidInput
from domain.kernel.ids import new_id
from domain.kernel.sign_in_errors import SignInRefused, TooManySignIns
from domain.message_ports import Message, MessageError, MessagePutOff, MessageSession, Messaging
from persistence import channels as channel_rows
from persistence import customer_sign_ins as rows
from persistence.outages import is_outage
from services import channels, customers
from services.context import ServiceContext
from services.customers import SignedIn
from services.one_by_one import passed_over

_KIND = "customer sign-in"
_GENERATION = 1
_MOST_AT_ONCE = 40
_FORGOTTEN_AT_ONCE = 1_000
_NO_LIMIT = 2**31 - 1

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is told to whoever asks for a code: what to show with it, and until when."""

    token: str
    expires_at: datetime


class _LostClaim(Exception):
    """A newer code took this one's place, or somebody else sends it."""


async def ask(context: ServiceContext, channel_slug: str, email: str, language: str | None) -> Asked:
    """Have a code mailed to an address; the one before is void. It answers alike for any address.

    The mail goes to the address in small letters, which is what orders are found by: never to another
    spelling of somebody's. Raises NotFound (channel), InvalidInput, and TooManySignIns.
    """
    email = check_email(email, "email")
    locale = None if language is None else _locale(language)
    channel = await channels.get(context, channel_slug)
    environment, policy = context.environment, context.environment.sign_in
    sign_in_id = new_id()
    # An app asks for many from one address.
    counted = context.actor.is_shopper and policy.codes_per_client > 0
    async with context.transaction() as transaction:
        now = transaction.now
        expires_at = now + timedelta(seconds=policy.code_seconds)
        asked = await rows.ask(
            transaction.connection,
            sign_in_id,
            email,
            channel.id,
            locale,
            environment.tokens.address_number(context.address) if counted else None,
            now=now,
            expires_at=expires_at,
            since=now - decide.ASKED_WITHIN,
            codes_per_address=policy.codes_per_address,
            codes_per_client=policy.codes_per_client if counted else _NO_LIMIT,
        )
    if not asked.done:
        wait = (asked.too_many_since or now) + decide.ASKED_WITHIN - now
        raise TooManySignIns(max(1, round(wait.total_seconds())), "email")
    return Asked(environment.tokens.sign(_KIND, sign_in_id, _GENERATION), expires_at)


async def sign_in(context: ServiceContext, token: str, code: str) -> SignedIn:
    """Sign in who has the code that was mailed, and what was answered when it was asked for.

    Raises SignInRefused, which says no more.
    """
    tokens = context.environment.tokens
    subject = tokens.read(_KIND, token)
    if subject is None:
        raise _refused()
    right = tokens.short_code(_KIND, subject.id, decide.CODE_DIGITS)
    signed_in = None
    async with context.transaction() as transaction:
        email = await rows.attempt(transaction.connection, subject.id, transaction.now)
        typed = decide.typed_code(code)
        if email is not None and hmac.compare_digest(typed.encode("utf-8", "surrogatepass"), right.encode()):
            await rows.use(transaction.connection, subject.id, transaction.now)
            signed_in = await customers.start(context, transaction, email)
    # Only now, so that the try stays counted.
    if signed_in is None:
        raise _refused()
    return signed_in


async def send_due(context: ServiceContext) -> int:
    """Mail the codes that are due; returns how many were handed to the mail server.

    Each at most once: who waits for one in vain asks for another.
    """
    messaging = context.environment.messaging
    if messaging is None:
        return 0
    now = context.now()
    leased_until = now + timedelta(seconds=2 * messaging.time_limit_seconds)
    async with context.read() as connection:
        claimed = await rows.claim(connection, most=_MOST_AT_ONCE, now=now, leased_until=leased_until)
        names = await channel_rows.by_ids(connection, list({one.channel_id for one in claimed}))
    begun_until = leased_until - timedelta(seconds=messaging.time_limit_seconds)
    sent = 0
    async with messaging.sender.session() as session:
        for one in claimed:
            if context.now() > begun_until:
                break  # the lease ends soon: left for the next claim
            sent += await _Sending(context, messaging, session, one, names[one.channel_id].name).run()
    return sent


async def forget_old(context: ServiceContext) -> int:
    """Remove addresses and clients that asked for codes long ago, batch by batch; returns how many."""
    total, most = 0, _FORGOTTEN_AT_ONCE
    while most >= _FORGOTTEN_AT_ONCE:
        async with context.transaction() as transaction:
            now = transaction.now
            gone = await rows.forget(
                transaction.connection, now=now, since=now - decide.ASKED_WITHIN, most=_FORGOTTEN_AT_ONCE
            )
        most = max(gone)
        total += sum(gone)
    return total


@dataclass(slots=True)
class _Sending:
    """One code on its way to the mail server."""

    context: ServiceContext
    messaging: Messaging
    session: MessageSession
    sign_in: SignIn
    shop_name: str
    handed_over: bool = False

    async def run(self) -> bool:
        """Mail it and write what became of it; say whether it was sent."""
        try:
            await self._send()
        except _LostClaim:
            return False
        except (MessageError, TimeoutError) as error:
            await self._not_sent(error)
            return False
        except Exception as error:
            if is_outage(error):
                raise
            passed_over("send_sign_in_codes", self.sign_in.id, error)
            return False
        return True

    async def _send(self) -> None:
        # The first loads the templates, and puts them into code.
        message = await asyncio.to_thread(self._message)
        async with asyncio.timeout(self.messaging.time_limit_seconds):
            await self.session.send(message, self._handing_over)

    async def _not_sent(self, error: MessageError | TimeoutError) -> None:
        """Let it be tried again where the mail server has not got it for certain, and may take it yet."""
        late = isinstance(error, TimeoutError) and not self.handed_over
        again = late or isinstance(error, MessagePutOff)
        # Never the reason itself, in which servers repeat whom it was to.
        _log.warning("sign_in_code_not_sent", reason=type(error).__name__, again=again)
        again_at = self.context.now() + decide.mail_pause(self.sign_in.mail_attempts) if again else None
        async with self.context.transaction() as transaction:
            await rows.settle(transaction.connection, self.sign_in, again_at, handed_over=self.handed_over)

    async def _handing_over(self) -> None:
        async with self.context.transaction() as transaction:
            if not await rows.settle(transaction.connection, self.sign_in, None):
                raise _LostClaim
        self.handed_over = True

    def _message(self) -> Message:
        sign_in = self.sign_in
        code = self.context.environment.tokens.short_code(_KIND, sign_in.id, decide.CODE_DIGITS)
        minutes = max(1, round((sign_in.expires_at - sign_in.created_at).total_seconds() / 60))
        letter = SignInLetter(sign_in.locale, self.shop_name, code, minutes)
        content = self.messaging.renderer.render_sign_in(letter)
        # Nothing outside need know the code's own id.
        name = f"{new_id().hex}.{sign_in.mail_attempts}"
        return Message(name, sign_in.created_at, sign_in.email, self.shop_name, None, content)


def _locale(language: str) -> str:
    try:
        return check_locale(language)
    except InvalidInput as error:
        raise InvalidInput(error.message, "language") from None


def _refused() -> SignInRefused:
    return SignInRefused("this code signs nobody in: look again, or ask for a new one", "code")
