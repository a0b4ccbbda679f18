# make demo   set everything up, then fly the whole story in real time
# make test   set everything up, then run the tests
# make check  ruff and pyright, both strict
# make bench  every benchmark that takes under five minutes, as one table

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# llama.cpp is compiled on this machine. GCC 12 and others optimise away what its AMX kernels have stored, and they
# crash (ggml-org/llama.cpp issue 20824); without the passes that do so, they work. Clang knows neither flag nor fault.
CC ?= cc
KEEP_STORES := -fno-tree-dse -fno-dse
KEEP_STORES := $(shell echo | $(CC) -Werror $(KEEP_STORES) -x c -c - -o /dev/null 2>/dev/null && echo $(KEEP_STORES))
export CFLAGS += $(KEEP_STORES)
export CXXFLAGS += $(KEEP_STORES)

# Its own threads instead of OpenMP's, which wait twenty times too long for each other when the clock has a thread too.
export CMAKE_ARGS += -DGGML_OPENMP=OFF

FITS := $(BIN)/python -c 'import sys; from ontick.models import catalog; from ontick.models.llama import kernels; \
	sys.exit(not (kernels.are_all_there() and kernels.are_sound(catalog.embedded_path())))'

# Tests of pages run in a real browser. Debian's is installed where that may be done; elsewhere they are skipped, with a line.
CHROMIUM := command -v chromium || command -v chromium-browser || command -v google-chrome || { \
	test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; }

.DELETE_ON_ERROR:
.PHONY: demo test check bench setup clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.installed
	$(BIN)/ontick demo

test: $(VENV)/.installed-test
	@{ $(CHROMIUM); } >/dev/null || echo "No Chromium here: the tests of pages will be skipped."
	@$(BIN)/python -m compileall -q src  # once, for the hundreds of processes that import it
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

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
	@$(FITS) || { \
	  echo "pip's cache had a llama.cpp that does not use this processor well; compiling it again."; \
	  $(PIP) cache remove --quiet llama_cpp_python; \
	  $(PIP) install --quiet --constraint constraints.txt --force-reinstall --no-deps llama-cpp-python; }
	touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[$*]'
	touch $@

# The checkers look at the tests and the benchmarks too.
$(VENV)/.installed-check: $(VENV)/.installed-test $(VENV)/.installed-bench
