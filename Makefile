# Engram. `make help` lists the verbs.
#
# `make build` and `make run` need Go only. Everything else installs what it
# needs below .cache and .tools, from the registries of Go, npm and PyPI; as
# root on Debian it installs missing Debian packages too.

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS     += --no-print-directory

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
CACHE   := $(CURDIR)/.cache
BIN     := $(CACHE)/bin
NPM     := $(CURDIR)/.tools/node_modules/.bin
BUF     := $(NPM)/buf
PYTHON  ?= python3
VENV    := $(CACHE)/venv
TESTS   := $(PYTHON) .ci/tests.py

GOLANGCI_VERSION := v2.15.0
GRPCURL_VERSION  := v1.9.3
CONFORMANCE_VERSION := v1.0.7
PROTOVALIDATE    := github.com/bufbuild/protovalidate@v1.2.2

.PHONY: help
help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/engram (needs Go only)
	@mkdir -p bin
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/engram ./service/cmd/engram

.PHONY: run
run: build ## start a server, stream text into it, ask it questions; FILES="…" for your own
	@./bin/engram demo $(FILES)

# --- tests -------------------------------------------------------------------

SUITES := go failpoints race wire conformance matrix python agent typescript web rust
ALSO   ?= # further suites that the closing line counts

# Packages with tests that need faults inside a real process.
FAILPOINTS = $(sort $(patsubst %/,./%,$(dir $(shell grep -rlE '^//go:build .*failpoints' --include='*_test.go' service sdk))))

.PHONY: test
test: ## everything that has to hold; nothing in it is timed
	@rm -f $(SUITES:%=$(CACHE)/tests/%.json); failed=0; \
	for suite in test-go test-race test-wire test-conformance test-matrix test-python test-agent test-typescript test-web test-rust; do $(MAKE) $$suite || failed=1; done; \
	$(TESTS) total $(ALSO) $(SUITES) || failed=1; exit $$failed

.PHONY: test-go
test-go: ## the Go tests, also those that put faults into real processes
	@failed=0; \
	$(TESTS) run go -p 2 ./... || failed=1; \
	$(TESTS) run failpoints -p 2 -tags failpoints $(FAILPOINTS) || failed=1; exit $$failed

.PHONY: test-race
test-race: ## the tests of the service and the Go SDK under the race detector
	@if .ci/need gcc gcc --version; then \
	  CGO_ENABLED=1 $(TESTS) run race -race -short -p 2 ./service/internal/... ./sdk/go/...; \
	else $(TESTS) skip race "the race detector needs the Debian package gcc"; fi

# The clients from outside that test-wire lets speak to the server. One whose
# language is not on the machine is left out, and its test says so.
.PHONY: test-wire
test-wire: build $(BIN)/grpcurl-$(GRPCURL_VERSION) ## every kind of client against one real server
	@.ci/need curl curl --version || true
	@if command -v npm >/dev/null; then $(MAKE) -s tools wire-node; fi
	@if .ci/need python3-venv $(PYTHON) -c 'import ensurepip'; then $(MAKE) -s venv; fi
	@PATH="$(BIN):$(NPM):$(VENV)/bin:$$PATH" INTEROP_SERVER=$(CURDIR)/bin/engram \
	  $(TESTS) run wire -C conformance -count=1 ./interop/...

# The Connect project's suite: its runner, and the two programs it tests. The
# messages they speak are not committed; see conformance/connect/doc.go.
CONFORMANCE_RUNNER := $(BIN)/connectconformance-$(CONFORMANCE_VERSION)
CONFORMANCE_PROTOS := conformance/connect/_gen/.stamp-$(CONFORMANCE_VERSION)
INTEROP_NODE       := $(CURDIR)/conformance/interop/node/node_modules

.PHONY: test-conformance
test-conformance: $(CONFORMANCE_RUNNER) conformance-protos wire-node ## Connect's conformance suite: its client and connect-node's against the server, the Go SDK's transport against its server
	@cd conformance/connect && go build -tags conformance -o $(BIN)/conformance/ ./server ./client
	@NODE_PATH=$(INTEROP_NODE) $(INTEROP_NODE)/.bin/esbuild conformance/connect/node/client.ts --bundle --platform=node \
	  --format=esm --target=node20 --log-level=warning --outfile=$(BIN)/conformance/client.mjs
	@rm -f $(CACHE)/tests/conformance.json; failed=0; \
	$(TESTS) cases conformance "the server, called by Connect's client" 3640 \
	  $(CONFORMANCE_RUNNER) --mode server --conf conformance/connect/server.yaml -- $(BIN)/conformance/server || failed=1; \
	$(TESTS) cases conformance "the Go SDK's transport, calling Connect's server" 4638 \
	  $(CONFORMANCE_RUNNER) --mode client --conf conformance/connect/client.yaml -- $(BIN)/conformance/client || failed=1; \
	$(TESTS) cases conformance "the server, called by connect-node" 2796 \
	  $(CONFORMANCE_RUNNER) --mode both --conf conformance/connect/node.yaml -- node $(BIN)/conformance/client.mjs ---- $(BIN)/conformance/server || failed=1; \
	$(TESTS) total conformance || failed=1; exit $$failed

.PHONY: conformance-protos
conformance-protos: $(CONFORMANCE_PROTOS)
$(CONFORMANCE_PROTOS): conformance/connect/buf.gen.yaml .tools/node_modules/.stamp
	@rm -rf $(CACHE)/conformance && mkdir -p $(CACHE)/conformance
	@cp -R "$$(go mod download -json connectrpc.com/conformance@$(CONFORMANCE_VERSION) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')"/proto/. $(CACHE)/conformance/
	@chmod -R u+w $(CACHE)/conformance
	$(BUF) generate --template conformance/connect/buf.gen.yaml
	@touch $@

$(CONFORMANCE_RUNNER):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) go install connectrpc.com/conformance/cmd/connectconformance@$(CONFORMANCE_VERSION)
	@mv $(BIN)/connectconformance $@

# The same scripts through all SDKs. One whose language is not on the machine is
# left out, and its cells say so. See conformance/matrix/README.md.
.PHONY: test-matrix
test-matrix: build ## the scenario matrix: the same scripts through every SDK, compared field by field; prints the table
	@.ci/need chromium chromium --version || true
	@if command -v npm >/dev/null; then $(MAKE) -s $(SDK_TYPESCRIPT)/dist/node.js; fi
	@if .ci/need python3-venv $(PYTHON) -c 'import ensurepip'; then $(MAKE) -s venv-sdk; fi
	@rust=; if command -v cargo >/dev/null && [ -e clients/rust/src/bin/matrix_driver/main.rs ]; then \
	  cd clients/rust && cargo build --locked --quiet --bin matrix_driver && rust=$(CACHE)/rust/debug/matrix_driver && cd $(CURDIR); fi; \
	rm -f $(CACHE)/matrix.md; failed=0; MATRIX_SERVER=$(CURDIR)/bin/engram MATRIX_PYTHON=$(VENV)/bin/python MATRIX_DRIVER_RUST=$$rust \
	  $(TESTS) run matrix -C conformance -count=1 ./matrix || failed=1; cat $(CACHE)/matrix.md; exit $$failed

SDK_PYTHON := sdk/python

.PHONY: test-python
test-python: build ## the tests of the Python SDK, against real servers, also as installed from wheel and sdist
	@if .ci/need python3-venv $(PYTHON) -c 'import ensurepip'; then \
	  $(MAKE) -s venv-sdk && TEST_ENGRAM_BINARY=$(CURDIR)/bin/engram \
	    $(TESTS) junit python -C $(SDK_PYTHON) $(VENV)/bin/python -m pytest -q -m "" --junitxml={xml} $(PYTEST); \
	else $(TESTS) skip python "the Python SDK's tests need the Debian package python3-venv"; fi

.PHONY: test-agent
test-agent: build ## the tests of clients/agent, against real servers and a double of a model's endpoint
	@if .ci/need python3-venv $(PYTHON) -c 'import ensurepip'; then \
	  $(MAKE) -s venv-sdk && TEST_ENGRAM_BINARY=$(CURDIR)/bin/engram \
	    $(TESTS) junit agent -C clients/agent $(VENV)/bin/python -m pytest -q --junitxml={xml} $(PYTEST); \
	else $(TESTS) skip agent "the tests of clients/agent need the Debian package python3-venv"; fi

.PHONY: package-python
package-python: build venv-sdk ## build the Python SDK's wheel and sdist, install each into a clean venv, and use it there
	TEST_ENGRAM_BINARY=$(CURDIR)/bin/engram $(VENV)/bin/python -m pytest -q --rootdir $(SDK_PYTHON) -c $(SDK_PYTHON)/pyproject.toml -m package $(SDK_PYTHON)

.PHONY: reference-python
reference-python: venv-sdk ## write the reference of the Python SDK into .cache/reference/python
	cd $(SDK_PYTHON) && $(VENV)/bin/pdoc -d google -o $(CACHE)/reference/python engram_stream engram_stream.aio \
	  engram_stream.frames engram_stream.testing engram_stream.pytest_plugin

.PHONY: bench-python
bench-python: build venv-sdk ## measure what streaming takes in Python: observations a second, client CPU for each
	@TEST_ENGRAM_BINARY=$(CURDIR)/bin/engram $(VENV)/bin/python $(SDK_PYTHON)/benchmarks/observe.py

.PHONY: bench-sdks
bench-sdks: build venv-sdk sdk/typescript/dist/node.js ## measure streaming by each SDK in one run; writes docs/measurements; QUICK=1: no page
	@$(VENV)/bin/python sdk/bench.py --out docs/measurements $(if $(QUICK),--quick)

.PHONY: venv-sdk
venv-sdk: $(VENV)/.stamp-sdk ## install what the tests and checks of the Python SDK and clients need into .cache/venv
$(VENV)/.stamp-sdk: $(SDK_PYTHON)/requirements-dev.txt clients/agent/requirements.txt $(VENV)/.stamp
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r .tools/requirements.txt -r $(SDK_PYTHON)/requirements-dev.txt \
	  -r clients/agent/requirements.txt
	@touch $@

.PHONY: wire-node
wire-node: conformance/interop/node/node_modules/.stamp
conformance/interop/node/node_modules/.stamp: conformance/interop/node/package-lock.json
	cd conformance/interop/node && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

$(BIN)/grpcurl-$(GRPCURL_VERSION):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) go install github.com/fullstorydev/grpcurl/cmd/grpcurl@$(GRPCURL_VERSION)
	@ln -f $(BIN)/grpcurl $@

.PHONY: soak
soak: ## long and chaotic: power cuts, kill -9, crashes at every sync, ten minutes of fuzzing a decoder
	SOAK=1 go test -tags failpoints -count=1 -timeout 60m -v ./service/scenario/...
	SOAK=1 go test -count=1 -timeout 60m ./service/internal/...
	$(MAKE) fuzz-disk FUZZTIME=10m

.PHONY: prove
prove: ## measure, and write dated results into docs/measurements
	go run ./service/prove -out docs/measurements
	$(MAKE) bench-journal

.PHONY: bench-journal
bench-journal: ## measure the journal side by side with Pebble, bbolt and badger; writes docs/measurements
	go -C service/prove/peers run . -out $(CURDIR)/docs/measurements

# The vector engine's peers: a C++ library from Debian, and two Python packages
# in a venv of their own. One that cannot be had is left out; the page says so.
PEERS := $(CACHE)/peers

.PHONY: bench-peers
bench-peers: ## measure the vector engine side by side with hnswlib, usearch and faiss (1 h); QUICK=1: ten minutes, no page
	@.ci/need g++ g++ --version || true
	@.ci/need libhnswlib-dev g++ -fsyntax-only -include hnswlib/hnswlib.h -x c++ /dev/null || true
	@if .ci/need python3-venv $(PYTHON) -c 'import ensurepip'; then $(MAKE) -s $(PEERS)/.stamp || true; fi
	@go build -C service/prove/vectors -o $(BIN)/bench-peers .
	@cd service/prove/vectors && $(BIN)/bench-peers -data $(abspath ../shared/data) -python $(PEERS)/bin/python \
	  $(if $(QUICK),-quick -within 9m30s,-out $(CURDIR)/docs/measurements) $(BENCHFLAGS)

$(PEERS)/.stamp: service/prove/vectors/python/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check --only-binary :all: -r $<
	@touch $@

FUZZTIME ?= 20s

.PHONY: fuzz-short
fuzz-short: ## every fuzz target for FUZZTIME (20s)
	@.ci/fuzz $(FUZZTIME)

.PHONY: fuzz-disk
fuzz-disk: ## the fuzz targets of what reads the disk for FUZZTIME (20s)
	@.ci/fuzz $(FUZZTIME) 'internal/(journal|checkpoint|space|hnsw|filter)$$'

# The TypeScript SDK: dist is what ships, build holds its compiled tests.
SDK_TYPESCRIPT := sdk/typescript

.PHONY: test-typescript
test-typescript: build ## the tests of the TypeScript SDK, by both transports, against real servers
	@.ci/need chromium chromium --version || true # without it, the test in a browser is skipped
	@if command -v npm >/dev/null; then \
	  $(MAKE) -s $(SDK_TYPESCRIPT)/dist/node.js && \
	  rm -rf $(SDK_TYPESCRIPT)/build && npm --prefix $(SDK_TYPESCRIPT) run -s pretest && \
	  ENGRAM_SERVER=$(CURDIR)/bin/engram $(TESTS) junit typescript -C $(SDK_TYPESCRIPT) node --test \
	    --test-reporter=dot --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination={xml} build/; \
	else $(TESTS) skip typescript "the TypeScript SDK's tests need Node 20"; fi

.PHONY: test-web
test-web: build ## the tests of clients/web: the built page in a headless Chromium, before real servers
	@.ci/need chromium chromium --version || true # without it, they are skipped
	@if command -v npm >/dev/null; then \
	  $(MAKE) -s $(SDK_TYPESCRIPT)/dist/node.js clients/web/node_modules/.stamp && npm --prefix clients/web run -s build && \
	  TEST_ENGRAM_BINARY=$(CURDIR)/bin/engram $(TESTS) junit web -C clients/web node --test \
	    --test-reporter=dot --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination={xml} test/page.test.mjs; \
	else $(TESTS) skip web "the tests of clients/web need Node 20"; fi

$(SDK_TYPESCRIPT)/node_modules/.stamp: $(SDK_TYPESCRIPT)/package-lock.json
	cd $(SDK_TYPESCRIPT) && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

$(SDK_TYPESCRIPT)/dist/node.js: $(SDK_TYPESCRIPT)/node_modules/.stamp $(shell find sdk/typescript/src -name '*.ts') sdk/typescript/tsconfig.json sdk/typescript/tsconfig.build.json
	@rm -rf $(SDK_TYPESCRIPT)/dist
	npm --prefix $(SDK_TYPESCRIPT) run -s build

# The Rust client. All that cargo builds is below .cache/rust (clients/rust/.cargo).
RUST := clients/rust

.PHONY: test-rust
test-rust: build ## the tests of the Rust client, against real servers and through cuts; compiles its quick start
	@if command -v cargo >/dev/null; then TEST_ENGRAM_BINARY=$(CURDIR)/bin/engram \
	    $(TESTS) cargo rust -C $(RUST) cargo test --locked; \
	else $(TESTS) skip rust "the Rust client's tests need Rust"; fi

.PHONY: lint-rust
lint-rust: ## rustfmt, clippy and rustdoc over the Rust client
	cd $(RUST) && cargo fmt --all --check
	cd $(RUST) && cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
	@$(MAKE) docs-rust

.PHONY: docs-rust
docs-rust: ## write the reference of the Rust client into .cache/rust/doc
	cd $(RUST) && RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --no-deps --lib

# --- references --------------------------------------------------------------

.PHONY: reference
reference: reference-python docs-rust $(SDK_TYPESCRIPT)/node_modules/.stamp ## write the API references of all SDKs into .cache/reference
	npm --prefix $(SDK_TYPESCRIPT) run -s docs -- --out $(CACHE)/reference/typescript
	@mkdir -p $(CACHE)/reference/go && go doc -all ./sdk/go > $(CACHE)/reference/go/engram.txt
	@rm -rf $(CACHE)/reference/rust && cp -r $(CACHE)/rust/doc $(CACHE)/reference/rust
	@ls -d $(CACHE)/reference/*/

# --- generated code ----------------------------------------------------------

# What `make generate` writes, and nobody else does.
GENERATED := gen/go/engram sdk/typescript/src/gen sdk/python/engram_stream/_gen clients/rust/src/gen
OUT       := $(CACHE)/generated

.PHONY: tools
tools: .tools/node_modules/.stamp ## install buf and the TypeScript generator
.tools/node_modules/.stamp: .tools/package-lock.json
	@# not `npm ci`: it asks for the packages of every platform in the lock file
	cd .tools && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: venv
venv: $(VENV)/.stamp ## install the Python of the build into .cache/venv
$(VENV)/.stamp: .tools/requirements.txt
	@.ci/need python3-venv $(PYTHON) -c 'import ensurepip'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r .tools/requirements.txt
	@touch $@

.PHONY: proto-deps
proto-deps: $(CACHE)/protovalidate/buf/validate/validate.proto
$(CACHE)/protovalidate/buf/validate/validate.proto:
	@mkdir -p $(CACHE)/protovalidate
	@cp -R "$$(go mod download -json $(PROTOVALIDATE) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')"/proto/protovalidate/. $(CACHE)/protovalidate/
	@chmod -R u+w $(CACHE)/protovalidate && touch $@

# Into a folder of its own first: a failure halfway leaves the tree as it was.
.PHONY: generate-out
generate-out: tools venv proto-deps
	@rm -rf $(OUT) && mkdir -p $(OUT)
	$(BUF) generate -o $(OUT)
	$(BUF) build --as-file-descriptor-set -o $(CACHE)/image.binpb
	$(VENV)/bin/python .tools/generate_python.py $(CACHE)/image.binpb $(OUT)/sdk/python/engram_stream/_gen
	cd clients/rust && cargo run --locked --quiet -p generate -- $(CACHE)/image.binpb $(OUT)/clients/rust/src/gen
	@gofmt -l $(OUT)/gen/go
	cd $(OUT)/sdk/python && $(VENV)/bin/python -B -c 'import engram_stream._gen.engram.v1.memory_service_pb2_grpc'

.PHONY: generate
generate: generate-out ## write the generated code anew: Go, TypeScript, Python, Rust
	@for dir in $(GENERATED); do rm -rf "$$dir" && mkdir -p "$$(dirname "$$dir")" && cp -R "$(OUT)/$$dir" "$$dir"; done
	go generate ./service/internal/config ./service/internal/vector

.PHONY: check-generated
check-generated: generate-out ## fail, with a listing, when generated code is not what the sources make
	@drift=0; for dir in $(GENERATED); do \
	  diff -rq -x __pycache__ "$(OUT)/$$dir" "$$dir" || drift=1; done; \
	go -C service/internal/vector/asm run . -out $(OUT)/kernels_amd64.s -stubs $(OUT)/stubs_amd64.go -pkg vector; \
	for file in kernels_amd64.s stubs_amd64.go; do \
	  cmp <(tail -n +2 "$(OUT)/$$file") <(tail -n +2 "service/internal/vector/$$file") >/dev/null || \
	    { echo "service/internal/vector/$$file differs from what asm/ makes"; drift=1; }; done; \
	if [ $$drift = 1 ]; then echo "generated code differs from what the sources make: run make generate, and commit"; exit 1; fi
	go test -count=1 -run TestReference ./service/internal/config
	@echo "generated code is what the sources make"

.PHONY: baseline
baseline: tools proto-deps ## make the contract as it is the one to stay compatible with (at a release)
	$(BUF) build proto -o proto/baseline.binpb --exclude-source-info

.PHONY: breaking
breaking: tools proto-deps ## lint the contract, and compare it with the last release's
	$(BUF) lint
	$(BUF) breaking proto --against proto/baseline.binpb
	@echo "the contract is compatible with its baseline"

# --- checks ------------------------------------------------------------------

GOLANGCI := $(BIN)/golangci-lint-$(GOLANGCI_VERSION)

$(GOLANGCI):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(BIN)/golangci-lint $@

.PHONY: lint
lint: $(GOLANGCI) conformance-protos lint-python lint-typescript lint-rust ## gofmt, vet and golangci-lint; ruff and mypy; tsc and eslint; rustfmt and clippy
	@unformatted=$$(gofmt -l service sdk conformance); \
	if [ -n "$$unformatted" ]; then echo "not gofmt'd:"; echo "$$unformatted"; exit 1; fi
	$(GOLANGCI) run ./...
	cd conformance && GOWORK=$(CURDIR)/conformance/connect/go.work $(GOLANGCI) run ./...
	cd service/prove/peers && $(GOLANGCI) run ./...
	cd service/prove/vectors && $(GOLANGCI) run ./...

.PHONY: lint-typescript
lint-typescript: $(SDK_TYPESCRIPT)/dist/node.js clients/web/node_modules/.stamp ## tsc --strict and eslint over the TypeScript SDK and its generated messages; builds clients/web
	npm --prefix $(SDK_TYPESCRIPT) run -s lint
	npm --prefix clients/web run -s build

clients/web/node_modules/.stamp: clients/web/package-lock.json
	cd clients/web && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: lint-python
lint-python: venv-sdk ## ruff and mypy --strict over the Python SDK and clients
	$(VENV)/bin/ruff check --quiet $(SDK_PYTHON) clients/python clients/agent
	$(VENV)/bin/ruff format --quiet --check $(SDK_PYTHON) clients/python clients/agent
	cd clients/agent && $(VENV)/bin/mypy
	$(VENV)/bin/ruff check --quiet --config $(SDK_PYTHON)/pyproject.toml conformance/matrix/drivers/python
	$(VENV)/bin/ruff format --quiet --check --config $(SDK_PYTHON)/pyproject.toml conformance/matrix/drivers/python
	cd conformance/matrix/drivers/python && MYPYPATH=.:$(CURDIR)/$(SDK_PYTHON) \
	  $(VENV)/bin/mypy --config-file $(CURDIR)/$(SDK_PYTHON)/pyproject.toml --explicit-package-bases driver.py
	$(VENV)/bin/ruff check --quiet --config $(SDK_PYTHON)/pyproject.toml sdk/bench.py
	cd $(SDK_PYTHON) && $(VENV)/bin/mypy && $(VENV)/bin/mypy ../../clients/python/python_client.py

.PHONY: docs-check
docs-check: ## fail on links in the docs that lead nowhere
	go test -count=1 -run 'TestLinks|TestStages' ./service/internal/housetest

.PHONY: check
check: lint check-generated breaking docs-check test ## all that CI runs

.PHONY: clean
clean: ## remove what was built and fetched
	rm -rf bin .cache .tools/node_modules conformance/connect/_gen conformance/interop/node/node_modules $(addprefix $(SDK_TYPESCRIPT)/,node_modules dist build) $(addprefix clients/web/,node_modules dist)
