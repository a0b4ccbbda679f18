# make demo   set everything up, then fly the whole story in real time
# make test   set everything up, then run the tests
# make check  ruff and pyright, both strict
# make bench  every benchmark that takes under five minutes, as one table

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# llama.cpp is compiled on this machine. Its AMX kernels crash when built by GCC 12 and others
# (ggml-org/llama.cpp issue 20824), so they are left out by compilers that know them.
CC ?= cc
NO_AMX := $(shell for flag in -mno-amx-tile -mno-amx-int8 -mno-amx-bf16; do \
	echo | $(CC) $$flag -x c -c - -o /dev/null 2>/dev/null && echo $$flag; done)
export CFLAGS += $(NO_AMX)
export CXXFLAGS += $(NO_AMX)
HAS_AMX := $(BIN)/python -c 'import sys, llama_cpp; sys.exit(b"AMX_INT8 = 1" not in llama_cpp.llama_print_system_info())'

.DELETE_ON_ERROR:
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
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing; llama.cpp is compiled once, which takes some minutes."
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@if $(HAS_AMX); then echo "Compiling llama.cpp again, without AMX."; \
	  $(PIP) install --quiet --constraint constraints.txt --force-reinstall --no-deps --no-cache-dir llama-cpp-python; fi
	touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[$*]'
	touch $@

# The checkers look at the tests and the benchmarks too.
$(VENV)/.installed-check: $(VENV)/.installed-test $(VENV)/.installed-bench
