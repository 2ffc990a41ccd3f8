# Everything starts here: `make` lists the targets. Needed: make and Python 3.11 or newer.
#   make setup PYTHON=/path/to/python3.11     another interpreter
#   make setup VENV=/path/to/environment      another place
#   make run EDITION=tutorial OUT=runs/mine   another edition, another folder for the results
#   make test WORKERS=4                       so many test files at a time

SHELL := bash
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EDITION ?= offline
PORT ?= 7860
WORKERS ?= 2

# The first that is new enough; 3.11 before the others, because the lock is made for it.
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for python in python3.11 python3 python3.12 python3.13 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$python && break; done)
endif

PIP := PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip
# Of pip's many lines, the ones that say how far it is: large downloads and the last steps.
PROGRESS := awk '/Downloading .*\([0-9.]+ [MG]B\)/ {sub(/.*\//, "Downloading "); sub(/^ */, "  "); print; fflush()} \
	/^Installing collected/ {print "  Installing ..."; fflush()}'

.PHONY: help setup run app lab test questions bench train nb lock clean

help:  ## This list
	@echo "Multimodal RAG with Milvus. Targets:"
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP)  ## Make .venv with the locked packages (minutes and about 7 GB, once)

run: setup  ## Run the numbered notebooks with the offline edition; results in runs/offline/index.html
	$(BIN)/python -m rag_lib.run --edition $(EDITION) $(if $(OUT),--out "$(OUT)")

app: setup  ## The demo app in the browser, for this machine only: http://127.0.0.1:7860, or PORT=...
	$(BIN)/python -m rag_lib.app --edition $(EDITION) --port $(PORT)

lab: setup  ## Open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

test: setup  ## Lint, every notebook again, its outputs compared with the committed ones, and the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --nbval --nbval-current-env \
		--nbval-sanitize-with tests/nbval_sanitize.cfg notebooks tests

questions: setup  ## Every notebook with every other question (a quarter of an hour; `make test` asks one each)
	$(BIN)/python -m pytest tests/test_questions.py --all-questions

bench: setup  ## How fast each part is on this machine
	$(BIN)/python tests/benchmarks/offline.py
	$(BIN)/python tests/benchmarks/encode.py
	$(BIN)/python tests/benchmarks/store.py

train: setup  ## Train the pocket model anew, as its model card says
	$(BIN)/python -m rag_lib.training

nb: setup  ## Before a commit: run the notebooks in place, clean their outputs, draw the README's picture
	$(BIN)/python -m rag_lib.run --links
	$(BIN)/python -m rag_lib.run --inplace
	$(BIN)/python notebooks/figures/hero.py

lock:  ## Resolve the dependencies of pyproject.toml anew into requirements.lock (Linux, Python 3.11)
	@$(CHECK_PYTHON)
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) or sys.platform != "linux")' \
		|| { echo "The lock is for Python 3.11 on Linux: run 'make lock' there." >&2; exit 1; }
	@echo "Resolving (a minute or two, nothing is installed) ..."
	@report=$$(mktemp) && trap 'rm -f $$report' EXIT && \
	"$(PYTHON)" -m pip install --dry-run --ignore-installed --quiet --quiet --report $$report '.[tests]' && \
	"$(PYTHON)" -c "$$LOCK" $$report > requirements.lock.new && mv requirements.lock.new requirements.lock && \
	echo "requirements.lock names $$(grep -c == requirements.lock) packages; try it: make clean test"

clean:  ## Remove .venv and the tools' caches; data/ and runs/ stay
	rm -rf $(VENV) .pytest_cache .ruff_cache build dist *.egg-info

define CHECK_PYTHON
if [ -z "$(PYTHON)" ]; then \
	echo "Python 3.11 or newer was not found (python3 is $$(python3 --version 2>&1)). Install it, or name it:" \
		"make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.11" >&2; exit 1; fi; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo "'$(PYTHON)' is $$("$(PYTHON)" --version 2>/dev/null || echo "no program"), but Python 3.11 or newer is needed. Name another:" \
		"make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.11" >&2; exit 1; }
endef

# The stamp is written last: an interrupted setup goes on where it stopped.
$(STAMP): requirements.lock pyproject.toml setup.py
	@$(CHECK_PYTHON)
	@"$(PYTHON)" -m venv "$(VENV)"
	@if "$(BIN)/python" -c "$$LOCK_FITS"; then \
		echo "Installing the packages of requirements.lock into $(VENV) (about 7 GB; some minutes) ..."; \
		set -o pipefail; $(PIP) install -r requirements.lock | $(PROGRESS); \
	else \
		echo "The lock is for Python 3.11 on Linux (x86_64); here the newest fitting packages are taken instead ..."; \
		set -o pipefail; $(PIP) install -e '.[tests]' | $(PROGRESS); \
	fi
	@$(PIP) install --quiet --no-deps -e .
	@"$(BIN)/python" -c 'import cv2' 2>/dev/null || { \
		echo "opencv-python does not load here (its windows need libGL): the same without windows takes its place."; \
		$(PIP) install --quiet --no-deps --force-reinstall \
			"opencv-python-headless==$$($(PIP) show opencv-python | sed -n 's/^Version: //p')"; \
		"$(BIN)/python" -c 'import cv2'; }
	@touch "$@"
	@echo "Ready: $(VENV)"

define LOCK_FITS
import platform, sys
sys.exit((sys.version_info[:2], sys.platform, platform.machine()) != ((3, 11), "linux", "x86_64"))
endef
export LOCK_FITS

define LOCK
import json, re, sys
packages = [entry["metadata"] for entry in json.load(open(sys.argv[1]))["install"]]
normal = {re.sub("[-_.]+", "-", p["name"]).lower(): p["version"].split("+")[0] for p in packages}
print("# The exact packages that were tested: Python 3.11, Linux, x86_64. Made by 'make lock' from pyproject.toml.")
print("\n".join(f"{name}=={version}" for name, version in sorted(normal.items()) if name != "rag-lib"))
endef
export LOCK
