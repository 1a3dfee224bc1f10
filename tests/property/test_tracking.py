"""Where a parcel is: made of the set of what was told, in whatever order and however often it came."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.ids import new_id
from domain.shipments import TRANSITIONS, Shipment, ShipmentStatus
from domain.tracking import TrackingFact, is_late, must_be_told_late, problems, says_it_left, tracked

START = datetime(2030, 1, 1, tzinfo=UTC)
PARCEL = Shipment(
    new_id(), new_id(), ShipmentStatus.PRE_TRANSIT, "Post", None, "T1", None, START, None,
    promised_until=START + timedelta(days=3),
)  # fmt: skip
MOMENTS = st.integers(0, 20).map(lambda hours: START + timedelta(hours=hours))
FACTS = st.builds(
    TrackingFact,
    st.builds(new_id),
    st.sampled_from(ShipmentStatus),
    MOMENTS,
    place=st.sampled_from([None, "Bonn", "Paris"]),
    estimated_at=st.one_of(st.none(), MOMENTS),
)


def state(shipment: Shipment) -> Shipment:
    """Return the parcel without what counts its changes."""
    return replace(shipment, version=0)


@given(st.data(), st.lists(FACTS, max_size=8))
def test_any_order_and_repetition_ends_in_the_same_state(
    data: st.DataObject, facts: list[TrackingFact]
) -> None:
    again = data.draw(
        st.permutations(facts + data.draw(st.lists(st.sampled_from(facts)) if facts else st.just([])))
    )

    at, known = PARCEL, list[TrackingFact]()
    for fact in again:
        known.append(fact)
        after = tracked(at, known)
        if at.status is ShipmentStatus.DELIVERED:
            assert after.status is ShipmentStatus.DELIVERED
        assert after.status is at.status or after.status in TRANSITIONS[at.status]
        at = after

    assert state(at) == state(tracked(PARCEL, facts))


def test_of_two_that_differ_in_their_estimate_alone_the_later_counts_whichever_came_first() -> None:
    early, late = (
        TrackingFact(new_id(), ShipmentStatus.IN_TRANSIT, START, estimated_at=START + timedelta(days=days))
        for days in (3, 6)
    )

    assert state(tracked(PARCEL, [early, late])) == state(tracked(PARCEL, [late, early]))
    assert tracked(PARCEL, [late, early]).estimated_at == late.estimated_at


@given(st.lists(FACTS, min_size=1, max_size=8))
def test_a_delivered_parcel_was_delivered_the_first_time_it_was_said(facts: list[TrackingFact]) -> None:
    after = tracked(PARCEL, facts)
    said = [fact.occurred_at for fact in facts if fact.status is ShipmentStatus.DELIVERED]

    assert (after.status is ShipmentStatus.DELIVERED) == bool(said)
    assert after.delivered_at == min(said, default=None)


@given(st.lists(FACTS, max_size=8))
def test_a_parcel_is_where_the_latest_says_until_it_has_arrived_or_goes_back(
    facts: list[TrackingFact],
) -> None:
    after = tracked(PARCEL, facts)

    if after.status not in {ShipmentStatus.DELIVERED, ShipmentStatus.RETURN_TO_SENDER, PARCEL.status}:
        newest = max(
            fact.occurred_at for fact in facts if fact.status in TRANSITIONS[ShipmentStatus.PRE_TRANSIT]
        )
        assert any(fact.status is after.status and fact.occurred_at == newest for fact in facts)
    assert says_it_left(facts) == (after.status is not ShipmentStatus.PRE_TRANSIT)


@given(st.lists(FACTS, max_size=8), st.integers(0, 200))
def test_a_delay_is_told_once_for_each_promise(facts: list[TrackingFact], hours: int) -> None:
    now = START + timedelta(hours=hours)
    parcel = tracked(PARCEL, facts)

    if must_be_told_late(parcel, now):
        assert is_late(parcel, now)
        assert not must_be_told_late(
            replace(parcel, late_told_for=parcel.promised_until), now + timedelta(days=9)
        )
    if parcel.status is ShipmentStatus.DELIVERED:
        assert problems(parcel, now) == ()
