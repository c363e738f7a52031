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
for seed in 8 9; do sampled $seed "${SIZE:-4MB}"; done
[ -f "$DIR/tales.txt" ] || camelid train tales --out "$DIR/tales.txt" --size "${SIZE:-13MB}"
[ -f "$DIR/few-tales.txt" ] || camelid train tales --out "$DIR/few-tales.txt" --size "${SIZE:-4MB}"
joined() { # file, parts
    out="$DIR/$1.txt"
    shift
    for part in "$@"; do cat "$DIR/$part.txt"; done > "$out"
}
joined texts texts-1 texts-4 texts-5
joined more-texts texts-6 texts-7
joined third-texts more-texts texts-8 texts-9 tales
joined fourth-texts more-texts texts-8 texts-9 few-tales
camelid train sample --model stories260k --out "$DIR/held-out.txt" --size 1MB --seed 2 --threads 1 --batch 128
[ -f "$DIR/tokenizer" ] || camelid train tokenizer --text "$DIR/texts.txt" --out "$DIR/tokenizer"

# One run: its folder, its texts, steps, highest rate, steps up to it, then what it begins with. Where it was begun, it goes on.
run() {
    folder="$DIR/$1" texts="$DIR/$2" steps=$3 rate=$4 warm_up=$5
    shift 5
    say "training in $folder (Ctrl-C stops; the same command goes on)"
    [ ! -f "$folder/checkpoint" ] || set -- --resume
    camelid train run --text "$texts" --held-out "$DIR/held-out.txt" --out "$folder" --steps "$steps" --rate "$rate" \
        --warm-up "$warm_up" "$@"
}
packed() { # run's folder, package
    [ ! -f "$DIR/$2" ] || return 0
    say "the package, measured on texts that nothing was learned from"
    camelid train export --run "$DIR/$1" --out "$DIR/$2" --held-out "$DIR/held-out.txt"
}
run run texts.txt "${STEPS:-7000}" 0.003 200 --tokenizer "$DIR/tokenizer"
packed run first.camelid
run second-run more-texts.txt "${STEPS:-3400}" 0.0015 100 --from "$DIR/first.camelid"
packed second-run second.camelid
run third-run third-texts.txt "${STEPS:-5700}" 0.0015 100 --from "$DIR/second.camelid" --layers 7 --hidden 512
packed third-run third.camelid
run fourth-run fourth-texts.txt "${STEPS:-1700}" 0.0006 20 --from "$DIR/third.camelid"
packed fourth-run camelid-tiny.camelid
say "the teacher on the same"
camelid model bits --model stories260k --text "$DIR/held-out.txt"
