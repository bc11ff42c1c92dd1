# Every target works on a fresh Debian 12 machine; `make help` lists them.
SHELL := /bin/bash
# Debian's own Python is what runs in production; those that were built by hand often lack its optimisations and are slower.
DEBIANS := /usr/bin/python3
PYTHON ?= $(if $(shell $(DEBIANS) -c 'import ensurepip, sys; print("new" if sys.version_info >= (3, 11) else "")' 2>/dev/null),$(DEBIANS),python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export TENANTRY_HOME ?= $(CURDIR)/.tenantry
export ANSIBLE_HOME := $(CURDIR)/.cache/ansible
export PYTHONUNBUFFERED := 1
SPREAD := --numprocesses 2 --dist worksteal
LABS ?= 3

.DEFAULT_GOAL := help
.PHONY: help packages setup lock check check-playbooks check-syntax check-types check-style check-reference reference format test test-unit test-integration test-acceptance demo demo-down lab-image lab-up lab-down bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[1m%-18s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

packages: ## Install the Debian packages that the lab and the tests need (root)
	@tools/install-packages

setup: $(STAMP) ## Make the Python environment

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $(STAMP)

lock: ## Pin the dependencies anew
	$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --extra dev --output-file requirements.lock pyproject.toml

check: setup ## Format, lint, types, playbooks: everything that needs no node
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target check-playbooks check-syntax check-types check-style check-reference

check-playbooks:
	$(BIN)/ansible-lint --offline --profile production

check-syntax:
	tools/syntax-check

check-types:
	$(BIN)/mypy

check-style:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/yamllint --strict .

check-reference:
	$(BIN)/python -m tools.generate_reference --check

reference: setup ## Write the generated pages of docs/reference anew
	$(BIN)/python -m tools.generate_reference

format: setup ## Format the Python code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: packages setup check test-unit ## The whole suite; ends with the lab taken down
	$(MAKE) --no-print-directory --jobs 2 lab-image test-integration
	$(MAKE) --no-print-directory test-acceptance

test-unit: setup ## Pure rules and contracts, no server needed
	$(BIN)/pytest $(SPREAD) tests/unit tests/contract

# A third process: a part of these tests waits for clocks and for other processes.
test-integration: setup ## Real MariaDB and SQLite
	$(BIN)/pytest --numprocesses 3 --dist worksteal tests/integration

test-acceptance: setup ## Real nodes: a few processes side by side, each with a lab of its own
	tools/with-lab $(BIN)/pytest --numprocesses $(LABS) --dist loadfile --no-loadscope-reorder tests/acceptance

demo: packages setup ## Boot the lab, order one service and prove it from outside
	$(BIN)/python -m demo

demo-down: ## Remove every trace of the demo
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m demo down; else $(PYTHON) -m lab down; fi

lab-image:
	$(PYTHON) -m lab image

lab-up: packages ## Boot the lab's nodes
	$(PYTHON) -m lab up

lab-down: ## End the lab's nodes and remove what they left
	$(PYTHON) -m lab down

bench: packages setup ## Measure speed and memory on the lab
	tools/with-lab $(BIN)/python -m bench

clean: ## Remove what the targets made inside the repository
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache build *.egg-info
