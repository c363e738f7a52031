//! `browser-vectors FOLDER`: writes the models, texts and ways to feed them that the engines in a browser are tested on, and
//! the digests and answers of the reference engine: `cases.json` and a package for each case.
//!
//! CAMELID_BROWSER_TOKENS says how many tokens the texts have together at least (each is fed in four ways).

use anyhow::{Context, anyhow};
use camelid_browser_tests::{stories, write};
use camelid_core::model::import::{RandomShape, build, huggingface, random_source};
use camelid_core::model::{Reference, Sampling, generate};
use camelid_core::units::TokenId;
use camelid_test_vectors::{Case, Plan, Stream, digest, named_cases, plans, random_case, reference};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Tokens of texts where the environment names no number.
const SHORT: usize = 10_000;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from).context("expected a folder")?;
    let goal = match std::env::var("CAMELID_BROWSER_TOKENS") {
        Ok(n) => n.parse().map_err(|_| anyhow!("CAMELID_BROWSER_TOKENS is {n}, expected a number of tokens"))?,
        Err(_) => SHORT,
    };
    let mut cases = named_cases();
    if let Some(package) = stories("browser: stories260K")? {
        cases.insert(0, Case::new("stories260k".into(), package, &mut Stream::new(260), &[400, 90, 17, 1]));
    }
    let mut tokens: usize = cases.iter().map(Case::tokens).sum();
    for case in (0..).map(random_case) {
        if tokens >= goal {
            break;
        }
        tokens += case.tokens();
        cases.push(case);
    }
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut written = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let file = format!("{i}.camelid");
        write(&folder.join(&file), case.package.bytes())?;
        written.push(described(case, &file, i as u64)?);
    }
    write(&folder.join("cases.json"), serde_json::to_string(&json!({ "cases": written }))?.as_bytes())?;
    println!("{} models, {tokens} tokens: {}", cases.len(), folder.display());
    tokenizers(&folder)
}

/// `tokenizers.json`, and a package for each tokenizer of core's vectors: texts, ids and the text that these give, by
/// Python's `tokenizers`.
fn tokenizers(folder: &Path) -> anyhow::Result<()> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/tests/vectors/tokenizers");
    let mut written = Vec::new();
    let entries = std::fs::read_dir(&own).with_context(|| own.display().to_string())?;
    for path in entries.map(|e| e.map(|e| e.path())) {
        let path = path?;
        let vectors: Value =
            serde_json::from_slice(&std::fs::read(&path)?).with_context(|| path.display().to_string())?;
        let (name, n) = (&vectors["name"], vectors["vocabulary"].as_u64().unwrap_or(0) as usize);
        let shape = RandomShape { vocabulary: n.max(258), ..RandomShape::llama() };
        let json = vectors["tokenizer"].to_string().into_bytes();
        let directory = BTreeMap::from([("tokenizer.json".to_string(), json)]);
        let tokenizer = huggingface::tokenizer_of(&directory, shape.vocabulary)?;
        let file = format!("tokenizer-{}.camelid", name.as_str().context("vectors without a name")?);
        write(&folder.join(&file), &build(&random_source(1, &shape), &tokenizer)?)?;
        written.push(json!({ "name": name, "package": file, "cases": vectors["cases"] }));
    }
    println!("{} tokenizers", written.len());
    write(&folder.join("tokenizers.json"), serde_json::to_string(&written)?.as_bytes())
}

/// What the browser is told of a case.
fn described(case: &Case, file: &str, seed: u64) -> anyhow::Result<Value> {
    let digests: Vec<String> = case.texts.iter().map(|text| digest(&reference(&case.package, text))).collect();
    let plans = plans(&case.texts, &mut Stream::new(seed));
    Ok(json!({
        "name": case.name,
        "package": file,
        "root": case.package.root().to_string(),
        "texts": case.texts.iter().map(|text| ids(text)).collect::<Vec<_>>(),
        "digests": digests,
        "plans": plans.iter().map(|(name, plan)| json!({ "name": name, "steps": steps(plan) })).collect::<Vec<_>>(),
        "answers": answers(case, seed)?,
    }))
}

fn ids(tokens: &[TokenId]) -> Vec<u32> {
    tokens.iter().map(|t| t.0).collect()
}

/// Each step's pieces: text, first token, the token after the last.
fn steps(plan: &Plan) -> Vec<Vec<[usize; 3]>> {
    plan.iter().map(|step| step.iter().map(|p| [p.text, p.tokens.start, p.tokens.end]).collect()).collect()
}

/// The reference's answers, greedy and drawn.
fn answers(case: &Case, seed: u64) -> anyhow::Result<Vec<Value>> {
    let mut engine = Reference::new(case.package.clone());
    let prompt = &case.texts[1][..case.texts[1].len().min(5)];
    let limit = 40.min(case.package.manifest().context - prompt.len() as u32);
    let ways = [Sampling::GREEDY, Sampling { temperature: 900, top_k: 50, top_p: 980_000 }];
    ways.iter()
        .map(|sampling| {
            let go = &mut |_| ControlFlow::Continue(());
            let answer = generate(&mut engine, prompt, sampling, seed, limit, go)?;
            Ok(json!({
                "prompt": ids(prompt), "limit": limit, "seed": seed.to_string(), "temperature": sampling.temperature,
                "topK": sampling.top_k, "topP": sampling.top_p, "tokens": ids(&answer.tokens),
            }))
        })
        .collect()
}
