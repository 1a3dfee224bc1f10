"""Global ids: opaque to clients, a type name and a UUID to us (Relay Global Object Identification)."""

import base64
import binascii
from uuid import UUID

import strawberry

from domain.kernel.errors import InvalidInput, NotFound


def encode_id(type_name: str, row_id: UUID) -> strawberry.ID:
    """Return the global id of one row of a GraphQL type."""
    return strawberry.ID(base64.b64encode(f"{type_name}:{row_id.hex}".encode()).decode())


def read_id(global_id: str) -> tuple[str, UUID] | None:
    """Return the type name and row id that `global_id` names, or None when it is malformed."""
    try:
        type_name, _, row_id = base64.b64decode(global_id, validate=True).decode().partition(":")
        return type_name, UUID(hex=row_id)
    except (binascii.Error, ValueError):
        return None


def decode_id(type_name: str, global_id: str, *path: str) -> UUID:
    """Return the row id of a global id that must name a `type_name`.

    Raises InvalidInput when it is malformed and NotFound when it names another type.
    """
    parts = read_id(global_id)
    if parts is None:
        raise InvalidInput("is not an id of this API", *path)
    if parts[0] != type_name:
        raise NotFound(f"no {type_name} has this id", *path)
    return parts[1]
