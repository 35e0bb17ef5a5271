# bayescale: every command a newcomer or CI needs. `make` lists them.
#
# The environment is .venv, built by uv from requirements.lock (versions and hashes) and remade only when the lock or
# pyproject.toml changes. Where uv is missing it is put into .tools; nothing outside this folder is changed but uv's
# and pip's caches.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

UV_VERSION := 0.13.9
# A uv that is already there is used if it runs and is 0.5 or newer (older ones cannot read dependency groups).
UV := $(shell case "$$(uv --version 2>/dev/null)" in ("uv 0."[0-4].*) ;; ("uv "*) echo uv; exit;; esac; echo .tools/bin/uv)
UV_IF_OURS := $(filter .tools/bin/uv,$(UV))

# Touched last, so a set-up that failed or was interrupted is started again from nothing.
READY := .venv/.ready
RUN := .venv/bin

RUNS ?= data/tinylm/runs.csv
REPORT ?= report
ARGS ?=

# Another environment that happens to be active must not leak into this one.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME UV_PYTHON UV_PROJECT_ENVIRONMENT
export UV_HTTP_TIMEOUT ?= 180
# uv trusts its own list of certificate authorities; a network with one of its own is known only to the system.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem /etc/ssl/ca-bundle.pem),)
export UV_SYSTEM_CERTS ?= true
endif

.PHONY: help setup report test test-fast test-slow lint format notebooks notebooks-check laws calibration benchmark benchmark-trust learn-priors learn-lab pooling simulated-truth curves worked-examples lock clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

setup: $(READY)  ## build the environment (.venv); every other command does it where needed

report: $(READY)  ## the main job: fit the shipped run log and write report/
	$(RUN)/bayescale report "$(RUNS)" --out "$(REPORT)" $(ARGS)

test: $(READY)  ## the tests, without the slow tier; ARGS="-k frontier" narrows them
	$(RUN)/pytest -m "not slow" $(ARGS)

test-fast: $(READY)  ## the tests that sample nothing: seconds
	$(RUN)/pytest -m "not slow and not sampling" $(ARGS)

test-slow: $(READY)  ## the slow tier only
	$(RUN)/pytest -m slow $(ARGS)

lint: $(READY)  ## ruff (rules and format) and mypy
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

format: $(READY)  ## let ruff mend what it can
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

notebooks: $(READY)  ## execute notebooks/*.py and write the .ipynb beside each
	$(RUN)/python .ci/execute_notebooks.py $(ARGS)

notebooks-check: $(READY)  ## execute them, write nothing, and fail if a committed .ipynb is out of date
	$(RUN)/python .ci/execute_notebooks.py --check $(ARGS)

laws: $(READY)  ## write docs/laws.md and its pictures from the laws and their cards
	$(RUN)/python docs/make_laws.py

calibration: $(READY)  ## simulate from every card and fit it again, 200 times each; goes on where it stopped (hours)
	PYTHONPATH=. $(RUN)/python docs/make_calibration.py $(ARGS)

# A clone at the commit that speed is measured against, and an environment of other samplers and packages: in build/.
BEFORE := build/benchmark/5446e8b
RIVALS := build/benchmark/rivals
benchmark: $(READY)  ## how long an answer takes beside 5446e8b, other samplers and other packages: docs/speed.md (an hour)
	@[ -d $(BEFORE) ] || { git clone --quiet . $(BEFORE) && git -C $(BEFORE) checkout --quiet 5446e8b; }
	$(MAKE) -C $(BEFORE) setup
	@[ -x $(RIVALS)/bin/python ] || $(UV) venv --quiet --python $(RUN)/python $(RIVALS)
	$(UV) pip install --quiet --python $(RIVALS)/bin/python -r benchmarks/rivals/requirements.txt
	$(RUN)/python -m benchmarks.speed --other $(BEFORE) --rivals $(RIVALS)/bin/python $(ARGS)

benchmark-trust: $(READY)  ## score all methods on the public runs in ../shared; goes on where it stopped (hours)
	$(RUN)/python -m benchmarks.trust $(ARGS)

learn-priors: $(READY)  ## what the public runs in ../shared say of drift and scatter, as priors (minutes)
	$(RUN)/python -m benchmarks.learn_priors $(ARGS)

pooling: $(READY)  ## does a family gain from the others: log scores with and without pooling (minutes)
	$(RUN)/python -m benchmarks.pooling

learn-lab: $(READY)  ## what public families of runs have in common, as the card new-lab (half an hour)
	$(RUN)/python -m benchmarks.learn_lab $(ARGS)

simulated-truth: $(READY)  ## do bands hold where rows are not independent: 400 simulated logs; goes on where it stopped (hours)
	$(RUN)/python -m benchmarks.simulated_truth $(ARGS)

curves: $(READY)  ## learning curves of public runs in ../shared: logging rates, runs in progress, annealing (half an hour)
	PYTHONPATH=. $(RUN)/python docs/make_curves.py $(ARGS)

worked-examples: $(READY)  ## four public logs in ../shared: families, seeds, schedules (minutes)
	PYTHONPATH=. $(RUN)/python docs/make_worked_examples.py

clean:  ## remove the environment, the report and every cache in this folder
	rm -rf .venv .tools dist build report .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment ---------------------------------------------------------------------------

# An environment that was whole is brought up to date; anything else in .venv is half-made and is thrown away.
# The Python of .python-version is fetched by uv where the machine lacks it; if it cannot be, any 3.12 or newer serves.
$(READY): requirements.lock pyproject.toml | $(UV_IF_OURS)
	@if [ -f $@ ] && $(RUN)/python -c "" 2>/dev/null; then \
	    echo "bringing the environment in .venv up to date"; rm -f $@; \
	  else \
	    echo "setting up the environment in .venv: once, about a minute"; \
	    unset PYENV_VERSION; rm -rf .venv; \
	    $(UV) venv --quiet .venv || { \
	      echo "  Python $$(cat .python-version) could not be had; trying any Python >= 3.12" >&2; rm -rf .venv; \
	      $(UV) venv --quiet --no-project --python ">=3.12" .venv; }; \
	  fi
	@echo "  $$($(RUN)/python --version), $$(grep -c '^[a-z].*==' requirements.lock) pinned packages"
	@$(UV) pip sync --quiet --python $(RUN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(RUN)/python --no-deps --no-build-isolation --editable .
	@$(UV) pip check --quiet --python $(RUN)/python || { \
	    echo "requirements.lock does not satisfy pyproject.toml: run make lock" >&2; exit 1; }
	@touch $@
	@echo "  ready"

# uv from its wheel, by whichever Python is found (looked for from /, where no .python-version decides): pip in a throw-away virtual environment, or, where Python was packaged without ensurepip, the pip
# that is there. The finished binary is moved into place in one step.
.tools/bin/uv:
	@echo "fetching uv $(UV_VERSION) into .tools: once"
	@python=; for p in python3 python python3.14 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3; do \
	    python=$$(cd / && "$$p" -c "import sys; print(sys.executable if sys.version_info >= (3, 8) else '')" 2>/dev/null) && \
	    [ -n "$$python" ] && break; done; \
	  if [ -z "$$python" ]; then \
	    echo "uv $(UV_VERSION) is not installed, and fetching it needs a Python 3.8 or newer (found: $$(cd / && python3 --version 2>&1 | head -n 1))." >&2; \
	    echo "Install either one and run make again." >&2; exit 1; fi; \
	  tmp=.tools/part.$$$$; trap 'rm -rf "$$tmp"' EXIT; trap 'exit 130' INT TERM; mkdir -p "$$tmp" .tools/bin; \
	  if "$$python" -m venv "$$tmp/venv" >"$$tmp/log" 2>&1; then \
	    "$$tmp/venv/bin/python" -m pip install --quiet --disable-pip-version-check --target "$$tmp/uv" uv==$(UV_VERSION); \
	  elif "$$python" -m pip --version >/dev/null 2>&1; then \
	    "$$python" -m pip install --quiet --disable-pip-version-check --target "$$tmp/uv" uv==$(UV_VERSION); \
	  else \
	    echo "$$python can make no virtual environment and has no pip; install uv, or your system's python3-venv package, and run make again." >&2; \
	    exit 1; \
	  fi && mv "$$tmp/uv/bin/uv" $@

# Keeps the versions that still fit; `make lock ARGS=--upgrade` takes the newest ones.
lock: | $(UV_IF_OURS)  ## pin pyproject.toml's dependencies anew; ARGS=--upgrade for the newest versions
	@cp requirements.lock requirements.lock.tmp 2>/dev/null || true
	$(UV) pip compile --quiet --no-config --universal --python-version 3.12 --generate-hashes --no-header \
	  --group dev pyproject.toml --output-file requirements.lock.tmp $(ARGS)
	@if grep -nE '://|^ *-|^[^ #]* @ ' requirements.lock.tmp | grep -vE '^[0-9]+: +--hash=sha256:'; then \
	    echo "the lock names a host, a path or an option: not written" >&2; rm -f requirements.lock.tmp; exit 1; fi
	@mv requirements.lock.tmp requirements.lock
