"""Imported models against transformers: the same tokens, perplexity and most likely token. See test-models.sh.

python3 test_models.py CAMELID DATA FOLDER [--large] [--only NAME]
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time

import torch

from model_files import MODELS, rounded, samples, save, save_gguf, save_large, settings, stories260k, train

LENGTH, TEXTS = 256, 16
# Our perplexity over transformers', stories260K's, and our f32 evaluation's over transformers', at most.
BAR, STORIES, SAME = 1.01, 1.002, 1.0005


# A program's peak memory, as the system counts it, is at least that of the process that starts it: torch's is no measure.
MEASURE = """
import json, os, sys, time
start = time.monotonic()
_, status, usage = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
with open(sys.argv[1], "w") as file:
    json.dump([time.monotonic() - start, usage.ru_maxrss * 1024], file)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run(command):
    """Runs a program; gives its JSON, its seconds and its peak memory in bytes."""
    with tempfile.NamedTemporaryFile() as measured:
        measure = [sys.executable, "-ISc", MEASURE, measured.name]
        done = subprocess.run(measure + command, capture_output=True)
        if done.returncode != 0:
            sys.exit(f"camelid: {' '.join(command)} failed: {done.stderr.decode().strip()}")
        return json.loads(done.stdout), *json.load(measured)


def texts(ours, begin):
    """The texts that `camelid model eval` predicted: it cuts a text, and puts the begin token before each."""
    out = {}
    for text, token, *_ in ours:
        out.setdefault(text, [begin]).append(int(token))
    return list(out.values())


def theirs(model, texts):
    """For each token after a text's first: transformers' ln of its probability, and its most likely token."""
    out = []
    with torch.no_grad():
        for text in texts:
            ids = torch.tensor([text])
            logits = model(ids).logits[0, :-1].to(torch.float64).log_softmax(-1)
            ln = logits.gather(1, ids[0, 1:, None])[:, 0]
            out += zip(text[1:], ln.tolist(), logits.argmax(-1).tolist())
    return out


def compare(args, name, path, model, text, bar=BAR):
    """Imports a model and holds it against transformers: a row of the table."""
    package, list_file = os.path.join(args.folder, "model.camelid"), os.path.join(args.folder, "predictions.tsv")
    for file in (package, list_file):
        if os.path.exists(file):
            os.remove(file)
    info, seconds, peak = run([args.camelid, "--json", "model", "import", path, "--out", package, "--name", "model"])
    report, _, _ = run([args.camelid, "--json", "model", "eval", "--model", package, "--reference", path, "--text", text,
                        "--length", str(LENGTH), "--texts", str(TEXTS), "--predictions", list_file])
    ours = [line.split("\t") for line in open(list_file)]
    expected = theirs(model, texts(ours, model.config.bos_token_id))
    n = len(expected)
    if n != report["tokens"]:
        sys.exit(f"camelid: {name}: {report['tokens']} tokens were predicted, {n} are told")
    perplexity = math.exp(-sum(ln for _, ln, _ in expected) / n)
    row = {
        "model": name,
        "tokens": n,
        "perplexity": perplexity,
        "ratio": report["perplexity"] / perplexity,
        "f32_ratio": report["perplexity_f32"] / perplexity,
        "top1": sum(int(p[2]) == top for p, (_, _, top) in zip(ours, expected)) / n,
        "f32_top1": sum(int(p[4]) == top for p, (_, _, top) in zip(ours, expected)) / n,
        "package": info["package_bytes"],
        "seconds": seconds,
        "peak": peak,
    }
    bad = row["ratio"] > bar or not 1 / SAME <= row["f32_ratio"] <= SAME
    print(f"== {name}: {json.dumps(row)}{'  OVER THE BAR' if bad else ''}", file=sys.stderr, flush=True)
    return row, bad


def table(rows):
    lines = [
        "| model and format | tokens | transformers' perplexity | ours over it | same top token | our f32 from it | package | import | peak memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        lines.append(
            f"| {r['model']} | {r['tokens']} | {r['perplexity']:.4f} | {100 * (r['ratio'] - 1):+.3f} % | {100 * r['top1']:.2f} % "
            f"| {abs(100 * (r['f32_ratio'] - 1)):.4f} % | {r['package'] / 1e6:.2f} MB | {r['seconds']:.2f} s | {r['peak'] / 1e6:.0f} MB |"
        )
    return "\n".join(lines)


def large(args):
    """A model of 2 GB: seconds and peak memory of its import, whatever its answers."""
    folder, package = os.path.join(args.folder, "large"), os.path.join(args.folder, "large.camelid")
    print("== writing a random model of 2.2 GB", file=sys.stderr, flush=True)
    save_large(folder)
    size = sum(os.path.getsize(os.path.join(folder, file)) for file in os.listdir(folder))
    if os.path.exists(package):
        os.remove(package)
    info, seconds, peak = run([args.camelid, "--json", "model", "import", folder, "--out", package])
    shutil.rmtree(folder)
    os.remove(package)
    return (f"A random Llama of {info['parameters'] / 1e9:.2f} billion weights, {size / 1e9:.2f} GB of BF16 in shards: a package of "
            f"{info['package_bytes'] / 1e9:.2f} GB in {seconds:.0f} s, peak memory {peak / 1e6:.0f} MB.")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("camelid")
    parser.add_argument("data")
    parser.add_argument("folder")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--only")
    args = parser.parse_args()
    # These models are small: a second thread waits more than it computes.
    torch.set_num_threads(1)
    os.makedirs(args.folder, exist_ok=True)
    data = open(os.path.join(args.data, "text", "tinyshakespeare.txt"), "rb").read()
    split = len(data) * 9 // 10
    held_out = os.path.join(args.folder, "held-out.txt")
    with open(held_out, "wb") as file:
        file.write(data[split : split + LENGTH * TEXTS])
    rows, failed = [], False
    for name in MODELS:
        if args.only and args.only != name:
            continue
        folder = os.path.join(args.folder, name)
        kind, _ = MODELS[name]
        done = os.path.join(folder, "done")
        if os.path.exists(done) and open(done).read() == settings(name):
            model = kind.from_pretrained(folder, torch_dtype=torch.float32).eval()
        else:
            start = time.monotonic()
            model, loss = train(name, data[:split])
            shutil.rmtree(folder, ignore_errors=True)
            save(model, folder, torch.float32, "5GB")
            with open(done, "w") as file:
                file.write(settings(name))
            print(f"== trained {name}: loss {loss:.3f}, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        cases = [(f"{name}, safetensors F32", folder, model)]
        for kind_name, dtype in (("F16", torch.float16), ("BF16", torch.bfloat16)):
            if name not in ("llama-gqa", "qwen2", "gpt2"):
                continue
            half = os.path.join(args.folder, "half-" + kind_name)
            shutil.rmtree(half, ignore_errors=True)
            save(kind.from_pretrained(folder, torch_dtype=dtype), half, dtype, "100KB")
            shards = sum(file.endswith(".safetensors") for file in os.listdir(half))
            cases.append((f"{name}, safetensors {kind_name}, {shards} files", half, kind.from_pretrained(half, torch_dtype=torch.float32).eval()))
        for kind_name in ("F32", "F16", "BF16", "Q8_0") if name in ("llama-gqa", "qwen2", "gpt2") else ("F32",):
            # GGUF has one GELU.
            if name != "gpt2-gelu":
                file = os.path.join(args.folder, f"{name}-{kind_name}.gguf")
                save_gguf(model, file, kind_name)
                cases.append((f"{name}, GGUF {kind_name}", file, rounded(model, kind_name)))
        for case, path, model_of_case in cases:
            row, bad = compare(args, case, path, model_of_case, held_out)
            rows.append(row)
            failed |= bad
    if not args.only or args.only == "stories260k":
        folder = os.path.join(args.data, "stories260k")
        model, pieces = stories260k(folder)
        told = os.path.join(args.folder, "stories.txt")
        with open(told, "wb") as file:
            file.write(samples(model, pieces, TEXTS, LENGTH))
        row, bad = compare(args, "stories260K, llama2.c", os.path.join(folder, "stories260K.bin"), model, told, STORIES)
        rows.append(row)
        failed |= bad
    print(table(rows))
    if args.large:
        print()
        print(large(args))
    if failed:
        sys.exit("camelid: a model is over the bar of +1 % (stories260K: +0.2 %), or its f32 evaluation differs from transformers': see above")


main()
