# make demo   set everything up, then fly the whole story in real time
# make test   set everything up, then run the tests
# make check  ruff and pyright, both strict
# make bench  every benchmark that takes under five minutes, as one table

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# llama.cpp is compiled on this machine. Its AMX kernels crash when built by GCC 12 and others
# (ggml-org/llama.cpp issue 20824), so they are left out; other machines than x86-64 have none.
NO_AMX := $(if $(filter x86_64,$(shell uname -m)),-mno-amx-tile -mno-amx-int8 -mno-amx-bf16)
export CFLAGS += $(NO_AMX)
export CXXFLAGS += $(NO_AMX)

.PHONY: demo test check bench setup clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.installed
	$(BIN)/ontick demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

check: $(VENV)/.installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

setup: $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ontick needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing; llama.cpp is compiled once, which takes some minutes."
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[$*]'
	touch $@

# The checkers look at the tests and the benchmarks too.
$(VENV)/.installed-check: $(VENV)/.installed-test $(VENV)/.installed-bench
