//! Models as others keep them, through the real binary: imported, compared with their float weights, and refused when
//! they are not whole, without a file left behind.

use camelid_test_vectors::checkpoints::{self, Dtype, FAMILIES, Family};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a command printed; `Err` has the one line that it failed with.
fn camelid(data: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_camelid"))
        .args(args)
        .env("CAMELID_DATA_DIR", data)
        .env_remove("CAMELID_NETWORK")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn write(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> PathBuf {
    fs::create_dir_all(dir).unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(dir.join(name), bytes).unwrap());
    dir.to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_architecture_is_imported_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let words = dir.path().join("words.txt");
    fs::write(&words, "An emoji \u{1F42B}, and then some more text, again and again. ".repeat(20)).unwrap();
    for family in FAMILIES {
        let name = format!("{family:?}");
        let folder = write(&dir.path().join(&name), &checkpoints::huggingface(3, family, Dtype::Bf16, 2));
        let gguf = dir.path().join(format!("{name}.gguf"));
        fs::write(&gguf, checkpoints::gguf(3, family, Dtype::Q8_0)).unwrap();
        for (path, kind) in [(&folder, "folder"), (&gguf, "gguf")] {
            let out = dir.path().join(format!("{name}-{kind}.camelid"));
            let args = ["--json", "model", "import", text(path), "--out", text(&out), "--licence", "CC0-1.0"];
            let view: Value = serde_json::from_str(&camelid(dir.path(), &args).unwrap()).unwrap();
            assert_eq!(view["package_bytes"].as_u64(), Some(fs::metadata(&out).unwrap().len()));
            let args = ["--json", "model", "eval", "--model", text(&out), "--reference", text(path), "--text"];
            let report = camelid(dir.path(), &[&args[..], &[text(&words), "--length", "64"]].concat()).unwrap();
            let report: Value = serde_json::from_str(&report).unwrap();
            let number = |key: &str| report[key].as_f64().unwrap();
            assert!(number("tokens") > 1000.0 && number("tokens_per_second") > 0.0, "{report}");
            // A random model's logits: the rounding of the weights alone moves some.
            assert!((number("perplexity") / number("perplexity_f32") - 1.0).abs() < 0.03, "{report}");
            assert!(number("top1_agreement") > 0.8, "{report}");
        }
        // The same model again, to the same place, is no error; to the data directory it goes by its name.
        let args = ["model", "import", text(&gguf), "--name", &name.to_lowercase(), "--json"];
        let (first, again) = (camelid(dir.path(), &args).unwrap(), camelid(dir.path(), &args).unwrap());
        assert_eq!(first, again);
        assert!(camelid(dir.path(), &["model", "info", &name.to_lowercase()]).is_ok());
    }
}

#[test]
fn what_cannot_be_imported_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let files = checkpoints::huggingface(3, Family::Llama, Dtype::F32, 3);
    let shard = "model-00002-of-00003.safetensors";
    let with = |name: &str, bytes: Option<Vec<u8>>| {
        let mut files = files.clone();
        files.remove(name);
        files.extend(bytes.map(|bytes| (name.to_string(), bytes)));
        let folder = dir.path().join("model");
        let _ = fs::remove_dir_all(&folder);
        write(&folder, &files)
    };
    let cut = |name: &str| Some(files[name][..files[name].len() - 5].to_vec());
    let mut nan = files[shard].clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let target = out.join("model.camelid");
    type Case<'a> = (&'a str, Option<Vec<u8>>, &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        (shard, None, &[shard, "is missing", "fetch it too"]),
        (shard, cut(shard), &[shard, "too short"]),
        (shard, Some(nan), &["NaN", "finite"]),
        ("config.json", None, &["config.json is missing"]),
        ("config.json", cut("config.json"), &["config.json", "fetch it again"]),
        ("tokenizer.json", None, &["tokenizer.json is missing"]),
    ];
    for (name, bytes, parts) in cases {
        let folder = with(name, bytes);
        let error = camelid(dir.path(), &["model", "import", text(&folder), "--out", text(&target)]).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)) && error.lines().count() == 1, "{error}");
        assert!(error.contains(text(&folder)), "{error}");
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "{error}");
    }
    // Another model's place is not taken, and what lies there stays.
    let folder = with("", None);
    fs::write(&target, b"another").unwrap();
    let error = camelid(dir.path(), &["model", "import", text(&folder), "--out", text(&target)]).unwrap_err();
    assert!(error.contains("there is another model") && error.contains("--out"), "{error}");
    assert_eq!(fs::read(&target).unwrap(), b"another");
    let error = camelid(dir.path(), &["model", "import", text(&folder.join("config.json"))]).unwrap_err();
    assert!(error.contains("name the directory"), "{error}");
    let missing = out.join("no/such/folder/m.camelid");
    let error = camelid(dir.path(), &["model", "import", text(&folder), "--out", text(&missing)]).unwrap_err();
    assert!(error.contains(text(&missing)), "{error}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn a_comparison_needs_the_right_reference() {
    let dir = tempfile::tempdir().unwrap();
    let words = dir.path().join("words.txt");
    fs::write(&words, "some words").unwrap();
    let folder = write(&dir.path().join("a"), &checkpoints::huggingface(3, Family::Llama, Dtype::F32, 1));
    let out = dir.path().join("a.camelid");
    camelid(dir.path(), &["model", "import", text(&folder), "--out", text(&out)]).unwrap();
    let eval = |reference: &Path, words: &Path| {
        let args = ["model", "eval", "--model", text(&out), "--reference", text(reference), "--text", text(words)];
        camelid(dir.path(), &args)
    };
    assert!(eval(&folder, &words).unwrap().contains("same top"));
    assert!(eval(&out, &words).unwrap_err().contains("no float weights"));
    assert!(eval(&folder, &dir.path().join("none.txt")).unwrap_err().contains("none.txt"));
    fs::write(&words, "").unwrap();
    assert!(eval(&folder, &words).unwrap_err().contains("at least 2 expected"));
    let mut other = checkpoints::huggingface(3, Family::Llama, Dtype::F32, 1);
    let config = String::from_utf8(other["config.json"].clone()).unwrap();
    let config = config.replace("\"max_position_embeddings\":128", "\"max_position_embeddings\":64");
    other.insert("config.json".into(), config.into_bytes());
    let other = write(&dir.path().join("b"), &other);
    assert!(eval(&other, &words).unwrap_err().contains("the model's context is 128, the reference's 64"));
}
