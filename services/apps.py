"""Apps: programs that act with permissions of their own, known by a random token."""

import hashlib
import secrets
from datetime import datetime
from uuid import UUID

from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.quantities import require_text
from persistence import apps as rows
from persistence.apps import AppRow
from services.access import Actor, ActorKind, Permission, require
from services.context import Environment, ServiceContext

ALL_PERMISSIONS = "*"
"""Stored for an app that may do everything, also what later versions add."""

REVOKED = "AppRevoked"
"""The kind of the event that an app's token is worth nothing any more."""

_TOKEN_PREFIX = "ordertide_app_"  # noqa: S105 - lets scanners of leaked secrets recognise one
_MAX_NAME_LENGTH = 200


async def create(context: ServiceContext, name: str, permissions: list[str], owner: str | None = None) -> str:
    """Create an app and return its token, which is shown this once and stored only as a hash.

    `owner` is the person whose it is, if it is one's alone: by however many tokens, they are one person where
    two are needed. Raises InvalidInput for a bad name or owner, no permission or an unknown one.
    """
    require(context.actor, Permission.APPS_WRITE)
    name = require_text(name, _MAX_NAME_LENGTH, "name")
    if owner is not None:
        owner = require_text(owner, _MAX_NAME_LENGTH, "owner")
    _check_permissions(permissions)
    token = _TOKEN_PREFIX + secrets.token_urlsafe(32)
    app_id = new_id()
    async with context.transaction() as transaction:
        await rows.create(
            transaction.connection,
            app_id,
            name,
            _hash(token),
            sorted(set(permissions)),
            transaction.now,
            owner,
        )
        transaction.emit(_event("AppCreated", app_id, transaction.now))
    return token


async def list_all(context: ServiceContext) -> list[AppRow]:
    """Return every app, revoked ones too."""
    require(context.actor, Permission.APPS_WRITE)
    async with context.read() as connection:
        return await rows.list_all(connection)


async def revoke(context: ServiceContext, app_id: UUID) -> None:
    """Make an app's token worthless, in every process within seconds; raises NotFound."""
    require(context.actor, Permission.APPS_WRITE)
    async with context.transaction() as transaction:
        if not await rows.revoke(transaction.connection, app_id, transaction.now):
            raise NotFound("no app that is not revoked has this id", "id")
        transaction.emit(_event(REVOKED, app_id, transaction.now))


async def actor_of(environment: Environment, token: str) -> Actor | None:
    """Return who holds `token`, or None when it is none of ours or was revoked."""
    if not token.startswith(_TOKEN_PREFIX):
        return None
    async with environment.database.read() as connection:
        app = await rows.by_token_hash(connection, _hash(token))
    if app is None:
        return None
    return Actor(ActorKind.APP, app.id, _permissions(app.permissions))


def label_of(app_id: UUID) -> str:
    """Return how an app is named where actors are."""
    return Actor(ActorKind.APP, app_id).label


def _check_permissions(permissions: list[str]) -> None:
    if not permissions:
        raise InvalidInput("name at least one permission", "permissions")
    known = {permission.value for permission in Permission} | {ALL_PERMISSIONS}
    for permission in permissions:
        if permission not in known:
            raise InvalidInput(
                f"{permission!r} is not a permission; there are: {', '.join(sorted(known))}", "permissions"
            )


def _permissions(stored: tuple[str, ...]) -> frozenset[Permission]:
    """Return what the stored names allow; one that this version does not know allows nothing."""
    if ALL_PERMISSIONS in stored:
        return frozenset(Permission)
    return frozenset(permission for permission in Permission if permission.value in stored)


def _hash(token: str) -> bytes:
    """Hash plainly: the token is 256 random bits, so there is nothing to guess slowly."""
    return hashlib.sha256(token.encode()).digest()


def _event(kind: str, app_id: UUID, now: datetime) -> Event:
    return Event(
        kind=kind,
        aggregate="app",
        aggregate_id=app_id,
        version=1 if kind == "AppCreated" else 2,
        occurred_at=now,
        payload={},
    )
