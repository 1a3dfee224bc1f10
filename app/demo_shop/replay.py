"""The trading day, replayed: every invoice a shopper, at its time of day, compressed."""

import asyncio
import random
import time
from collections.abc import Awaitable
from dataclasses import dataclass

from app.demo_shop.board import Board
from app.demo_shop.client import Client, RequestFailed
from app.demo_shop.packers import send
from app.demo_shop.shop_data import Invoice
from app.demo_shop.shoppers import Fate, Placed, Shopper, approve

# How shoppers spend their time, in seconds of the shop's day.
_PER_LINE = 30.0
_FILLING_AT_MOST = 30 * 60.0
_CHECKING_OUT = 60.0
_WAITING_FOR_APPROVAL = 5 * 60.0
_PICKING = 10 * 60.0
# Who leaves without buying has looked at a few things only.
_LINES_OF_WHO_LEAVES = 8


@dataclass(frozen=True, slots=True)
class Manners:
    """How the day differs from its file: shares of 0 to 1, decided by `seed`.

    For every invoice, with the chance `abandon_rate`, one more shopper fills a cart and leaves. Of those
    who buy, `decline_rate` have their first payment declined, `review_rate` wait for approval by staff.
    `speed` is seconds of the shop's day in one second.
    """

    speed: float = 60.0
    abandon_rate: float = 0.15
    decline_rate: float = 0.05
    review_rate: float = 0.05
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Visit:
    """One shopper's visit: when it starts and how it goes."""

    starts_at: float  # seconds since midnight, in the shop
    seconds_per_line: float
    invoice: Invoice
    fate: Fate


class ShopClock:
    """The shop's time of day: it starts at `opens_at` and runs `speed` times as fast as ours."""

    def __init__(self, opens_at: float, speed: float) -> None:
        """Start the clock now."""
        self._opens_at = opens_at
        self._speed = speed
        self._started = time.monotonic()

    def now(self) -> float:
        """Return seconds since the shop's midnight."""
        return self._opens_at + (time.monotonic() - self._started) * self._speed

    async def until(self, moment: float) -> None:
        """Wait for a time of the shop's day; return at once when it has passed."""
        await asyncio.sleep(max(0.0, (moment - self.now()) / self._speed))

    async def pause(self, seconds: float) -> None:
        """Wait for some seconds of the shop's time."""
        await asyncio.sleep(seconds / self._speed)

    def reading(self) -> str:
        """Return the time as a person reads it."""
        minutes = int(self.now() // 60)
        return f"{minutes // 60 % 24:02}:{minutes % 60:02}"


def visits(invoices: tuple[Invoice, ...], manners: Manners) -> list[Visit]:
    """Plan the day, in order of start: deterministic for a seed."""
    chance = random.Random(manners.seed)  # noqa: S311 - nothing secret
    planned = []
    for invoice in invoices:
        roll = chance.random()
        if roll < manners.decline_rate:
            fate = Fate.DECLINED_ONCE
        elif roll < manners.decline_rate + manners.review_rate:
            fate = Fate.NEEDS_APPROVAL
        else:
            fate = Fate.BUYS
        planned.append(_visit(invoice, fate))
        if chance.random() < manners.abandon_rate:
            planned.append(_visit(invoice, Fate.LEAVES))
    return sorted(planned, key=lambda visit: visit.starts_at)


async def replay(
    planned: list[Visit], manners: Manners, shop: Client, staff: Client, channel: str, board: Board
) -> None:
    """Let every visit happen at its time; return when the last shopper has gone."""
    clock = ShopClock(planned[0].starts_at, manners.speed)
    async with asyncio.TaskGroup() as tasks:
        for visit in planned:
            await clock.until(visit.starts_at)
            board.shop_time = clock.reading()
            tasks.create_task(_watched(board, _live(visit, clock, shop, staff, channel)))


def _visit(invoice: Invoice, fate: Fate) -> Visit:
    per_line = min(_PER_LINE, _FILLING_AT_MOST / len(invoice.lines))
    return Visit(
        starts_at=invoice.placed_at - _CHECKING_OUT - per_line * len(invoice.lines),
        seconds_per_line=per_line,
        invoice=invoice if fate is not Fate.LEAVES else _beginning_of(invoice),
        fate=fate,
    )


def _beginning_of(invoice: Invoice) -> Invoice:
    return Invoice(
        number=invoice.number,
        customer=invoice.customer,
        country=invoice.country,
        placed_at=invoice.placed_at,
        lines=invoice.lines[:_LINES_OF_WHO_LEAVES],
    )


async def _watched(board: Board, life: Awaitable[None]) -> None:
    board.shoppers += 1
    try:
        await life
    except RequestFailed as failure:
        board.failures.append(str(failure))
    finally:
        board.shoppers -= 1


async def _live(visit: Visit, clock: ShopClock, shop: Client, staff: Client, channel: str) -> None:
    shopper = Shopper(shop, channel, visit.invoice)
    anything = await shopper.fill_cart(clock.pause, visit.seconds_per_line)
    if visit.fate is Fate.LEAVES or not anything:
        return
    await clock.until(visit.invoice.placed_at)
    order = await shopper.check_out(visit.fate)
    await _afterwards(visit, order, shopper, clock, staff)


async def _afterwards(visit: Visit, order: Placed, shopper: Shopper, clock: ShopClock, staff: Client) -> None:
    if order.status == "PENDING_APPROVAL":
        await clock.pause(_WAITING_FOR_APPROVAL)
        await approve(staff, order)
    if visit.invoice.cancelled_at is not None:
        await clock.until(visit.invoice.cancelled_at)
        await shopper.cancel(order)
        return
    await clock.pause(_PICKING)
    await send(staff, order)
