#!/usr/bin/env bash
# Instructions of the benchmarks in benches/: they stay the same on a busy machine, where times do
# not. docs/benchmarks.md says what is measured.
#
#   scripts/instructions.sh                        all benchmarks: a few minutes
#   scripts/instructions.sh hub http/flow          those whose names begin like this
#   scripts/instructions.sh --against FILE [NAME]  beside the counts of another run, and fails when
#                                                  one has grown by more than 5 %
#   scripts/instructions.sh --most 2 ...           or by more than 2 %
#   scripts/instructions.sh --profile NAME         which functions they are in, of one benchmark
#
# Each operation is done N times and twice as often, in two processes under valgrind; the difference
# divided by N is what one takes, and what preparing takes drops out. The counts are written to
# target/instructions/counts.tsv, which is what --against takes; keep a copy of it elsewhere. Counts
# can be compared that were made by the same compiler, on the same kind of processor.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
    printf 'instructions.sh: %s\n' "$*" >&2
    exit 1
}

against='' most=5 profile='' wanted=()
while [ "$#" -gt 0 ]; do
    case $1 in
    --against | --most | --profile)
        [ "$#" -gt 1 ] || die "$1 takes a value; see the first lines of this script"
        ;;&
    --against)
        [ -r "$2" ] || die "there is no file $2"
        against=$2
        shift
        ;;
    --most)
        [[ $2 =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "--most takes a percentage, not $2"
        most=$2
        shift
        ;;
    --profile)
        profile=$2
        shift
        ;;
    -*) die "there is no flag $1; see the first lines of this script" ;;
    *) wanted+=("$1") ;;
    esac
    shift
done

command -v valgrind >/dev/null || die 'please install valgrind, which counts the instructions'

target=${CARGO_TARGET_DIR:-target}
out=$target/instructions
rm -rf "$out/prepared"
mkdir -p "$out/prepared"

# With the names of functions, for the profile; they change no count.
build=$(cargo rustc --locked --profile bench --bench in_process --message-format=json \
    -- -C strip=none) || die 'the benchmarks do not build'
bench=$(sed -n 's/.*"executable":"\([^"]*\/in_process-[^"]*\)".*/\1/p' <<<"$build")
[ -x "$bench" ] || die 'cargo does not say where the benchmarks are'

# The allocator tidies up by the clock, which would not come out the same twice.
export _RJEM_MALLOC_CONF=background_thread:false,dirty_decay_ms:-1,muzzy_decay_ms:-1,experimental_tcache_gc:false

# counted NAME TIMES: instructions of a whole process.
counted() {
    local said
    said=$(valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null \
        "$bench" count "$1" "$2" "$out/prepared" 2>&1) || die "$1: $said"
    sed -n 's/.*I *refs: *\([0-9,]*\)$/\1/p' <<<"$said" | tr -d ,
}

# is_wanted NAME
is_wanted() {
    [ "${#wanted[@]}" -gt 0 ] || return 0
    local beginning
    for beginning in "${wanted[@]}"; do
        [[ $1 == "$beginning"* ]] && return 0
    done
    return 1
}

if [ -n "$profile" ]; then
    times=$("$bench" names | awk -F'\t' -v name="$profile" '$1 == name { print $2 }')
    [ -n "$times" ] || die "there is no benchmark $profile; $bench names writes their names"
    "$bench" count "$profile" 0 "$out/prepared"
    valgrind --tool=callgrind --toggle-collect='*Prepared*repeat*' \
        --callgrind-out-file="$out/profile.out" \
        "$bench" count "$profile" "$times" "$out/prepared" 2>"$out/profile.log" ||
        die "$(tail -n 5 "$out/profile.log")"
    printf '%s, %s times\n' "$profile" "$times"
    callgrind_annotate --inclusive=yes --auto=no "$out/profile.out"
    callgrind_annotate --auto=no "$out/profile.out"
    exit
fi

counts=$out/counts.tsv
: >"$counts.new"
while IFS=$'\t' read -r name times parts; do
    is_wanted "$name" || continue
    # What takes long to prepare, without valgrind.
    "$bench" count "$name" 0 "$out/prepared"
    once=$(counted "$name" "$times")
    twice=$(counted "$name" $((2 * times)))
    printf '%s\t%s\t%s\n' "$name" $(((twice - once) / times)) "$parts" >>"$counts.new"
    printf '.' >&2
done < <("$bench" names)
printf '\n' >&2
[ -s "$counts.new" ] || die "no benchmark begins like ${wanted[*]}; $bench names writes their names"

awk -F'\t' -v against="$against" -v most="$most" '
    BEGIN {
        while (against != "" && (getline <against) > 0) before[$1] = $2
        if (against == "") {
            print "| benchmark | instructions | of each part |"
            print "|---|---:|---:|"
        } else {
            print "| benchmark | instructions | of each part | before | change |"
            print "|---|---:|---:|---:|---:|"
        }
    }
    {
        part = $3 > 1 ? sprintf("%d", $2 / $3) : ""
        row = sprintf("| %s | %d | %s |", $1, $2, part)
        if (against != "" && !($1 in before)) row = row " | |"
        if (against != "" && $1 in before) {
            change = ($2 / before[$1] - 1) * 100
            row = row sprintf(" %d | %+.1f %% |", before[$1], change)
            if (change > most) grown = grown sprintf("\n  %s: by %.1f %%", $1, change)
        }
        print row
    }
    END {
        if (grown != "") {
            printf "instructions.sh: these have grown by more than %s %%:%s\n", most, grown \
                > "/dev/stderr"
            exit 1
        }
    }' "$counts.new" || failed=1
mv "$counts.new" "$counts"
exit "${failed-0}"
