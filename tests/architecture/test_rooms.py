"""Every room of the house is under the import contracts, packaged, and typed."""

import re

from tests.architecture.source import ROOMS, ROOT, pyproject

_NOT_ROOMS = {"tests", "bench", "clients", "scripts", "docs", "requirements"}


def test_every_folder_of_code_is_a_room() -> None:
    folders = {file.relative_to(ROOT).parts[0] for file in ROOT.glob("[!.]*/**/*.py")}

    assert folders - _NOT_ROOMS == set(ROOMS)


def test_every_room_is_named_in_the_contracts_and_packaged() -> None:
    linter = pyproject()["tool"]["importlinter"]
    (layers,) = (contract["layers"] for contract in linter["contracts"] if contract["id"] == "rooms")
    named = {room for layer in layers for room in re.findall(r"\w+", layer)}

    assert named == set(ROOMS)
    assert set(linter["root_packages"]) == set(ROOMS)
    assert set(pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(ROOMS)
    assert set(ROOMS) | {"tests"} <= set(pyproject()["tool"]["mypy"]["files"])


def test_no_contract_is_loosened_for_somebody() -> None:
    for contract in pyproject()["tool"]["importlinter"]["contracts"]:
        assert "ignore_imports" not in contract, contract["id"]


def test_modules_of_api_are_a_closed_list() -> None:
    (contract,) = (one for one in pyproject()["tool"]["importlinter"]["contracts"] if one["id"] == "api")

    assert contract["exhaustive"] is True
