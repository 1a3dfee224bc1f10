"""Viewers of all kinds in two processes, and what they are told, held against what they may be told.

Each answer that is delivered is compared with what its viewer is answered alone, under their own
credentials (`tests.entitled`). What is committed after these were taken away is never delivered; what was
committed before may be. What a viewer is entitled to has to come, so that silence proves nothing.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson

from domain.catalog import VariantRef
from domain.inventory import AdjustReason
from domain.kernel.events import Event
from persistence import event_feed
from persistence.database import Database
from persistence.event_feed import StampedEvent
from realtime.cursors import Cursor
from services import apps, inventory
from services.access import ANONYMOUS, Actor, Permission
from tests import cart_flows as flow
from tests.entitled import alone, document_of
from tests.factories import make_context, make_environment
from tests.in_process import PATIENCE_SECONDS, Process, Wire
from tests.leak_ground import FOLLOWED, TRACKING, VALUES, Ground

Permissions = tuple[Permission, ...]


@dataclass(eq=False)
class Viewer:
    """Somebody, with the credentials they have now, at one process."""

    actor: Actor
    authorization: str | None
    process: Process
    wire: Wire | None = None
    revoked_by: int | None = None
    """The number of the cut that took everything away."""


@dataclass(eq=False)
class Subscribed:
    """A subscription, and what came of it."""

    viewer: Viewer
    wire: Wire
    actor: Actor
    """As whom its connection was let in."""
    name: str
    document: str
    variables: dict[str, Any]
    renewed: Callable[[], dict[str, Any]]
    """Returns its variables with a token that is good now, where it has ever been."""
    aggregate_id: UUID | None
    holds: UUID | None
    """The cart or order whose token it shows."""
    start: int
    cuts_from: int
    certain: bool
    """Whether nothing was under way when it began."""
    leaving: bool = False
    refused: bool = False
    seen: list[Any] = field(default_factory=list)
    allowed: dict[str, Any] = field(default_factory=dict)

    @property
    def cursors(self) -> list[str]:
        """The cursors of what came."""
        return [data[self.name]["cursor"] for data in self.seen]


class World:
    """Two processes, viewers, and what they may be told."""

    def __init__(self, database: Database, ground: Ground, running: list[Process], start: int) -> None:
        """Begin at the sequence `start`, from which on clients may resume."""
        self.database = database
        self.ground = ground
        self.processes = running
        self.start = self.settled = start
        self.viewers: list[Viewer] = []
        self._wires: dict[Wire, int] = {}
        self._subscribed: dict[str, Subscribed] = {}
        self._events: list[StampedEvent] = []
        self._cuts: list[tuple[UUID, UUID]] = []
        self._numbers = iter(range(1, 10**6))
        self._quiet = True

    async def arrive(self, permissions: Permissions | None, process: int) -> None:
        """Let a viewer come: an app with permissions, or nobody in particular."""
        actor, authorization = ANONYMOUS, None
        if permissions is not None:
            token = await apps.create(make_context(self.database), "app", [Permission.STOCK_READ.value])
            found = await apps.actor_of(make_environment(self.database), token)
            assert found is not None
            actor, authorization = replace(found, permissions=frozenset(permissions)), f"Bearer {token}"
            await self._allow(actor)
        self.viewers.append(Viewer(actor, authorization, self.processes[process]))

    async def subscribe(
        self, who: int, name: str, where: int, how: str, depth: int, back: int | None
    ) -> None:
        """Let a viewer subscribe: from now on, or from `back` events before."""
        viewer = self.viewers[who]
        wire = await self._connected(viewer)
        if wire is None:
            return
        sign = make_environment(self.database).tokens.sign
        aggregate_id, make = self.ground.variables(name, where, how, sign)
        variables, start = make(), self.settled
        if back is not None and name in FOLLOWED:
            start = max(self.start, self.settled - back)
            variables["after"] = str(Cursor(viewer.process.feed.epoch, start))
        one = Subscribed(
            viewer,
            wire,
            viewer.actor,
            name,
            document_of(name, depth),
            variables,
            make,
            aggregate_id,
            aggregate_id if how in {"token", *TRACKING[:1]} else None,
            start,
            len(self._cuts) if viewer.revoked_by is None else viewer.revoked_by,
            certain=self._quiet or "after" in variables,
        )
        number = str(next(self._numbers))
        self._subscribed[number] = one
        wire.subscribe(number, one.document, variables)
        await self._heard(wire)

    async def subscribe_all(self, *what: Any) -> None:
        """Let every viewer subscribe to the same, by the same document and variables."""
        for who in range(len(self.viewers)):
            await self.subscribe(who, *what)

    async def unsubscribe(self, nth: int) -> None:
        """Let somebody have enough of a subscription."""
        if self._subscribed:
            number, one = list(self._subscribed.items())[nth % len(self._subscribed)]
            one.leaving = True
            one.wire.say(type="complete", id=number)
            await self._heard(one.wire)

    async def happen(self, aggregate: str, where: int) -> None:
        """Let something happen to a cart, an order, or a parcel, of which its order's events tell."""
        if aggregate == "shipment":
            order_id, parcel = list(self.ground.parcels.items())[where]
            await self._emit("Happened", "order", order_id, {"shipmentId": str(parcel)})
            return
        await self._emit("Happened", aggregate, self.ground.of(aggregate)[where])

    async def restock(self) -> None:
        """Let the availability of the stock change: up to three units, then down to one or two."""
        self._quiet = False
        ground = self.ground
        ref, place = VariantRef(sku=ground.stock.variant.sku), ground.stock.location.code
        for change in ground.next_changes():
            context = make_context(self.database)
            await inventory.adjust(context, ref, place, change, AdjustReason.CORRECTION, str(uuid4()))

    async def revoke(self, who: int) -> None:
        """Revoke an app."""
        viewer = self.viewers[who]
        if viewer.actor.id is not None and viewer.revoked_by is None:
            self._quiet = False
            viewer.revoked_by = len(self._cuts)
            self._cuts.append((viewer.actor.id, viewer.actor.id))
            await apps.revoke(make_context(self.database), viewer.actor.id)

    async def permit(self, who: int, permissions: Permissions) -> None:
        """Change an app's permissions in the database, then let processes look, as they do every 30 s."""
        viewer = self.viewers[who]
        app_id, allowed = viewer.actor.id, frozenset(permissions)
        if app_id is None or viewer.revoked_by is not None or viewer.actor.permissions == allowed:
            return
        viewer.actor = replace(viewer.actor, permissions=allowed)
        await self._allow(viewer.actor)
        for process in self.processes:
            process.authenticator.forget(app_id)
            assert await process.registry.recheck()
        if viewer.wire is not None:
            assert await viewer.wire.end() == 1012
        await self._cut(app_id)

    async def retoken(self, aggregate: str, where: int) -> None:
        """Make every token of a cart, an order or a parcel that was handed out worthless."""
        if aggregate == "shipment":
            # Whoever may see a parcel is told its token: the one of the moment when they are told.
            await self.settle()
        changed = self.ground.of(aggregate)[where]
        self.ground.generations[changed] += 1
        await flow.run_sql(
            self.database,
            f"UPDATE {aggregate}s SET token_generation = token_generation + 1 WHERE id = :id",
            id=changed,
        )
        await self._cut(changed)

    async def settle(self) -> None:
        """Wait until everybody has what they are owed, and see that nobody has anything else."""
        await self._everything_is_stamped()
        for one in self._subscribed.values():
            await (self._has_the_newest_value(one) if one.name in VALUES else self._has_its_events(one))
        for wire in self._wires:
            self._read(wire)
        for one in self._subscribed.values():
            self._has_nothing_else(one)
        for viewer in self.viewers:
            if viewer.revoked_by is not None and viewer.wire is not None:
                assert await viewer.wire.end() in {1012, 4403}
        head = self.processes[0].feed.head
        over = [
            number
            for number, one in self._subscribed.items()
            if one.leaving or one.refused or one.wire.closed is not None
        ]
        for number in over:
            del self._subscribed[number]
        for one in self._subscribed.values():
            one.start, one.certain = head, True
        self.settled, self._quiet = head, True

    async def leave(self) -> None:
        """Let everybody go; nothing of what they asked for stays behind."""
        for wire in self._wires:
            await wire.leave()
        for process in self.processes:
            assert process.hub.live_streams == 0
            assert not process.hub._resuming

    async def _connected(self, viewer: Viewer) -> Wire | None:
        if viewer.wire is None or viewer.wire.closed is not None:
            viewer.wire = Wire(viewer.process.transport, viewer.authorization)
            self._wires[viewer.wire] = 0
            if not await viewer.wire.acknowledged():
                # Found good a moment ago, a token may be let in until its process hears of the revocation.
                assert viewer.revoked_by is not None
                return None
        return viewer.wire

    async def _has_its_events(self, one: Subscribed) -> None:
        """Say what it may have, and wait for it where it must."""
        cut = self._cut_of(one)
        intact = cut == math.inf
        feed = one.viewer.process.feed
        found = await alone(
            self.database,
            feed,
            one.document,
            one.variables if intact else one.renewed(),
            one.viewer.actor if intact else one.actor,
            str(Cursor(feed.epoch, one.start)),
        )
        answers = {str(answer.cursor): orjson.loads(orjson.dumps(answer.answer)) for answer in found or ()}
        may = {cursor: answer for cursor, answer in answers.items() if Cursor.parse(cursor).sequence < cut}
        one.allowed |= may
        if intact and one.certain and not one.leaving and one.wire.closed is None:
            refused = found is None
            await one.wire.until(
                lambda: self._read(one.wire) and (one.refused if refused else may.keys() <= set(one.cursors))
            )

    async def _has_the_newest_value(self, one: Subscribed) -> None:
        if self._cut_of(one) != math.inf:
            return
        found = await alone(
            self.database, one.viewer.process.feed, one.document, one.variables, one.viewer.actor
        )
        if found is None:
            await one.wire.until(
                lambda: one.wire.closed is not None or (self._read(one.wire) and one.refused)
            )
            assert not one.seen
            return
        newest = found[0].answer["data"]
        if not one.leaving:
            await one.wire.until(
                lambda: one.wire.closed is not None or (self._read(one.wire) and newest in one.seen[-1:])
            )
        assert all(seen[one.name].keys() == newest[one.name].keys() for seen in one.seen)

    def _has_nothing_else(self, one: Subscribed) -> None:
        if one.name in FOLLOWED:
            assert one.cursors == sorted(set(one.cursors)), "in order, and once"
            for cursor, seen in zip(one.cursors, one.seen, strict=True):
                assert cursor in one.allowed, ("told what was to be refused", one.name, one.variables, seen)
                assert seen == one.allowed[cursor]["data"], ("told more, or less", one.name, one.variables)

    def _read(self, wire: Wire) -> bool:
        """Take what has come on a connection; says True."""
        for message in wire.messages:
            if message["type"] == "pong":
                self._wires[wire] = message["payload"]["n"]
                continue
            one = self._subscribed.get(message["id"])
            assert one is not None, "nothing comes of what has ended"
            assert one.wire is wire
            if message["type"] == "next":
                assert "errors" not in message["payload"], message
                one.seen.append(message["payload"]["data"])
            else:
                assert message["type"] == "error"
                one.refused = True
        wire.messages.clear()
        return True

    async def _heard(self, wire: Wire) -> None:
        """Wait until the server has dealt with what was said."""
        number = next(self._numbers)
        wire.say(type="ping", payload={"n": number})
        await wire.until(
            lambda: wire.closed is not None or (self._read(wire) and self._wires[wire] == number)
        )

    async def _emit(
        self, kind: str, aggregate: str, aggregate_id: UUID, facts: dict[str, Any] | None = None
    ) -> None:
        self._quiet = False
        async with make_context(self.database).transaction() as transaction:
            transaction.emit(Event(kind, aggregate, aggregate_id, 1, datetime.now(UTC), None, facts or {}))

    async def _cut(self, whose: UUID) -> None:
        """Mark in the feed that somebody's credentials are worth less from here on."""
        mark = uuid4()
        self._cuts.append((whose, mark))
        await self._emit("Cut", "mark", mark)

    def _cut_of(self, one: Subscribed) -> float:
        """Return the sequence from which on a subscription's credentials are not what they were."""
        marks = {
            mark
            for whose, mark in self._cuts[one.cuts_from :]
            if whose in {one.viewer.actor.id, one.holds} - {None}
        }
        return min(
            (
                event.sequence
                for event in self._events
                if event.kind in {"Cut", apps.REVOKED} and event.aggregate_id in marks
            ),
            default=math.inf,
        )

    async def _allow(self, app: Actor) -> None:
        await flow.run_sql(
            self.database,
            "UPDATE apps SET permissions = :allowed WHERE id = :id",
            id=app.id,
            allowed=[one.value for one in app.permissions],
        )

    async def _everything_is_stamped(self) -> None:
        position = self._events[-1].sequence if self._events else self.start
        async with self.database.read() as connection, asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if not (await event_feed.read_backlog(connection, limit=1)).depth:
                    break
                await asyncio.sleep(0.002)
            page = await event_feed.read_after(connection, position, 1_000)
            self._events += page.events
            assert page.complete
            while True:
                if all(process.feed.head >= page.head.sequence for process in self.processes):
                    break
                await asyncio.sleep(0.002)
