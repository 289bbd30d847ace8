#!/usr/bin/env bash
# The test command: installs what the tests need, then checks format, lints, documentation,
# licences, spelling and shell scripts, runs all tests, and plays the demo.
#
#   scripts/check.sh          everything; this is what CI runs
#   scripts/check.sh STEP...  some of: format lint doc test contract bench demo scripts spelling licences
#
# On Debian it installs missing packages with apt-get; elsewhere it names them.
set -euo pipefail
cd "$(dirname "$0")/.."

# Tools of other package registries, at these versions, are kept here between runs.
tools=${XDG_CACHE_HOME:-$HOME/.cache}/pushd-check
typos_version=1.52.0
cargo_deny_version=0.20.2
# Newer ones need a newer Node than Debian has.
eventsource_version=3.0.7
axe_version=4.14.1

say() { printf '\n=== %s ===\n' "$*"; }

die() {
    printf 'check.sh: %s\n' "$*" >&2
    exit 1
}

# need COMMAND PACKAGE: makes sure of a program, by its Debian package if it is missing.
need() {
    command -v "$1" >/dev/null && return
    missing+=("$2")
}

install_packages() {
    missing=()
    command -v cargo >/dev/null || die 'please install Rust, with cargo, rustfmt and clippy'
    need caddy caddy
    need cc gcc
    need chromedriver chromium-driver
    need chromium chromium
    need curl curl
    need fish fish
    need less less
    need make make
    need nats-server nats-server
    need nginx nginx-light
    need node nodejs
    need npm npm
    need openssl openssl
    need python3 python3
    need script bsdutils
    need shellcheck shellcheck
    need systemd-analyze systemd
    need tmux tmux
    need zsh zsh
    # For the benchmarks: two peers of the daemon's, and plots.
    [ -f /usr/lib/nginx/modules/ngx_nchan_module.so ] || missing+=(libnginx-mod-nchan)
    need pushpin pushpin
    need gnuplot gnuplot-nox
    python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
    [ "${#missing[@]}" -eq 0 ] && return
    say "install ${missing[*]}"
    command -v apt-get >/dev/null || die "please install: ${missing[*]}"
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

format() {
    cargo fmt --check
}

lint() {
    cargo clippy --locked --all-targets -- -D warnings
}

doc() {
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items
}

tests() {
    local node=$tools/eventsource-$eventsource_version
    if [ ! -d "$node/node_modules/eventsource" ]; then
        npm install --prefix "$node" --no-package-lock --no-audit --no-fund --silent \
            "eventsource@$eventsource_version"
    fi
    export PUSHD_CHECK_NODE_MODULES=$node/node_modules
    local axe=$tools/axe-core-$axe_version
    if [ ! -f "$axe/node_modules/axe-core/axe.min.js" ]; then
        npm install --prefix "$axe" --no-package-lock --no-audit --no-fund --silent \
            "axe-core@$axe_version"
    fi
    export PUSHD_CHECK_AXE=$axe/node_modules/axe-core/axe.min.js
    # Most of the time tests wait for something, so more of them than there are cores go at once.
    RUST_TEST_THREADS=${RUST_TEST_THREADS:-4} cargo test --locked
}

contract() {
    scripts/contract.sh
}

bench() {
    PYTHONDONTWRITEBYTECODE=1 python3 -m doctest scripts/bench/agreement.py
    scripts/bench.sh --quick
    # Each in-process benchmark once: they work, which says nothing of what they measure.
    cargo test --locked --quiet --bench in_process
}

demo() {
    # Without a terminal on standard input the demo answers its question by itself.
    scripts/demo.sh </dev/null
}

scripts() {
    shellcheck scripts/*.sh scripts/bench/*.sh scripts/bench/lib/*.sh scripts/recipes/*.sh .ci/run
}

spelling() {
    local typos=$tools/typos-$typos_version/bin/typos
    if [ ! -x "$typos" ]; then
        python3 -m venv "$tools/typos-$typos_version"
        "$tools/typos-$typos_version/bin/pip" install --quiet "typos==$typos_version"
    fi
    "$typos"
}

licences() {
    local deny=$tools/cargo-deny-$cargo_deny_version/bin/cargo-deny
    if [ ! -x "$deny" ]; then
        # Built without optimisation: it runs for a second and would build for minutes.
        cargo install --quiet --locked --debug --root "$tools/cargo-deny-$cargo_deny_version" \
            --version "$cargo_deny_version" cargo-deny
    fi
    "$deny" --log-level error check licenses bans sources
}

run() {
    say "$1"
    case $1 in
    format | lint | doc | contract | bench | demo | scripts | spelling | licences) "$1" ;;
    test) tests ;;
    *) die "there is no step $1; see the first lines of this script" ;;
    esac
}

install_packages
[ "$#" -gt 0 ] || set -- format scripts spelling lint test contract bench doc demo licences
started=$SECONDS
for step in "$@"; do
    run "$step"
done
say "all passed in $((SECONDS - started)) s: $*"
