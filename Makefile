# One command surface, the same on a laptop and in CI. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SEED   ?= 7
SIZE   ?= full
DOCS   ?= $(if $(filter full,$(SIZE)),docs,build)/evaluation
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench bench-hot evaluate dashboards watch lock docs clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.stamp  ## build the environment from the locked dependencies

$(VENV)/.stamp: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("cloverwatch needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## a month of accesses on the embedded broker, with planted incidents (SEED=n)
	$(BIN)/cloverwatch demo --seed $(SEED)

watch: setup  ## the demo with Prometheus and Alertmanager looking at it, until Ctrl-C (needs them on the PATH)
	$(BIN)/cloverwatch demo --seed $(SEED) --watch

test: setup  ## every test this machine can run, suite by suite (SUITE="unit broker" for some)
	$(BIN)/python -m tests.suites $(SUITE)

check: setup  ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup  ## throughput and latency beside their baselines; writes build/bench.json
	$(BIN)/python -m benchmarks

bench-hot: setup  ## microseconds an event of the hot path, without a broker
	$(BIN)/python -m benchmarks.hot

evaluate: setup  ## how well the behaviour rules tell incidents from life (SIZE=small SEEDS="101 102" PEOPLE=n); writes build/evaluation.json and a page
	$(BIN)/python -m benchmarks.evaluation --size $(SIZE) --docs $(DOCS) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(PEOPLE),--people $(PEOPLE))

dashboards: setup  ## write the Grafana dashboards anew
	$(BIN)/python -m deploy.grafana

lock: setup  ## resolve the dependencies anew (needs uv); no index address is written
	$(COMPILE) --group dev pyproject.toml -o requirements-dev.lock
	$(COMPILE) -c requirements-dev.lock pyproject.toml -o requirements.lock
	$(COMPILE) -c requirements-dev.lock --group build -o requirements-build.lock

clean:  ## remove what was built
	rm -rf $(VENV) build dist *.egg-info
