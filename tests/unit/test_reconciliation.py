"""Comparing a provider's report with our record: what is a difference, on which day, and what is not."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.ports import ReportLine
from domain.reconciliation import Day, DifferenceKind, Settled, compare, transaction_of

DAY = Day(date(2030, 1, 2))
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
ALL = tuple(DifferenceKind)


def settled(number: int = 1, at: datetime = NOON, kind: TransactionKind = TransactionKind.CAPTURE) -> Settled:
    return Settled(UUID(int=number), kind, f"name-{number}", Money(1000, "USD"), at)


def line_of(one: Settled, at: datetime | None = None) -> ReportLine:
    return ReportLine(
        one.kind, "payment", one.reference or "", one.amount, at or one.settled_at, f"ordertide-{one.id.hex}"
    )


def kinds(ours: list[Settled], theirs: list[ReportLine], day: Day = DAY) -> list[DifferenceKind]:
    return [difference.kind for difference in compare(day, ours, theirs)]


def test_records_that_agree_have_no_difference() -> None:
    ours = [settled(1), settled(2, kind=TransactionKind.REFUND)]
    assert compare(DAY, ours, [line_of(one) for one in ours]) == []


def test_each_way_to_differ_is_named_with_both_sides() -> None:
    here, there = settled(1), settled(2)
    cheaper = replace(line_of(settled(3)), amount=Money(999, "USD"))
    foreign = replace(line_of(settled(4)), amount=Money(1000, "EUR"))
    found = compare(DAY, [here, settled(3), settled(4)], [line_of(there), cheaper, foreign])

    assert [(one.kind, one.ours, one.theirs) for one in found] == [
        (DifferenceKind.MISSING_HERE, None, Money(1000, "USD")),
        (DifferenceKind.AMOUNT_DIFFERS, Money(1000, "USD"), Money(999, "USD")),
        (DifferenceKind.CURRENCY_DIFFERS, Money(1000, "USD"), Money(1000, "EUR")),
        (DifferenceKind.MISSING_THERE, Money(1000, "USD"), None),
    ]
    assert [one.subject for one in found] == ["name-2", *(str(UUID(int=number)) for number in (3, 4, 1))]


def test_a_movement_on_both_sides_of_midnight_is_no_difference_on_either_day() -> None:
    before, after = DAY.end - timedelta(seconds=1), DAY.end + timedelta(seconds=1)
    tomorrow = Day(date(2030, 1, 3))
    for ours, theirs in ((before, after), (after, before)):
        one = settled(at=ours)
        for day in (DAY, tomorrow):
            assert kinds([one], [line_of(one, theirs)], day) == []


def test_a_difference_is_told_on_one_day_alone() -> None:
    one = settled(at=DAY.start)
    wrong = replace(line_of(one, DAY.start - timedelta(seconds=1)), amount=Money(1, "USD"))
    yesterday = Day(date(2030, 1, 1))
    assert (kinds([one], [wrong], yesterday), kinds([one], [wrong])) == ([DifferenceKind.AMOUNT_DIFFERS], [])


def test_a_request_whose_answer_was_found_out_days_later_is_no_difference() -> None:
    late = settled(at=NOON + timedelta(days=2))
    line = line_of(late, NOON)
    assert kinds([late], [line]) == []
    assert kinds([late], [line], Day(date(2030, 1, 4))) == []


def test_a_line_is_found_by_our_key_where_its_name_is_not_known() -> None:
    one = replace(settled(), reference=None)
    assert kinds([one], [line_of(settled())]) == []
    assert kinds([one], [replace(line_of(settled()), key="another shop's")]) == [
        DifferenceKind.MISSING_HERE,
        DifferenceKind.MISSING_THERE,
    ]


def test_a_capture_taken_twice_under_one_key_is_missing_here_once() -> None:
    one = settled()
    twice = replace(line_of(one), change_reference="name-again")
    for theirs in ([line_of(one), twice], [twice, line_of(one)]):
        (found,) = compare(DAY, [one], theirs)
        assert (found.kind, found.reference) == (DifferenceKind.MISSING_HERE, "name-again")


def test_a_line_that_comes_twice_is_one() -> None:
    one = settled()
    assert kinds([one], [line_of(one), line_of(one)]) == []
    assert kinds([], [line_of(one), line_of(one)]) == [DifferenceKind.MISSING_HERE]


def test_a_refund_is_not_explained_by_the_capture_of_its_name() -> None:
    one = settled()
    refund = replace(line_of(one), kind=TransactionKind.REFUND)
    assert sorted(kinds([one], [refund])) == [DifferenceKind.MISSING_HERE, DifferenceKind.MISSING_THERE]


def test_only_our_keys_name_transactions() -> None:
    known = uuid4()
    assert transaction_of(f"ordertide-{known.hex}") == known
    assert [transaction_of(key) for key in (None, "", "ordertide-", "ordertide-x", "pos-1", known.hex)] == [
        None
    ] * 6


@given(
    faults=st.lists(st.none() | st.sampled_from(ALL), max_size=30),
    shifts=st.lists(st.integers(-3600, 3600), min_size=30, max_size=30),
    named=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_exactly_what_was_spoiled_is_found(
    faults: list[DifferenceKind | None], shifts: list[int], named: list[bool]
) -> None:
    ours, theirs, expected = [], [], []
    for number, (fault, shift, by_name) in enumerate(zip(faults, shifts, named, strict=False), 1):
        one = settled(number, NOON + timedelta(seconds=shift))
        line = line_of(one, NOON - timedelta(seconds=shift))
        line = replace(line, key=None) if by_name else line
        if fault is DifferenceKind.AMOUNT_DIFFERS:
            line = replace(line, amount=Money(1001, "USD"))
        if fault is DifferenceKind.CURRENCY_DIFFERS:
            line = replace(line, amount=Money(1000, "KWD"))
        ours += [] if fault is DifferenceKind.MISSING_HERE else [one]
        theirs += [] if fault is DifferenceKind.MISSING_THERE else [line]
        expected += [fault] if fault else []

    assert sorted(kinds(ours, theirs)) == sorted(expected)
