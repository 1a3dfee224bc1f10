"""Rules as properties: the strictest word counts, no rule makes another milder, and every finding is told."""

from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from domain.approvals import ApprovalRule, Identity, RuleAction, RuleKind, check
from domain.kernel.money import Money
from domain.order_reviews import (
    AnswerFacts,
    CartFacts,
    Credit,
    Decision,
    Evaluation,
    History,
    evaluate_answer,
    evaluate_cart,
)

CHANNEL = uuid4()
COUNTRIES = ["AT", "DE", "FR", "US"]
STRICTNESS = [Decision.ACCEPT, Decision.REVIEW, Decision.DECLINE]
AMOUNTS = st.integers(0, 500)
ANY_COUNTRY = st.sampled_from(COUNTRIES)


@st.composite
def rules(draw: st.DrawFn) -> ApprovalRule:
    """A rule that could be in the database."""
    kind = draw(st.sampled_from(RuleKind))
    parameters: dict[RuleKind, dict[str, st.SearchStrategy[Any]]] = {
        RuleKind.AMOUNT_FROM: {"amount_from_minor": AMOUNTS},
        RuleKind.FIRST_ORDER: {"amount_from_minor": AMOUNTS},
        RuleKind.SHIPPING_COUNTRY: {"countries": st.frozensets(ANY_COUNTRY, min_size=1)},
        RuleKind.VELOCITY: {
            "orders_from": st.integers(1, 5),
            "within_minutes": st.integers(1, 60),
            "counted_by": st.none() | st.frozensets(st.sampled_from(Identity), min_size=1),
        },
        RuleKind.PROVIDER_RISK: {"score_from": st.none() | st.integers(0, 100)},
    }
    given_parameters = {name: draw(strategy) for name, strategy in parameters.get(kind, {}).items()}
    return check(
        ApprovalRule(
            uuid4(),
            CHANNEL,
            kind,
            draw(st.sampled_from(RuleAction)),
            draw(st.integers(-3, 3)),
            draw(st.booleans()),
            **given_parameters,
        )
    )


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[ApprovalRule], CartFacts, AnswerFacts, int | None]:
    """Rules of a channel, and all that may be known of one order."""
    listed = draw(st.lists(rules(), max_size=6))
    total = Money(draw(AMOUNTS), "EUR")
    counted = {
        rule.id: {one.value: draw(st.integers(0, 6)) for one in Identity}
        for rule in listed
        if rule.kind is RuleKind.VELOCITY
    }
    shipping = draw(ANY_COUNTRY)
    cart = CartFacts(total, shipping, draw(st.none() | ANY_COUNTRY), History(counted, draw(st.booleans())))
    known = st.builds(lambda minor: Credit(Money(minor, "EUR")), st.integers(-10, 500))
    answer = AnswerFacts(
        total,
        shipping,
        draw(st.none() | ANY_COUNTRY),
        draw(st.none() | st.integers(0, 100)),
        draw(st.booleans()),
        draw(st.none() | st.just(Credit(None, "silent")) | known),
    )
    return listed, cart, answer, draw(st.none() | AMOUNTS)


def evaluated(
    listed: list[ApprovalRule], cart: CartFacts, answer: AnswerFacts, review_from: int | None
) -> Evaluation:
    return evaluate_answer(evaluate_cart(listed, cart), listed, answer, review_from)


def fires(rule: ApprovalRule, cart: CartFacts, answer: AnswerFacts) -> bool:
    """Say anew, and bluntly, whether a rule has to find something."""
    if not rule.active:
        return False
    total, shipping = cart.total.amount_minor, cart.shipping_country
    credit = answer.credit
    return {
        RuleKind.AMOUNT_FROM: lambda: total >= (rule.amount_from_minor or 0),
        RuleKind.FIRST_ORDER: lambda: not cart.history.is_known and total >= (rule.amount_from_minor or 0),
        RuleKind.SHIPPING_COUNTRY: lambda: shipping in (rule.countries or ()),
        RuleKind.COUNTRY_MISMATCH: lambda: (
            {cart.billing_country or shipping, answer.payer_country or shipping} != {shipping}
        ),
        RuleKind.VELOCITY: lambda: max(cart.history.orders[rule.id].values()) >= (rule.orders_from or 0),
        RuleKind.PROVIDER_RISK: lambda: (
            (answer.needs_review if rule.score_from is None else (answer.risk_score or -1) >= rule.score_from)
            or (rule.score_from == 0 and answer.risk_score == 0)
        ),
        RuleKind.CREDIT_LIMIT: lambda: (
            credit is not None and (credit.available is None or credit.available.amount_minor < total)
        ),
    }[rule.kind]()


@given(situations())
def test_every_rule_that_finds_something_is_told_and_no_other(
    situation: tuple[list[ApprovalRule], CartFacts, AnswerFacts, int | None],
) -> None:
    listed, cart, answer, review_from = situation
    told = {reason.rule_id for reason in evaluated(*situation).reasons}
    assert told - {None} == {rule.id for rule in listed if fires(rule, cart, answer)}
    by_channel = review_from is not None and cart.total.amount_minor >= review_from
    if by_channel:
        assert None in told


@given(situations())
def test_the_strictest_word_counts(
    situation: tuple[list[ApprovalRule], CartFacts, AnswerFacts, int | None],
) -> None:
    listed, cart, answer, review_from = situation
    fired = [rule for rule in listed if fires(rule, cart, answer)]
    # Nobody is turned down for what the company's system did not say.
    unknown = answer.credit is not None and answer.credit.available is None
    strict = [rule for rule in fired if not (unknown and rule.kind is RuleKind.CREDIT_LIMIT)]
    waits = answer.needs_review or (review_from is not None and cart.total.amount_minor >= review_from)
    expected = Decision.REVIEW if fired or waits else Decision.ACCEPT
    if any(rule.action is RuleAction.DECLINE for rule in strict):
        expected = Decision.DECLINE
    assert evaluated(*situation).decision is expected


@given(situations(), rules())
def test_another_rule_never_makes_it_milder(
    situation: tuple[list[ApprovalRule], CartFacts, AnswerFacts, int | None], more: ApprovalRule
) -> None:
    listed, *facts = situation
    before, after = evaluated(*situation), evaluated([*listed, more], *facts)  # type: ignore[arg-type]
    assert STRICTNESS.index(after.decision) >= STRICTNESS.index(before.decision)
    if more.kind is not RuleKind.PROVIDER_RISK:
        assert {reason.rule_id for reason in before.reasons} <= {reason.rule_id for reason in after.reasons}


@given(situations())
def test_reasons_come_back_from_storage_as_they_were(
    situation: tuple[list[ApprovalRule], CartFacts, AnswerFacts, int | None],
) -> None:
    found = evaluated(*situation)
    assert Evaluation.from_json(found.to_json()) == found
    assert all(reason.message for reason in found.reasons)


@given(situations())
def test_what_turns_a_cart_down_is_told_by_its_code(
    situation: tuple[list[ApprovalRule], CartFacts, AnswerFacts, int | None],
) -> None:
    found = evaluated(*situation)
    if found.decision is Decision.DECLINE:
        first = next(reason for reason in found.reasons if reason.action is RuleAction.DECLINE)
        assert found.decline_code.startswith("risk_")
        assert found.decline_code == Evaluation((first,)).decline_code
