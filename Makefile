# Every target sets itself up: a virtual environment in .venv, and for the tests a browser.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ORACLES := $(VENV)/conformance
SITE := import sysconfig; print(sysconfig.get_path('purelib'))
export PYTHONUTF8 := 1
export GRADIO_ANALYTICS_ENABLED := False
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: help run test unit e2e lint format golden docs pictures bench bench-merge zoo headroom conformance setup clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.run: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.run

$(VENV)/.zoo: $(VENV)/.dev requirements-zoo.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-zoo.txt
	@touch $@

# Oracles see the app's packages through a path file, and the app never sees them.
$(ORACLES)/.done: $(VENV)/.dev tests/conformance/requirements.txt
	$(BIN)/python -m venv $(ORACLES)
	@$(BIN)/python -c "$(SITE)" > "$$($(ORACLES)/bin/python -c "$(SITE)")/app.pth"
	$(ORACLES)/bin/pip install --quiet --disable-pip-version-check --no-deps -r tests/conformance/requirements.txt
	@touch $@

setup: $(VENV)/.dev ## Make the virtual environment for development

run: $(VENV)/.run ## Start the app on http://127.0.0.1:7860 (ARGS="--models DIR" and the like)
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.dev ## Run every test, the real browser included
	@$(BIN)/python tests/browser.py
	$(BIN)/python tests/halves.py $(ARGS)

unit: $(VENV)/.dev ## Run the tests that need no browser
	$(BIN)/python -m pytest -m "not e2e" $(ARGS)

conformance: $(ORACLES)/.done ## Compare methods with mergekit's, PEFT's and fusion-bench's own
	$(ORACLES)/bin/python -m pytest tests/conformance $(ARGS)

e2e: $(VENV)/.dev ## Run the browser stories
	@$(BIN)/python tests/browser.py
	$(BIN)/python -m pytest -m e2e $(ARGS)

lint: $(VENV)/.dev ## Check format, rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: $(VENV)/.dev ## Show what changed in the golden files, then write them
	$(BIN)/python tests/golden/regenerate.py

docs: $(VENV)/.dev ## Write docs/methods.md from what the methods declare
	$(BIN)/python -m merger.docs

pictures: $(VENV)/.dev ## Take the pictures of the README and of docs/pictures (minutes; look at each)
	@$(BIN)/python tests/browser.py
	$(BIN)/python -m tests.e2e.pictures

bench: $(VENV)/.dev ## Measure the live page, large models, and decompositions; results in benchmarks/
	@$(BIN)/python tests/browser.py
	$(BIN)/python -m benchmarks.live_page
	$(BIN)/python -m benchmarks.pareto_page
	$(BIN)/python -m benchmarks.large_page
	$(BIN)/python -m benchmarks.spectral 2048 5504 4
	$(BIN)/python -m benchmarks.visitors
	$(BIN)/python -m benchmarks.doctor

bench-merge: $(ORACLES)/.done ## Merge whole models beside mergekit; results in benchmarks/merge.md
	$(BIN)/python -m benchmarks.merge --millions 300

zoo: $(VENV)/.zoo ## Rebuild the bundled experts from public packages
	$(BIN)/python -m merger zoo build

headroom: $(VENV)/.dev ## Show over three seeds how far the sliders can move the bundled tasks
	$(BIN)/python -m benchmarks.headroom

clean: ## Remove what the targets made
	rm -rf $(VENV) .pytest_cache .ruff_cache
