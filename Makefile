# make book   notebooks (preset quick), then the book in _build/html
# make pdf    the built book as one PDF, linked from "Reproduce and cite"; needs a Chromium
# make test   the notebooks under nbval, then tests/ (the built book in a browser, where there is one)
# make lint   ruff over code and notebooks, mypy over the package
# make bench  speed, as ratios inside one process
# make soak   a sweep killed 200 times, where the tests kill it 20 times
# make fuzz   a million mutated inputs, of which the tests have some 6,000
# make clean  what was built; never what was recorded

PYTHON ?= python3
PRESET ?= quick
DEVICE ?= auto
SEEDS  ?=
# What `make fuzz` tries, and which of them.
INPUTS ?= 1000000
SEED   ?= 0
# Notebooks, and tests, side by side. Larger presets have their runs side by side instead.
JOBS   ?= $(if $(filter quick,$(PRESET)),$(shell getconf _NPROCESSORS_ONLN),1)

VENV := .venv
PY   := $(VENV)/bin/python
# Processes that find their imports done, kernels among them (see its first lines).
WARM := $(PY) book/warm.py
export JUPYTER_PATH := $(CURDIR)/book$(addprefix :,$(JUPYTER_PATH))

# The longest first, so that no core is idle at the end; the recipe last, as it waits for others.
# `own_network` and `why_one_bit` are no studies, but wait for none either.
STUDIES := own_network ladder lr_sensitivity alpha alpha_decay lr_vs_init cifar10 adam_betas clipping filters search flip_budget silent_weights
STUDIES += going_further optimizers equivalence two_views two_stage batch_norm sgd pretraining lr_scaling binary_layers
STUDIES += adam_as_filter flip_rates contested bop designed_filters collapse pooling_order imagenet why_one_bit recipe
REPORTS := one_knob cost scoreboard how_it_was_run what_we_learned guide index
STUDIES_DONE := $(STUDIES:%=book/executed/%.ipynb)
REPORTS_DONE := $(REPORTS:%=book/executed/%.ipynb)

PACKAGE := $(shell find bnnstudy -name '*.py' -o -path '*/explorables/*.*s' -o -name '*.html')
RECORDS := $(wildcard book/results/*/desk book/results/*/short book/results/*/paper)

# One thread a process: runs go side by side instead. The kernel is the environment's own.
export OMP_NUM_THREADS := 1
export JUPYTER_PREFER_ENV_PATH := 1
# Where notebooks go side by side, each has one worker: joblib counts the cores so.
ONE_WORKER := $(if $(filter-out 1,$(JOBS)),LOKY_MAX_CPU_COUNT=1)
SIDE_BY_SIDE := $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist)

PROSE   := _config.yml _toc.yml $(wildcard book/*.py) book/references.bib $(wildcard book/*.md book/api/*.md) \
	$(shell find book/_static -type f)

PARAMETERS := -p preset $(PRESET) -p device $(DEVICE) $(if $(SEEDS),-p seeds $(SEEDS))

.PHONY: book pdf test lint bench soak fuzz clean executed FORCE
.DELETE_ON_ERROR:

book: $(VENV)/.ok
	@+$(WARM) --server $(MAKE) --no-print-directory -j$(JOBS) executed
	@$(MAKE) --no-print-directory _build/.built

pdf: book
	@$(PY) book/pdf.py

executed: $(REPORTS_DONE)

_build/.built: $(REPORTS_DONE) $(PROSE)
	$(VENV)/bin/jupyter-book build . -W -n --keep-going -q
	@$(PY) book/exercises.py notebooks _build/html/book/executed
	@$(PY) book/finish.py book/executed _build/html
	@$(PY) -m bnnstudy report --json > _build/html/book/executed/claims.json
	@$(PY) book/check.py
	@$(PY) -m bnnstudy report
	@touch $@

test: $(VENV)/.ok
	$(ONE_WORKER) $(WARM) --server $(PY) -m pytest $(if $(SIDE_BY_SIDE),$(SIDE_BY_SIDE) loadfile) \
		--nbval-lax --nbval-kernel-name python3 --nbval-cell-timeout 600 notebooks
	$(WARM) --server $(PY) -m pytest $(if $(SIDE_BY_SIDE),$(SIDE_BY_SIDE) worksteal) tests

lint: $(VENV)/.ok
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(VENV)/.ok
	$(PY) tests/benchmarks

soak: $(VENV)/.ok
	BNNSTUDY_KILLS=200 $(PY) -m pytest tests/test_faults.py

fuzz: $(VENV)/.ok
	PYTHONPATH=tests $(PY) -m fuzzing --inputs $(INPUTS) --seed $(SEED)

clean:
	rm -rf _build book/executed

$(VENV)/.ok: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# Rewritten only when a parameter changes, so that another preset runs the notebooks anew.
book/executed/.parameters: FORCE
	@mkdir -p $(@D)
	@echo '$(PARAMETERS)' | cmp -s - $@ || echo '$(PARAMETERS)' > $@

# A study's notebook. It is moved into place only when all its cells ran.
define EXECUTE
	@echo "executing $<"
	@$(ONE_WORKER) $(WARM) papermill --log-level WARNING --no-progress-bar -k python3 $(1) $< $(@:.ipynb=.part.ipynb) \
		|| { echo "stopped; see $(@:.ipynb=.part.ipynb)" >&2; exit 1; }
	@sed -i 's/"injected-parameters"/"injected-parameters", "remove-cell"/' $(@:.ipynb=.part.ipynb)
	@mv $(@:.ipynb=.part.ipynb) $@
endef

$(STUDIES_DONE): book/executed/%.ipynb: notebooks/%.ipynb $(PACKAGE) $(RECORDS) book/executed/.parameters $(VENV)/.ok
	$(call EXECUTE,$(PARAMETERS))

# The recipe quotes verdicts of these chapters.
book/executed/recipe.ipynb: $(patsubst %,book/executed/%.ipynb,optimizers clipping two_stage batch_norm)

$(REPORTS_DONE): book/executed/%.ipynb: notebooks/%.ipynb $(STUDIES_DONE)
	$(call EXECUTE,)

FORCE:
