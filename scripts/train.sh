#!/bin/sh
# Trains the default model, camelid-tiny, from nothing (docs/models/camelid-tiny.md). TEACHER is stories260K.bin with its
# tokenizer tok512.bin beside it. Stopped at any time, it goes on where it was. Results lie in DIR.
. "$(dirname "$0")/env.sh"
DIR=${DIR:-$CAMELID_CACHE/train}
mkdir -p "$DIR"
say "building camelid with training"
cargo build --locked -p camelid-node --features "${FEATURES:-train}"
camelid() { "$CARGO_TARGET_DIR/debug/camelid" --data-dir "$DIR/home" "$@"; }
teacher="$DIR/home/models/stories260k.camelid"
if [ ! -f "$teacher" ]; then
    [ -n "${TEACHER:-}" ] || die "which teacher? give stories260K.bin with tok512.bin beside it: make train TEACHER=path"
    camelid model import "$TEACHER" --name stories260k --licence MIT
fi
say "texts"
sampled() { # seed, size
    camelid train sample --model stories260k --out "$DIR/texts-$1.txt" --size "$2" --seed "$1" --threads 1 --batch 128
}
for seed in 1 4 5; do sampled $seed "${SIZE:-5MB}"; done
for seed in 6 7; do sampled $seed "${SIZE:-6MB}"; done
cat "$DIR/texts-1.txt" "$DIR/texts-4.txt" "$DIR/texts-5.txt" > "$DIR/texts.txt"
cat "$DIR/texts-6.txt" "$DIR/texts-7.txt" > "$DIR/more-texts.txt"
camelid train sample --model stories260k --out "$DIR/held-out.txt" --size 1MB --seed 2 --threads 1 --batch 128
[ -f "$DIR/tokenizer" ] || camelid train tokenizer --text "$DIR/texts.txt" --out "$DIR/tokenizer"

# One run: its folder, its texts, its steps, then what it begins with. Where it was begun, it goes on.
run() {
    folder="$DIR/$1" texts="$DIR/$2" steps=$3
    shift 3
    say "training in $folder (Ctrl-C stops; the same command goes on)"
    [ ! -f "$folder/checkpoint" ] || set -- --resume
    camelid train run --text "$texts" --held-out "$DIR/held-out.txt" --out "$folder" --steps "$steps" "$@"
}
packed() { # run's folder, package
    say "the package, measured on texts that nothing was learned from"
    camelid train export --run "$DIR/$1" --out "$DIR/$2" --held-out "$DIR/held-out.txt"
}
run run texts.txt "${STEPS:-7000}" --tokenizer "$DIR/tokenizer"
[ -f "$DIR/first.camelid" ] || packed run first.camelid
run second-run more-texts.txt "${MORE_STEPS:-3400}" --from "$DIR/first.camelid" --rate 0.0015 --warm-up 100
packed second-run camelid-tiny.camelid
say "the teacher on the same"
camelid model bits --model stories260k --text "$DIR/held-out.txt"
