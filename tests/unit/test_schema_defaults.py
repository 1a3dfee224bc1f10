"""What inputs leave out: its default is what a resolver gets, unlike what a client sends."""

from dataclasses import MISSING, fields
from enum import Enum
from typing import Any

from strawberry.types.base import StrawberryObjectDefinition, StrawberryOptional
from strawberry.types.enum import StrawberryEnumDefinition

from api.root import build_schema


def test_every_default_of_an_enum_is_one_of_its_members() -> None:
    inputs = [
        kind.definition
        for kind in build_schema().schema_converter.type_map.values()
        if isinstance(kind.definition, StrawberryObjectDefinition) and kind.definition.is_input
    ]
    checked = 0
    for definition in inputs:
        defaults = {one.name: one.default for one in fields(definition.origin)}
        for field in definition.fields:
            default = defaults.get(field.python_name, MISSING)
            if default is MISSING or default is None or not _is_enum(field.type):
                continue
            checked += 1
            assert isinstance(default, Enum), f"{definition.name}.{field.name} is {default!r}"
    assert checked >= 5


def _is_enum(kind: Any) -> bool:
    if isinstance(kind, StrawberryOptional):
        kind = kind.of_type
    return isinstance(kind, StrawberryEnumDefinition)
