# The short commands of the project, the same for people and for CI. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
BENCH ?= bench
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help serve demo test check static format lint types contracts catalogues openapi locks faults bench clean web

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

serve: $(VENV)/ready ## set up and run Adal on http://localhost:8424 (ARGS="--port 9000" for another port)
	@exec $(BIN)/python -m services.dev $(ARGS)

demo: $(VENV)/ready ## like serve, with invented staff for every role and reports in all states
	@exec $(BIN)/python -m services.dev --demo $(ARGS)

test: $(VENV)/dev-ready web tests/accounts/node/node_modules/ready ## set up and run every test
	$(BIN)/python -m pytest -n 2 --dist loadscope $(ARGS)
	cd web/client && PATH="$(CURDIR)/$(BIN):$$PATH" npm test

check: static test ## everything CI checks

static: $(VENV)/dev-ready format lint types contracts catalogues openapi

format: $(VENV)/dev-ready
	$(BIN)/ruff format --check .

lint: $(VENV)/dev-ready
	$(BIN)/ruff check .

types: $(VENV)/dev-ready
	$(BIN)/mypy

contracts: $(VENV)/dev-ready
	$(BIN)/lint-imports --no-cache

catalogues: $(VENV)/dev-ready
	$(BIN)/python -m services.kit.i18n check

openapi: $(VENV)/dev-ready
	$(BIN)/python -m services.openapi --check docs/openapi

openapi-write: $(VENV)/dev-ready ## write docs/openapi anew after a change of the API
	$(BIN)/python -m services.openapi docs/openapi

bench: $(VENV)/dev-ready web ## measure, side by side in one run (BENCH=bench.uploads and others: bench/README.md)
	$(BIN)/python -m $(BENCH) $(ARGS)

faults: $(VENV)/dev-ready ## 1,000 rounds of kill -9 under filing and case work, resumable (ARGS="--rounds 10 --home FOLDER")
	$(BIN)/python -m tests.faults $(ARGS)

locks: $(VENV)/dev-ready ## pin the newest allowed versions with their hashes
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--upgrade pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

web: web/client/dist/ready

web/client/node_modules/ready: $(VENV)/dev-ready web/client/package-lock.json
	cd web/client && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-audit --no-fund --loglevel=error
	@touch $@

tests/accounts/node/node_modules/ready: $(VENV)/dev-ready tests/accounts/node/package-lock.json
	cd tests/accounts/node && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/client/dist/ready: web/client/node_modules/ready $(wildcard web/client/src/*.ts web/client/scripts/*.ts web/client/test/*.ts) web/client/tsconfig.json
	cd web/client && PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent build
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Adal needs Python 3.11 or newer (PYTHON=...)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready: requirements.lock | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(MAKE) --no-print-directory linked
	@touch $@

$(VENV)/dev-ready: requirements-dev.lock $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# The project runs from its folder: a path file and the `adal` command, without a build step.
.PHONY: linked
linked:
	@echo "$(CURDIR)" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/adal.pth"
	@printf '#!/bin/sh\nexec "%s" -m services.cli.main "$$@"\n' "$(CURDIR)/$(BIN)/python" > $(BIN)/adal
	@chmod 755 $(BIN)/adal

clean: ## remove what was built (not var/, which holds data)
	rm -rf $(VENV) web/client/node_modules web/client/dist .mypy_cache .ruff_cache
