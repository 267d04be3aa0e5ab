# `make run` is the whole product, `make test` proves it; both set up what they need first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
  --no-header --no-emit-index-url --no-emit-find-links
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard app/translations/*/LC_MESSAGES/*.po))
# Node and npm come from a wheel, for checks only.
NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
# One more than two cores: a test often waits, for a server, a browser or a process.
WORKERS := -n 3 --dist loadfile --no-loadscope-reorder
BENCHES := $(filter-out _%,$(basename $(notdir $(wildcard bench/*.py))))

# Without bytecode each of the product's processes, and there are many, would compile it anew.
export PYTHONDONTWRITEBYTECODE :=

.DELETE_ON_ERROR:
.PHONY: setup run test test-long test-spark test-clocks lint lint-scripts bench lock vendor translations vocabulary screenshots clean

setup: $(VENV)/.runtime $(VENV)/.dev $(CATALOGUES)

run: $(VENV)/.runtime $(CATALOGUES)
	@exec $(BIN)/python run.py

test: setup
	@tests/browser_setup.sh
	$(BIN)/pytest $(WORKERS)

test-long: setup
	@tests/browser_setup.sh
	$(BIN)/pytest $(WORKERS) -m "(long or thorough) and not spark" --hypothesis-profile long

# The sample case and the properties on a cluster of two executors on this machine.
test-spark: setup $(VENV)/.spark
	@tests/spark_setup.sh
	$(BIN)/pytest -m spark --hypothesis-profile spark

# The tests at another date, and in another zone of the machine: make test-clocks CLOCK="2028-02-29 10:00" ZONE=America/New_York
# The pages in the browser are told the date, too; Chromium itself and its driver keep the machine's.
CLOCK ?= 2028-02-29 10:00
ZONE ?= UTC
CLOCK_TESTS ?=
test-clocks: setup
	@tests/browser_setup.sh
	TZ=$(ZONE) tests/at_clock.sh "$(CLOCK)" $(BIN)/pytest $(WORKERS) --basetemp=$$(mktemp -d) $(CLOCK_TESTS)

lint: setup lint-scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lint-scripts: node_modules/.package-lock.json
	$(NODE) npm run --silent lint

# The scripts of others that pages load, from the packages that package-lock.json names.
vendor: node_modules/.package-lock.json
	@$(NODE) $(BIN)/python scripts/vendor.py

# Figures of all benchmarks into docs/performance.md, or of some: make bench BENCHES="lists start"
bench: setup
	@PYTHONPATH=. $(BIN)/python scripts/performance.py $(BENCHES)

translations: setup
	@PYTHONPATH=. $(BIN)/python scripts/translations.py

vocabulary: setup
	@PYTHONPATH=. $(BIN)/python scripts/vocabulary.py

# Pictures of README and user guide, of a product that runs: `make run` in another window.
screenshots: setup
	@PYTHONPATH=. $(BIN)/python scripts/screenshots.py

lock: $(VENV)/.runtime
	@$(PIP) install uv
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-s3.in -o requirements-s3.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt
	$(COMPILE) requirements-spark.in -o requirements-spark.txt

clean:
	rm -rf $(VENV) node_modules .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis test-results
	rm -f $(CATALOGUES)

# A stamp is younger than its requirements exactly when they are installed.
$(VENV)/.runtime: requirements.txt | $(BIN)/python
	@echo "Installing the product's packages …"
	@$(PIP) install --require-hashes -r $<
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing the packages of tests and linters …"
	@$(PIP) install --require-hashes -r $<
	@touch $@

$(VENV)/.spark: requirements-spark.txt $(VENV)/.runtime
	@echo "Installing the packages of ACTIVITY_ENGINE=spark …"
	@$(PIP) install --require-hashes -r $<
	@touch $@

# Linters and bundler of scripts. npm writes the target, a copy of what it installed.
node_modules/.package-lock.json: package-lock.json | $(VENV)/.dev
	@echo "Installing the linters of scripts …"
	@$(NODE) npm ci --loglevel=error
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is missing or older than 3.11; name another one: make PYTHON=python3.11" >&2; exit 1; }
	@echo "Creating $(VENV) …"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

%.mo: %.po $(VENV)/.runtime
	@$(BIN)/pybabel --quiet compile -i $< -o $@
