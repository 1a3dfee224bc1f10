"""Whatever comes together in a return: records that disagree go to staff, and words decide nothing."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.return_evidence import DECLINABLE, DEFAULT_ACTIONS, LENIENT, Check, Decision, allowed
from domain.return_policies import ReturnPolicy, deadline
from domain.return_requests import Arrivals
from domain.return_verdicts import CONFIRMED_BY, judge, judge_refund
from domain.returns import Grade, ReturnReason
from tests.return_cases import DOUBTS, NOW, PAID, honest, inspected, line_of, parcel

_DECISIONS = st.sampled_from(Decision)
_ACTIONS = st.dictionaries(st.sampled_from(Check), _DECISIONS)
_DAYS = st.integers(0, 60)


@given(st.sets(st.sampled_from(sorted(DOUBTS)), min_size=1), _ACTIONS, st.booleans())
def test_records_that_disagree_go_to_staff_whatever_else_is_found_and_the_shop_has_set(
    doubts: set[str], actions: dict[Check, Decision], late: bool
) -> None:
    policy = ReturnPolicy(auto_refund_most_minor=PAID, window_days=5 if late else 30)
    case = replace(honest(policy), actions=actions)
    for name in sorted(doubts):
        case = DOUBTS[name](case)
    assert judge(case, NOW).decision is Decision.ASK_STAFF


@given(st.sampled_from(Check), _DECISIONS)
def test_what_a_shop_sets_holds_only_where_it_may(check: Check, wanted: Decision) -> None:
    case = replace(honest(), actions={check: wanted})
    from_default = DEFAULT_ACTIONS.get(check, Decision.APPROVE)
    decision = case.finding(judge(case, NOW).findings[0].record, check).decision
    assert decision is (wanted if wanted in allowed(check) else from_default)
    if decision is Decision.APPROVE and from_default is not Decision.APPROVE:
        assert check in LENIENT
    if decision is Decision.DECLINE:
        assert check in DECLINABLE


@given(
    st.text(max_size=200),
    st.lists(st.text(max_size=50), max_size=3),
    st.sets(st.sampled_from(sorted(DOUBTS)), max_size=2),
    st.integers(0, 40),
)
def test_notes_and_pictures_change_no_verdict(
    note: str, photos: list[str], doubts: set[str], window: int
) -> None:
    case = honest(ReturnPolicy(auto_refund_most_minor=PAID, window_days=window))
    for name in sorted(doubts):
        case = DOUBTS[name](case)
    worded = line_of(case, note=note, photos=tuple(photos))
    worded = replace(worded, found=replace(worded.found, note=note))
    assert judge(worded, NOW) == judge(case, NOW)
    assert judge_refund(worded, NOW) == judge_refund(case, NOW)


@given(st.sets(st.sampled_from(sorted(DOUBTS))), _ACTIONS)
def test_judged_twice_it_is_the_same(doubts: set[str], actions: dict[Check, Decision]) -> None:
    case = replace(honest(), actions=actions)
    for name in sorted(doubts):
        case = DOUBTS[name](case)
    assert judge(case, NOW) == judge(case, NOW)
    assert judge(case, NOW).to_json() == judge(case, NOW).to_json()


@given(st.integers(0, 60), st.integers(0, 100), st.sampled_from(ReturnReason))
def test_the_window_alone_declines_only_after_its_last_instant_and_never_a_fault(
    window: int, hours_later: int, reason: ReturnReason
) -> None:
    policy = ReturnPolicy(auto_refund_most_minor=PAID, window_days=window)
    case = parcel(
        line_of(honest(policy), reason=reason),
        shipped_at=NOW - timedelta(days=200),
        delivered_at=NOW - timedelta(days=window, hours=hours_later),
    )
    decision = judge(case, NOW).decision
    if reason is ReturnReason.NOT_DELIVERED or (hours_later and reason in {*_FAULTS}):
        assert decision is Decision.ASK_STAFF
    else:
        assert decision is (Decision.DECLINE if hours_later else Decision.APPROVE)


_FAULTS = (
    ReturnReason.LATE,
    ReturnReason.DEFECTIVE,
    ReturnReason.DAMAGED_IN_TRANSIT,
    ReturnReason.WRONG_ITEM,
    ReturnReason.NOT_AS_DESCRIBED,
)


@given(st.sampled_from(ReturnReason), st.lists(st.sampled_from(Grade), min_size=1, max_size=5))
def test_money_goes_back_by_itself_only_where_every_unit_bears_out_its_reason(
    reason: ReturnReason, grades: list[Grade]
) -> None:
    case = inspected(line_of(honest(), reason=reason), *grades)
    fits = set(grades) <= CONFIRMED_BY[reason]
    assert judge_refund(case, NOW).decision is (Decision.APPROVE if fits else Decision.ASK_STAFF)
    assert Grade.INCOMPLETE not in CONFIRMED_BY[reason]
    assert Grade.NOT_OURS not in CONFIRMED_BY[reason]
    assert Grade.USED not in CONFIRMED_BY[reason]


@given(
    st.lists(st.tuples(_DAYS, st.integers(1, 4)), max_size=4),
    st.lists(st.tuples(_DAYS, st.integers(1, 3)), max_size=4),
    st.integers(0, 40),
)
def test_claims_take_units_whose_window_is_open_first_and_never_more_than_there_are(
    parcels: list[tuple[int, int]], claims: list[tuple[int, int]], window: int
) -> None:
    policy = ReturnPolicy(UUID(int=1), window_days=window)
    start = NOW - timedelta(days=100)
    arrived = tuple(sorted((start + timedelta(days=day), units) for day, units in parcels))
    asked = [(start + timedelta(days=day), units) for day, units in claims]
    whole = Arrivals(99, arrived)
    rest = whole.without(asked, policy)
    taken = sum(units for _, units in asked)
    assert rest.delivered_units == max(0, whole.delivered_units - taken)
    assert set(rest.delivered) <= {(at, n) for at, units in arrived for n in range(1, units + 1)}

    # The same, unit by unit.
    units = [at for at, count in arrived for _ in range(count)]
    for at, count in sorted(asked):
        for _ in range(count):
            is_open = [one for one in units if at <= deadline(policy, one)]
            if units:
                units.remove(min(is_open or units))
    assert sorted(one for one, count in rest.delivered for _ in range(count)) == sorted(units)
