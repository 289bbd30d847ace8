#!/usr/bin/env bash
# Runs every fuzz target for a while, and prints how many inputs each of them has tried.
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]      60 seconds each, and all targets, unless told
#
# It needs a nightly compiler (rustup toolchain install nightly) and installs cargo-fuzz where
# scripts/check.sh keeps its tools. What is found while it runs is kept in fuzz/corpus, and what
# breaks an invariant in fuzz/artifacts; the seeds in fuzz/seeds are not touched. A file that breaks
# one belongs there once it is mended, so that every run of the tests tries it.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
tools=${XDG_CACHE_HOME:-$HOME/.cache}/pushd-check
cargo_fuzz_version=0.13.2
export PATH=$tools/cargo-fuzz-$cargo_fuzz_version/bin:$PATH

die() {
    printf 'fuzz.sh: %s\n' "$*" >&2
    exit 1
}

[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "$seconds is no number of seconds"
cargo +nightly --version >/dev/null 2>&1 || die 'please install a nightly compiler: rustup toolchain install nightly'
if ! [ -x "$tools/cargo-fuzz-$cargo_fuzz_version/bin/cargo-fuzz" ]; then
    cargo install --quiet --locked --debug --root "$tools/cargo-fuzz-$cargo_fuzz_version" \
        --version "$cargo_fuzz_version" cargo-fuzz
fi
if [ "$#" -eq 0 ]; then
    for folder in fuzz/seeds/*/; do
        set -- "$@" "$(basename "$folder")"
    done
fi

# The same versions as the package has; cargo adds what only the fuzzer needs.
cp Cargo.lock fuzz/Cargo.lock
# There is no unsafe code of ours, so a sanitizer would only slow it down.
cargo +nightly fuzz build --sanitizer none
host=$(rustc +nightly -vV | sed -n 's/^host: //p')

failed=()
for target in "$@"; do
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
    log=fuzz/artifacts/$target.log
    # Memory has a bound, and so has the time for one input.
    if ! "fuzz/target/$host/release/$target" "fuzz/corpus/$target" "fuzz/seeds/$target" \
        -max_total_time="$seconds" -max_len=8192 -rss_limit_mb=1024 -timeout=10 \
        -artifact_prefix="fuzz/artifacts/$target/" -print_final_stats=1 >"$log" 2>&1; then
        failed+=("$target")
        grep -a -A3 'panicked at\|^SUMMARY\|Test unit written' "$log" || true
    fi
    cases=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf '%-10s %12s cases in %s s\n' "$target" "${cases:-?}" "$seconds"
done
[ "${#failed[@]}" -eq 0 ] || die "an invariant does not hold: ${failed[*]}; see fuzz/artifacts"
