"""Two people where two are needed: what belongs to one person is one, by whatever token they act."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from persistence import apps
from services.access import ActorKind

_APP = f"{ActorKind.APP.value}:"


async def is_same_person(connection: AsyncConnection, one: str, other: str) -> bool:
    """Say whether two actors, as they are named in our records, are one person or belong to one."""
    if one == other:
        return True
    ids = [UUID(label.removeprefix(_APP)) for label in (one, other) if label.startswith(_APP)]
    owners = await apps.owners(connection, ids) if ids else {}
    return _person(one, owners) == _person(other, owners)


async def tokens_of(connection: AsyncConnection, actor: str) -> list[str]:
    """Return how all actors are named that are the same person as one of them."""
    if not actor.startswith(_APP):
        return [actor]
    others = await apps.of_same_owner(connection, UUID(actor.removeprefix(_APP)))
    return [actor, *(f"{_APP}{one}" for one in others)]


def _person(label: str, owners: dict[UUID, str]) -> str:
    if not label.startswith(_APP):
        return label.casefold()
    return owners.get(UUID(label.removeprefix(_APP)), label).casefold()
