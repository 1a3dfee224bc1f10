"""The served schema is the committed one, and contains what outside clients were promised."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    is_input_object_type,
    is_interface_type,
    is_object_type,
)

from api.root import build_schema as build_served

ROOT = Path(__file__).parents[2]
SERVED = build_served().as_str()


def test_the_committed_schema_is_the_served_one() -> None:
    committed = (ROOT / "schema.graphql").read_text()

    assert committed == SERVED + "\n", "run `.venv/bin/ordertide schema > schema.graphql`"


@pytest.fixture(scope="module")
def promised() -> GraphQLSchema:
    return build_schema((ROOT / "tests" / "contract.graphql").read_text())


@pytest.fixture(scope="module")
def served() -> GraphQLSchema:
    return build_schema(SERVED)


def test_nothing_promised_is_broken(promised: GraphQLSchema, served: GraphQLSchema) -> None:
    broken = [change.description for change in find_breaking_changes(promised, served)]

    assert broken == []


def test_every_promised_field_has_its_very_type(promised: GraphQLSchema, served: GraphQLSchema) -> None:
    """Stricter than "not breaking": nullability is as written, in both directions."""
    differing = []
    for name, type_ in promised.type_map.items():
        if name.startswith("__") or not (
            is_object_type(type_) or is_interface_type(type_) or is_input_object_type(type_)
        ):
            continue
        ours = served.type_map[name]
        for field, definition in type_.fields.items():
            found = ours.fields[field]  # type: ignore[attr-defined]
            if str(found.type) != str(definition.type):
                differing.append(f"{name}.{field}: {found.type}, promised {definition.type}")
            for argument, value in getattr(definition, "args", {}).items():
                if str(found.args[argument].type) != str(value.type):
                    differing.append(f"{name}.{field}({argument}:)")

    assert differing == []


def test_every_promised_interface_is_implemented(promised: GraphQLSchema, served: GraphQLSchema) -> None:
    for name, type_ in promised.type_map.items():
        if is_object_type(type_) and not name.startswith("__"):
            ours = served.type_map[name]
            assert is_object_type(ours)
            assert {one.name for one in type_.interfaces} <= {one.name for one in ours.interfaces}, name


def test_what_is_promised_is_explained(served: GraphQLSchema) -> None:
    """Root fields and types tell a reader of the schema what they are."""
    silent = [
        name
        for name, type_ in served.type_map.items()
        if not name.startswith("__") and is_object_type(type_) and not type_.description
    ]

    assert silent == []


def test_a_client_may_ask_every_user_error_for_all_it_has_in_one_selection(served: GraphQLSchema) -> None:
    """GraphQL refuses fields of one name and different types beside each other."""
    types: dict[str, set[str]] = {}
    for error in served.get_possible_types(served.type_map["UserError"]):  # type: ignore[arg-type]
        for name, field in error.fields.items():
            types.setdefault(name, set()).add(str(field.type))

    assert {name: found for name, found in types.items() if len(found) > 1} == {}
