"""Issue-table of the engine: camelid and llama.cpp by turns, medians, ratios, bars. See bench-engine.sh.

python3 bench_engine.py CAMELID LLAMA_BENCH MODEL.gguf [--rounds N] [--json]
"""

import argparse
import json
import statistics
import subprocess
import sys

PREFILL, DECODE = 512, 256


def run(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"camelid: {' '.join(command)} failed: {result.stderr.strip() or result.returncode}")
    return json.loads(result.stdout)


def llama(args, threads):
    """Tokens a second of prompt and generation; one warm-up pass of each is llama-bench's own."""
    tests = run([args.llama, "-m", args.gguf, "-t", str(threads), "-p", str(PREFILL), "-n", str(DECODE),
                 "-r", "1", "-o", "json"])
    speed = {(t["n_prompt"], t["n_gen"]): t["avg_ts"] for t in tests}
    return {"prefill": speed[PREFILL, 0], "decode": speed[0, DECODE]}


def camelid(args, threads, jobs):
    report = run([args.camelid, "bench", "engine", "--json", "--threads", str(threads), "--jobs", str(jobs),
                  "--prefill", str(PREFILL), "--decode", str(DECODE)])
    return {
        "prefill": report["prefill_tokens_per_second"],
        "decode": report["decode_tokens_per_second"],
        "memory": report["memory_bytes_per_second"],
        "share": report["decode_share_of_memory"],
        "batch": report["batch"] and report["batch"]["ratio"],
        "engine": report["engine"],
    }


def rastic(args, tokens):
    rows = run([args.camelid, "bench", "rastic", "--json", "--threads", "2", "--repeat", "3", "--tokens", tokens])["rows"]
    return {row["tokens"]: row for row in rows}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("camelid")
    parser.add_argument("llama")
    parser.add_argument("gguf")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    say = lambda text: print(f"== {text}", file=sys.stderr, flush=True)
    ours, theirs, checks = {1: [], 2: []}, {1: [], 2: []}, []
    for round in range(args.rounds):
        for threads in (1, 2):
            say(f"round {round + 1} of {args.rounds}, {threads} thread{'s' * (threads > 1)}")
            theirs[threads].append(llama(args, threads))
            ours[threads].append(camelid(args, threads, 8 if threads == 2 else 0))
        checks.append(rastic(args, "1,250,256,1000" if round == 0 else "1,250,256"))

    def middle(values):
        return statistics.median(values)

    def of(runs, threads, what):
        return middle([r[what] for r in runs[threads]])

    def share(tokens, above, below):
        return middle([c[tokens][above] / c[tokens][below] for c in checks if tokens in c])

    rows = []

    def row(what, ours, theirs, ratio, bar, least=True):
        reached = ratio >= bar if least else ratio <= bar
        rows.append({"what": what, "camelid": ours, "llama.cpp": theirs, "ratio": ratio, "bar": bar,
                     "at": "least" if least else "most", "reached": reached})

    for what, name, bar in (("decode", f"tg{DECODE}", 1.2), ("prefill", f"pp{PREFILL}", 1.0)):
        for threads in (1, 2):
            mine, other = of(ours, threads, what), of(theirs, threads, what)
            plural = "s" * (threads > 1)
            row(f"{what}, tokens a second, {name}, {threads} thread{plural}", mine, other, mine / other, bar)
    row("decode, part of memory's speed, 2 threads", None, None, of(ours, 2, "share"), 0.7)
    for tokens, bar in ((1, 1.1), (250, 1 / 5), (1000, 1 / 6)):
        row(f"full check against generating, n = {tokens}", None, None, share(tokens, "full_ms", "generate_ms"), bar, False)
    row("full check against spot, n = 256", None, None, share(256, "full_ms", "spot_ms"), 1.3, False)
    row("8 jobs together against one after another", None, None, of(ours, 2, "batch"), 2.5)

    memory = {t: of(ours, t, "memory") for t in ours}
    if args.json:
        print(json.dumps({"engine": ours[2][0]["engine"], "rounds": args.rounds, "rows": rows,
                          "memory_bytes_per_second": memory}, indent=2))
        return
    print(f"Engine {ours[2][0]['engine']}; medians of {args.rounds} rounds by turns with llama.cpp; memory "
          f"{memory[1] / 1e9:.1f} GB/s on 1 thread, {memory[2] / 1e9:.1f} on 2.\n")
    print("| what | camelid | llama.cpp | ratio | bar | reached |\n|---|---|---|---|---|---|")
    number = lambda v: "" if v is None else f"{v:.1f}"
    for r in rows:
        print(f"| {r['what']} | {number(r['camelid'])} | {number(r['llama.cpp'])} | {r['ratio']:.3f} | "
              f"at {r['at']} {r['bar']:.3g} | {'yes' if r['reached'] else 'no'} |")
    print("\nWASM against native: `make bench-wasm`.")


main()
