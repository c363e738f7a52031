mod formats;
mod hostile;
mod text;

use super::llama2c::{llama2c, read_tokenizer};
use super::*;
use crate::model::{Package, valid_model};
use std::string::ToString;
use std::vec::Vec;

/// A checkpoint of dim 8, hidden 12, one layer, two heads, one key/value head, vocabulary 262, sequence 16.
const HEADER: [i32; 7] = [8, 12, 1, 2, 1, 262, 16];

fn checkpoint(header: [i32; 7]) -> Vec<u8> {
    let [dim, hidden, layers, heads, kv_heads, vocabulary, context] = header.map(|v| v.unsigned_abs() as usize);
    let kv = dim / heads * kv_heads;
    let layer = 2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * dim * hidden;
    let mut numbers = vocabulary * dim + layers * layer + dim + context * dim / heads;
    if header[5] < 0 {
        numbers += vocabulary * dim;
    }
    let weights = (0..numbers).flat_map(|i| ((i as f32 * 0.7).sin() * 0.3).to_le_bytes());
    header.iter().flat_map(|v| v.to_le_bytes()).chain(weights).collect()
}

fn tokenizer() -> Vec<u8> {
    let mut out = 7i32.to_le_bytes().to_vec();
    let named = ["<unk>", "\n<s>\n", "\n</s>\n"].map(|s| s.to_string());
    let bytes = (0..256).map(|b| std::format!("<0x{b:02X}>"));
    let texts = [" ", "a", " a"].map(|s| s.to_string());
    for (i, piece) in named.into_iter().chain(bytes).chain(texts).enumerate() {
        out.extend((-(i as f32)).to_le_bytes());
        out.extend((piece.len() as i32).to_le_bytes());
        out.extend(piece.as_bytes());
    }
    out
}

#[test]
fn a_whole_checkpoint_is_imported_and_a_cut_one_is_not() {
    for vocabulary in [262, -262] {
        let mut header = HEADER;
        header[5] = vocabulary;
        let (file, tokens) = (checkpoint(header), tokenizer());
        let package = llama2c(&file, &tokens, "tiny", "MIT").unwrap();
        assert!(valid_model(&package).is_ok());
        assert_eq!(llama2c(&file, &tokens, "tiny", "MIT").unwrap(), package);
        assert_eq!(Package::parse(package).unwrap().manifest().tied_head, vocabulary > 0);
        for cut in [0, 10, 27, 28, 100, file.len() - 1] {
            let error = llama2c(&file[..cut], &tokens, "tiny", "MIT").unwrap_err();
            assert!(matches!(&error, ImportError::Truncated { file, .. } if file == "checkpoint"), "{cut}: {error}");
        }
        let longer = [&file[..], &[0; 4]].concat();
        assert!(matches!(llama2c(&longer, &tokens, "tiny", "MIT"), Err(ImportError::TooLong { .. })));
    }
}

#[test]
fn odd_headers_name_the_field() {
    let cases = [
        (0, 0, "dim"),
        (0, -8, "dim"),
        (0, i32::MAX, "dim"),
        (1, 0, "hidden_dim"),
        (2, 1 << 30, "n_layers"),
        (3, 3, "n_heads"),
        (4, 5, "n_kv_heads"),
        (5, 0, "vocab_size"),
        (5, i32::MIN, "vocab_size"),
        (6, 0, "seq_len"),
    ];
    for (index, value, name) in cases {
        let mut file = checkpoint(HEADER);
        file[index * 4..index * 4 + 4].copy_from_slice(&i32::to_le_bytes(value));
        match llama2c(&file, &tokenizer(), "tiny", "MIT") {
            Err(ImportError::Field { file, field, found, .. }) => {
                assert_eq!((&*file, &*field, found), ("checkpoint", name, value.to_string()));
            }
            other => panic!("{name} {value}: {other:?}"),
        }
    }
    let mut file = checkpoint(HEADER);
    file[..4].copy_from_slice(b"24ka");
    let error = llama2c(&file, &tokenizer(), "tiny", "MIT").unwrap_err();
    assert!(error.to_string().contains("--version 0"), "{error}");
    // Huge but within bounds: refused by the file's length, before anything is allocated.
    let huge = [32_768, 131_072, 512, 1024, 1024, 1_048_576, 131_072i32];
    let header: Vec<u8> = huge.iter().flat_map(|v| v.to_le_bytes()).collect();
    assert!(matches!(llama2c(&header, &tokenizer(), "tiny", "MIT"), Err(ImportError::Truncated { .. })));
}

#[test]
fn damaged_weights_and_wrong_tokenizers_are_named() {
    for bad in [f32::NAN, f32::INFINITY, 1e9] {
        let mut file = checkpoint(HEADER);
        file[28..32].copy_from_slice(&bad.to_le_bytes());
        let error = llama2c(&file, &tokenizer(), "tiny", "MIT").unwrap_err();
        assert!(matches!(error, ImportError::Weight { row: 0, .. }), "{error}");
    }
    let good = tokenizer();
    assert!(read_tokenizer(&good, 262).is_ok());
    assert!(matches!(read_tokenizer(&good, 263), Err(ImportError::Truncated { file, .. }) if file == "tokenizer"));
    assert!(matches!(read_tokenizer(&good, 261), Err(ImportError::TooLong { file, .. }) if file == "tokenizer"));
    for (at, value) in [(0, 0i32), (0, -1), (4, 0x7fc0_0000), (8, -5), (8, 1 << 30)] {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let error = read_tokenizer(&bad, 262).unwrap_err();
        assert!(matches!(&error, ImportError::Field { file, .. } if file == "tokenizer"), "{at} {value}: {error}");
    }
    for cut in 0..good.len() {
        assert!(read_tokenizer(&good[..cut], 262).is_err());
    }
    // One byte piece named twice: the vocabulary is not whole.
    let at = good.windows(6).position(|w| w == b"<0x41>").unwrap();
    let mut twice = good;
    twice[at..at + 6].copy_from_slice(b"<0x40>");
    let error = llama2c(&checkpoint(HEADER), &twice, "tiny", "MIT").unwrap_err();
    assert!(matches!(error, ImportError::Package(_)), "{error}");
}

#[test]
fn a_row_is_quantised_to_the_nearest() {
    for factor in [1.0, 0.3, 1e-9] {
        let row: Vec<f32> = (0..300).map(|i| (i as f32).sin() * 0.05).collect();
        let q = quantise(&row, factor);
        let step = q.mantissa as f64 / 2f64.powi(q.shift as i32);
        for (w, r) in row.iter().zip(q.reals()) {
            assert!((*w as f64 * factor - r as f64).abs() <= step * 0.5001 + 1e-12);
        }
        assert!(q.weights.iter().any(|w| w.unsigned_abs() == 127) || factor < 1e-8);
    }
    let zero = quantise(&[0.0; 4], 1.0);
    assert_eq!((zero.weights, zero.mantissa), (std::vec![0; 4], 32_768));
}

#[test]
fn random_models_are_reproducible_and_can_read() {
    for shape in [RandomShape::llama(), RandomShape::qwen2(), RandomShape::gpt2()] {
        let bytes = random_model(3, &shape).unwrap();
        assert_eq!(bytes, random_model(3, &shape).unwrap());
        assert_ne!(bytes, random_model(4, &shape).unwrap());
        let package = Package::parse(bytes).unwrap();
        let text = "the camel, and \u{1F42B} the rest";
        let ids = package.tokenizer().prompt(text).unwrap();
        assert_eq!(package.tokenizer().decode(&ids).unwrap(), text);
        assert!(ids.len() < text.len(), "no piece was merged");
    }
}
