# `make demo`, `make test`, `make bench`: everything else is for those who change the code. A fresh machine needs Python
# 3.10 or later, a C compiler and a way to PyPI (and npm's registry, or an installed PostgreSQL, for the server).
# PYTHON=python3.13 make ... chooses the interpreter; downloads are kept in $XDG_CACHE_HOME/asyncpg-core.

VENV ?= .venv
PY := $(VENV)/bin/python
PYTHON ?= python3
PYTEST_ARGS ?=
export PYTHONPATH := $(CURDIR)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export CFLAGS := $(CFLAGS) $(shell cat $(VENV)/include-dirs 2>/dev/null)
INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check
BUILD = $(PY) setup.py -q build_ext --inplace

.PHONY: help demo build debug unit test exact asan lint types stubtest bench bench-quick budget annotate generate check clean mutants coverage wheels-list
.PHONY: integrations run-integrations compat test-matrix storm soak threads fuzz test-chunked chaos

help:
	@echo "demo       show the driver at work on an embedded PostgreSQL"
	@echo "test       unit and live tests;  unit: without a server"
	@echo "fuzz       seeded random input for all that reads bytes: FUZZ_ARGS=--seconds 10; test-chunked: a line that cuts"
	@echo "exact      1.2 million random values of all scalar types, compared with the server's own text"
	@echo "integrations  programs on SQLAlchemy, Tortoise, aiohttp and others, in an environment of their own"
	@echo "compat     asyncpg's own tests against ours, compared with tests/compat/deviations.toml"
	@echo "test-matrix  the tests that need a server on PostgreSQL 13 to 18"
	@echo "storm      100,000 tasks cancelled at any moment over a pool, in four ways;  soak MINUTES=10: what grows?"
	@echo "threads    eight threads with loops and pools of their own, for PYTHON=python3.14t: THREADS_ARGS=--seconds 600"
	@echo "chaos      poolers and other faults in their long form, with what was counted; names what is missing here"
	@echo "bench      compare with nine other drivers: a table, all rounds as JSON, a page with charts"
	@echo "bench-quick  the same with nine workloads and three drivers, in short rounds: two minutes"
	@echo "build      compile in place;  debug: with checks;  annotate: with Cython's HTML pages"
	@echo "budget     user instructions of fixed work against benchmarks/budget.json; BUDGET_ARGS=--write records them"
	@echo "check      lint (ruff, cython-lint), types (mypy --strict, pyright), stubtest, unit, budget"
	@echo "asan       unit tests of the core under gcc's sanitizers; build again afterwards"
	@echo "coverage   lines of pgproto that unit tests reach, .pyx included"
	@echo "mutants    200 seeded one-token changes: how many do the unit tests catch?"
	@echo "generate   write the generated sources anew;  wheels-list: the wheels that a release has"

# One environment; each purpose adds its pinned requirements and leaves a stamp.
$(VENV)/bin/python:
	@$(PYTHON) tools/bootstrap.py $(VENV)

$(VENV)/.have-%: tools/requirements-%.txt | $(VENV)/bin/python
	@echo "installing $<"
	@$(INSTALL) -r $<
	@touch $@

$(VENV)/.have-test $(VENV)/.have-demo $(VENV)/.have-bench $(VENV)/.have-integrations $(VENV)/.have-compat: tools/requirements-build.txt
$(VENV)/.have-test: tools/requirements-demo.txt

# A recursive make reads the headers' place that the environment's making may just have written.
build: $(VENV)/.have-build
	@$(MAKE) --no-print-directory compile

.PHONY: compile
compile:
	@$(BUILD)

debug: $(VENV)/.have-build
	@ASYNCPG_CORE_DEBUG=1 $(MAKE) --no-print-directory compile

annotate: $(VENV)/.have-build
	@ASYNCPG_CORE_ANNOTATE=1 $(MAKE) --no-print-directory compile
	@find build/cython-release -name '*.html'

demo: $(VENV)/.have-demo build
	@$(PY) examples/demo.py

unit: $(VENV)/.have-test build
	@$(PY) -m pytest tests/unit tests/test_architecture.py $(PYTEST_ARGS)

test: $(VENV)/.have-test build
	@$(PY) -m pytest tests $(PYTEST_ARGS)

fuzz: $(VENV)/.have-test build
	@$(PY) -m tests.fuzz $(FUZZ_ARGS)

# The functional tests again, with the server's words in single bytes, then in pieces that come late.
CHUNKED = tests/live/test_queries.py tests/live/test_transactions.py tests/live/test_cursor.py tests/live/test_copy.py \
	tests/live/test_copy_records.py tests/live/test_copy_rows_out.py tests/live/test_arrow.py tests/live/test_pipelining.py \
	tests/live/test_pipeline_members.py tests/live/test_statement_cache.py tests/live/test_listeners.py \
	tests/live/test_transaction_ends.py tests/live/test_client_encoding.py tests/types/test_tables.py tests/types/test_user_types.py
test-chunked: $(VENV)/.have-test build
	@for way in 1byte jitter; do echo "$$way"; \
		ASYNCPG_CORE_TEST_PROXY=$$way $(PY) -m pytest -q $(CHUNKED) $(PYTEST_ARGS) || exit 1; done

exact: $(VENV)/.have-test build
	@$(PY) -m tests.types.differential $(EXACT_ARGS)

# What is compiled in place serves both environments, which have the same Python.
integrations:
	@$(MAKE) --no-print-directory VENV=$(VENV)-integrations run-integrations

# What requires the real asyncpg is installed without what it requires.
$(VENV)/.have-integrations-alone: INSTALL += --no-deps

run-integrations: $(VENV)/.have-integrations $(VENV)/.have-integrations-alone build
	@$(PY) -m pytest tests/integrations $(PYTEST_ARGS)

compat: $(VENV)/.have-compat build
	@for major in 15 18; do echo "PostgreSQL $$major"; \
		ASYNCPG_CORE_PG_VERSION=$$major $(PY) -m tools.compat $(COMPAT_ARGS) || exit 1; done

test-matrix: $(VENV)/.have-test build
	@$(PY) -m tools.test_matrix $(MATRIX_ARGS)

# With and without jitter on the network, with and without shared connections, on both loops and over TLS.
TASKS ?= 100000
MINUTES ?= 10
storm: $(VENV)/.have-test build
	@$(PY) -m tests.storm --tasks $(TASKS)
	@$(PY) -m tests.storm --tasks $(TASKS) --loop uvloop --share off
	@$(PY) -m tests.storm --tasks $(TASKS) --loop uvloop --jitter
	@$(PY) -m tests.storm --tasks $(TASKS) --tls

soak: $(VENV)/.have-test build
	@$(PY) -m tests.soak --minutes $(MINUTES)
	@$(PY) -m tests.memory

threads: $(VENV)/.have-test build
	@$(PY) -m tests.threads $(THREADS_ARGS)

chaos: $(VENV)/.have-test build
	@$(PY) -m tools.chaos $(CHAOS_ARGS)

# A driver that cannot be had for this Python is named and left out; the others are compared.
$(VENV)/.have-bench-each: tools/requirements-bench-each.txt tools/install_each.py | $(VENV)/bin/python
	@$(PY) tools/install_each.py $<
	@touch $@

bench: $(VENV)/.have-bench $(VENV)/.have-bench-each build
	@$(PY) -m benchmarks $(BENCH_ARGS)

bench-quick: $(VENV)/.have-bench $(VENV)/.have-bench-each build
	@$(PY) -m benchmarks --quick --small $(BENCH_ARGS)

lint: $(VENV)/.have-check
	@ruff check .
	@cython-lint asyncpg_core pgproto

types: $(VENV)/.have-check
	@mypy --strict asyncpg_core pgproto tests/typing
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 pyright --project pyproject.toml --pythonpath $(PY)

stubtest: $(VENV)/.have-check build
	@$(PY) tools/stubtest.py

# What a debugging build spends says nothing, so here it is always the release.
budget: $(VENV)/.have-test build
	@$(PY) -m benchmarks.budget $(BUDGET_ARGS)

check: lint types stubtest unit budget

# Python itself is not built with the sanitizers, so they are loaded before it; malloc lets them see its objects too.
SANITIZERS = $(foreach lib,libasan libubsan libstdc++,$(shell gcc -print-file-name=$(lib).so))
UNDER_ASAN = LD_PRELOAD="$(SANITIZERS)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	PYTHONMALLOC=malloc HYPOTHESIS_PROFILE=repeatable $(PY)
asan: $(VENV)/.have-test $(VENV)/.have-build
	@CC=gcc ASYNCPG_CORE_ASAN=1 $(MAKE) --no-print-directory compile
	@$(UNDER_ASAN) -m pytest tests/unit/codecs tests/unit/core tests/unit/columns --timeout 120 $(PYTEST_ARGS)
	@$(UNDER_ASAN) -m tests.fuzz --target session --sessions 10000 --seconds 1800

coverage: $(VENV)/.have-check
	@$(PY) -m tools.coverage_report

mutants: $(VENV)/.have-test
	@$(PY) -m tools.mutants $(MUTANTS_ARGS)

generate: $(VENV)/.have-build
	@for script in $(sort $(wildcard tools/generate*.py)); do echo "$$script"; $(PY) $$script || exit 1; done

wheels-list: $(VENV)/bin/python
	@$(PY) tools/wheels_list.py

clean:
	@rm -rf build dist wheelhouse *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	@find asyncpg_core pgproto \( -name '*.so' -o -name '*.html' \) -delete
	@git clean -q -fX asyncpg_core pgproto 2>/dev/null || true
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
