# Everything runs in .venv, which is made on first use with the exact versions of .ci/constraints.txt.
# Settings, e.g. `make lab LAB_ARGS=--port=9000`:
PYTHONS ?= python3.11 python3.12 python3.13 python3 python
LOWEST_PYTHON ?= python3.11
PIP_ARGS ?=
LAB_ARGS ?=
TEST_ARGS ?=
WORKERS ?= logical

VENV := .venv
LOWEST := .venv-lowest
PY := $(VENV)/bin/python
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt $(PIP_ARGS)
QUICKSTART := $(firstword $(wildcard notebooks/*quickstart.ipynb))
# Tests of browsers, builds, peers and frameworks, many of which do not go with the lowest versions.
NOT_LOWEST := tests/browser $(patsubst %,tests/test_%.py,benchmarks course distributed frameworks imports keras_step \
	make notebooks package peer_rules readme schedules_code schedules_parity script stress sweeps)
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help lab test test-lowest check bench regret pictures dist lock clean

help:
	@echo "make lab          open the quickstart in JupyterLab"
	@echo "make test         run all tests, in a real browser too"
	@echo "make test-lowest  run what needs no browser with the oldest numpy, pandas, ipywidgets and bqplot allowed"
	@echo "make check        ruff and mypy"
	@echo "make bench        measure overhead, restoring and the live curve, beside the peers"
	@echo "make regret       score the suggestion rules on recorded trainings"
	@echo "make pictures     take the README's pictures and animation from a real JupyterLab"
	@echo "make dist         build wheel and sdist into dist/"
	@echo "make lock         write .ci/constraints.txt from what .venv holds"
	@echo "make clean        remove what the other targets have written, .venv excepted"

lab: $(VENV)/.lab
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m jupyterlab --LabApp.default_url=/lab/tree/$(QUICKSTART) $(AS_ROOT) $(LAB_ARGS)

# One thread for the numerical libraries: the tests share the machine with a browser and servers. Several files at a time
# (WORKERS=0: one after the other), since much of the time is waiting for those; in the order of tests/conftest.py.
test: $(VENV)/.dev $(VENV)/.chromium
	OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses=$(WORKERS) --maxprocesses=4 --dist=loadfile --no-loadscope-reorder \
		$(TEST_ARGS)

# In an environment of its own, on the oldest Python, without the peers and front ends that demand newer versions.
test-lowest: $(LOWEST)/.installed
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest $(addprefix --ignore=,$(NOT_LOWEST)) $(TEST_ARGS)

check: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: $(VENV)/.dev $(VENV)/.chromium
	OMP_NUM_THREADS=1 $(PY) -m tests.benchmarks

regret: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(PY) -m tests.regret

pictures: $(VENV)/.dev $(VENV)/.chromium
	OMP_NUM_THREADS=1 $(PY) -m tests.pictures

dist: $(VENV)/.dev
	rm -rf dist
	$(PY) -m build

lock: $(VENV)/.dev
	$(PY) .ci/lock.py

clean:
	rm -rf build dist htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(PY):
	@for python in $(PYTHONS); do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(VENV) with $$($$python --version)"; exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "need Python 3.11 or newer, found none of: $(PYTHONS); install it, or: make PYTHONS=/path/to/python ..." >&2; \
	exit 1

# The stamps say what has been installed for which pyproject.toml. All that the tests need includes all that lab needs.
$(VENV)/.lab: pyproject.toml .ci/constraints.txt | $(PY)
	@echo "installing into $(VENV): some minutes the first time"
	$(INSTALL) -e '.[notebooks]'
	@touch $@

$(VENV)/.dev: pyproject.toml .ci/constraints.txt | $(PY)
	@echo "installing into $(VENV), the peers too: some minutes the first time"
	$(INSTALL) -e '.[dev]'
	@touch $(VENV)/.lab $@

$(LOWEST)/.installed: pyproject.toml .ci/constraints.txt .ci/lowest.py
	@echo "installing into $(LOWEST): some minutes the first time"
	$(LOWEST_PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python .ci/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c $(LOWEST)/constraints.txt $(PIP_ARGS) \
		-e '.[torch,plot,progress]' ipykernel nbclient pytest pytest-timeout hypothesis psutil schedulefree
	$(LOWEST)/bin/python -m pip check
	@touch $@

$(VENV)/.chromium: tests/browser/chromium.py | $(VENV)/.dev
	$(PY) tests/browser/chromium.py
	@touch $@
