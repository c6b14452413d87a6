# Engram. `make help` lists the verbs.
#
# `make run` and `make build` need Go only. Everything else installs what it
# needs below .cache, from the registries of Go, npm and PyPI.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION   := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOFLAGS_BUILD := -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
CACHE     := $(CURDIR)/.cache
BIN       := $(CACHE)/bin
BUF       := $(CURDIR)/.tools/node_modules/.bin/buf
PYTHON    ?= python3
VENV      := $(CACHE)/venv

GOLANGCI_VERSION := v2.15.0
PROTOVALIDATE    := github.com/bufbuild/protovalidate@v1.2.2

.PHONY: help
help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/engram (needs Go only)
	@mkdir -p bin
	go build $(GOFLAGS_BUILD) -o bin/engram ./service/cmd/engram

.PHONY: run
run: build ## start a server, stream text into it, ask it questions; FILES="…" for your own
	@./bin/engram demo $(FILES)

# --- tests -------------------------------------------------------------------

.PHONY: test
test: test-go test-failpoints test-race test-wire ## everything that has to hold, with nothing timed
	@$(PYTHON) .ci/summary.py $(CACHE)/test-*.json

TESTJSON = go test -json -p 2 $(1) > $(CACHE)/test-$(2).json || true; $(PYTHON) .ci/summary.py --failures $(CACHE)/test-$(2).json

.PHONY: test-go
test-go: ## the Go tests
	@mkdir -p $(CACHE) && echo "go test ./..."
	@$(call TESTJSON,./...,go)

.PHONY: test-failpoints
test-failpoints: ## the tests that need faults inside real processes
	@mkdir -p $(CACHE) && echo "go test -tags failpoints"
	@$(call TESTJSON,-tags failpoints ./service/internal/failpoint ./service/internal/embed ./service/internal/journal ./service/internal/engine ./service/scenario,failpoints)

.PHONY: test-race
test-race: ## the tests under the race detector
	@mkdir -p $(CACHE) && echo "go test -race -short"
	@$(call TESTJSON,-race -short ./service/... ./sdk/...,race)

.PHONY: test-wire
test-wire: build tools venv ## every kind of client against one real server
	@mkdir -p $(CACHE) && echo "conformance: go test ./..."
	@cd conformance && $(call TESTJSON,-count=1 ./...,wire)

.PHONY: soak
soak: ## long and chaotic: kill -9 and panics under load, many rounds
	ENGRAM_SOAK=1 go test -tags failpoints -count=1 -timeout 60m -v ./service/scenario

.PHONY: prove
prove: ## measure, and write dated results into docs/measurements
	go run ./service/prove -out docs/measurements

.PHONY: fuzz-short
fuzz-short: ## 20 s of every fuzz target
	@for pkg in $$(go list ./...); do \
	  dir=$$(go list -f '{{.Dir}}' $$pkg); \
	  for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go 2>/dev/null | sed 's/func //'); do \
	    echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime 20s $$pkg; done; done

# --- generated code ----------------------------------------------------------

.PHONY: tools
tools: .tools/node_modules/.stamp ## install the generators
.tools/node_modules/.stamp: .tools/package-lock.json
	# not npm ci: it wants the packages of every platform in the lock file
	cd .tools && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: venv
venv: $(VENV)/.stamp
$(VENV)/.stamp: .tools/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r .tools/requirements.txt
	@touch $@

.PHONY: proto-deps
proto-deps: $(CACHE)/protovalidate/buf/validate/validate.proto
$(CACHE)/protovalidate/buf/validate/validate.proto:
	@mkdir -p $(CACHE)/protovalidate
	@cp -R "$$(go mod download -json $(PROTOVALIDATE) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')"/proto/protovalidate/. $(CACHE)/protovalidate/
	@chmod -R u+w $(CACHE)/protovalidate

.PHONY: generate
generate: tools venv proto-deps ## write gen/ and the SDKs' generated code anew
	rm -rf gen/go/engram gen/ts sdk/python/engram_stream/_gen
	$(BUF) generate
	$(BUF) build --as-file-descriptor-set -o $(CACHE)/image.binpb
	$(VENV)/bin/python .tools/generate_python.py $(CACHE)/image.binpb sdk/python/engram_stream/_gen
	go generate ./service/internal/config

.PHONY: check-generated
check-generated: generate ## fail when generated code is not what the sources make
	@if [ -n "$$(git status --porcelain gen sdk/python/engram_stream/_gen docs/reference)" ]; then \
	  echo "generated files differ; run make generate and commit:"; git status --short gen sdk/python/engram_stream/_gen docs/reference; exit 1; fi
	@echo "generated files are what the sources make"

.PHONY: baseline
baseline: tools proto-deps ## fix the contract of a release as the one to stay compatible with
	$(BUF) build -o proto/baseline.binpb --exclude-source-info

.PHONY: breaking
breaking: tools proto-deps ## lint the contract and compare it with the last release's
	$(BUF) lint
	$(BUF) breaking --against proto/baseline.binpb
	@echo "the contract is compatible with its baseline"

# --- checks ------------------------------------------------------------------

$(BIN)/golangci-lint-$(GOLANGCI_VERSION):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(BIN)/golangci-lint $@

.PHONY: lint
lint: $(BIN)/golangci-lint-$(GOLANGCI_VERSION) ## gofmt, vet and golangci-lint
	@test -z "$$(gofmt -l service sdk conformance)" || { gofmt -l service sdk conformance; exit 1; }
	$(BIN)/golangci-lint-$(GOLANGCI_VERSION) run ./...

.PHONY: docs-check
docs-check: ## fail on links in the docs that lead nowhere
	go test ./service/internal/housetest -run 'TestLinks'

.PHONY: check
check: lint check-generated breaking docs-check test ## what CI runs

.PHONY: clean
clean: ## remove what was built and fetched
	rm -rf bin .cache .tools/node_modules conformance/interop/node/node_modules
