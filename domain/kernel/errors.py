"""What can be wrong with a request, as typed errors the API shows as `userErrors`.

A use case raises one of these; the transaction rolls back, so nothing is half done. Each carries
the facts a client can act on and `path`, the input field it is about (GraphQL spelling).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class DomainError(Exception):
    """A request that cannot be done as asked. `code` is the API's UserErrorCode."""

    code = "INVALID_INPUT"

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class Several(DomainError):
    """More than one thing is wrong; clients are told each."""

    def __init__(self, errors: Sequence[DomainError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = tuple(errors)


@contextmanager
def under(*prefix: str) -> Iterator[None]:
    """Put `prefix` before the path of any domain error raised inside: checks stay ignorant of nesting."""
    try:
        yield
    except DomainError as error:
        error.path = (*prefix, *error.path)
        raise


@contextmanager
def instead(*path: str) -> Iterator[None]:
    """Put `path` in place of that of any domain error raised inside: what was asked has no such field."""
    try:
        yield
    except DomainError as error:
        error.path = path
        raise


class InvalidInput(DomainError):
    """A field's value is not acceptable."""


class NotFound(DomainError):
    """What was named does not exist, or is not the actor's to see: both answer the same."""

    code = "NOT_FOUND"


class IllegalTransition(DomainError):
    """The aggregate's status does not allow the change."""

    code = "ILLEGAL_TRANSITION"

    def __init__(self, message: str, current: str, allowed: Sequence[str], *path: str) -> None:
        super().__init__(message, *path)
        self.current = current
        self.allowed = tuple(allowed)


class VersionConflict(DomainError):
    """The aggregate changed since the client read it."""

    code = "VERSION_CONFLICT"

    def __init__(self, current_version: int, *path: str) -> None:
        super().__init__(f"expectedVersion is out of date, the current version is {current_version}", *path)
        self.current_version = current_version


class IdempotencyKeyReused(DomainError):
    """The same key came with another request."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        super().__init__("this key was used for a different request", "idempotencyKey")


class InsufficientStock(DomainError):
    """Fewer units can be had than were asked for (the shopper's own holds count as available)."""

    code = "INSUFFICIENT_STOCK"

    def __init__(self, sku: str, requested: int, available: int, *path: str) -> None:
        super().__init__(f"{requested} of {sku} asked for, {available} available", *path)
        self.sku = sku
        self.requested = requested
        self.available = available


class CartClosed(DomainError):
    """The cart no longer takes changes (placed, merged, expired, or a payment is under way)."""

    code = "CART_CLOSED"


class CartIncomplete(DomainError):
    """The cart lacks what an order needs; `missing` names the fields."""

    code = "CART_INCOMPLETE"

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(f"the cart still needs: {', '.join(missing)}", "cartToken")
        self.missing = tuple(missing)


class TaxNotQuoted(DomainError):
    """The tax service has not said what the tax is: to be asked again later."""

    code = "TAX_UNAVAILABLE"


class VariantUnavailable(DomainError):
    """A line's variant is no longer sold in the cart's channel; `sku` names the line, one a variant."""

    code = "VARIANT_UNAVAILABLE"

    def __init__(self, sku: str, *path: str) -> None:
        super().__init__(f"{sku} is no longer sold here: remove the line", *path)
        self.sku = sku


class PaymentDeclined(DomainError):
    """The provider said no; `decline_code` is its reason."""

    code = "PAYMENT_DECLINED"

    def __init__(self, decline_code: str) -> None:
        super().__init__(f"the payment was declined: {decline_code}", "payment")
        self.decline_code = decline_code


class InsufficientBalance(DomainError):
    """A gift card or store credit has less than it is to pay; `last_characters` name a gift card."""

    code = "INSUFFICIENT_BALANCE"

    def __init__(self, last_characters: str | None, balance_minor: int, currency: str, *path: str) -> None:
        named = "the store credit" if last_characters is None else f"the gift card ending {last_characters}"
        super().__init__(f"{named} has less left than that", *path)
        self.last_characters = last_characters
        self.balance_minor = balance_minor
        self.currency = currency


class GiftCardUnusable(DomainError):
    """Nothing can be paid with the gift card here; `reason` is DISABLED, EXPIRED or CURRENCY."""

    code = "GIFT_CARD_UNUSABLE"

    def __init__(self, reason: str, last_characters: str, *path: str) -> None:
        said = {"CURRENCY": "is in another currency than the cart"}.get(reason, f"is {reason.lower()}")
        super().__init__(f"the gift card ending {last_characters} {said}", *path)
        self.reason = reason
        self.last_characters = last_characters


class AmountTooLarge(DomainError):
    """More was asked for than is left of a payment or an order; `left` is that, in minor units."""

    code = "AMOUNT_TOO_LARGE"

    def __init__(self, asked: str, left: str, left_minor: int, currency: str, *path: str) -> None:
        super().__init__(f"{asked} {currency} asked for, {left} {currency} left", *path)
        self.left_minor = left_minor
        self.currency = currency


class DiscountNotApplicable(DomainError):
    """A discount does not apply to the cart; `discount_code` is None for one without a code.

    `reason` is a DiscountRefusal.
    """

    code = "DISCOUNT_NOT_APPLICABLE"

    def __init__(self, name: str, discount_code: str | None, reason: str, *path: str) -> None:
        super().__init__(f"the discount {discount_code or name} does not apply: {reason}", *path)
        self.name = name
        self.discount_code = discount_code
        self.reason = reason


class LabelRefused(DomainError):
    """A carrier does not sell the label; `refusal` is its word."""

    code = "LABEL_REFUSED"

    def __init__(self, refusal: str, message: str, *path: str) -> None:
        super().__init__(message, *path)
        self.refusal = refusal


class PickupCodeRefused(DomainError):
    """The code shown is not the pickup's own, or too many were; `attempts_left` says how many more may be."""

    code = "PICKUP_CODE_REFUSED"

    def __init__(self, attempts_left: int, *path: str) -> None:
        said = f"{attempts_left} more may be tried" if attempts_left else "too many were tried"
        super().__init__(f"that code does not open this pickup: {said}", *path)
        self.attempts_left = attempts_left


class NotReturnable(DomainError):
    """More units than can be returned; `obstacles` say why not more.

    `returnable` may be returned under the shop's rules now, up to `askable` may be asked of staff.
    """

    code = "NOT_RETURNABLE"

    def __init__(
        self,
        sku: str,
        requested: int,
        returnable: int,
        obstacles: Sequence[str],
        *path: str,
        askable: int | None = None,
    ) -> None:
        most = returnable if askable is None else askable
        more = f", staff may be asked for {most}" if most > returnable else ""
        super().__init__(f"{requested} of {sku} asked for, {returnable} can be returned now{more}", *path)
        self.sku = sku
        self.requested = requested
        self.returnable = returnable
        self.askable = most
        self.obstacles = tuple(obstacles)


class SameActor(DomainError):
    """Two people are needed, and this is the first of them again."""

    code = "SAME_ACTOR"


class AccessDenied(Exception):
    """The actor may not ask for this at all (GraphQL error UNAUTHENTICATED or FORBIDDEN)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
