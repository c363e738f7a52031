#!/usr/bin/env python3
"""What Python's `tokenizers` makes of texts: trains tokenizers of the kinds that language models have on generated text,
and writes one JSON file each: the tokenizer, and texts with their ids and the text that these give again.

    tokenizer_vectors.py FOLDER [--lines N] [--vocabulary N]

Everything follows from one seed. Texts hold emoji, CJK, combining marks, control characters, odd white space, names of
control tokens, and invalid UTF-8 as lossily decoded text."""

import argparse
import json
import pathlib
import random
import re
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

WORDS = """the a of and to in was he she it camel dragon little girl boy day tree water said went home happy friend big red
once upon time there lived who wanted play with his her they don't I'm we've it'll you'd THE Camel's O'NEIL's""".split()
CODE = ["fn main() {", "\treturn x + 1;", "    if (a != b) {", "// TODO:", "<div class=\"x\">", "x[i]->y", "a==b&&c", "$_=~s/a/b/;",
        "https://a.example/b?c=d#e", "{\"k\": [1, 2.50, null]}", "1_000_000", "0xFF", "v1.2.3-rc.4", "#include <a.h>"]
EMOJI = ["\U0001F42B", "\U0001F600", "\U0001F468\u200D\U0001F469\u200D\U0001F467", "\U0001F44D\U0001F3FD", "\U0001F1E9\U0001F1EA",
         "\u2764\ufe0f", "\U0001FAE8", "#\ufe0f\u20e3"]
SCRIPTS = [(0x4E00, 0x9FFF), (0x3041, 0x30FF), (0xAC00, 0xD7A3), (0x0400, 0x04FF), (0x0370, 0x03FF), (0x0600, 0x06FF),
           (0x0900, 0x097F), (0x0E00, 0x0E7F), (0x05D0, 0x05EA), (0x1E00, 0x1EFF), (0x2190, 0x22FF), (0xFB00, 0xFB4F),
           (0xFF00, 0xFFEF), (0x1D400, 0x1D7FF), (0x20000, 0x2A6DF)]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\u00a0", "\u3000", "\u2003", "\u200b", "\ufeff", "\u2028", "\x0b", "\x0c",
          "\x85", " \n ", "      "]
SPECIALS = ["<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|eot_id|>", "<|begin_of_text|>", "<s>", "</s>", "<unk>", "<tool_call>",
            "<|im_end", "|im_end|>", "<0x0A>", "\u2581"]

# Texts that are always there.
FIXED = ["", " ", "<|im_end|> <s>x</s> <|endoftext|><|eot_id|> <tool_call>", "e\u0301 \u1ec7 \ufb01 \uff11 A\u030a", " a  b", "a  ",
         "\U0001F42B don't 12345 \u200b\x00\x7f\ufffd\ufffd", "\u5927\u597d\n\n\tx = 1;\r\n"]
# Cut, overlong, surrogate and too large sequences, and bytes that begin none.
INVALID = b"a\xff\xc3 \xe4\xbd b\xf0\x9f\x90 \xc0\x80 \xe0\x80\x80 \xed\xa0\x80 \xf4\x90\x80\x80\xfe\x80"


def piece(r):
    kind = r.randrange(16)
    if kind < 5:
        return " ".join(r.choice(WORDS) for _ in range(r.randint(1, 8)))
    if kind == 5:
        return r.choice(CODE)
    if kind == 6:
        return "".join(r.choice(EMOJI) for _ in range(r.randint(1, 3)))
    if kind < 9:
        low, high = r.choice(SCRIPTS)
        return "".join(chr(r.randint(low, high)) for _ in range(r.randint(1, 12)))
    if kind == 9:
        # Letters with marks, in composed and decomposed form and in neither order.
        marks = "".join(chr(r.randint(0x300, 0x36F)) for _ in range(r.randint(1, 4)))
        text = r.choice("aeouncAEOUNÅÉñǖệ\uac00") + marks
        return r.choice([text, unicodedata.normalize("NFD", text), unicodedata.normalize("NFC", text)])
    if kind == 10:
        return "".join(chr(r.choice([r.randint(0, 31), r.randint(127, 159)])) for _ in range(r.randint(1, 5)))
    if kind == 11:
        return bytes(r.randrange(256) for _ in range(r.randint(1, 12))).decode("utf-8", "surrogateescape")
    if kind == 12:
        return str(r.randrange(10 ** r.randint(1, 12)))
    if kind == 13:
        return r.choice(SPACES) * r.randint(1, 3)
    if kind == 14:
        return r.choice(SPECIALS)
    point = r.randrange(0x110000)
    return chr(point) if not 0xD800 <= point <= 0xDFFF else "\ufffd"


def raw_line(r):
    text = "".join(piece(r) + r.choice(["", " ", " ", r.choice(SPACES)]) for _ in range(r.randint(1, 8)))
    return text.encode("utf-8", "surrogateescape")


def line(r):
    return raw_line(r).decode("utf-8", "replace")


def byte_level(text, name, size, specials, pre, normalizer=None, ignore_merges=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(text, trainer)
    tokenizer.add_special_tokens(specials)
    return name, tokenizer


def gpt2(text, size):
    name, t = byte_level(text, "gpt2", size, ["<|endoftext|>"], pre_tokenizers.ByteLevel(add_prefix_space=False))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return name, t


def llama3(text, size):
    pre = [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    name, t = byte_level(text, "llama3", size, specials, pre_tokenizers.Sequence(pre), ignore_merges=True)
    begin = "<|begin_of_text|>"
    t.post_processor = processors.TemplateProcessing(f"{begin} $A", f"{begin} $A {begin} $B", [(begin, t.token_to_id(begin))])
    return name, t


def qwen2(text, size):
    pre = [pre_tokenizers.Split(Regex(QWEN2), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    name, t = byte_level(text, "qwen2", size, specials, pre_tokenizers.Sequence(pre), normalizers.NFC())
    t.add_tokens([AddedToken("<tool_call>", normalized=False)])
    return name, t


def smollm(text, size):
    pre = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    return byte_level(text, "smollm", size, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], pre_tokenizers.Sequence(pre))


def nameless(text):
    """Texts without names of control tokens: a model would learn them as pieces, and no real one does."""
    return [line for line in text if not any(name in line for name in ["<unk>", "<s>", "</s>"])]


def pairs_with_bytes(text, size, metaspace):
    """Sentencepiece's pairs with bytes for what no piece covers, as Llama 2 has them, in both forms there are."""
    base = Tokenizer(models.BPE())
    base.pre_tokenizer = pre_tokenizers.Metaspace()
    base.train_from_iterator(nameless(text), trainers.BpeTrainer(vocab_size=size, limit_alphabet=120, show_progress=False))
    model = json.loads(base.to_str())["model"]
    first = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    tokens = first + [t for t, _ in sorted(model["vocab"].items(), key=lambda e: e[1]) if t not in first]
    merges = [tuple(m) for m in model["merges"]]
    t = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.add_special_tokens([AddedToken(s, normalized=False) for s in first[:3]])
    if metaspace:
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    strip = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    t.decoder = decoders.Sequence(strip)
    t.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B", [("<s>", 1)])
    return ("llama2-metaspace" if metaspace else "llama2"), t


def unigram(text, size):
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>",
                                      show_progress=False)
    # It has a piece for each character that it learns from.
    t.train_from_iterator([line for line in nameless(text) if max(line, default=" ") < "\u0250"], trainer)
    return "unigram", t


def vectors(name, tokenizer, lines, number):
    """Cases. Where a line is no UTF-8, its bytes stand beside the text that Python reads in them."""
    special = [t.content for t in tokenizer.get_added_tokens_decoder().values() if t.special]
    cases = []
    for raw in lines:
        if len(cases) == number:
            break
        text = raw.decode("utf-8", "replace")
        # A unigram model holds the names of its control tokens as pieces, and Python lets them come out of text.
        if name == "unigram" and any(s in unicodedata.normalize("NFKC", text) for s in special):
            continue
        tokenizer.encode_special_tokens = True
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        control = tokenizer.encode(text, add_special_tokens=False).ids
        case = {"text": text, "ids": ids, "decoded": tokenizer.decode(ids)}
        if control != ids:
            case["control"] = control
        if raw != text.encode():
            case["bytes"] = raw.hex()
        cases.append(case)
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--vocabulary", type=int, default=2_000)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    training = [line(r) for r in [random.Random(1)] for _ in range(3_000)]
    plain = [" ".join(r.choice(WORDS) for _ in range(20)) for r in [random.Random(2)] for _ in range(500)]
    lines = [text.encode() for text in FIXED] + [INVALID] + [raw_line(r) for r in [random.Random(3)] for _ in range(args.lines + args.lines // 4)]
    small = args.vocabulary < 1_000
    training = plain if small else training + plain
    size = args.vocabulary
    made = [gpt2(training, size), llama3(training, size), qwen2(training, size), smollm(training, size),
            pairs_with_bytes(training, size // 2, False), pairs_with_bytes(training, size // 2, True), unigram(training, size)]
    for name, tokenizer in made:
        tokenizer = Tokenizer.from_str(tokenizer.to_str())
        value = {"name": name, "vocabulary": tokenizer.get_vocab_size(), "tokenizer": json.loads(tokenizer.to_str()),
                 "cases": vectors(name, tokenizer, lines, args.lines)}
        text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
        # One case a line, so that differences can be looked at.
        text = re.sub(r'\{"text":', '\n{"text":', text)
        (args.folder / f"{name}.json").write_text(text + "\n")
        print(f"{name}: {value['vocabulary']} tokens, {len(value['cases'])} texts")


if __name__ == "__main__":
    main()
