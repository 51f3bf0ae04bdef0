# Everything starts here. `make demo` and `make test` set up what they need, on a machine with python3.11, gcc and make.
PYTHON ?= python3.11
VENV ?= .venv
BIN = $(VENV)/bin
DATA ?=
OUT ?= out/demo

.PHONY: demo test check bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/ready  ## a folder of photos to masks, and a page to look at them: out/demo/index.html
	$(BIN)/python tools/demo.py $(if $(DATA),--data "$(DATA)") --out "$(OUT)"

test: $(VENV)/ready check  ## style, layers, types, then the tests
	$(BIN)/python -m pytest -q

check: $(VENV)/ready  ## format, lint, layers, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/basedpyright --pythonpath $(BIN)/python

bench: $(VENV)/ready  ## speed of training and prediction (minutes)
	$(BIN)/python tools/benchmark_training.py --out out/bench

clean:
	rm -rf $(VENV) build *.egg-info

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@
