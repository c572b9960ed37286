# chasqui: `make help` lists what can be done. A fresh machine needs Go, Node
# and apt; every target sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
TOOLS := .cache/tools
SOAK_MINUTES ?= 60

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

build: ## build bin/chasqui, static
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/chasqui ./cmd/chasqui

run: build ## run the gateway against WhatsApp, data in ./data
	bin/chasqui serve

demo: build ## play a conversation through the whole system and print its frames
	bin/chasqui demo

test: build clients $(TOOLS)/gotestsum $(TOOLS)/versitygw ## pass all tests
	scripts/test

clients: ## install the foreign WebSocket clients that the tests use
	scripts/install-clients

race: clients $(TOOLS)/versitygw ## pass all tests under the race detector
	scripts/race

lint: $(TOOLS)/golangci-lint $(TOOLS)/gofumpt ## check style and layers
	test -z "$$($(TOOLS)/gofumpt -l $$(git ls-files '*.go' ':!internal/store/sqlgen'))"
	$(TOOLS)/golangci-lint run ./...

generate: $(TOOLS)/sqlc ## write generated code and references again
	scripts/generate

verify: generate ## fail when something generated is stale
	git diff --exit-code -- docs internal

vuln: $(TOOLS)/govulncheck ## look for known vulnerabilities
	$(TOOLS)/govulncheck ./...

bench: build ## print the figures of docs/benchmarks.md
	scripts/bench

bench-webhooks: build ## print the figures of webhooks
	scripts/bench-webhooks

soak: build ## run what takes long; SOAK_MINUTES (60) says how long each part streams
	SOAK_MINUTES=$(SOAK_MINUTES) go test ./test/soak -count=1 -v -timeout 5h

bench-fanout: ## compare the event channel with its peers, writes docs/benchmarks-fanout.md
	scripts/bench-fanout

fuzz: ## fuzz every parser of outside bytes, 20 s each
	scripts/fuzz 20s

$(TOOLS)/golangci-lint: PKG := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(TOOLS)/gofumpt: PKG := mvdan.cc/gofumpt
$(TOOLS)/govulncheck: PKG := golang.org/x/vuln/cmd/govulncheck
$(TOOLS)/gotestsum: PKG := gotest.tools/gotestsum
$(TOOLS)/sqlc: PKG := github.com/sqlc-dev/sqlc/cmd/sqlc
$(TOOLS)/%: tools/go.mod
	mkdir -p $(TOOLS)
	cd tools && go build -o ../$(TOOLS)/$(@F) $(PKG)

# The S3 server of the tests. It takes about two minutes to build, once.
$(TOOLS)/versitygw: tools/s3server/go.mod
	mkdir -p $(TOOLS)
	cd tools/s3server && go build -o ../../$(TOOLS)/versitygw github.com/versity/versitygw/cmd/versitygw

.PHONY: help build run demo test clients race lint generate verify vuln bench bench-fanout bench-webhooks soak fuzz
