# Doors to everything; no logic here. `make` lists them, `make check` is what must pass before a commit.

PYTHON   ?= python3
VENV     ?= .venv
POLICY   ?= examples/quickstart/lightgate.toml
MAGNET   := /usr/lib/lighttpd/mod_magnet.so
BIN      := $(VENV)/bin

# Of `make install` and `make uninstall` (docs/install.md)
PREFIX    ?= /usr
DESTDIR   ?=
WEB_GROUP ?= www-data

# PACKAGE=WHAT: what shows that it is there already
DEMO_PACKAGES := lighttpd=lighttpd lighttpd-modules-lua=$(MAGNET) python3-venv=module:ensurepip curl=curl
TEST_PACKAGES := $(DEMO_PACKAGES) lighttpd-mod-openssl=/usr/lib/lighttpd/mod_openssl.so \
	php-cgi=php-cgi nodejs=node npm=npm openssl=openssl lua-check=luacheck groff-base=groff \
	docker.io=dockerd docker-compose=docker-compose \
	debootstrap=debootstrap strace=strace

.PHONY: help demo test check lint type format test-fast test-lua test-system test-docker bench selftest golden build deb \
	install uninstall clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: $(VENV)/demo  ## the quickstart policy in a real lighttpd, with an identity provider; installs what is missing
	exec $(BIN)/lightgate dev $(POLICY) --idp

test: $(VENV)/test lint type  ## every test and check; installs what is missing
	$(BIN)/pytest

check: $(VENV)/test lint type test-fast  ## what must pass before a commit: style, types, fast tests

lint: $(VENV)/test  ## style of Python and Lua
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	cd lighttpd && luacheck --quiet --no-color lua

type: $(VENV)/test  ## types of Python
	$(BIN)/mypy

format: $(VENV)/test  ## put Python into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test-fast: $(VENV)/test  ## the tests that need no server
	$(BIN)/pytest -m "not system and not docker"

test-lua: $(VENV)/test  ## the Lua runtime and emitted Lua under every Lua version
	$(BIN)/pytest tests/lua tests/differential

test-system: $(VENV)/test  ## the tests against a real lighttpd
	$(BIN)/pytest -m system

test-docker: $(VENV)/test  ## the tests on whole Debian machines, in Docker
	$(BIN)/pytest -m docker

bench: $(VENV)/test  ## what a request costs (docs/benchmarks.md)
	$(BIN)/python -m bench

selftest: $(VENV)/demo  ## the installed lighttpd with a sidecar that is broken in every known way
	$(BIN)/lightgate selftest

golden: $(VENV)/test  ## write the expected generated Lua anew; review the difference
	GOLDEN=write $(BIN)/pytest tests/luagen -k golden

build: $(VENV)/test  ## wheel and source archive in dist/
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .

deb:  ## a Debian package for this Debian in dist/
	scripts/build-deb

install:  ## lightgate on this host, as root; DESTDIR=DIR: its files below DIR, as anybody
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' WEB_GROUP='$(WEB_GROUP)' PYTHON='$(PYTHON)' scripts/install

uninstall:  ## remove it from this host, but for /etc/lightgate
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/uninstall

clean:  ## remove what these targets made
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/identity_provider/node_modules

$(VENV)/demo: pyproject.toml
	PYTHON=$(PYTHON) scripts/install-packages $(DEMO_PACKAGES)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VENV)/test: pyproject.toml tests/identity_provider/package-lock.json
	PYTHON=$(PYTHON) scripts/install-packages $(TEST_PACKAGES)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	cd tests/identity_provider && npm ci --no-audit --no-fund --silent
	@touch $@
