#!/bin/sh
# Trains the default model, camelid-tiny, from nothing (docs/models/camelid-tiny.md). TEACHER is stories260K.bin with its
# tokenizer tok512.bin beside it. Stopped at any time, it goes on where it was. Results lie in DIR.
. "$(dirname "$0")/env.sh"
DIR=${DIR:-$CAMELID_CACHE/train}
STEPS=${STEPS:-7000}
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
for seed in 1 4 5; do
    camelid train sample --model stories260k --out "$DIR/texts-$seed.txt" --size "${SIZE:-5MB}" --seed "$seed" --threads 1 --batch 128
done
cat "$DIR/texts-1.txt" "$DIR/texts-4.txt" "$DIR/texts-5.txt" > "$DIR/texts.txt"
camelid train sample --model stories260k --out "$DIR/held-out.txt" --size 1MB --seed 2 --threads 1 --batch 128
[ -f "$DIR/tokenizer" ] || camelid train tokenizer --text "$DIR/texts.txt" --out "$DIR/tokenizer"
say "training in $DIR/run (Ctrl-C stops; the same command goes on)"
resume=
[ ! -f "$DIR/run/checkpoint" ] || resume=--resume
camelid train run --text "$DIR/texts.txt" --held-out "$DIR/held-out.txt" --tokenizer "$DIR/tokenizer" --out "$DIR/run" \
    --steps "$STEPS" $resume
say "the package, measured on texts that nothing was learned from; then the teacher on the same"
camelid train export --run "$DIR/run" --out "$DIR/camelid-tiny.camelid" --held-out "$DIR/held-out.txt"
camelid model bits --model stories260k --text "$DIR/held-out.txt"
