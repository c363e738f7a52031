"""Models for test_models.py: small ones that transformers makes and trains, and the files that they are kept in."""

import copy
import json
import os
import struct

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

BEGIN, END, FIRST_BYTE, VOCABULARY, CONTEXT = 0, 1, 2, 258, 256
STEPS, BATCH, WINDOW = 200, 8, 128

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}

COMMON = {"vocab_size": VOCABULARY, "bos_token_id": BEGIN, "eos_token_id": END, "pad_token_id": None}
ROTARY = {**COMMON, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
          "intermediate_size": 160, "max_position_embeddings": CONTEXT}
GPT2 = {**COMMON, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT,
        "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}

# Name: class, configuration.
MODELS = {
    "llama-gqa": (LlamaForCausalLM, LlamaConfig(**ROTARY, tie_word_embeddings=False)),
    "llama-tied": (LlamaForCausalLM, LlamaConfig(**ROTARY, tie_word_embeddings=True)),
    "llama-biases": (LlamaForCausalLM, LlamaConfig(**ROTARY, attention_bias=True, mlp_bias=True)),
    "llama3-rope": (LlamaForCausalLM, LlamaConfig(**ROTARY, rope_theta=500_000.0, rope_scaling=LLAMA3)),
    "llama-linear": (LlamaForCausalLM, LlamaConfig(**ROTARY, rope_scaling={"rope_type": "linear", "factor": 2.0})),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**ROTARY, tie_word_embeddings=False, use_sliding_window=False)),
    "qwen2-tied": (Qwen2ForCausalLM, Qwen2Config(**ROTARY, tie_word_embeddings=True, rope_theta=1_000_000.0)),
    "gpt2": (GPT2LMHeadModel, GPT2Config(**GPT2)),
    "gpt2-gelu": (GPT2LMHeadModel, GPT2Config(**GPT2, activation_function="gelu", tie_word_embeddings=False)),
}


def settings(name):
    """What a trained model depends on."""
    return f"{STEPS} {BATCH} {WINDOW} {MODELS[name][1].to_json_string()}"


def train(name, data):
    """A seeded model, trained until its logits have structure. `data` is a vector of byte values."""
    torch.manual_seed(len(name) + 1)
    kind, config = MODELS[name]
    model = kind(config).train()
    for parameter in model.parameters():
        # Biases and gains start at 0 and 1: as random ones they would show a swap.
        if parameter.dim() == 1:
            parameter.data += 0.05 * torch.randn_like(parameter)
    tokens = torch.tensor(np.frombuffer(data, dtype=np.uint8).astype(np.int64) + FIRST_BYTE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=STEPS)
    for _ in range(STEPS):
        starts = torch.randint(len(tokens) - WINDOW, (BATCH,))
        batch = torch.stack([tokens[s : s + WINDOW] for s in starts])
        batch = torch.cat([torch.full((BATCH, 1), BEGIN), batch], dim=1)
        loss = model(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval(), loss.item()


def save(model, folder, dtype, shard):
    """A directory as transformers writes it."""
    model.to(dtype).save_pretrained(folder, safe_serialization=True, max_shard_size=shard)
    model.to(torch.float32)
    save_tokenizer(folder)


def save_tokenizer(folder):
    """A byte-level tokenizer's files."""
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary(), merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<begin>", "<end>"])
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump({"add_bos_token": True, "bos_token": "<begin>", "eos_token": "<end>"}, file)


def vocabulary():
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    # The letters that stand for bytes, in the bytes' order: printable ones are themselves.
    printable = [b for b in range(256) if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE]
    others = iter(sorted(c for c in letters if ord(c) > 255))
    return {"<begin>": BEGIN, "<end>": END} | {
        (chr(b) if b in printable else next(others)): b + FIRST_BYTE for b in range(256)
    }


def rounded(model, kind):
    """The model with its matrices as GGUF's type `kind` rounds them."""
    model, raw = copy.deepcopy(model), gguf.GGMLQuantizationType[kind]
    for name, weights in model.named_parameters():
        if weights.dim() == 2:
            turned = is_turned(model.config, name)
            rows = np.ascontiguousarray(weights.detach().numpy().T if turned else weights.detach().numpy())
            rows = gguf.quants.dequantize(gguf.quants.quantize(rows, raw), raw)
            weights.data.copy_(torch.tensor(rows.T if turned else rows))
    return model


def is_turned(config, name):
    """Whether GPT-2 keeps the matrix transposed."""
    return config.model_type == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))


def permuted(weights, heads):
    """Rows of query and key in the order in which neighbours turn together, as llama.cpp wants them."""
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def save_gguf(model, file, kind):
    """A GGUF file as llama.cpp's converter writes it: matrices of type `kind`, vectors as F32."""
    c = model.config
    name = {"llama": "llama", "qwen2": "qwen2", "gpt2": "gpt2"}[c.model_type]
    out = gguf.GGUFWriter(file, name)
    gpt2 = name == "gpt2"
    layers = c.num_hidden_layers
    out.add_context_length(CONTEXT)
    out.add_embedding_length(c.hidden_size)
    out.add_block_count(layers)
    out.add_feed_forward_length(c.n_inner or 4 * c.n_embd if gpt2 else c.intermediate_size)
    out.add_head_count(c.num_attention_heads)
    tensors = {}
    if gpt2:
        out.add_layer_norm_eps(c.layer_norm_epsilon)
    else:
        out.add_head_count_kv(c.num_key_value_heads)
        out.add_layer_norm_rms_eps(c.rms_norm_eps)
        out.add_rope_freq_base(c.rope_theta)
        out.add_rope_dimension_count(c.hidden_size // c.num_attention_heads)
        scaling = c.rope_scaling or {}
        if scaling.get("rope_type") == "linear":
            out.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            out.add_rope_scaling_factor(scaling["factor"])
        if scaling.get("rope_type") == "llama3":
            # What transformers computed, as factors: how much slower each pair turns.
            turns = model.model.rotary_emb.inv_freq.numpy().astype(np.float64)
            plain = c.rope_theta ** (-np.arange(0, len(turns)) / len(turns))
            tensors["rope_freqs.weight"] = (plain / turns).astype(np.float32)
    out.add_vocab_size(VOCABULARY)
    out.add_tokenizer_model("llama")
    out.add_token_list([b"<begin>", b"<end>"] + [f"<0x{b:02X}>".encode() for b in range(256)])
    out.add_token_scores([0.0] * VOCABULARY)
    out.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256)
    out.add_bos_token_id(BEGIN)
    out.add_eos_token_id(END)
    out.add_add_bos_token(True)
    out.add_add_space_prefix(False)
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, name.upper()), layers)
    tied = c.tie_word_embeddings
    for theirs, weights in model.state_dict().items():
        if theirs.endswith((".attn.bias", ".attn.masked_bias", "inv_freq")) or (tied and theirs == "lm_head.weight"):
            continue
        weights = weights.to(torch.float32).numpy()
        if is_turned(c, theirs):
            weights = weights.T
        if name == "llama" and ".q_proj." in theirs:
            weights = permuted(weights, c.num_attention_heads)
        if name == "llama" and ".k_proj." in theirs:
            weights = permuted(weights, c.num_key_value_heads)
        ours = names.get_name(theirs, try_suffixes=(".weight", ".bias"))
        if ours is None:
            raise ValueError(f"no GGUF name for {theirs}")
        tensors[ours] = np.ascontiguousarray(weights)
    kinds = gguf.GGMLQuantizationType
    for ours, weights in tensors.items():
        if weights.ndim == 1:
            out.add_tensor(ours, weights.astype(np.float32))
        else:
            raw = kinds[kind]
            out.add_tensor(ours, gguf.quants.quantize(weights.astype(np.float32), raw), raw_dtype=raw)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def stories260k(folder):
    """stories260K as transformers' Llama, and its vocabulary's pieces."""
    with open(os.path.join(folder, "stories260K.bin"), "rb") as file:
        dim, hidden, layers, heads, kv_heads, words, context = struct.unpack("<7i", file.read(28))
        numbers = torch.tensor(np.frombuffer(file.read(), dtype="<f4").copy())
    config = LlamaConfig(hidden_size=dim, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
                         intermediate_size=hidden, vocab_size=words, max_position_embeddings=context, rms_norm_eps=1e-5,
                         rope_theta=10_000.0, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2)
    model, kv, at = LlamaForCausalLM(config).eval(), dim // heads * kv_heads, 0
    # Each tensor holds all layers. llama2.c turns neighbours: its query and key rows are permuted back.
    order = [("embed_tokens", None, words, 0), ("input_layernorm", layers, 1, 0), ("self_attn.q_proj", layers, dim, heads),
             ("self_attn.k_proj", layers, kv, kv_heads), ("self_attn.v_proj", layers, kv, 0), ("self_attn.o_proj", layers, dim, 0),
             ("post_attention_layernorm", layers, 1, 0), ("mlp.gate_proj", layers, hidden, 0), ("mlp.down_proj", layers, dim, 0),
             ("mlp.up_proj", layers, hidden, 0), ("norm", None, 1, 0)]
    for part, count, rows, turned in order:
        for layer in range(count or 1):
            name = f"layers.{layer}.{part}.weight" if count else f"{part}.weight"
            target = model.model.get_parameter(name)
            values = numbers[at : at + target.numel()].reshape(target.shape)
            at += target.numel()
            if turned:
                values = values.reshape(turned, rows // turned // 2, 2, dim).transpose(1, 2).reshape(rows, dim)
            target.data.copy_(values)
    pieces = []
    with open(os.path.join(folder, "tok512.bin"), "rb") as file:
        file.read(4)
        for _ in range(words):
            _, length = struct.unpack("<fi", file.read(8))
            piece = file.read(length)
            pieces.append(bytes([int(piece[3:5], 16)]) if piece.startswith(b"<0x") and len(piece) == 6 else piece)
    return model, pieces


def samples(model, pieces, texts, length):
    """Texts drawn from a model at temperature 1, one a line."""
    torch.manual_seed(1)
    drawn = torch.full((texts, 1), 1)
    with torch.no_grad():
        while drawn.shape[1] < length:
            logits = model(drawn).logits[:, -1]
            logits[:, :3] = -torch.inf
            drawn = torch.cat([drawn, torch.multinomial(logits.softmax(-1), 1)], dim=1)
    return b"\n".join(b"".join(pieces[token] for token in text[1:]).strip() for text in drawn.tolist())


def save_large(folder):
    """A random Llama of 1.1 billion weights as BF16 shards, 2.2 GB."""
    dim, layers, heads, kv_heads, hidden, words = 2048, 16, 32, 8, 8192, 32_000
    os.makedirs(folder, exist_ok=True)
    head = dim // heads
    config = {"architectures": ["LlamaForCausalLM"], "hidden_size": dim, "num_hidden_layers": layers,
              "num_attention_heads": heads, "num_key_value_heads": kv_heads, "intermediate_size": hidden,
              "vocab_size": words, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 500_000.0,
              "tie_word_embeddings": False, "bos_token_id": 0, "eos_token_id": 1}
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)
    save_tokenizer(folder)
    shapes = {"model.embed_tokens.weight": (words, dim), "model.norm.weight": (dim,), "lm_head.weight": (words, dim)}
    parts = {"input_layernorm": (dim,), "post_attention_layernorm": (dim,), "self_attn.q_proj": (dim, dim),
             "self_attn.k_proj": (kv_heads * head, dim), "self_attn.v_proj": (kv_heads * head, dim),
             "self_attn.o_proj": (dim, dim), "mlp.gate_proj": (hidden, dim), "mlp.up_proj": (hidden, dim),
             "mlp.down_proj": (dim, hidden)}
    files = [[*shapes]] + [[f"model.layers.{i}.{part}.weight" for part in parts] for i in range(layers)]
    shapes |= {f"model.layers.{i}.{part}.weight": shape for i in range(layers) for part, shape in parts.items()}
    random = np.random.default_rng(1).standard_normal(1 << 22, dtype=np.float32) * 0.02
    block = (random.view(np.uint32) >> 16).astype("<u2").tobytes()
    weight_map = {}
    for i, tensors in enumerate(files):
        name = f"model-{i + 1:05}-of-{len(files):05}.safetensors"
        header, end = {}, 0
        for tensor in tensors:
            length = 2 * int(np.prod(shapes[tensor]))
            header[tensor] = {"dtype": "BF16", "shape": shapes[tensor], "data_offsets": [end, end + length]}
            end += length
            weight_map[tensor] = name
        header = json.dumps(header).encode()
        with open(os.path.join(folder, name), "wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            while end > 0:
                file.write(block[:end])
                end -= min(end, len(block))
    with open(os.path.join(folder, "model.safetensors.index.json"), "w") as file:
        json.dump({"metadata": {}, "weight_map": weight_map}, file)
