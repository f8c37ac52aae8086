# Every target works on a machine with git, make and Python 3.11; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DEMO_MODELS := demo-smol demo-tiny
# Two processes share the tests; tests/scheduling.py says how.
PYTEST := pytest -n 2 --no-loadscope-reorder --durations=25
DOCKER ?= docker
REGISTRY ?=
VERSION ?= 0.1.0
IMAGE = $(DOCKER) build --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install install-dev models quickstart check test test-fast tools helm-test dashboards images bench protos lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install:  ## Create .venv with everything that the local stack needs
	@$(PYTHON) deploy/install.py cpu

install-dev:  ## The same, and the tools of check and test
	@$(PYTHON) deploy/install.py dev

models: install  ## Assemble the demo models in var/models
	@for name in $(DEMO_MODELS); do python -m deploy.demo_models.assemble $$name var/models/$$name; done

quickstart: models  ## Run a multi-model sweep on this machine and report its results
	@expart sweep run deploy/sweeps/quickstart.yaml --local --report

check: install-dev  ## Lint, types, architecture, contract, generated code and lock files
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	buf lint protos
	buf format --diff --exit-code protos
	buf breaking protos --against protos/contract.binpb
	python protos/generate.py --check
	python deploy/locks/compile.py --check

test: install-dev  ## Run the whole test suite
	@python -m deploy.tools.fetch || echo "Tests of the chart that need these tools are skipped."
	$(PYTEST)

test-fast: install-dev  ## Run the tests that take seconds
	$(PYTEST) -m "not slow and not stack"

tools: install-dev  ## Fetch the tools of helm-test into var/tools, as far as they are not here
	@python -m deploy.tools.fetch

helm-test: tools  ## Lint, render and check the chart, and deploy what it renders to a local Ray
	$(PYTEST) tests/helm

dashboards: install-dev  ## Write the dashboards and rules of deploy/monitoring into the chart
	python -m deploy.monitoring.write

images:  ## Build the container images (DOCKER=podman, VERSION=..., REGISTRY=HOST/PATH/)
	$(IMAGE) --file deploy/docker/scoring.Dockerfile --tag $(REGISTRY)expart-scoring:$(VERSION) .
	$(IMAGE) --file deploy/docker/scoring.Dockerfile --build-arg LOCK=encoder \
	  --tag $(REGISTRY)expart-scoring:$(VERSION)-encoder .
	$(IMAGE) --file deploy/docker/driver.Dockerfile --tag $(REGISTRY)expart-driver:$(VERSION) .
	$(IMAGE) --file deploy/docker/generation.Dockerfile --tag $(REGISTRY)expart-generation:$(VERSION) .
	$(IMAGE) --file deploy/docker/generation.Dockerfile --target cpu \
	  --tag $(REGISTRY)expart-generation:$(VERSION)-cpu .

bench: install-dev models  ## Measure services, sweeps and reports against baselines and targets (1 h)
	PYTHONPATH=. python tests/bench/scoring.py
	PYTHONPATH=. python tests/bench/generation.py
	PYTHONPATH=. python tests/bench/sweep.py
	PYTHONPATH=. python tests/bench/report.py

protos: install-dev  ## Regenerate protos/gen from the .proto files, unless callers would break
	buf format --write protos
	buf breaking protos --against protos/contract.binpb
	python protos/generate.py
	buf build protos --exclude-source-info --output protos/contract.binpb

lock: install-dev  ## Bring the lock files in step with pyproject.toml (UPGRADE=1 takes newer versions)
	python deploy/locks/compile.py $(if $(UPGRADE),--upgrade)

clean:  ## Remove .venv, caches and local results
	rm -rf .venv var build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
