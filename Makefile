# `make repro` and `make test` need nothing but Python 3.11+, git and make: both set up .venv first.

PYTHON ?= python3
# TORCH=cpu installs PyTorch's CPU build from PyTorch's own index: on Linux, PyPI's brings CUDA along.
TORCH ?=
# DVC runs stages as `python -m stages.NAME`: the environment's python must come first. Programs are
# run as modules, since the first line of a script can't name a folder with a space. Where .venv is a
# link, its target counts (docs/experiments.md, Folders of any name).
export PATH := $(shell cd .venv 2>/dev/null && pwd -P || echo "$$PWD/.venv")/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY ?= true

.DEFAULT_GOAL := help
.PHONY: help environment video extras websocket mediapipe docs studio demo repro experiment crossval leaderboard tuning bench load audit-labels report deps pretrain test test-keras test-aeon check lock-check coverage ui plots serve lock clean dvc-ready history

help:  ## list what there is
	@grep -hE '^[a-z-]+:.*##' Makefile | awk -F ':.*## ' '{sub(/:.*/, "", $$1); printf "make %-12s %s\n", $$1, $$2}'

.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(if $(filter cpu,$(TORCH)),.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --index-url https://download.pytorch.org/whl/cpu $$(grep '^torch==' requirements.lock))
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

environment: .venv/installed  ## set up .venv and nothing else: make environment TORCH=cpu

# DVC has to be told where there is no git repository, as in an exported tree.
dvc-ready: .venv/installed
	@python -m stages.repository

# Studies are many experiments, which a shallow clone would lose.
history: .venv/installed
	@python -m stages.repository --experiments

video: .venv/installed  ## install what reading videos needs
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock -r requirements-video.lock

studio: extras  ## watch, teach and explore in the browser: make studio ARGS='--port 5002'
	@python -m har studio $(ARGS)

demo: studio

docs: .venv/installed  ## build the documentation as a site that needs no network, in site/
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock -r requirements-docs.lock
	NO_MKDOCS_2_WARNING=1 COLUMNS=80 python -m mkdocs build --strict
	@echo 'open site/index.html, or with search: python -m http.server --bind 127.0.0.1 --directory site 8000'

extras: .venv/installed  ## install all that tests skip without: the page, what reads videos and audits labels
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock -r requirements-video.lock -r requirements-audit.lock -r requirements-studio.lock

websocket: .venv/installed  ## install what make serve needs to take frames over a WebSocket
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock -r requirements-websocket.lock

repro: dvc-ready  ## run the whole pipeline; what is up to date is not run again
	@python -m dvc repro
	@python -m stages.summary

experiment: history  ## run a recipe as an experiment: make experiment RECIPE=keras
	@test -f 'recipes/$(RECIPE).txt' || { echo "RECIPE is one of: $$(cd recipes && ls *.txt | sed 's/.txt//' | xargs)"; exit 2; }
	python -m dvc exp run $$(sed -n 's/^[a-z].*/-S &/p' 'recipes/$(RECIPE).txt') $(ARGS)
	@python -m stages.summary

# Two processes take a test from each other's end when they run out: memory for more is not everywhere.
PYTEST = pytest --numprocesses=2 --dist=worksteal

test: .venv/installed  ## run all tests
	python -m $(PYTEST)

check: dvc-ready  ## style, types, and whether dvc.lock matches code and settings
	python -m ruff check .
	python -m ruff format --check .
	python -m mypy
	@$(MAKE) --no-print-directory lock-check

lock-check: dvc-ready  ## whether dvc.lock matches code and settings
	@said=$$(python -m dvc repro --dry --allow-missing) || { echo "$$said"; exit 1; }; \
	if echo "$$said" | grep 'Running stage'; then echo 'dvc.lock is stale: run make repro and commit it'; exit 1; fi

# Not pytest-cov: beside coverage's own measuring of processes it lost lines of the workers.
coverage: .venv/installed  ## run all tests, say which lines of har/ they miss, fail below 95 %
	python -m coverage erase
	python -m coverage run -m $(PYTEST)
	python -m coverage combine --quiet
	python -m coverage report

test-keras:  ## compare our Keras LSTM with TensorFlow's, in an environment of its own
	$(PYTHON) -m venv .venv-keras
	.venv-keras/bin/python -m pip install --quiet --disable-pip-version-check tensorflow-cpu torch==2.13.0 pytest pytest-timeout pydantic ruamel.yaml
	.venv-keras/bin/python -m pytest tests/models/test_keras_equality.py

mediapipe:  ## install MediaPipe, which make bench compares with, in an environment of its own
	$(PYTHON) -m venv .venv-mediapipe
	.venv-mediapipe/bin/python -m pip install --quiet --disable-pip-version-check --no-deps mediapipe==0.10.21
	.venv-mediapipe/bin/python -m pip install --quiet --disable-pip-version-check absl-py attrs flatbuffers matplotlib 'numpy<2' 'protobuf>=4.25.3,<5' 'opencv-python-headless<4.12'

# aeon wants an older numpy than ours.
.venv-peers/installed: requirements-peers.lock
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-peers.lock
	@touch $@

test-aeon: .venv-peers/installed  ## compare our MiniRocket with aeon's, in an environment of its own
	.venv-peers/bin/python -m pytest tests/models/test_minirocket.py

ui: .venv/installed  ## browse the runs in MLflow
	@echo 'open http://127.0.0.1:5000/#/experiments, stop with Ctrl-C'
	python -m mlflow ui --host 127.0.0.1 --port 5000 --workers 1

plots: dvc-ready  ## write every plot into one page that needs no network
	@python -m dvc plots show --out dvc_plots >/dev/null
	@python -m tools.offline_page dvc_plots/index.html plots.html

audit-labels: .venv/installed  ## find doubtful labels: make audit-labels SOURCE=clips.pkl
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock -r requirements-audit.lock
	@python -m har audit-labels '$(or $(SOURCE),simulated)' -o '$(or $(OUT),label_audit)' $(ARGS)

report: .venv/installed  ## write the last run's figures into README.md and MODEL_CARD.md
	@python -m tools.report

deps: .venv/installed  ## write the stages' dependency lists into dvc.yaml
	@python -m tools.dependencies

pretrain: dvc-ready  ## pre-train on simulated motion and promote the result to models/, ten minutes
	@python -m dvc repro pretraining/dvc.yaml
	@cp pretraining/everyday.safetensors models/everyday.safetensors

crossval: history  ## cross-validate over groups: make crossval ARGS='--folds 5 --seeds 1,2'
	@python -m benchmarks.crossval $(ARGS)

leaderboard: history  ## compare models: make leaderboard ARGS='--sources simulated --seeds 1,2,3'
	@python -m benchmarks.leaderboard $(ARGS)

tuning: .venv/installed .venv-peers/installed  ## peers with equal tuning: make tuning ARGS='--kth kth.pkl --models minirocket'
	@python -m benchmarks.tuning $(ARGS)

bench: dvc-ready  ## measure speed against peers, ten minutes of a quiet machine: make bench ARGS='--list ucf101_clips.csv'
	@python -m benchmarks.bench $(ARGS)

.venv-load/installed: requirements-load.lock
	$(PYTHON) -m venv .venv-load
	.venv-load/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-load.lock
	@touch $@

load: websocket .venv-load/installed  ## measure the service under load, ten minutes of a quiet machine
	python -m benchmarks.load $(ARGS)

serve: .venv/installed  ## answer requests with the registered champion on port 5001
	@python -m har serve

lock: .venv/installed  ## write requirements.lock from what is installed
	{ sed -n '/^#/p' requirements.lock; python -m pip freeze --all | sed '/^pip==/d; s/+cpu//' | grep -vxFf requirements-video.lock -f requirements-movement.lock -f requirements-docs.lock -f requirements-studio.lock -f requirements-websocket.lock; } > lock.part && mv lock.part requirements.lock

clean:  ## remove what stages and tests made, keep the environment and downloads
	rm -rf site data/prepared data/features data/split.csv models/unfinished models/baseline* models/improved* dvc_plots plots.html .pytest_cache .mypy_cache .ruff_cache
