#!/bin/sh
# Runs one fuzz target: PROGRAMS TARGET SECONDS MERGE, as scripts/fuzz.sh says; leaves its line of the table beside its log.
set -eu
programs=$1 target=$2 seconds=$3 merge=$4
found="$CAMELID_CACHE/fuzz"
corpus="$found/$target/corpus" log="$found/$target/log"

# The longest input that is made, in bytes: room for a small model, or for some dozens of choices.
case $target in
importers | packages | tokenizers) longest=16384 ;;
decoders) longest=8192 ;;
*) longest=2048 ;;
esac
dictionary=''
[ ! -f "fuzz/dictionaries/$target.dict" ] || dictionary="-dict=fuzz/dictionaries/$target.dict"

mkdir -p "$corpus" "$found/$target/findings"
before=$(find "$corpus" -type f | wc -l)
# A finding ends the run: it is to be fixed first.
# shellcheck disable=SC2086
"$programs/$target" "$corpus" "fuzz/corpus/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 \
    -max_len="$longest" $dictionary -artifact_prefix="$found/$target/findings/" \
    -print_final_stats=1 -use_value_profile=1 > "$log" 2>&1 || echo "$target: it ended with a finding"
executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
now=$(find "$corpus" -type f | wc -l)
findings=$(find "$found/$target/findings" -type f | wc -l)
[ "$findings" = 0 ] || tail -40 "$log"
if [ "$merge" = 1 ]; then
    merged="$found/$target/merged"
    rm -rf "$merged" && mkdir -p "$merged"
    # By edges alone, the smallest inputs first: a corpus for the repository, not for going on.
    "$programs/$target" -set_cover_merge=1 -use_counters=0 -max_len="$longest" -timeout=20 \
        "$merged" "fuzz/corpus/$target" "$corpus" >> "$log" 2>&1 || { echo "$target: merging failed, see $log"; exit 1; }
    rm -rf "fuzz/corpus/$target" && mv "$merged" "fuzz/corpus/$target"
    for input in "fuzz/corpus/$target"/*; do
        mv "$input" "fuzz/corpus/$target/$(basename "$input" | cut -c1-16)" 2>/dev/null || true
    done
fi
printf '%-12s %12s %9s %8s %8s %9s\n' "$target" "${executions:-?}" "${edges:-?}" \
    "$(find "fuzz/corpus/$target" -type f | wc -l)" "$((now - before))" "$findings" > "$found/$target/line"
echo "$target: $seconds seconds, ${executions:-?} inputs, $findings findings"
