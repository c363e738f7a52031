//! Texts sampled from a model: what another model can learn from.
//!
//! Text number n is a function of the seed, n and the temperatures alone, whatever the batch; texts go to the file in
//! their order. So a run that was cut off goes on where it stopped and ends with the same file.

use super::{TrainError, texts, write_whole};
use camelid_core::model::sampling::random;
use camelid_core::model::{EndReason, Engine, Feed, Generator, Sampling, SequenceId, Tokenizer, Want};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Texts in a row that may be left out before the model is given up.
const HOPELESS: u32 = 2_000;

/// Bytes after which what is written is made known to the next run.
const SAVE_EVERY: usize = 1 << 18;

/// What to sample.
#[derive(Clone, Debug)]
pub struct SamplePlan {
    /// The file of texts.
    pub out: PathBuf,
    /// Stop at so many bytes.
    pub bytes: u64,
    /// Fixes every text.
    pub seed: u64,
    /// In thousandths; texts take turns.
    pub temperatures: Vec<u32>,
    /// Texts at once.
    pub batch: usize,
}

/// How far a file of texts is: kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    model: String,
    seed: u64,
    temperatures: Vec<u32>,
    /// Texts that came out, used or not.
    drawn: u32,
    /// Texts in the file.
    texts: u64,
    /// Tokens drawn for them.
    tokens: u64,
    /// The file's length.
    bytes: u64,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct SampleReport {
    /// Texts in the file.
    pub texts: u64,
    /// Texts left out: they did not end within the model's context, or are no text.
    pub left_out: u64,
    /// The file's length.
    pub bytes: u64,
    /// Tokens of the texts in the file.
    pub tokens: u64,
    /// Tokens drawn a second in this run, those of texts left out too.
    pub tokens_per_second: f64,
}

/// Where the state of a file of texts is.
fn state_file(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".state");
    name.into()
}

/// Samples texts into a file, or goes on with one that was begun. `progress` gets the file's length.
pub fn sample(
    engine: &mut dyn Engine,
    tokenizer: &Tokenizer,
    plan: &SamplePlan,
    progress: &dyn Fn(u64),
) -> Result<SampleReport, TrainError> {
    let info = engine.info().clone();
    let begin = info.begin.ok_or_else(|| TrainError::Model {
        name: info.name.clone(),
        reason: "it has no begin token to start a text with; sample from another".into(),
    })?;
    let fresh = State {
        model: info.root.to_string(),
        seed: plan.seed,
        temperatures: plan.temperatures.clone(),
        drawn: 0,
        texts: 0,
        tokens: 0,
        bytes: 0,
    };
    let mut writer = Writer::open(&plan.out, fresh)?;
    let started = Instant::now();
    let mut running: Vec<(u32, SequenceId, Generator)> = Vec::new();
    let mut next = writer.state.drawn;
    let mut drawn = 0u64;
    let mut in_vain = (writer.state.texts, writer.state.drawn);
    while writer.state.bytes < plan.bytes {
        while running.len() < plan.batch.max(1) {
            let temperature = plan.temperatures.get(next as usize % plan.temperatures.len().max(1)).copied();
            let sampling = Sampling::new(temperature.unwrap_or(1000), 0, 1_000_000)
                .map_err(|e| camelid_core::model::GenerateError::Limit(e.into()))?;
            let seed = random(plan.seed, next);
            let generator = Generator::new(&info, &[begin], &sampling, seed, info.context.saturating_sub(1).max(1))
                .map_err(camelid_core::model::GenerateError::Limit)?;
            running.push((next, engine.open()?, generator));
            next += 1;
        }
        let feeds: Vec<Feed<'_>> = running
            .iter()
            .map(|(_, sequence, generator)| Feed { sequence: *sequence, tokens: generator.input(), want: Want::Last })
            .collect();
        let logits = engine.forward(&feeds)?;
        drawn += running.len() as u64;
        let mut left = Vec::with_capacity(running.len());
        for ((number, sequence, mut generator), logits) in running.drain(..).zip(logits) {
            match generator.advance(logits.last().unwrap_or(&[])).1 {
                None => left.push((number, sequence, generator)),
                Some(reason) => {
                    engine.close(sequence);
                    let tokens = generator.into_tokens();
                    let whole = (reason == EndReason::EndToken).then(|| {
                        let ids: Vec<_> = std::iter::once(begin).chain(tokens.iter().copied()).collect();
                        tokenizer.decode(&ids)
                    });
                    let text = whole.transpose()?.filter(|text| is_text(text)).map(|text| (text, tokens.len() as u64));
                    writer.put(number, text, plan.bytes)?;
                    progress(writer.state.bytes);
                    if writer.state.texts > in_vain.0 {
                        in_vain = (writer.state.texts, writer.state.drawn);
                    }
                    if writer.state.drawn - in_vain.1 >= HOPELESS {
                        let reason = format!("none of {HOPELESS} texts ended within its context and reads as text");
                        return Err(TrainError::Model { name: info.name, reason });
                    }
                }
            }
        }
        running = left;
    }
    writer.save()?;
    let state = writer.state;
    Ok(SampleReport {
        texts: state.texts,
        left_out: state.drawn as u64 - state.texts,
        bytes: state.bytes,
        tokens: state.tokens,
        tokens_per_second: drawn as f64 / started.elapsed().as_secs_f64().max(1e-9),
    })
}

/// Whether a text can stand in the file and reads as text.
fn is_text(text: &str) -> bool {
    let odd = |c: char| c == '\u{fffd}' || (c.is_control() && c != '\n');
    !text.trim().is_empty() && !text.contains(texts::SEPARATOR) && !text.chars().any(odd)
}

/// The file, and texts that wait for one before them.
struct Writer {
    path: PathBuf,
    file: File,
    state: State,
    waiting: BTreeMap<u32, Option<(String, u64)>>,
    buffer: String,
}

impl Writer {
    fn open(out: &Path, fresh: State) -> Result<Self, TrainError> {
        let path = state_file(out);
        let state = match std::fs::read(&path) {
            Ok(json) => {
                let state: State = serde_json::from_slice(&json).map_err(|e| TrainError::Text {
                    file: path.clone(),
                    reason: format!("{e}; delete it and {} to begin again", out.display()),
                })?;
                let differs = [
                    (state.model != fresh.model, "model"),
                    (state.seed != fresh.seed, "seed"),
                    (state.temperatures != fresh.temperatures, "temperatures"),
                ];
                if let Some((_, field)) = differs.into_iter().find(|d| d.0) {
                    return Err(TrainError::OtherSample { file: out.into(), state: path, field });
                }
                state
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                if out.exists() {
                    let reason = "it is there, and not from `camelid train sample`: name another --out".to_string();
                    return Err(TrainError::Text { file: out.into(), reason });
                }
                fresh
            }
            Err(e) => return Err(TrainError::io(&path)(e)),
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .open(out)
            .map_err(TrainError::io(out))?;
        let found = file.metadata().map_err(TrainError::io(out))?.len();
        if found < state.bytes {
            let reason = format!("{} bytes expected, {found} there; delete it and {}", state.bytes, path.display());
            return Err(TrainError::Text { file: out.into(), reason });
        }
        // What a run wrote and did not make known is drawn again.
        file.set_len(state.bytes).and_then(|()| file.seek(std::io::SeekFrom::End(0))).map_err(TrainError::io(out))?;
        Ok(Writer { path: out.into(), file, state, waiting: BTreeMap::new(), buffer: String::new() })
    }

    /// Takes text `number`, writes what is next in order, up to `bytes`.
    fn put(&mut self, number: u32, text: Option<(String, u64)>, bytes: u64) -> Result<(), TrainError> {
        self.waiting.insert(number, text);
        while self.state.bytes < bytes
            && let Some(text) = self.waiting.remove(&self.state.drawn)
        {
            self.state.drawn += 1;
            if let Some((text, tokens)) = text {
                let before = self.buffer.len();
                texts::put(&mut self.buffer, &text);
                self.state.bytes += (self.buffer.len() - before) as u64;
                self.state.texts += 1;
                self.state.tokens += tokens;
            }
            if self.buffer.len() >= SAVE_EVERY {
                self.save()?;
            }
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), TrainError> {
        let written = self.file.write_all(self.buffer.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(TrainError::io(&self.path))?;
        self.buffer.clear();
        // Plain data: always JSON.
        let json = serde_json::to_vec(&self.state).unwrap_or_default();
        write_whole(&state_file(&self.path), &json)
    }
}

#[cfg(test)]
pub(in crate::train) mod tests {
    use super::*;
    use camelid_core::model::import::{RandomShape, random_model};
    use camelid_core::model::{Cpu, Package};
    use std::sync::Arc;

    fn plan(out: PathBuf, bytes: u64, batch: usize) -> SamplePlan {
        SamplePlan { out, bytes, seed: 3, temperatures: vec![500, 900], batch }
    }

    /// Samples in one go and in parts, with a model whose texts end.
    pub(in crate::train) fn cut_off_and_gone_on(package: Arc<Package>) {
        let dir = tempfile::tempdir().unwrap();
        let run = |name: &str, bytes, batch| {
            let mut engine = Cpu::new(package.clone());
            sample(&mut engine, package.tokenizer(), &plan(dir.path().join(name), bytes, batch), &|_| ())
        };
        let file = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        let whole = run("whole", 4000, 5).unwrap();
        run("parts", 900, 3).unwrap();
        // A run that died in the middle of a text.
        let mut cut = file("parts");
        cut.extend_from_slice(b"half a te");
        std::fs::write(dir.path().join("parts"), cut).unwrap();
        let parts = run("parts", 4000, 7).unwrap();
        assert_eq!(file("parts"), file("whole"));
        assert_eq!((parts.texts, parts.bytes, parts.tokens), (whole.texts, whole.bytes, whole.tokens));
        assert_eq!(texts::read(&dir.path().join("whole")).unwrap().len() as u64, whole.texts);

        // Nothing that is there gets lost.
        let mut engine = Cpu::new(package.clone());
        let other = SamplePlan { seed: 4, ..plan(dir.path().join("whole"), 9000, 5) };
        let error = sample(&mut engine, package.tokenizer(), &other, &|_| ()).unwrap_err().to_string();
        assert!(error.contains("other seed"), "{error}");
        std::fs::write(dir.path().join("mine"), "my notes").unwrap();
        let error = run("mine", 10, 1).unwrap_err().to_string();
        assert!(error.contains("mine") && file("mine") == b"my notes", "{error}");
        std::fs::write(dir.path().join("whole"), "").unwrap();
        assert!(run("whole", 9000, 1).unwrap_err().to_string().contains("bytes expected"));
    }

    #[test]
    fn stories_are_sampled() {
        let Some(data) = camelid_test_support::shared_data("stories_are_sampled", "stories260k") else { return };
        let read = |name| std::fs::read(data.join(name)).unwrap();
        let (checkpoint, tokenizer) = (read("stories260K.bin"), read("tok512.bin"));
        let package = camelid_core::model::import::llama2c::llama2c(&checkpoint, &tokenizer, "stories260k", "MIT");
        cut_off_and_gone_on(Arc::new(Package::parse(package.unwrap()).unwrap()));
    }

    #[test]
    fn a_model_whose_texts_never_end_is_given_up() {
        // Random bytes: no text.
        let shape = RandomShape { vocabulary: 300, context: 8, layers: 1, ..RandomShape::llama() };
        let package = Arc::new(Package::parse(random_model(11, &shape).unwrap()).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let plan = plan(dir.path().join("out"), 100_000_000, 64);
        let mut engine = Cpu::new(package.clone());
        let error = sample(&mut engine, package.tokenizer(), &plan, &|_| ()).unwrap_err().to_string();
        assert!(error.contains("random-11") && error.contains("ended"), "{error}");
    }
}
