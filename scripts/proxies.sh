#!/usr/bin/env bash
# Streams and polls of 60 s behind nginx and Caddy for many minutes: scripts/proxies.sh [MINUTES]
#
# Ten minutes unless it is told otherwise. Nothing may be cut in that time.
set -euo pipefail
cd "$(dirname "$0")/.."

export PUSHD_PROXY_MINUTES=${1:-10}
cargo test --locked --test it proxies::long
