"""Cards through Stripe: payment intents that are captured by hand, over Stripe's own library.

The storefront makes a payment method with Stripe's form and hands its name in as the token. Our idempotency
key goes along as Stripe's own and in the metadata, so that everything can be found again by it. Stripe
forgets idempotency keys after 24 hours; we ask again for two hours at most (`payments.find_out`), and look
first. docs/features/payments.md has the settings and what Stripe does not do.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import stripe
from stripe.params import (
    PaymentIntentCaptureParams,
    PaymentIntentCreateParams,
    PaymentIntentListParams,
    RefundCreateParams,
)

from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from domain.ports import (
    Outcome,
    PaymentRecord,
    PaymentRequest,
    ProviderAnswer,
    ProviderEvent,
    ProviderTimeout,
    ReportLine,
)
from providers.payments import stripe_callbacks, stripe_records, stripe_report
from providers.payments.stripe_calls import Impossible, answered, known, refused, unanswered
from providers.payments.stripe_objects import (
    KEY_FIELD,
    Object,
    answer_of,
    can_capture_again,
    capture_mark,
    captures_of,
    from_stripe,
    given_up,
    moment_of,
    to_stripe,
    uncaptured,
)

API_VERSION: Final = "2024-04-10"
"""What we speak, whatever the account's own version: the one whose description the tests hold us to."""

_METHODS: Final = frozenset({"card"})
_EXPAND: Final = "latest_charge"
_PAGE: Final = 100
_MOST_PAGES: Final = 10
_CLOCKS_APART: Final = timedelta(minutes=5)
_MOST_REMEMBERED: Final = 10_000
# Waits for a payment method: the bank said no, or the shopper did not prove who they are.
_OPEN_STATUSES: Final = frozenset({"requires_payment_method", "requires_confirmation"})


class StripePayments:
    """Stripe, as one account of it."""

    def __init__(
        self,
        secret_key: str,
        *,
        webhook_secret: str | None = None,
        api_base: str = stripe.DEFAULT_API_BASE,
        time_limit_seconds: float = 10,
    ) -> None:
        """Ask with `secret_key` at `api_base`; without a `webhook_secret` every callback is refused.

        What is not answered within `time_limit_seconds` is found out later, so nothing is tried twice here.
        """
        client = stripe.StripeClient(
            secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": api_base},
            max_network_retries=0,
            http_client=stripe.HTTPXClient(timeout=time_limit_seconds),
        )
        self._stripe = client.v1
        self._webhook_secret = webhook_secret
        # Which payment intent a key has made: found by its name, it needs no search.
        self._known: OrderedDict[str, str] = OrderedDict()

    @property
    def methods(self) -> frozenset[str]:
        """Cards, wallets that hold cards among them."""
        return _METHODS

    def check(self, request: PaymentRequest) -> None:
        """Refuse what Stripe cannot be asked for; raises InvalidInput naming the field of `payment`."""
        if request.token is None:
            raise InvalidInput("Stripe needs the payment method that its form made", "payment", "token")
        try:
            to_stripe(request.amount)
        except ValueError as error:
            raise InvalidInput(str(error), "payment", "provider") from None

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        """Make a payment intent and confirm it, once per key."""
        if request.token is None:
            return refused(key, "payment_method_missing")
        try:
            params = _creating(key, request, request.token)
        except ValueError:
            return refused(key, "amount_not_supported")

        async def ask() -> ProviderAnswer:
            made = await self._stripe.payment_intents.create_async(params, {"idempotency_key": key})
            self._remember(key, made.id)
            response = made.last_response
            if response is not None and response.headers.get("idempotent-replayed") == "true":
                # As it was then; the shopper may have confirmed it since.
                return await self._settled(key, await self._intent(made.id))
            return answer_of(made.to_dict())

        return await answered(ask(), key)

    async def find(self, key: str) -> ProviderAnswer | None:
        """Return what became of the payment intent with `key`; None when it never arrived.

        One that was declined is canceled first: the storefront has its secret, and could otherwise
        confirm it with another card after we have given up on it.
        """
        intent = await known(self._find(key))
        return None if intent is None else await answered(self._settled(key, intent), intent["id"])

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        """Take a part of what is reserved, or all.

        A part where Stripe would give the rest up (no multicapture) is declined as
        `partial_capture_unavailable`: what is captured later would not be there any more.
        """

        async def ask() -> ProviderAnswer:
            intent = await self._intent(reference)
            done = _captured(intent, key)
            if done is not None:
                return done
            wanted = _in(intent, amount)
            params: PaymentIntentCaptureParams = {
                "amount_to_capture": wanted,
                "metadata": capture_mark(key, amount),
            }
            if wanted < (intent.get("amount_capturable") or 0):
                if not can_capture_again(intent):
                    return refused(reference, "partial_capture_unavailable")
                params["final_capture"] = False
            captured = await self._stripe.payment_intents.capture_async(
                reference, params, {"idempotency_key": key}
            )
            return _captured(captured.to_dict(), key) or refused(reference, "not_captured")

        return await answered(ask(), reference)

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        """Give a part of what was captured back, or all; unknown while the refund is pending."""

        async def ask() -> ProviderAnswer:
            params: RefundCreateParams = {
                "payment_intent": reference,
                "amount": _in(await self._intent(reference), amount),
                "metadata": {KEY_FIELD: key},
            }
            made = await self._stripe.refunds.create_async(params, {"idempotency_key": key})
            return _refund_answer(made.to_dict())

        return await answered(ask(), reference)

    async def find_change(self, key: str, reference: str) -> ProviderAnswer | None:
        """Return what became of the capture or refund with `key`; None when it never arrived."""
        intent = await known(self._retrieved(reference))
        if intent is None:
            return None
        done = _captured(intent, key)
        if done is not None:
            return done
        refund = await known(self._find_refund(key, reference))
        return _refund_answer(refund) if refund is not None else None

    async def record_of(self, reference: str) -> PaymentRecord | None:
        """Return what is on record of a payment intent; raises ProviderTimeout where Stripe does not say."""
        intent = await known(self._retrieved(reference))
        return (
            None if intent is None else await known(stripe_records.of_intent(self._stripe.disputes, intent))
        )

    async def void(self, key: str, reference: str) -> ProviderAnswer:
        """Cancel the payment intent, or capture no more of it; what is given up already is as wished."""
        if not reference:
            return refused(reference, "unknown_payment")

        async def ask() -> ProviderAnswer:
            intent = await self._intent(reference)
            try:
                if not given_up(intent):
                    intent = await self._given_up(key, intent)
            except stripe.InvalidRequestError:
                intent = await self._intent(reference)
                if not given_up(intent):
                    raise
            rest = from_stripe(uncaptured(intent), intent["currency"])
            return ProviderAnswer(Outcome.SUCCEEDED, reference, rest.amount_minor, currency=rest.currency)

        return await answered(ask(), reference)

    def read_callback(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[ProviderEvent]:
        """Return what a webhook tells; its age is measured by the machine's clock."""
        return stripe_callbacks.read(self._webhook_secret, headers, body)

    async def report(self, since: datetime, until: datetime) -> Sequence[ReportLine]:
        """Return every capture, refund and chargeback of ours by the account's balance transactions."""
        try:
            return await stripe_report.lines(self._stripe.balance_transactions, since, until)
        except stripe.StripeError as error:
            raise unanswered(error) from None

    async def _intent(self, reference: str) -> Object:
        found = await self._stripe.payment_intents.retrieve_async(reference, {"expand": [_EXPAND]})
        return found.to_dict()

    async def _retrieved(self, reference: str) -> Object | None:
        try:
            return await self._intent(reference)
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing":
                return None
            raise

    async def _given_up(self, key: str, intent: Object) -> Object:
        if intent["status"] != "requires_capture" or not intent.get("amount_received"):
            return await self._canceled(key, intent["id"])
        # One that was captured in part cannot be canceled any more: nothing is its last capture.
        params: PaymentIntentCaptureParams = {"amount_to_capture": 0, "final_capture": True}
        done = await self._stripe.payment_intents.capture_async(
            intent["id"], params, {"idempotency_key": key}
        )
        return done.to_dict()

    async def _canceled(self, key: str, reference: str) -> Object:
        done = await self._stripe.payment_intents.cancel_async(
            reference, {"expand": [_EXPAND]}, {"idempotency_key": key}
        )
        return done.to_dict()

    async def _settled(self, key: str, intent: Object) -> ProviderAnswer:
        if intent["status"] not in _OPEN_STATUSES:
            return answer_of(intent)
        declined = answer_of(intent)
        try:
            await self._canceled(f"{key}-close", intent["id"])
        except stripe.InvalidRequestError:
            # Confirmed with another card in this very moment: then that counts.
            intent = await self._intent(intent["id"])
            if intent["status"] in _OPEN_STATUSES:
                raise ProviderTimeout from None
            return declined if intent["status"] == "canceled" else answer_of(intent)
        return declined

    async def _find(self, key: str) -> Object | None:
        """Find a payment intent by our key: by its name if we know it, else in the lists, else by search.

        Lists are exact at once, newest first; search is so only after a while, so it is asked just for
        what lies more than a thousand payment intents back.
        """
        reference = self._known.get(key) or await self._listed(key)
        if reference is None:
            return None
        self._remember(key, reference)
        return await self._retrieved(reference)

    async def _listed(self, key: str) -> str | None:
        params: PaymentIntentListParams = {"limit": _PAGE}
        made = moment_of(key)
        if made is not None:
            params["created"] = {"gte": int((made - _CLOCKS_APART).timestamp())}
        for _ in range(_MOST_PAGES):
            page = await self._stripe.payment_intents.list_async(params)
            for intent in page.data:
                if _key_of(intent) == key:
                    return intent.id
            if not page.has_more:
                return None
            params["starting_after"] = page.data[-1].id
        found = await self._stripe.payment_intents.search_async(
            {"query": f"metadata['{KEY_FIELD}']:'{key}'", "limit": 1}
        )
        return found.data[0].id if found.data else None

    async def _find_refund(self, key: str, reference: str) -> Object | None:
        after: str | None = None
        while True:
            page = await self._stripe.refunds.list_async(
                {"payment_intent": reference, "limit": _PAGE, **({"starting_after": after} if after else {})}
            )
            for refund in page.data:
                if _key_of(refund) == key:
                    return refund.to_dict()
            if not page.has_more:
                return None
            after = page.data[-1].id

    def _remember(self, key: str, reference: str) -> None:
        self._known[key] = reference
        self._known.move_to_end(key)
        while len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)


def _creating(key: str, request: PaymentRequest, token: str) -> PaymentIntentCreateParams:
    params: PaymentIntentCreateParams = {
        "amount": to_stripe(request.amount),
        "currency": request.amount.currency.lower(),
        "capture_method": "manual",
        "confirm": True,
        "payment_method": token,
        "payment_method_options": {"card": {"request_multicapture": "if_available"}},
        "metadata": {KEY_FIELD: key},
        "expand": [_EXPAND],
    }
    if request.return_url:
        params["automatic_payment_methods"] = {"enabled": True}
        params["return_url"] = request.return_url
    else:
        # Where nobody can be sent back to, Stripe's script shows what is to be done.
        params["automatic_payment_methods"] = {"enabled": True, "allow_redirects": "never"}
        params["use_stripe_sdk"] = True
    return params


def _captured(intent: Object, key: str) -> ProviderAnswer | None:
    for one in captures_of(intent):
        if one.key == key:
            return ProviderAnswer(
                Outcome.SUCCEEDED, one.reference, one.amount.amount_minor, currency=one.amount.currency
            )
    return None


def _refund_answer(refund: Object) -> ProviderAnswer:
    money = from_stripe(refund["amount"], refund["currency"])
    status = refund["status"]
    if status in {"pending", "requires_action"}:
        raise ProviderTimeout
    if status == "succeeded":
        return ProviderAnswer(Outcome.SUCCEEDED, refund["id"], money.amount_minor, currency=money.currency)
    return refused(refund["id"], str(refund.get("failure_reason") or status))


def _in(intent: Object, amount: Money) -> int:
    """Return an amount in Stripe's units, which takes its currency from the payment intent."""
    if _currency(intent) != amount.currency:
        raise Impossible("currency_mismatch")
    try:
        return to_stripe(amount)
    except ValueError:
        raise Impossible("amount_not_supported") from None


def _key_of(thing: stripe.PaymentIntent | stripe.Refund) -> str | None:
    key: str | None = (thing.to_dict().get("metadata") or {}).get(KEY_FIELD)
    return key


def _currency(intent: Object) -> str:
    return str(intent["currency"]).upper()
