# Everything starts here: `make` lists the targets. Needed: make and Python 3.11 or newer.
#   make setup PYTHON=/path/to/python3.11     another interpreter
#   make setup VENV=/path/to/environment      another place
#   make setup EXTRAS=app                     the lesson and the app alone, without what only tests need
#   make setup TORCH_INDEX=https://...        torch from another index, such as its own of CPU builds
#   make setup WHEELHOUSE=wheelhouse          from the folder that `make wheelhouse` made, without a network
#   make room ADDRESS=192.168.1.10 SEATS=40      this machine's address in the room; MILVUS=http://... for one that runs
#   make run EDITION=tutorial OUT=runs/mine   another edition, another folder for the results
#   make reliability CORPUS=pictures          every picture of that folder, too
#   make test WORKERS=4                       so many test files at a time

SHELL := bash
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EDITION ?= offline
PORT ?= 7860
WORKERS ?= 3
# What `make quick` runs: of these the tests that are not slow.
QUICK := tests/test_architecture.py tests/test_exercises.py tests/test_notebooks.py tests/test_panorama.py \
	tests/test_paths.py tests/test_readme.py tests/test_records.py tests/test_typeset.py tests/images tests/rerank
SEATS ?= 40
ADDRESS ?= 127.0.0.1
EXTRAS ?= app,tests,browser,server,ray

# The first that is new enough; 3.11 before the others, because the lock is made for it.
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for python in python3.11 python3 python3.12 python3.13 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$python && break; done)
endif

PIP := PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip
# Python compiles what it imports, once: all 40,000 files at the installation take half a gigabyte more.
GET := $(PIP) install --no-compile
SHOWN := "$(BIN)/python" -c "$$PROGRESS"

HOUSE := $(or $(WHEELHOUSE),wheelhouse)
FROM := $(if $(WHEELHOUSE),--no-index --find-links "$(WHEELHOUSE)")
OURS := '.$(if $(EXTRAS),[$(EXTRAS)])'
# The versions of the lock, where it fits; torch and torchvision alone, if they come from an index of their own.
LOCKED = set -eo pipefail; locked=; "$(BIN)/python" -c "$$LOCK_FITS" && locked="--constraint requirements.lock" || \
	echo "The lock is for Python 3.11 on Linux (x86_64); here the newest fitting packages are taken instead ..."
TORCH = --index-url "$(TORCH_INDEX)" $$locked $${locked:+--no-deps} torch torchvision
# Setting up again is wanted when what is to be installed, or where from, is named in the command.
AGAIN := $(if $(filter command,$(foreach name,EXTRAS TORCH_INDEX WHEELHOUSE,$(origin $(name)))),again)

.PHONY: help setup wheelhouse run app lab room test quick questions reliability bench train nb lock clean
.PHONY: again

help:  ## This list
	@echo "Multimodal RAG with Milvus. Targets:"
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP)  ## Make .venv with the locked packages (minutes and about 7 GB, once; TORCH_INDEX=...: 2 GB)

wheelhouse:  ## Fetch what setup needs into wheelhouse/, for rooms and machines without a network
	@$(CHECK_PYTHON)
	@"$(PYTHON)" -m venv "$(VENV)"
	@echo "Fetching into $(HOUSE): about $(if $(TORCH_INDEX),0.7,3.5) GB ..."
	@$(LOCKED); mkdir -p "$(HOUSE)"; \
	$(if $(TORCH_INDEX),$(PIP) download --dest "$(HOUSE)" $(TORCH) | $(SHOWN);) \
	$(PIP) wheel $$locked --find-links "$(HOUSE)" --wheel-dir "$(HOUSE)" $(OURS) 'setuptools>=70' | $(SHOWN); \
	rm -f "$(HOUSE)"/rag_lib-*.whl; \
	headless=$$(ls "$(HOUSE)" | sed -n 's/^opencv_python-\([^-]*\)-.*/\1/p'); \
	$(PIP) wheel --quiet --no-deps --wheel-dir "$(HOUSE)" "opencv-python-headless==$$headless"
	@echo "Ready: $(HOUSE) ($$(du -sh "$(HOUSE)" | cut -f1)). Take it and this folder along: make setup EXTRAS=$(EXTRAS) WHEELHOUSE=$(HOUSE)"

run: setup  ## Run the numbered notebooks with the offline edition; results in runs/offline/index.html
	$(BIN)/python -m rag_lib.run --edition $(EDITION) $(if $(OUT),--out "$(OUT)")

app: setup  ## The demo app in the browser, for this machine only: http://127.0.0.1:7860, or PORT=...
	$(BIN)/python -m rag_lib.app --edition $(EDITION) --port $(PORT)

lab: setup  ## Open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

room: setup  ## A Milvus for a room, each seat a database of its own: ADDRESS=... SEATS=40, or MILVUS=http://...
	$(BIN)/python -m rag_lib.collection.room --seats $(SEATS) $(if $(MILVUS),--milvus "$(MILVUS)",--host "$(ADDRESS)" \
		--port $(if $(filter file,$(origin PORT)),19530,$(PORT)))

# The tests' own packages, if the environment was made without them.
TESTED = "$(BIN)/python" -c 'import pytest, xdist' 2>/dev/null || { echo "The tests' packages are not installed: \
	make setup EXTRAS=app,tests,browser,server,ray" >&2; exit 1; }

quick: setup  ## Lint, and the tests that take no more than a moment: while you work
	@$(TESTED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow" $(QUICK)

test: setup  ## Lint, every notebook again, its outputs compared with the committed ones, and the tests
	@$(TESTED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --nbval --nbval-current-env \
		--nbval-sanitize-with tests/nbval_sanitize.cfg notebooks tests

questions: setup  ## Every notebook with every other question (a quarter of an hour; `make test` asks one each)
	$(BIN)/python -m pytest --nbval --nbval-current-env --all-questions notebooks tests/conftest.py

reliability: setup  ## Kills, damage, full disks, hostile input: forty minutes (`make test` tries a sample)
	$(BIN)/python -m pytest -n $(WORKERS) --reliability $(if $(CORPUS),--corpus "$(CORPUS)") tests/reliability tests/app/test_many_visitors.py

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

# For the first 3.11, so that the lock fits a system's own, such as Debian 12's 3.11.2. A newer jsonschema brings
# rfc3987-syntax, which each process that reads a notebook or belongs to Ray compiles anew: two seconds, if not three.
lock:  ## Resolve the dependencies of pyproject.toml anew into requirements.lock (Linux, Python 3.11)
	@$(CHECK_PYTHON)
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) or sys.platform != "linux")' \
		|| { echo "The lock is for Python 3.11 on Linux: run 'make lock' there." >&2; exit 1; }
	@echo "Resolving (a minute or two, nothing is installed) ..."
	@place=$$(mktemp -d) && trap 'rm -rf $$place' EXIT && \
	"$(PYTHON)" -m pip install --dry-run --ignore-installed --quiet --quiet --report $$place/report \
		--python-version 3.11.0 --only-binary :all: --target $$place $(OURS) 'jsonschema<4.25' && \
	"$(PYTHON)" -c "$$LOCK" $$place/report > requirements.lock.new && mv requirements.lock.new requirements.lock && \
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
$(STAMP): requirements.lock pyproject.toml setup.py $(AGAIN)
	@$(CHECK_PYTHON)
	@"$(PYTHON)" -c "$$TAKES" "$(VENV)" "$(TORCH_INDEX)" "$(WHEELHOUSE)" "$(EXTRAS)"
	@"$(PYTHON)" -m venv "$(VENV)"
	@$(LOCKED); \
	$(if $(TORCH_INDEX),$(GET) --upgrade $(TORCH) | $(SHOWN);) \
	$(GET) $(FROM) $$locked --editable $(OURS) | $(SHOWN)
	@"$(BIN)/python" -c 'import cv2' 2>/dev/null || { \
		echo "opencv-python does not load here (its windows need libGL): the same without windows takes its place."; \
		version=$$($(PIP) show opencv-python | sed -n 's/^Version: //p'); \
		$(PIP) uninstall --quiet --yes opencv-python; \
		$(GET) $(FROM) --quiet --no-deps --force-reinstall "opencv-python-headless==$$version"; \
		"$(BIN)/python" -c 'import cv2'; }
	@touch "$@"
	@echo "Ready: $(VENV)"

define TAKES
import pathlib, shutil, sys
place, torch_index, wheelhouse, extras = sys.argv[1:]
free = shutil.disk_usage(pathlib.Path(place).absolute().parent).free / 1e9
wheels = list(pathlib.Path(wheelhouse).glob("*.whl")) if wheelhouse else []
if wheelhouse and not wheels:
    sys.exit(f"There are no wheels in {wheelhouse}: make them where there is a network, by 'make wheelhouse'.")
for_gpus = any(each.name.startswith("nvidia") for each in wheels) if wheelhouse else not torch_index
size = 6.8 if for_gpus else 2.0
size += sum(more for name, more in {"app": 0.1, "ray": 0.3, "browser": 0.2}.items() if name in extras.split(","))
if wheelhouse:
    packed = sum(each.stat().st_size for each in wheels) / 1e9
    how = f"nothing to download, some minutes to unpack {packed:.1f} GB"
elif torch_index:
    how = "about 0.7 GB to download if that index has torch for CPUs, some minutes"
else:
    how = "about 3.5 GB to download, 5 to 20 minutes; most of it is torch's part for GPUs (see TORCH_INDEX)"
print(f"Setting up {place} takes about {size:.1f} GB of disk ({free:.0f} GB are free), {how}.")
if free < size:
    print("That may be too little room: VENV=/another/place names another disk.")
endef
export TAKES

# Of pip's many lines, the ones that say how far it is, and why versions conflict. Not awk: Debian's waits for a block.
define PROGRESS
import re, sys
reason = False
for line in sys.stdin:
    large = re.search(r"Downloading (?:\S*/)?(\S+ \([\d.]+ [MG]B\))", line)
    reason = reason and not line.startswith("To fix") or line.startswith("The conflict is caused by")
    if large or reason or line.startswith("Installing collected"):
        print(f"  Downloading {large[1]}" if large else line.rstrip() if reason else "  Installing ...", flush=True)
endef
export PROGRESS

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
