//! `camelid train` and `camelid model bits` through the real binary: from texts to a package that answers.

use camelid_core::model::import::{RandomShape, random_model};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn camelid(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_camelid"));
    command.args(args).current_dir(dir).env("CAMELID_DATA_DIR", dir.join("home")).env_remove("CAMELID_NETWORK");
    command.output().unwrap()
}

fn good(dir: &Path, args: &[&str]) -> String {
    let output = camelid(dir, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(dir: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&good(dir, &[args, &["--json"]].concat())).unwrap()
}

fn bad(dir: &Path, args: &[&str]) -> String {
    let output = camelid(dir, args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
    assert!(error.starts_with("camelid: ") && error.trim_end().lines().count() == 1, "{args:?}: {error}");
    error
}

#[test]
fn texts_are_sampled_and_measured() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // A small vocabulary and a short context: a random model's texts end within it now and then.
    let shape = RandomShape { vocabulary: 300, context: 64, ..RandomShape::llama() };
    std::fs::write(dir.join("random.camelid"), random_model(11, &shape).unwrap()).unwrap();
    let sampled = json(
        dir,
        &["train", "sample", "--model", "./random.camelid", "--out", "t.txt", "--size", "0MB", "--seed", "5"],
    );
    assert_eq!(sampled["bytes"], 0);
    let text = "A day.\nA night.\n<|endoftext|>\nThe end.\n<|endoftext|>\n";
    std::fs::write(dir.join("two.txt"), text).unwrap();
    let bits = json(dir, &["model", "bits", "--model", "./random.camelid", "--text", "two.txt"]);
    assert_eq!((&bits["texts"], &bits["bytes"]), (&Value::from(2), &Value::from(15 + 8)));
    assert!(bits["bits_per_byte"].as_f64().unwrap() > 1.0, "{bits}");
    let shown = good(dir, &["model", "bits", "--model", "./random.camelid", "--text", "two.txt"]);
    assert!(shown.contains("bits per byte"), "{shown}");
    for (args, words) in [
        (vec!["model", "bits", "--model", "./random.camelid", "--text", "none.txt"], vec!["none.txt"]),
        (vec!["model", "bits", "--model", "./none.camelid", "--text", "two.txt"], vec!["none.camelid"]),
        (vec!["train", "sample", "--model", "./random.camelid", "--out", "two.txt"], vec!["two.txt", "--out"]),
    ] {
        let error = bad(dir, &args);
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    assert_eq!(std::fs::read_to_string(dir.join("two.txt")).unwrap(), text);
}

#[test]
fn tales_are_told_again_alike() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let tell = |out, seed| json(dir, &["train", "tales", "--out", out, "--size", "1MB", "--seed", seed]);
    let told = tell("a.txt", "1");
    let read = |name| std::fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(told["bytes"], read("a.txt").len());
    assert_eq!(told["texts"], read("a.txt").matches("\n<|endoftext|>\n").count());
    assert!((1_000_000..1_001_500).contains(&read("a.txt").len()), "{told}");
    tell("b.txt", "1");
    tell("c.txt", "2");
    assert_eq!(read("a.txt"), read("b.txt"));
    assert_ne!(read("a.txt"), read("c.txt"));
    let error = bad(dir, &["train", "tales", "--out", "none/a.txt", "--size", "1MB"]);
    assert!(error.contains("none"), "{error}");
}

#[cfg(not(feature = "train"))]
#[test]
fn a_program_without_training_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let error = bad(dir.path(), &["train", "tokenizer", "--text", "t", "--out", "o"]);
    assert!(error.contains("--features train"), "{error}");
}

#[cfg(feature = "train")]
#[test]
fn from_texts_to_a_package_that_tells_stories() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let story = |n: usize| {
        let name = ["Tom", "Lily", "Ben"][n % 3];
        let thing = ["ball", "cake", "kite", "book", "dog"][n % 5];
        let place = ["park", "garden"][n / 3 % 2];
        format!("One day, {name} went to the {place}. {name} had a {thing}. The {thing} was red.\n<|endoftext|>\n")
    };
    std::fs::write(dir.join("texts.txt"), (0..300).map(story).collect::<String>()).unwrap();
    std::fs::write(dir.join("held-out.txt"), (7..67).map(story).collect::<String>()).unwrap();
    let tokenizer = ["train", "tokenizer", "--text", "texts.txt", "--out", "tok", "--vocabulary", "300"];
    assert_eq!(json(dir, &tokenizer)["vocabulary"], 300);
    let files = ["--text", "texts.txt", "--held-out", "held-out.txt", "--tokenizer", "tok", "--out", "run"];
    let shape =
        ["--dim", "16", "--layers", "2", "--heads", "2", "--kv-heads", "1", "--hidden", "32", "--context", "48"];
    let course = ["--steps", "40", "--batch", "4", "--part", "2", "--rate", "0.01", "--warm-up", "4"];
    fn run<'a>(files: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        [&["train", "run"], files, more].concat()
    }
    let first = [&shape[..], &course, &["--measure-every", "10", "--steps-now", "15"]].concat();
    let report = json(dir, &run(&files, &first));
    assert_eq!((&report["step"], &report["steps"]), (&Value::from(15), &Value::from(40)));

    let checkpoint = std::fs::read(dir.join("run/checkpoint")).unwrap();
    for (more, words) in [
        (&["--dim", "16"][..], &["--resume", "run/checkpoint"][..]),
        (&["--resume", "--layers", "3"], &["another shape", "run/checkpoint"]),
        (&["--resume", "--heads", "3"], &["--dim", "expected"]),
    ] {
        let error = bad(dir, &run(&files, more));
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    assert_eq!(std::fs::read(dir.join("run/checkpoint")).unwrap(), checkpoint, "refused, and left as it is");

    let report = json(dir, &run(&files, &["--resume"]));
    assert_eq!(report["step"], 40);
    assert!(report["held_out_bits_per_byte"].as_f64().unwrap() < 3.0, "{report}");
    let export = ["train", "export", "--run", "run", "--out", "own.camelid", "--held-out", "held-out.txt"];
    let exported = json(dir, &[&export[..], &["--name", "own"]].concat());
    assert_eq!(exported["model"], "own");
    // The integers are as good as the floats.
    let (integers, floats) = (&exported["bits_per_byte"], &report["held_out_bits_per_byte"]);
    assert!((integers.as_f64().unwrap() / floats.as_f64().unwrap() - 1.0).abs() < 0.1, "{exported} {report}");

    // Another machine goes on from the package alone.
    let files = ["--text", "texts.txt", "--held-out", "held-out.txt", "--out", "next"];
    let both = camelid(dir, &run(&files, &["--from", "own.camelid", "--heads", "2"]));
    let error = String::from_utf8(both.stderr).unwrap();
    assert!(both.status.code() == Some(2) && error.contains("--from") && error.contains("--heads"), "{error}");
    let error = bad(dir, &run(&files, &["--from", "own.camelid", "--layers", "1"]));
    assert!(error.contains("--layers is 1, expected at least the 2"), "{error}");
    let error = bad(dir, &run(&files, &["--from", "texts.txt"]));
    assert!(error.contains("texts.txt") && error.contains("train export"), "{error}");
    let next = json(dir, &run(&files, &["--from", "own.camelid", "--steps", "10", "--rate", "0.001"]));
    let (before, after) = (&report["held_out_bits_per_byte"], &next["held_out_bits_per_byte"]);
    assert!(after.as_f64().unwrap() < before.as_f64().unwrap() * 1.1, "{report} {next}");
    assert_eq!(json(dir, &run(&files, &["--resume", "--steps", "12"]))["step"], 12);
    // Larger: as good as it was at the least.
    let files = ["--text", "texts.txt", "--held-out", "held-out.txt", "--out", "larger"];
    let larger = ["--from", "own.camelid", "--layers", "3", "--hidden", "48", "--steps", "10", "--rate", "0.001"];
    let larger = json(dir, &run(&files, &larger));
    let after = &larger["held_out_bits_per_byte"];
    assert!(after.as_f64().unwrap() < before.as_f64().unwrap() * 1.1, "{report} {larger}");

    let stories = json(dir, &["train", "stories", "--model", "./own.camelid", "--max-tokens", "8"]);
    assert_eq!((stories["greedy"].as_array().unwrap().len(), stories["sampled"].as_array().unwrap().len()), (10, 10));
    let shown = good(dir, &["train", "stories", "--model", "./own.camelid", "--max-tokens", "8"]);
    assert!(shown.contains("> **One day, Tom") && shown.contains("Greedy"), "{shown}");
}
