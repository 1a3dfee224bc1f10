"""Rules of a channel that say which orders a person looks at first, and which are turned down.

Rules never argue: each says REVIEW or DECLINE, or nothing, and the strictest word counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from domain.addresses import is_country
from domain.kernel.errors import InvalidInput
from domain.kernel.money import MAX_AMOUNT_MINOR

MAX_RULES = 50
"""Rules of one channel: each is looked at by every checkout."""

MAX_PRIORITY = 10_000
MAX_ORDERS = 10_000
MAX_MINUTES = 31 * 24 * 60
"""The longest time that orders are counted over: 31 days."""
MAX_SCORE = 100


class RuleKind(StrEnum):
    """What a rule looks at."""

    AMOUNT_FROM = "AMOUNT_FROM"
    COUNTRY_MISMATCH = "COUNTRY_MISMATCH"
    SHIPPING_COUNTRY = "SHIPPING_COUNTRY"
    VELOCITY = "VELOCITY"
    FIRST_ORDER = "FIRST_ORDER"
    PROVIDER_RISK = "PROVIDER_RISK"
    CREDIT_LIMIT = "CREDIT_LIMIT"


class RuleAction(StrEnum):
    """What becomes of an order that a rule finds."""

    REVIEW = "REVIEW"
    DECLINE = "DECLINE"


class Identity(StrEnum):
    """By what two orders count as the same shopper's."""

    EMAIL = "EMAIL"
    SHIPPING_ADDRESS = "SHIPPING_ADDRESS"
    CLIENT_ADDRESS = "CLIENT_ADDRESS"


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """One rule of a channel; which fields it has follows from its kind (see PARAMETERS).

    `amount_from_minor` is in minor units of the channel's currency; `orders_from` orders within
    `within_minutes` are as many as VELOCITY lets through, counted by each identity of `counted_by`;
    `score_from` is the provider's risk score, 0 to 100.
    """

    id: UUID
    channel_id: UUID
    kind: RuleKind
    action: RuleAction
    priority: int = 0
    active: bool = True
    amount_from_minor: int | None = None
    countries: frozenset[str] | None = None
    orders_from: int | None = None
    within_minutes: int | None = None
    counted_by: frozenset[str] | None = None
    score_from: int | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class _Parameters:
    """Which fields a kind of rule needs, and which it may have."""

    needed: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()


PARAMETERS: Mapping[RuleKind, _Parameters] = {
    RuleKind.AMOUNT_FROM: _Parameters(frozenset({"amount_from_minor"})),
    RuleKind.COUNTRY_MISMATCH: _Parameters(),
    RuleKind.SHIPPING_COUNTRY: _Parameters(frozenset({"countries"})),
    RuleKind.VELOCITY: _Parameters(
        frozenset({"orders_from", "within_minutes"}), allowed=frozenset({"counted_by"})
    ),
    RuleKind.FIRST_ORDER: _Parameters(frozenset({"amount_from_minor"})),
    RuleKind.PROVIDER_RISK: _Parameters(allowed=frozenset({"score_from"})),
    RuleKind.CREDIT_LIMIT: _Parameters(),
}
_NAMES = {
    "amount_from_minor": "amountFrom",
    "countries": "countries",
    "orders_from": "ordersFrom",
    "within_minutes": "withinMinutes",
    "counted_by": "countedBy",
    "score_from": "scoreFrom",
}
_RANGES = {
    "amount_from_minor": (0, MAX_AMOUNT_MINOR),
    "orders_from": (1, MAX_ORDERS),
    "within_minutes": (1, MAX_MINUTES),
    "score_from": (0, MAX_SCORE),
    "priority": (-MAX_PRIORITY, MAX_PRIORITY),
}


def check(rule: ApprovalRule) -> ApprovalRule:
    """Return the rule cleaned, its countries in capitals; raises InvalidInput naming the field."""
    parameters = PARAMETERS[rule.kind]
    for name, shown in _NAMES.items():
        value = getattr(rule, name)
        if value is None and name in parameters.needed:
            raise InvalidInput(f"is needed by a rule of kind {rule.kind.value}", shown)
        if value is not None and name not in parameters.needed | parameters.allowed:
            raise InvalidInput(f"is of no use to a rule of kind {rule.kind.value}: leave it out", shown)
    for name, (least, most) in _RANGES.items():
        value = getattr(rule, name)
        if value is not None and not least <= value <= most:
            raise InvalidInput(f"must be between {least} and {most}", _NAMES.get(name, name))
    if rule.counted_by is not None and not rule.counted_by:
        raise InvalidInput("name at least one, or leave it out for all", "countedBy")
    return replace(rule, countries=_check_countries(rule.countries))


def has_kind(rules: Iterable[ApprovalRule], kind: RuleKind) -> bool:
    """Say whether one of the rules is of `kind`."""
    return any(rule.kind is kind for rule in rules)


def _check_countries(countries: frozenset[str] | None) -> frozenset[str] | None:
    if countries is None:
        return None
    if not countries:
        raise InvalidInput("name at least one country", "countries")
    capitals = frozenset(country.upper() for country in countries)
    unknown = sorted(country[:8] for country in capitals if not is_country(country))
    if unknown:
        raise InvalidInput(f"{unknown[0]!r} is not an ISO 3166-1 alpha-2 country code", "countries")
    return capitals
