# Every target first sees that .venv fits, which takes no time when nothing changed.
#   make run     the demo shop            PORT=9000 changes the port, ARGS="--no-replay" is handed on
#   make test    the whole test suite     ARGS="-k carts" is handed on
#   make check   lint, format, types and import contracts
#   make bench   every benchmark, one JSON line each
#   make real-input   real invoices and payments, counted; ORDERTIDE_TEST_DATA names the data's folder, ARGS is handed on

PORT ?= 8000
ARGS ?=
BIN := .venv/bin

# Before anything is set up, and as make's own error: one line, exit status 2.
ifneq ($(filter run,$(MAKECMDGOALS)),)
PORT_TROUBLE := $(shell scripts/check-port '$(PORT)')
ifneq ($(PORT_TROUBLE),)
$(error $(PORT_TROUBLE))
endif
endif

.PHONY: help run test check bench real-input setup-run setup-dev

help:
	@sed -n 's/^#   //p' Makefile

run: setup-run
	@$(BIN)/python scripts/fetch-graphiql
	@$(BIN)/ordertide demo --port $(PORT) $(ARGS)

test: setup-dev
	@$(BIN)/pytest $(ARGS)

check: setup-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: setup-dev
	@set -e; for one in bench/[!_]*.py; do $(BIN)/python "$$one" $(ARGS); done

real-input: setup-dev
	@$(BIN)/python -m tests.acceptance.real_input $(ARGS)

setup-run:
	@scripts/setup run

setup-dev:
	@scripts/setup dev
