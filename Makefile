# Every target here works. A bare `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-all check docs-generate bench bench-memory bench-connections \
	bench-bad-reloads bench-slow-import bench-access-log bench-bus bench-messages bench-pool \
	bench-thumbnails bench-topology versus versus-node docs dist fuzz chaos clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := benchmarks/.peers
PEERS_STAMP := $(PEERS)/.installed
# Whoever says so would have each of the tests' processes compile what it imports, again and again.
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: $(STAMP) ## make .venv and install prefork with its development tools

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
		f"{sys.executable} is Python {sys.version.split()[0]}; prefork needs 3.11 or newer: make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip # --group needs pip 25.1
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

run: $(STAMP) ## serve examples/hello.py on every core, on 127.0.0.1:8000
	$(BIN)/prefork serve hello:handler --app-dir examples --workers max --bind 127.0.0.1:8000

test: $(STAMP) ## run the quick tests, about ten minutes; the core must be covered by its own
	$(BIN)/coverage run --branch --source=src/prefork/core -m pytest -q tests/core \
		-k "not is_noticed and not any_life" # thousands of walks cover nothing more, and are below
	$(BIN)/coverage report --fail-under=100 --skip-covered
	$(BIN)/pytest -q -m "not slow and not alone" --dist worksteal \
		--numprocesses $$(($$(getconf _NPROCESSORS_ONLN) + 2)) # they wait more than they compute
	$(BIN)/pytest -q -m "alone and not slow"

test-all: $(STAMP) ## run every test, the slow ones too
	$(BIN)/pytest -q

check: $(STAMP) ## lint, formatting, types, import contracts, generated pages; under 60 s
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m prefork.cli.reference --check docs/reference

docs-generate: $(STAMP) ## write the reference pages that are made from the code
	$(BIN)/python -m prefork.cli.reference docs/reference
	$(BIN)/python -m tests.docs.refusals

# What pages link to must lie beside them as it does here, or no link could be checked.
DOCS_TREE := README.md CONTRIBUTING.md CHANGELOG.md LICENSE docs examples benchmarks/results

docs: $(STAMP) ## build the documentation as a site in build/docs, and check every link in it
	@rm -rf build/docs && mkdir -p build/docs/source
	@tar -cf - --exclude __pycache__ $(DOCS_TREE) | tar -xf - -C build/docs/source
	$(BIN)/mkdocs build --strict

dist: $(STAMP) ## build wheel and sdist into dist/, and serve with each from a clean environment
	@rm -rf dist
	$(BIN)/python -m build --outdir dist >/dev/null
	$(BIN)/python -m tests.dist dist

$(PEERS_STAMP): benchmarks/peers.txt pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --upgrade pip
	$(PEERS)/bin/python -m pip install --quiet --editable . --requirement benchmarks/peers.txt
	@touch $@

bench: $(PEERS_STAMP) ## requests per second and instructions per request beside every peer; 10 min
	@command -v wrk >/dev/null || { echo "wrk is missing: apt-get install wrk" >&2; exit 1; }
	$(PEERS)/bin/python -m benchmarks.throughput

bench-memory: $(PEERS_STAMP) ## memory, start and respawn beside uvicorn and gunicorn
	$(PEERS)/bin/python -m benchmarks.memory

bench-connections: $(PEERS_STAMP) ## a connection per request beside uvicorn and Node
	@command -v wrk >/dev/null || { echo "wrk is missing: apt-get install wrk" >&2; exit 1; }
	$(PEERS)/bin/python -m benchmarks.connections

bench-bad-reloads: $(PEERS_STAMP) ## what becomes of a service that reloads broken code, beside the peers
	$(PEERS)/bin/python -m benchmarks.bad_reloads

bench-slow-import: $(PEERS_STAMP) ## requests per second while code is loaded that takes 20 s to import
	$(PEERS)/bin/python -m benchmarks.slow_import

versus: $(PEERS_STAMP) ## what becomes of requests when something goes wrong, beside the peers; 15 min
	$(PEERS)/bin/python -m benchmarks.versus

versus-node: $(STAMP) ## what becomes of connections in Node's cluster and in prefork's; 3 min
	@command -v wrk >/dev/null || { echo "wrk is missing: apt-get install wrk" >&2; exit 1; }
	$(BIN)/python -m benchmarks.versus_node

bench-access-log: $(STAMP) ## throughput with and without an access log
	@command -v wrk >/dev/null || { echo "wrk is missing: apt-get install wrk" >&2; exit 1; }
	$(BIN)/python -m benchmarks.access_log

bench-messages: $(STAMP) ## messages between workers and the primary, beside Node's
	@command -v node >/dev/null || { echo "node is missing: apt-get install nodejs" >&2; exit 1; }
	$(BIN)/python -m benchmarks.messages

bench-bus: $(STAMP) ## messages per second through the hub, what each costs, and connections beside; 3 min
	@command -v wrk >/dev/null || { echo "wrk is missing: apt-get install wrk" >&2; exit 1; }
	$(BIN)/python -m benchmarks.bus

# Piscina is a package of Node's; without Node it is left out, and the benchmark says so.
$(PEERS)/node_modules/piscina: $(PEERS_STAMP)
	@npm install --silent --no-fund --prefix $(PEERS) piscina@5 && touch $@ || true

bench-pool: $(PEERS)/node_modules/piscina ## the pool beside ProcessPoolExecutor, pebble and Piscina; 5 min
	$(PEERS)/bin/python -m benchmarks.pool

bench-thumbnails: $(PEERS_STAMP) ## answers beside thumbnails, made in the pool or on the event loop; 5 min
	@command -v wrk >/dev/null || { echo "wrk is missing: apt-get install wrk" >&2; exit 1; }
	$(PEERS)/bin/python -m benchmarks.thumbnails

bench-topology: $(PEERS_STAMP) ## workers, a pool, or both, for thumbnails and small JSON; 5 min
	@command -v wrk >/dev/null || { echo "wrk is missing: apt-get install wrk" >&2; exit 1; }
	$(PEERS)/bin/python -m benchmarks.topology

fuzz: $(STAMP) ## feed the HTTP parser mutants of the tests' requests: SECONDS=300, SEED=any
	$(BIN)/python -m tests.http.fuzz $(or $(SECONDS),300) $(SEED)

chaos: $(STAMP) ## harass the real program under load, see that nothing is lost: SECONDS=600, SEED=any
	$(BIN)/python -m tests.chaos.session $(or $(SECONDS),600) $(SEED)

clean: ## remove the environments, builds and caches that make made
	rm -rf $(VENV) $(PEERS) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
