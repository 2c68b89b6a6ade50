# Everything a developer or CI runs. `make help` lists it. Nothing outside this folder is written, but for cargo's,
# npm's and pip's own caches.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

TOOLS := $(CURDIR)/.tools
STAMPS := $(TOOLS)/stamps
# One target folder per workspace, unless CARGO_TARGET_DIR says otherwise.
TARGET ?= $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
TESTS_TARGET ?= $(or $(CARGO_TARGET_DIR),$(CURDIR)/tests/target)
WORKSPACES := . tests fuzz bench
FUZZ_SECONDS ?= 60
CARGO := CARGO_TARGET_DIR=$(TARGET) cargo
TESTS_CARGO := cd tests && CARGO_TARGET_DIR=$(TESTS_TARGET) cargo

export PATH := $(TOOLS)/bin:$(PATH)
export PORTCULLIS_BIN ?= $(TARGET)/debug/portcullis
export PORTCULLIS_FIXTURE ?= $(TESTS_TARGET)/debug/fixture
export PORTCULLIS_TOOLS ?= $(TOOLS)

.PHONY: help
help: ## List every task
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- what a person runs ---

.PHONY: demo
demo: ## Build and run the demo: three sample servers, sample users, a gateway, a guided tour
	$(CARGO) run --locked -p portcullis -- demo

.PHONY: test
test: fmt-check clippy unit build e2e matrix conformance deny ## Everything CI runs

.PHONY: build
build: ## Build the gateway and the fixtures (debug)
	$(CARGO) build --locked -p portcullis
	$(TESTS_CARGO) build --locked -p portcullis-testkit

.PHONY: release
release: ## Build the gateway as it is shipped
	$(CARGO) build --locked --release -p portcullis

# --- checks ---

.PHONY: fmt
fmt: ## Format every workspace
	for folder in $(WORKSPACES); do (cd $$folder && cargo fmt --all); done

.PHONY: fmt-check
fmt-check: ## Formatting of every workspace
	for folder in $(WORKSPACES); do (cd $$folder && cargo fmt --all --check); done

.PHONY: clippy
clippy: ## Lints of every workspace, warnings are errors
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(TESTS_CARGO) clippy --locked --workspace --all-targets -- -D warnings
	cd fuzz && $(CARGO) clippy --locked --no-default-features --all-targets -- -D warnings
	cd bench && $(CARGO) clippy --locked --all-targets -- -D warnings

.PHONY: unit
unit: ## Tests of the product's crates, and the fuzz targets' bodies on generated input
	$(CARGO) test --locked --workspace --quiet
	cd fuzz && $(CARGO) test --locked --no-default-features --quiet

.PHONY: e2e
e2e: build setup ## Tests through the front door: own fixtures, real servers, SDK clients
	ulimit -n "$$(ulimit -Hn)" || true; $(TESTS_CARGO) test --locked --workspace --no-fail-fast

.PHONY: matrix
matrix: build setup ## Every SDK client, version and era of server: what works through the gateway, as a table
	$(TESTS_CARGO) test --locked --quiet -p portcullis-e2e --test matrix

.PHONY: conformance
conformance: build $(STAMPS)/node $(STAMPS)/npm ## The official conformance suite through the gateway, as a server and as a client
	python3 scripts/conformance.py gateway
	python3 scripts/conformance_client.py

.PHONY: conformance-fixture
conformance-fixture: $(STAMPS)/node $(STAMPS)/npm ## The same suite straight against the fixture: the numbers to reach
	$(TESTS_CARGO) build --locked -p portcullis-testkit
	python3 scripts/conformance.py fixture

.PHONY: deny
deny: $(STAMPS)/deny ## Banned crates, licences and sources
	cargo-deny --locked check bans licenses sources

.PHONY: advisories
advisories: $(STAMPS)/deny ## Known vulnerabilities; fetches the advisory database, so it needs the network
	cargo-deny check advisories

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZ_SECONDS (60); needs a nightly toolchain and cargo-fuzz
	cd fuzz && for target in $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs))); do \
		mkdir -p corpus/$$target; \
		cargo +nightly fuzz run $$target corpus/$$target seeds/$$target -- -max_total_time=$(FUZZ_SECONDS); \
	done

.PHONY: bench
bench: ## The benchmark: direct, floor and gateway in one run, as ratios
	cd bench && ./run

# --- set-up: each step leaves a stamp and is repeated when what it installs from changed ---

.PHONY: setup
setup: $(STAMPS)/node $(STAMPS)/python $(STAMPS)/npm ## Install what the tests need into .tools

$(STAMPS)/node: scripts/setup.sh
	scripts/setup.sh node
	@mkdir -p $(@D) && touch $@

$(STAMPS)/python: scripts/setup.sh $(wildcard tests/clients/python/requirements-*.txt)
	scripts/setup.sh python
	@mkdir -p $(@D) && touch $@

$(STAMPS)/npm: tests/clients/package-lock.json $(STAMPS)/node
	scripts/setup.sh npm
	@mkdir -p $(@D) && touch $@

$(STAMPS)/deny: scripts/setup.sh
	scripts/setup.sh deny
	@mkdir -p $(@D) && touch $@

.PHONY: clean
clean: ## Remove what was built and installed
	rm -rf target tests/target fuzz/target bench/target .tools tests/clients/node_modules
