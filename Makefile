# Everything runs in .venv, on the installed wheel: what is tested is what is shipped.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := pyproject.toml README.md LICENSE $(shell find tools prompts server -type f -not -name '*.pyc')

.PHONY: help demo test test-all test-slow check bench conformance hosts newcomer board pictures bundle format lock clean
.DEFAULT_GOAL := help

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: $(VENV)/installed ## Run the main job: a story on the embedded Telnyx, through a real MCP client
	@$(BIN)/telnyx-conferencing demo

test: $(VENV)/installed ## Run the fast tests, which prove every behaviour
	@$(BIN)/python -m pytest -n 4 --dist loadfile -m "not slow"

test-all: $(VENV)/installed ## Run every test: also on PostgreSQL, with an older protocol, in a browser, with killed processes
	@$(BIN)/python -m pytest -n 3 --dist loadfile

test-slow: $(VENV)/installed ## Run only the tests that `make test` leaves out
	@$(BIN)/python -m pytest -n 3 --dist loadfile -m slow

check: $(VENV)/installed ## Lint, types and the direction of imports
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/lint-imports --no-logo > $(VENV)/imports.txt 2>&1 || { cat $(VENV)/imports.txt; exit 1; }
	@$(BIN)/pyright --pythonpath $(BIN)/python > $(VENV)/types.txt 2>&1 || { cat $(VENV)/types.txt; exit 1; }
	@echo "ruff, import-linter and pyright found nothing"

bench: $(VENV)/installed ## Measure what it costs, as ratios against a floor in the same run
	@$(BIN)/python bench/run.py

conformance: $(VENV)/installed ## Run MCP's own conformance suite over HTTP (fetches Node and the suite, once)
	@$(BIN)/python bench/conformance.py

hosts: $(VENV)/installed ## Have the hosts' own tools read what install writes (npm fetches 2.5 gigabytes)
	@for script in hosts claude_code gemini_cli codex_cli opencode qwen_code copilot_cli cline_cli; do $(BIN)/python bench/$$script.py || exit 1; done

newcomer: $(VENV)/installed ## Walk a newcomer's path in an empty home
	@$(BIN)/python bench/newcomer.py

board: ## Build the operator page and the switchboard from board/
	@cd board && npm ci --no-audit --no-fund && npm run build

pictures: $(VENV)/installed ## Make the pictures in docs/
	@$(BIN)/python bench/pictures.py

bundle: ## Pack the bundle for Claude Desktop into dist/
	@rm -rf build/bundle && mkdir -p build/bundle dist
	@cp -r .mcpb/manifest.json pyproject.toml README.md LICENSE tools prompts server build/bundle
	@find build/bundle -name __pycache__ -prune -exec rm -rf {} +
	@npx --yes @anthropic-ai/mcpb pack build/bundle dist/telnyx-conferencing.mcpb
	@rm -rf build

format: $(VENV)/installed ## Format and fix what can be fixed
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

lock: $(VENV)/installed ## Pin the newest versions for the development environment
	@$(PIP) install uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --group dev --upgrade --generate-hashes \
		--custom-compile-command "make lock" pyproject.toml --output-file requirements-dev.txt

clean: ## Remove what was built
	@rm -rf $(VENV) build dist *.egg-info

$(VENV)/dependencies: requirements-dev.txt
	@echo "Installing the dependencies into $(VENV), once: this takes about a minute ..."
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --no-deps --requirement requirements-dev.txt
	@touch $@

$(VENV)/installed: $(VENV)/dependencies $(SOURCES)
	@echo "Building and installing the package ..."
	@rm -rf build $(VENV)/wheel
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir $(VENV)/wheel .
	@$(PIP) install --no-deps --force-reinstall $(VENV)/wheel/*.whl
	@rm -rf build *.egg-info
	@touch $@
