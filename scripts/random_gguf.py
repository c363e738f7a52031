"""Writes a random Q8_0 model in SmolLM2-135M's shape, as llama.cpp reads it: python random_gguf.py FILE.

Speed does not depend on what the weights say, so they are small random numbers.
"""

import sys

import gguf
import numpy as np

DIM, LAYERS, HEADS, KV_HEADS, HIDDEN, VOCABULARY, CONTEXT = 576, 30, 9, 3, 1536, 49_152, 2048
HEAD_DIM = DIM // HEADS


def main(path):
    random = np.random.default_rng(1)
    out = gguf.GGUFWriter(path, "llama")
    out.add_context_length(CONTEXT)
    out.add_embedding_length(DIM)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(HIDDEN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(HEAD_DIM)
    out.add_rope_freq_base(10_000.0)
    out.add_vocab_size(VOCABULARY)
    out.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    out.add_tokenizer_model("llama")
    out.add_token_list([f"<{i}>".encode() for i in range(VOCABULARY)])
    out.add_token_scores([0.0] * VOCABULARY)
    kind = gguf.TokenType
    out.add_token_types([kind.UNKNOWN, kind.CONTROL, kind.CONTROL] + [kind.NORMAL] * (VOCABULARY - 3))
    out.add_unk_token_id(0)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)

    def norm(name):
        out.add_tensor(name, np.ones(DIM, dtype=np.float32))

    def matrix(name, rows, columns):
        weights = random.standard_normal((rows, columns), dtype=np.float32) * 0.02
        q8_0 = gguf.GGMLQuantizationType.Q8_0
        out.add_tensor(name, gguf.quantize(weights, q8_0), raw_dtype=q8_0)

    # The head is the embedding, as in SmolLM2.
    matrix("token_embd.weight", VOCABULARY, DIM)
    norm("output_norm.weight")
    for i in range(LAYERS):
        layer = f"blk.{i}"
        norm(f"{layer}.attn_norm.weight")
        matrix(f"{layer}.attn_q.weight", DIM, DIM)
        matrix(f"{layer}.attn_k.weight", KV_HEADS * HEAD_DIM, DIM)
        matrix(f"{layer}.attn_v.weight", KV_HEADS * HEAD_DIM, DIM)
        matrix(f"{layer}.attn_output.weight", DIM, DIM)
        norm(f"{layer}.ffn_norm.weight")
        matrix(f"{layer}.ffn_gate.weight", HIDDEN, DIM)
        matrix(f"{layer}.ffn_up.weight", HIDDEN, DIM)
        matrix(f"{layer}.ffn_down.weight", DIM, HIDDEN)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


main(sys.argv[1])
