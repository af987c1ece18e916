# Everything a developer or a first-time user runs, one word each. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
FUZZ := build/fuzz/venv
SECONDS := 60
# Tests of one file share daemons and servers: whole files go to one process.
PARALLEL := --numprocesses=logical --maxprocesses=4 --dist=loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick lint format types docs bench fuzz coverage mutation sbom clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(STAMP) ## create .venv with the chronotick command and every extra

$(STAMP): core/pyproject.toml core/setup.py core/src/chronotick/shm/_creader.c $(wildcard plugins/*/pyproject.toml)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e 'core[all]' $(foreach p,$(wildcard plugins/*/pyproject.toml),-e $(dir $(p)))
	touch $(STAMP)

demo: $(STAMP) ## the main job on embedded defaults: server, daemon and reader for a minute
	$(BIN)/chronotick demo

test: $(STAMP) lint types ## all checks and all tests (model environments included)
	$(BIN)/python -m pytest $(PARALLEL)

quick: $(STAMP) ## tests without model environments
	$(BIN)/python -m pytest $(PARALLEL) -m 'not environment'

lint: $(STAMP) ## style, formatting, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(STAMP) ## mend what can be mended by a program
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## static types
	$(BIN)/mypy

docs: $(STAMP) ## build the documentation into docs/_build
	$(BIN)/sphinx-build -W -q docs docs/_build

# faults.py and soak.py judge, and take as long as one lets them.
bench: $(STAMP) ## every benchmark, ratios measured in one run
	for program in $(filter-out bench/faults.py bench/soak.py,$(wildcard bench/*.py)); do echo "== $$program"; $(BIN)/python $$program || exit 1; done

fuzz: ## every fuzz target for SECONDS (60) each, in an environment of its own
	test -x $(FUZZ)/bin/python || $(PYTHON) -m venv $(FUZZ)
	$(FUZZ)/bin/python -m pip install --quiet -r fuzz/requirements.txt -e 'core[all]'
	$(FUZZ)/bin/python -m fuzz --seconds $(SECONDS)

coverage: $(STAMP) ## lines and branches of the core that its tests run
	$(BIN)/python -m pip install --quiet coverage==7.17.5
	mkdir -p .cache/coverage
	$(BIN)/coverage erase --rcfile=bench/coverage.ini
	$(BIN)/coverage run --rcfile=bench/coverage.ini -m pytest $(PARALLEL); failed=$$?; \
	$(BIN)/coverage combine --quiet --rcfile=bench/coverage.ini && \
	$(BIN)/coverage report --rcfile=bench/coverage.ini && exit $$failed

mutation: $(STAMP) ## mutants of the estimator, selection and the record that tests kill
	$(BIN)/python -m pip install --quiet coverage==7.17.5 cosmic-ray==8.7.0
	$(BIN)/python bench/mutation/run.py

sbom: $(STAMP) ## bills of materials of the daemon and of each model environment, into dist/sbom
	$(BIN)/python -m uv build core --wheel --out-dir dist
	$(BIN)/python deploy/release/sbom.py --wheels dist --out dist/sbom

clean: ## remove everything that was built
	rm -rf $(VENV) build docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
