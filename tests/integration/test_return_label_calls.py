"""Labels of returns are bought by the job: who asks waits for no carrier, and none is bought twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.carrier_ports import CarrierUnavailable, Label, LabelRequest
from domain.kernel.errors import IllegalTransition
from domain.notifications import NotificationKind
from domain.orders import Order
from domain.return_parcels import ReturnWork
from domain.returns import ReturnStatus
from domain.shipments import LabelState
from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from providers.carriers.sandbox_faults import CarrierFaults
from providers.carriers.sandbox_record import ParcelRecord, parcels
from services import return_labels, return_work, returns
from services.access import ANONYMOUS
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop
from tests.factories import data_of
from tests.labeled import Died
from tests.notices import MovingClock
from tests.sent_back import ask_for, bring_back, let_return, shopper
from tests.waiting import until
from tests.ways_back import (
    carriers,
    key,
    kinds,
    letters,
    parcel_of,
    sent_by_sandbox,
    staff,
    with_label,
)

K = NotificationKind
_RETURNS = """query ($ref: OrderRef!) { order(ref: $ref) { returns { status label { state } } } }"""


class Mortal(SandboxCarrier):
    """The sandbox, asked by one who dies before or after the label is on record, once."""

    dies_before = False
    dies_after = False

    async def buy_return_label(self, key: str, request: LabelRequest) -> Label:
        """Sell the label, or die."""
        if self.dies_before:
            self.dies_before = False
            raise Died
        label = await super().buy_return_label(key, request)
        if self.dies_after:
            self.dies_after = False
            raise Died
        return label


class Hanging(SandboxCarrier):
    """The sandbox, asked by one who waits for ever; or in vain, a label being sold or not (`finds` none)."""

    asked = 0

    def __init__(self, engine: AsyncEngine, *, sells: bool = False, finds: bool = False) -> None:
        super().__init__(engine)
        self._sells, self._finds = sells, finds
        type(self).asked = 0

    async def find_label(self, key: str) -> Label | None:
        """Never say, or that it knows of none."""
        if self._finds:
            return None
        raise CarrierUnavailable

    async def buy_return_label(self, key: str, request: LabelRequest) -> Label:
        """Sell the label, maybe, and never say so."""
        type(self).asked += 1
        if self._sells:
            await super().buy_return_label(key, request)
        if self._sells or self._finds:
            raise CarrierUnavailable
        await asyncio.Event().wait()
        raise AssertionError("never")


async def due(database: Database) -> None:
    await run_sql(database, "UPDATE return_parcels SET label_next_attempt_at = NULL RETURNING id")


async def test_who_asks_is_answered_at_once_and_the_label_is_bought_by_the_job(database: Database) -> None:
    await let_return(database)
    order = await sent_by_sandbox(database)
    found = await ask_for(database, order, **carriers(database))
    _, ref = shopper(database, order)
    (asked,) = (await data_of(database, _RETURNS, {"ref": {"token": ref.token}}, ANONYMOUS))["order"][
        "returns"
    ]
    assert (asked["status"], asked["label"]["state"]) == ("APPROVED", "REQUESTED")
    assert await parcels(database.engine) == [], "no carrier was asked"
    assert await kinds(database, found) == ["ReturnRequested", "ReturnApproved", "ReturnLabelRequested"]

    await return_labels.buy_due(staff(database))
    parcel = await parcel_of(database, found)
    (sold,) = await parcels(database.engine)
    assert found.status is ReturnStatus.APPROVED
    assert parcel.label_state is LabelState.PURCHASED
    assert (parcel.tracking_number, parcel.provider) == (sold.tracking_number, "sandbox")
    assert parcel.drop_off_code == sold.tracking_number[-8:]
    assert parcel.document_id is not None
    assert (await kinds(database, found))[-1] == "ReturnReadyToSend"


@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
async def test_a_label_is_bought_once_whoever_dies(database: Database, moment: str) -> None:
    await let_return(database)
    await ask_for(database, await sent_by_sandbox(database), **carriers(database))
    mortal = Mortal(database.engine)
    setattr(mortal, moment, True)
    with pytest.raises(Died):
        await return_labels.buy_due(staff(database, **carriers(database, mortal)))
    await due(database)
    for _ in range(2):
        await return_labels.buy_due(staff(database))

    (sold,) = await parcels(database.engine)
    (row,) = await run_sql(database, "SELECT label_state, tracking_number FROM return_parcels")
    assert tuple(row) == ("PURCHASED", sold.tracking_number)


async def test_a_carrier_that_is_away_sells_its_label_later(database: Database) -> None:
    await let_return(database)
    record = ParcelRecord(database.engine)
    await record.set_faults(CarrierFaults(error=1.0))
    found = await with_label(database, await sent_by_sandbox(database))
    assert (await parcel_of(database, found)).label_state is LabelState.REQUESTED
    await record.set_faults(CarrierFaults())
    assert await return_labels.buy_due(staff(database)) == 0, "it is not asked again at once"
    await due(database)
    await return_labels.buy_due(staff(database))
    assert (await parcel_of(database, found)).label_state is LabelState.PURCHASED
    assert len(await parcels(database.engine)) == 1


async def test_a_carrier_that_hangs_keeps_nobody_elses_label_waiting(database: Database) -> None:
    await let_return(database)
    both: dict[str, Any] = {"carriers": {**carriers(database)["carriers"], "slow": Hanging(database.engine)}}
    orders = [await sent_by_sandbox(database) for _ in range(3)]
    await _sent_by(database, orders[0], "slow")
    await _sent_by(database, orders[1], "slow")
    hanging = [await ask_for(database, order, **both) for order in orders[:2]]
    sweep = asyncio.create_task(return_labels.buy_due(staff(database, **both)))
    try:
        await until(lambda: Hanging.asked == len(hanging))
        # While that run waits: the job has no other.
        quick = await ask_for(database, orders[2], **both)

        while (await parcel_of(database, quick)).label_state is LabelState.REQUESTED:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert not sweep.done()
    finally:
        sweep.cancel()
        await asyncio.gather(sweep, return_exceptions=True)
    for one in hanging:
        assert (await parcel_of(database, one)).label_state is LabelState.REQUESTED


async def test_a_label_that_is_late_is_told_once_and_staff_do_otherwise(database: Database) -> None:
    await let_return(database)
    order = await sent_by_sandbox(database)
    await _sent_by(database, order, "slow")
    # It sells the label, and nobody hears of it.
    both: dict[str, Any] = {
        "carriers": {**carriers(database)["carriers"], "slow": Hanging(database.engine, sells=True)}
    }
    clock = MovingClock()
    found = await ask_for(database, order, **both)
    clerk = staff(database, **both, clock=clock)
    await return_labels.buy_due(clerk)
    assert (await kinds(database, found))[-1] == "ReturnLabelRequested"
    assert await return_work.page(clerk, ReturnWork.LABEL_FAILED, 5, None) == []
    with pytest.raises(IllegalTransition):
        await return_labels.purchase(clerk, found.id, "sandbox", "EXPRESS", key())

    clock.ahead = timedelta(minutes=16)
    for _ in range(2):
        await due(database)
        await return_labels.buy_due(clerk)
    assert (await kinds(database, found)).count("ReturnLabelDelayed") == 1
    (listed,) = await return_work.page(clerk, ReturnWork.LABEL_FAILED, 5, None)
    assert listed.id == found.id
    assert await letters(database, order) == [K.RETURN_APPROVED]

    await return_labels.purchase(clerk, found.id, "sandbox", "EXPRESS", key())
    assert (await parcel_of(database, found)).label_state is LabelState.PURCHASED
    assert await letters(database, order) == [K.RETURN_APPROVED, K.RETURN_READY_TO_SEND]
    both["carriers"]["slow"] = SandboxCarrier(database.engine)
    await due(database)
    await return_labels.buy_due(staff(database, **both, clock=clock))
    former, _ = sorted(await parcels(database.engine), key=lambda one: one.voided_at is None)
    assert former.voided_at is not None, "what the first carrier sold all the same goes back"
    assert [one.voided_at for one in await parcels(database.engine)].count(None) == 1
    assert await return_work.page(clerk, ReturnWork.LABEL_FAILED, 5, None) == []


async def test_who_waits_for_a_label_is_not_hurried_and_has_the_whole_time_once_it_is_there(
    database: Database,
) -> None:
    await let_return(database)
    order = await sent_by_sandbox(database)
    await run_sql(database, "UPDATE shipments SET service_code = 'PIGEON' RETURNING id")
    found = await with_label(database, order)
    assert found.expires_at is not None
    assert found.decided_at is not None
    given = found.expires_at - found.decided_at
    clock = MovingClock(given - timedelta(days=1))
    clerk = staff(database, clock=clock)
    assert await return_work.remind_due(clerk) == 0
    clock.ahead = given + timedelta(days=5)
    assert await returns.expire_due(clerk) == 0
    await return_labels.purchase(clerk, found.id, None, None, key())
    again = await returns.find(clerk, found.id)
    assert again is not None
    assert again.expires_at is not None
    assert again.expires_at - clock.now() > given - timedelta(minutes=1)


async def test_an_answer_that_came_after_the_return_was_given_up_is_waited_for(database: Database) -> None:
    await let_return(database)
    found = await ask_for(database, await sent_by_sandbox(database), **carriers(database))
    clock = MovingClock()
    away = {"carriers": {"sandbox": Hanging(database.engine, finds=True)}, "clock": clock}
    for minutes in (0, 10, 20):  # asked again and again, each time in vain
        clock.ahead = timedelta(minutes=minutes)
        await return_labels.buy_due(staff(database, **away))
    await returns.cancel(staff(database), None, found.id, None, None)
    clock.ahead = timedelta(minutes=21)
    await return_labels.buy_due(staff(database, clock=clock))
    assert (await parcel_of(database, found)).label_state is LabelState.REQUESTED, "it may still come"
    clock.ahead = timedelta(minutes=30)
    await return_labels.buy_due(staff(database, clock=clock))
    assert (await parcel_of(database, found)).label_state is LabelState.VOIDED


async def test_a_carriers_link_that_is_none_is_left_out(database: Database) -> None:
    await let_return(database)
    found = await ask_for(database, await sent_by_sandbox(database), **carriers(database))

    class Odd(SandboxCarrier):
        async def buy_return_label(self, key: str, request: LabelRequest) -> Label:
            label = await super().buy_return_label(key, request)
            return replace(label, tracking_url="javascript:alert(1)")

    await return_labels.buy_due(staff(database, **carriers(database, Odd(database.engine))))
    parcel = await parcel_of(database, found)
    assert (parcel.label_state, parcel.tracking_url) == (LabelState.PURCHASED, None)


async def test_of_many_who_look_at_once_one_buys(database: Database) -> None:
    await let_return(database)
    found = await ask_for(database, await sent_by_sandbox(database), **carriers(database))
    assert sum(await asyncio.gather(*(return_labels.buy_due(staff(database)) for _ in range(5)))) == 1
    assert len(await parcels(database.engine)) == 1
    assert (await kinds(database, found)).count("ReturnReadyToSend") == 1


async def test_a_return_that_is_given_up_while_its_label_is_bought_gets_none(database: Database) -> None:
    await let_return(database)
    order = await sent_by_sandbox(database)
    found = await ask_for(database, order, **carriers(database))

    class Slow(SandboxCarrier):
        async def buy_return_label(self, key: str, request: LabelRequest) -> Label:
            await returns.cancel(staff(database), None, found.id, None, None)
            return await super().buy_return_label(key, request)

    await return_labels.buy_due(staff(database, **carriers(database, Slow(database.engine))))
    await return_labels.give_back_due(staff(database))
    (sold,) = await parcels(database.engine)
    assert sold.voided_at is not None
    assert (await kinds(database, found))[-1] == "ReturnCanceled"
    assert await letters(database, order) == [K.RETURN_CANCELED]


async def test_a_label_nobody_needs_any_more_is_not_bought(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 20)
    found = await ask_for(database, await sent_by_sandbox(database, shop=shop), **carriers(database))
    here = await bring_back(database, found, shop.locations[0].code)
    assert here.status is ReturnStatus.RECEIVED
    await return_labels.buy_due(staff(database))
    assert await parcels(database.engine) == []
    assert (await parcel_of(database, found)).label_state is LabelState.VOIDED


async def _sent_by(database: Database, order: Order, provider: str) -> None:
    await run_sql(
        database,
        "UPDATE shipments SET provider = :provider WHERE order_id = :id RETURNING id",
        provider=provider,
        id=order.id,
    )
