//! Models as others make them and as we do, tokenizers, chat templates: of the smallest shapes.

use camelid_core::model::import::{RandomShape, random_model};
use camelid_fuzz_bodies::pack;
use camelid_test_vectors::checkpoints::{Dtype, Family, gguf_of, huggingface_of, llama2c_of};
use std::collections::BTreeMap;

type Seed = (&'static str, Vec<u8>);
type Files = BTreeMap<String, Vec<u8>>;

fn smallest(family: Family) -> RandomShape {
    let (heads, kv_heads) = (1, 1);
    RandomShape {
        dim: 2,
        layers: 1,
        heads,
        kv_heads,
        head_dim: 2,
        hidden: 2,
        vocabulary: 258,
        context: 4,
        ..family.shape()
    }
}

/// All of them.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for family in [Family::Llama, Family::Qwen2, Family::Gpt2] {
        let shape = smallest(family);
        seeds.push(("importers", [&[0][..], &gguf_of(1, family, &shape, Dtype::F16)].concat()));
        let mut files = huggingface_of(1, family, &shape, Dtype::Bf16, 1);
        seeds.push(("importers", [&[1][..], &pack(&files)].concat()));
        // A vocabulary of a few tokens goes with any shape, and is quicker to change.
        files.insert("tokenizer.json".into(), small_tokenizer().into());
        seeds.push(("importers", [&[1][..], &pack(&files)].concat()));
        seeds.push(("packages", [&[0][..], &random_model(1, &shape).expect("a small model")].concat()));
    }
    let two = huggingface_of(2, Family::Llama, &smallest(Family::Llama), Dtype::F32, 2);
    seeds.push(("importers", [&[1][..], &pack(&two)].concat()));
    let wide = RandomShape { dim: 32, hidden: 32, head_dim: 32, ..smallest(Family::Llama) };
    seeds.push(("importers", [&[0][..], &gguf_of(1, Family::Llama, &wide, Dtype::Q8_0)].concat()));
    seeds.push(("importers", [&[2][..], &llama2c()].concat()));
    seeds.extend(tokenizers());
    seeds
}

/// A checkpoint, and a vocabulary of three names, the 256 bytes and three texts.
fn llama2c() -> Vec<u8> {
    let checkpoint = llama2c_of(1, &RandomShape { vocabulary: 262, ..smallest(Family::Llama) });
    let mut vocabulary = 7i32.to_le_bytes().to_vec();
    let named = ["<unk>", "\n<s>\n", "\n</s>\n"].map(ToString::to_string);
    let bytes = (0..256).map(|b| format!("<0x{b:02X}>"));
    for (i, piece) in named.into_iter().chain(bytes).chain([" ", "a", " a"].map(ToString::to_string)).enumerate() {
        vocabulary.extend((-(i as f32)).to_le_bytes());
        vocabulary.extend((piece.len() as i32).to_le_bytes());
        vocabulary.extend(piece.as_bytes());
    }
    let parts: Files = [("config.json".to_string(), checkpoint), ("text".to_string(), vocabulary)].into();
    pack(&parts)
}

fn small_tokenizer() -> &'static str {
    concat!(
        r#"{"version":"1.0","added_tokens":[{"id":4,"content":"<|end|>","special":true}],"#,
        r#""normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"#,
        r#""trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":true,"#,
        r#""trim_offsets":true,"use_regex":true},"#,
        r#""model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"\u0120":3},"merges":["a b"]}}"#
    )
}

/// A Llama 3's cuts, pieces with bytes for what has none, unigrams; each with a text.
fn tokenizers() -> Vec<Seed> {
    let split = concat!(
        r#"{"added_tokens":[{"id":3,"content":"<s>","special":true},{"id":4,"content":"[x]","lstrip":true}],"#,
        r#""normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Lowercase"}]},"#,
        r#""pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{L}+|\\s+(?!\\S)"},"#,
        r#""behavior":"Isolated","invert":false},{"type":"Digits","individual_digits":true}]},"#,
        r#""post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},"#,
        r#"{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"<s>":{"id":"<s>","ids":[3],"tokens":["<s>"]}}},"#,
        r#""decoder":null,"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]],"ignore_merges":true}}"#
    );
    let pieces = concat!(
        r#"{"added_tokens":[{"id":0,"content":"<unk>","special":true}],"normalizer":{"type":"Sequence","normalizers":"#,
        r#"[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"#,
        r#""decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},"#,
        r#"{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},"model":"#,
        r#"{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":"#,
        r#"{"<unk>":0,"<0x61>":1,"▁":2,"b":3,"▁b":4},"merges":["▁ b"]}}"#
    );
    let unigram = concat!(
        r#"{"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"},"decoder":"#,
        r#"{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"},"#,
        r#""model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["▁",-1.0],["a",-2.5],["▁a",-2.0]]}}"#
    );
    let template = "{% for m in messages %}{{ '<s>' + m['role'] + '\n' + m['content'] | trim }}{% endfor %}\
                    {% if add_generation_prompt %}{{ bos_token }}{% endif %}";
    let config = r#"{"add_bos_token":true,"bos_token":"<s>","eos_token":{"content":"<unk>"},"chat_template":"{{ messages[0].content }}"}"#;
    let mut seeds = Vec::new();
    for (n, json) in [small_tokenizer(), split, pieces, unigram].into_iter().enumerate() {
        let text = "ab a 12\u{e9} <s> [x] <|end|>";
        let mut files: Files = [("tokenizer.json".to_string(), json.into()), ("text".to_string(), text.into())].into();
        seeds.push(("tokenizers", [&[n as u8][..], &pack(&files)].concat()));
        files.insert("chat_template.jinja".into(), template.into());
        seeds.push(("tokenizers", [&[0x80][..], &pack(&files)].concat()));
        files.insert("tokenizer_config.json".into(), config.into());
        files.insert("generation_config.json".into(), br#"{"eos_token_id":[1,2]}"#.to_vec());
        seeds.push(("tokenizers", [&[0][..], &pack(&files)].concat()));
    }
    seeds
}
