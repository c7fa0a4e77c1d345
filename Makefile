# Everything a person does with this repository. `make help` lists it.
SHELL := /bin/sh
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
# Linked statically, so that the one binary runs in images made FROM scratch and is its own pod sandbox.
STATIC := RUSTFLAGS='-C target-feature=+crt-static'
PROFILE ?= release
# cargo's directory for a profile: `dev` builds go to `debug`.
OUT := target/static/$(HOST)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
STATIC_FLAGS := --target $(HOST) --target-dir target/static

.PHONY: help build tools up demo demo-down test lint fmt deny bench bench-full clean

help: ## Lists the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: bin/nats-server ## Builds bin/odeon, one static binary, and puts nats-server beside it
	$(STATIC) cargo build --locked --profile $(PROFILE) $(STATIC_FLAGS) -p odeon -p hello
	@mkdir -p bin && cp -f $(OUT)/odeon bin/odeon.new && mv -f bin/odeon.new bin/odeon && cp -f $(OUT)/hello bin/hello
	@echo "built bin/odeon ($$(du -h bin/odeon | cut -f1))"

bin/nats-server:
	deploy/tools/nats-server.sh

tools: bin/nats-server ## Installs what the tests need
	deploy/tools/test-tools.sh

up: build ## Starts a one-process cluster in .odeon/up (Ctrl-C stops it, state stays)
	bin/odeon up --data-dir .odeon/up

demo: build ## Brings up the compose cluster with the sample and says where to look
	deploy/tools/docker.sh
	deploy/tools/images.sh
	deploy/tools/demo.sh up

demo-down: ## Removes everything that `make demo` made
	deploy/tools/demo.sh down

# The tests drive a development build of the binary and are linked as it is, so that both share what they are made of.
test: tools ## Runs every test, against real servers and the real container engine
	deploy/tools/docker.sh
	$(STATIC) cargo build --locked $(STATIC_FLAGS) -p odeon -p hello
	ODEON_NATS_SERVER=$(CURDIR)/bin/nats-server ODEON_BIN_DIR=$(CURDIR)/target/static/$(HOST)/debug ODEON_SANDBOX_BINARY=$(CURDIR)/target/static/$(HOST)/debug/odeon \
		$(STATIC) cargo nextest run --locked $(STATIC_FLAGS) --workspace --no-fail-fast

lint: ## Formatting, clippy, dependency rules
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(MAKE) deny

deny:
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-deny
	cargo deny --offline check bans licenses sources || cargo deny check bans licenses sources

fmt: ## Formats the code
	cargo fmt --all

# Plots come with the table: $(REPORTS)/*/report.html.
REPORTS := .odeon/bench

bench: build ## Measures what takes seconds, in under 5 minutes, and prints one table
	bin/odeon bench --report $(REPORTS)/small
	-deploy/tools/docker.sh && deploy/tools/images.sh && bin/odeon bench containers --report $(REPORTS)/containers

bench-full: build ## Measures 5,000 nodes: 150,000 pods, the cost on the way there, 10,000 Deployments
	bin/odeon bench idle --nodes 5000 --report $(REPORTS)/idle
	bin/odeon bench curve --deployments 150 --nodes 5000 --report $(REPORTS)/curve
	bin/odeon bench full --deployments 150 --nodes 5000 --report $(REPORTS)/full
	bin/odeon bench full --deployments 10000 --replicas 3 --nodes 5000 --report $(REPORTS)/deployments

clean:
	rm -rf target bin .odeon
