"""What rules find of an order that is being placed, and the review that a person decides.

Rules never argue: each says REVIEW or DECLINE, or nothing, and the strictest word counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.approvals import ApprovalRule, RuleAction, RuleKind
from domain.fulfillment import HoldKind
from domain.kernel.money import Money


class Decision(StrEnum):
    """What all rules together say of an order."""

    ACCEPT = "ACCEPT"
    REVIEW = "REVIEW"
    DECLINE = "DECLINE"


class ReviewState(StrEnum):
    """What became of a review."""

    OPEN = "OPEN"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


DECLINE_CODES: Mapping[RuleKind, str] = {
    RuleKind.AMOUNT_FROM: "risk_amount",
    RuleKind.COUNTRY_MISMATCH: "risk_country_mismatch",
    RuleKind.SHIPPING_COUNTRY: "risk_shipping_country",
    RuleKind.VELOCITY: "risk_velocity",
    RuleKind.FIRST_ORDER: "risk_first_order",
    RuleKind.PROVIDER_RISK: "risk_score",
    RuleKind.CREDIT_LIMIT: "risk_credit_limit",
}
"""What a shopper is told whose order a rule turns down."""


HOLD_KINDS: Mapping[RuleKind, HoldKind] = {
    RuleKind.AMOUNT_FROM: HoldKind.OTHER,
    RuleKind.COUNTRY_MISMATCH: HoldKind.HIGH_RISK_OF_FRAUD,
    RuleKind.SHIPPING_COUNTRY: HoldKind.OTHER,
    RuleKind.VELOCITY: HoldKind.HIGH_RISK_OF_FRAUD,
    RuleKind.FIRST_ORDER: HoldKind.HIGH_RISK_OF_FRAUD,
    RuleKind.PROVIDER_RISK: HoldKind.HIGH_RISK_OF_FRAUD,
    RuleKind.CREDIT_LIMIT: HoldKind.AWAITING_PAYMENT,
}
"""The hold that each reason of a review puts on every fulfillment order."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rule found. `rule_id` is None for what no rule has to say: the provider's own wish."""

    code: RuleKind
    action: RuleAction
    facts: Mapping[str, Any]
    rule_id: UUID | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the reason as the record that is stored."""
        rule_id = str(self.rule_id) if self.rule_id else None
        return {"code": self.code.value, "action": self.action.value, "facts": self.facts, "rule": rule_id}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Reason":
        """Return the reason that `to_json` made `record` of."""
        rule_id = UUID(record["rule"]) if record.get("rule") else None
        return cls(RuleKind(record["code"]), RuleAction(record["action"]), record["facts"], rule_id)

    @property
    def message(self) -> str:
        """What was found, for staff to read."""
        key = next((name for name in ("unknown", "wished") if name in self.facts), "")
        return _MESSAGES[self.code, key].format_map(self.facts)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What rules say of an order, and why: every rule that found something, by priority."""

    reasons: tuple[Reason, ...] = ()

    @classmethod
    def from_json(cls, records: Sequence[Mapping[str, Any]]) -> "Evaluation":
        """Return the evaluation that `to_json` made `records` of."""
        return cls(tuple(Reason.from_json(record) for record in records))

    def to_json(self) -> list[dict[str, Any]]:
        """Return the reasons as the records that are stored."""
        return [reason.to_json() for reason in self.reasons]

    @property
    def decision(self) -> Decision:
        """The strictest word of all."""
        if any(reason.action is RuleAction.DECLINE for reason in self.reasons):
            return Decision.DECLINE
        return Decision.REVIEW if self.reasons else Decision.ACCEPT

    @property
    def decline_code(self) -> str:
        """What the shopper is told: by the first rule that declines."""
        return next(DECLINE_CODES[one.code] for one in self.reasons if one.action is RuleAction.DECLINE)


@dataclass(frozen=True, slots=True)
class History:
    """What rules have to know of earlier orders; counted only where a rule asks for it.

    `orders` has, by rule, how many others there are by each identity. `is_known` says whether an
    order of the same e-mail address is open or completed.
    """

    orders: Mapping[UUID, Mapping[str, int]] = field(default_factory=dict)
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class CartFacts:
    """What is known before a payment is asked for."""

    total: Money
    shipping_country: str
    billing_country: str | None
    history: History = field(default_factory=History)


@dataclass(frozen=True, slots=True)
class Credit:
    """What the company's own system says of a customer: how much more may be owed, or why it is not known."""

    available: Money | None
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """What is known once the provider has answered. `credit` is None where nothing is owed by it.

    `owed` is what is paid later: the total, unless gift cards or store credit have paid a part.
    """

    total: Money
    shipping_country: str
    payer_country: str | None = None
    risk_score: int | None = None
    needs_review: bool = False
    credit: Credit | None = None
    owed: Money | None = None


@dataclass(frozen=True, slots=True)
class OrderReview:
    """An order that waits, or waited, for a person: why, until when, and who decided what."""

    order_id: UUID
    decision: Decision
    reasons: tuple[Reason, ...]
    state: ReviewState
    due_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str | None = None


def evaluate_cart(rules: Sequence[ApprovalRule], facts: CartFacts) -> Evaluation:
    """Say what rules find in a cart, before anybody is asked for money."""
    return _evaluate(rules, facts, _CART_CHECKS)


def evaluate_answer(
    before: Evaluation, rules: Sequence[ApprovalRule], facts: AnswerFacts, review_from_minor: int | None
) -> Evaluation:
    """Add to what was found `before` what the provider's answer, and the credit of the customer, show.

    The provider's wish that a person looks leads to a review, whatever rules there are; so does
    `review_from_minor`, the channel's own rule of the total. A rule that found something before is
    not asked again.
    """
    fired = {reason.rule_id for reason in before.reasons}
    reasons = [*before.reasons]
    total = facts.total
    if review_from_minor is not None and total.amount_minor >= review_from_minor:
        reasons.append(_channels_reason(total, review_from_minor))
    rest = [rule for rule in rules if rule.id not in fired]
    found = _evaluate(rest, facts, _ANSWER_CHECKS).reasons
    reasons.extend(found)
    if facts.needs_review and not any(one.code is RuleKind.PROVIDER_RISK for one in found):
        reasons.append(Reason(RuleKind.PROVIDER_RISK, RuleAction.REVIEW, {"wished": True}))
    return Evaluation(tuple(reasons))


def _evaluate(
    rules: Sequence[ApprovalRule],
    facts: Any,
    checks: Mapping[RuleKind, Callable[[ApprovalRule, Any], Mapping[str, Any] | None]],
) -> Evaluation:
    reasons = []
    for rule in sorted(rules, key=lambda one: (one.priority, one.id)):
        found = checks[rule.kind](rule, facts) if rule.active and rule.kind in checks else None
        if found is not None:
            # Nobody is turned down for what the company's own system did not say.
            action = RuleAction.REVIEW if "unknown" in found else rule.action
            reasons.append(Reason(rule.kind, action, found, rule.id))
    return Evaluation(tuple(reasons))


def _amount(rule: ApprovalRule, facts: CartFacts) -> Mapping[str, Any] | None:
    least = rule.amount_from_minor or 0
    return _amounts(facts.total, least) if facts.total.amount_minor >= least else None


def _cart_countries(rule: ApprovalRule, facts: CartFacts) -> Mapping[str, Any] | None:
    billing = facts.billing_country
    if billing is None or billing == facts.shipping_country:
        return None
    return {"of": "billing address", "country": billing, "shipping": facts.shipping_country}


def _shipping_country(rule: ApprovalRule, facts: CartFacts) -> Mapping[str, Any] | None:
    return {"country": facts.shipping_country} if facts.shipping_country in (rule.countries or ()) else None


def _velocity(rule: ApprovalRule, facts: CartFacts) -> Mapping[str, Any] | None:
    counts = facts.history.orders.get(rule.id, {})
    over = {name: orders for name, orders in counts.items() if orders >= (rule.orders_from or 1)}
    if not over:
        return None
    return {"by": ", ".join(sorted(over)), "orders": max(over.values()), "minutes": rule.within_minutes}


def _first_order(rule: ApprovalRule, facts: CartFacts) -> Mapping[str, Any] | None:
    return None if facts.history.is_known else _amount(rule, facts)


def _payer_country(rule: ApprovalRule, facts: AnswerFacts) -> Mapping[str, Any] | None:
    payer = facts.payer_country
    if payer is None or payer == facts.shipping_country:
        return None
    return {"of": "payer", "country": payer, "shipping": facts.shipping_country}


def _provider_risk(rule: ApprovalRule, facts: AnswerFacts) -> Mapping[str, Any] | None:
    if rule.score_from is None:
        return {"wished": True} if facts.needs_review else None
    reached = facts.risk_score is not None and facts.risk_score >= rule.score_from
    return {"score": facts.risk_score} if reached else None


def _credit_limit(rule: ApprovalRule, facts: AnswerFacts) -> Mapping[str, Any] | None:
    credit = facts.credit
    if credit is None:
        return None
    if credit.available is None:
        return {"unknown": credit.unknown or "not known"}
    owed = facts.owed or facts.total
    if credit.available.amount_minor >= owed.amount_minor:
        return None
    return {"available": str(credit.available.amount), **_total(owed)}


_CART_CHECKS: Mapping[RuleKind, Callable[[ApprovalRule, Any], Mapping[str, Any] | None]] = {
    RuleKind.AMOUNT_FROM: _amount,
    RuleKind.COUNTRY_MISMATCH: _cart_countries,
    RuleKind.SHIPPING_COUNTRY: _shipping_country,
    RuleKind.VELOCITY: _velocity,
    RuleKind.FIRST_ORDER: _first_order,
}
_ANSWER_CHECKS: Mapping[RuleKind, Callable[[ApprovalRule, Any], Mapping[str, Any] | None]] = {
    RuleKind.COUNTRY_MISMATCH: _payer_country,
    RuleKind.PROVIDER_RISK: _provider_risk,
    RuleKind.CREDIT_LIMIT: _credit_limit,
}
_MESSAGES: Mapping[tuple[RuleKind, str], str] = {
    (RuleKind.AMOUNT_FROM, ""): "the total of {total} {currency} is {from} or more",
    (RuleKind.COUNTRY_MISMATCH, ""): "the {of} is in {country}, the parcel goes to {shipping}",
    (RuleKind.SHIPPING_COUNTRY, ""): "the parcel goes to {country}",
    (RuleKind.VELOCITY, ""): "{orders} other orders within {minutes} minutes, by {by}",
    (RuleKind.FIRST_ORDER, ""): "the first order of this e-mail address, of {total} {currency}",
    (RuleKind.PROVIDER_RISK, ""): "the payment provider's risk score is {score} of 100",
    (RuleKind.PROVIDER_RISK, "wished"): "the payment provider wishes that a person looks",
    (RuleKind.CREDIT_LIMIT, ""): "{available} {currency} of credit are left, the total is {total}",
    (RuleKind.CREDIT_LIMIT, "unknown"): "how much credit is left is not known: {unknown}",
}


def _channels_reason(total: Money, review_from_minor: int) -> Reason:
    return Reason(RuleKind.AMOUNT_FROM, RuleAction.REVIEW, _amounts(total, review_from_minor))


def _amounts(total: Money, least_minor: int) -> dict[str, str]:
    return {**_total(total), "from": str(Money(least_minor, total.currency).amount)}


def _total(total: Money) -> dict[str, str]:
    return {"total": str(total.amount), "currency": total.currency}
