# Two commands do it all: `make repro` and `make test`. Nothing needs to be installed but
# Python 3.11+, git and make.

PYTHON ?= python3
VENV := .venv
BIN := $(abspath $(VENV))/bin
# Stages are run by DVC as `python -m stages.NAME`: the environment's python must come first.
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := true
export MLFLOW_DISABLE_TELEMETRY ?= true

.DEFAULT_GOAL := help
.PHONY: help repro test check ui plots experiment clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

$(VENV)/installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

# DVC needs a repository of its own; a tree exported without .git gets one without git.
.dvc/ready: $(VENV)/installed
	@git rev-parse --is-inside-work-tree >/dev/null 2>&1 || dvc config --local core.no_scm true
	@mkdir -p .dvc/tmp && touch $@
