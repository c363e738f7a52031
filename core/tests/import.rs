//! Importers face strangers' files: whatever is changed in a valid one, importing ends in an error or in a valid package,
//! never in a panic, and memory follows the bytes that are there, not the numbers in them. And a large model goes through
//! with some rows in memory.
#![cfg(feature = "import")]

use camelid_core::hash::ModelRoot;
use camelid_core::model::import::gguf::Gguf;
use camelid_core::model::import::llama2c::{Checkpoint, read_tokenizer};
use camelid_core::model::import::{About, ImportError, RandomShape, Source, build_into, huggingface, random_source};
use camelid_core::model::package::{ReadAt, StorageError, WriteAt, check_package};
use camelid_core::model::tokenizer::TokenizerSpec;
use camelid_core::model::valid_model;
use camelid_test_vectors::checkpoints::{self, Dtype, Family};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{LazyLock, Mutex, MutexGuard};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The memory counted is the whole process's: one test runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// The most that a test's package may take: as a disk that is full would.
const ROOM: u64 = 4 << 20;

/// A disk of [`ROOM`] bytes.
#[derive(Default)]
struct Disk(Vec<u8>);

impl ReadAt for Disk {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), StorageError> {
        self.0.read_at(offset, out)
    }
}

impl WriteAt for Disk {
    fn resize(&mut self, length: u64) -> Result<(), StorageError> {
        if length > ROOM {
            return Err(StorageError("no space left".into()));
        }
        WriteAt::resize(&mut self.0, length)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.0.write_at(offset, bytes)
    }
}

type Files = BTreeMap<String, Vec<u8>>;

fn about() -> About {
    About { name: "changed".into(), licence: "unknown".into() }
}

fn finish(source: &dyn Source, tokenizer: &TokenizerSpec) -> Result<ModelRoot, ImportError> {
    let mut disk = Disk::default();
    let root = build_into(source, tokenizer, &mut disk, &mut |_| ControlFlow::Continue(()))?;
    assert_eq!(valid_model(&disk.0), Ok(root));
    Ok(root)
}

fn directory(files: &Files) -> Result<ModelRoot, ImportError> {
    let source = huggingface::source(files, &about())?;
    finish(&*source, &huggingface::tokenizer_of(files, source.shape().vocabulary)?)
}

fn gguf(bytes: &[u8]) -> Result<ModelRoot, ImportError> {
    let model = Gguf::open("m.gguf", Box::new(bytes.to_vec()), &about())?;
    finish(&model, model.tokenizer())
}

static DIRECTORIES: LazyLock<Vec<Files>> = LazyLock::new(|| {
    let make = |family, shards| checkpoints::huggingface(1, family, Dtype::Bf16, shards);
    vec![make(Family::Llama, 2), make(Family::Qwen2, 1), make(Family::Gpt2, 1)]
});
static GGUFS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| checkpoints::FAMILIES.iter().map(|family| checkpoints::gguf(1, *family, Dtype::Q8_0)).collect());

/// What an import of files of `length` bytes may take: they are copied, and described by values that take more room.
fn allowance(length: usize) -> usize {
    64 * length + 16 * 1024 * 1024
}

/// Fails when `import` takes more memory than files of `length` bytes justify.
fn within(length: usize, import: impl FnOnce() -> Result<ModelRoot, ImportError>) -> Result<ModelRoot, ImportError> {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = import();
    let peak = MEMORY.peak_usage().saturating_sub(before);
    assert!(peak <= allowance(length), "{peak} bytes for a file of {length}: {result:?}");
    if let Err(error) = &result {
        let text = error.to_string();
        assert!(text.len() < 1000 && !text.contains('\n'), "{text}");
    }
    result
}

/// A change of a file: bytes written over, or the file cut.
#[derive(Clone, Debug)]
enum Change {
    Cut(usize),
    Bytes(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>, head: usize) {
        // Most of what can go wrong stands at the start.
        let at =
            |at: usize| if at.is_multiple_of(4) { at % file.len().max(1) } else { at % head.min(file.len()).max(1) };
        match self {
            Change::Cut(length) => {
                let length = at(*length);
                file.truncate(length);
            }
            Change::Bytes(start, bytes) => {
                let start = at(*start);
                file.iter_mut().skip(start).zip(bytes).for_each(|(old, new)| *old = *new);
            }
            Change::Insert(start, bytes) => {
                let start = at(*start);
                file.splice(start..start, bytes.iter().copied());
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![
        any::<u8>().prop_map(|b| vec![b]),
        any::<u32>().prop_map(|n| n.to_le_bytes().to_vec()),
        any::<u64>().prop_map(|n| n.to_le_bytes().to_vec()),
        (0u32..64).prop_map(|shift| (1u64 << shift).to_le_bytes().to_vec()),
        Just(vec![0xffu8; 8]),
        // What JSON is made of.
        "[0-9]{1,20}|[\\[\\]{},:\"]|null|true|-1|1e309|\"[a-z]{0,9}\"".prop_map(String::into_bytes),
    ];
    prop_oneof![
        any::<usize>().prop_map(Change::Cut),
        (any::<usize>(), number.clone()).prop_map(|(at, bytes)| Change::Bytes(at, bytes)),
        (any::<usize>(), number).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

/// A value as a stranger might write it.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop_oneof![Just(0u64), 1..10u64, any::<u64>(), (0..64u32).prop_map(|s| 1 << s)].prop_map(|n| json!(n)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        prop::collection::vec(any::<u32>(), 0..70).prop_map(|all| json!(all)),
        // Offsets and shapes of these models are below.
        prop::collection::vec(0..40_000u32, 2).prop_map(|all| json!(all)),
        prop::collection::vec(prop_oneof![Just(u64::MAX), 0..400u64], 0..12).prop_map(|all| json!(all)),
        prop_oneof!["F16", "BF16", "F32", "F8_E4M3", "llama3", "silu", "../model.safetensors", "\n{0,2000}"]
            .prop_map(|text: String| json!(text)),
        Just(json!(null)),
        any::<bool>().prop_map(|flag| json!(flag)),
        Just(json!({ "rope_type": "llama3", "factor": 1e300, "low_freq_factor": 1e-300, "high_freq_factor": 1e300,
            "original_max_position_embeddings": 1e300 })),
        Just(json!([[[[]]]])),
    ]
}

/// Gives one place of a JSON file another value: an index for each level picks it. Sometimes a field goes, or comes twice
/// under another name.
fn edit(json: &mut Value, path: &[usize], new: Value) {
    let Some((first, rest)) = path.split_first() else {
        *json = new;
        return;
    };
    match json {
        Value::Object(fields) if !fields.is_empty() => {
            let name = fields.keys().nth(first % fields.len()).unwrap().clone();
            match first % 11 {
                9 => drop(fields.remove(&name)),
                10 => drop(fields.insert(format!("{name}_"), fields[&name].clone())),
                _ => edit(fields.get_mut(&name).unwrap(), rest, new),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = first % items.len();
            edit(&mut items[at], rest, new);
        }
        _ => *json = new,
    }
}

/// Edits a JSON file, or the header of a safetensors file.
fn edit_file(file: &mut Vec<u8>, path: &[usize], new: Value) {
    let header = if file.starts_with(b"{") {
        0..file.len()
    } else {
        8..8 + u64::from_le_bytes(*file.first_chunk().unwrap()) as usize
    };
    let mut json = serde_json::from_slice(&file[header.clone()]).unwrap();
    edit(&mut json, path, new);
    let json = json.to_string().into_bytes();
    if header.start == 8 {
        file[..8].copy_from_slice(&(json.len() as u64).to_le_bytes());
    }
    file.splice(header, json);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_changed_directory_is_an_error_or_a_model(
        which in 0usize..3, file in any::<prop::sample::Index>(), changes in prop::collection::vec(change(), 1..4),
    ) {
        let _alone = alone();
        let mut files = DIRECTORIES[which].clone();
        let name = files.keys().nth(file.index(files.len())).unwrap().clone();
        for change in &changes {
            change.apply(files.get_mut(&name).unwrap(), 4000);
        }
        let length = files.values().map(Vec::len).sum();
        let _ = within(length, || directory(&files));
    }

    #[test]
    fn an_odd_directory_is_an_error_or_a_model(
        which in 0usize..3, file in any::<prop::sample::Index>(), path in prop::collection::vec(any::<usize>(), 1..4), new in value(),
    ) {
        let _alone = alone();
        let mut files = DIRECTORIES[which].clone();
        let name = files.keys().nth(file.index(files.len())).unwrap().clone();
        edit_file(files.get_mut(&name).unwrap(), &path, new);
        let length = files.values().map(Vec::len).sum();
        let _ = within(length, || directory(&files));
    }

    #[test]
    fn a_changed_gguf_file_is_an_error_or_a_model(which in 0usize..3, changes in prop::collection::vec(change(), 1..4)) {
        let _alone = alone();
        let mut file = GGUFS[which].clone();
        for change in &changes {
            change.apply(&mut file, 12_000);
        }
        let _ = within(file.len(), || gguf(&file));
    }

    #[test]
    fn a_changed_checkpoint_is_an_error_or_a_model(changes in prop::collection::vec(change(), 1..4)) {
        let _alone = alone();
        let mut file = checkpoints::llama2c(1);
        for change in &changes {
            change.apply(&mut file, 40);
        }
        let tokenizer = huggingface::tokenizer_of(&DIRECTORIES[0], 320).unwrap();
        let _ = within(file.len(), || finish(&Checkpoint::new(&file, "changed", "unknown")?, &tokenizer));
        let _ = read_tokenizer(&file, 320);
    }

    #[test]
    fn a_changed_package_is_an_error_or_another_model(changes in prop::collection::vec(change(), 1..4)) {
        let _alone = alone();
        static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let mut disk = Disk::default();
            let source = huggingface::source(&DIRECTORIES[0], &about()).unwrap();
            let tokenizer = huggingface::tokenizer_of(&DIRECTORIES[0], 320).unwrap();
            build_into(&*source, &tokenizer, &mut disk, &mut |_| ControlFlow::Continue(())).unwrap();
            disk.0
        });
        let root = valid_model(&WHOLE).unwrap();
        let mut package = WHOLE.clone();
        for change in &changes {
            change.apply(&mut package, 5_000);
        }
        let (same, length) = (package == *WHOLE, package.len());
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let checked = check_package(&package);
        let peak = MEMORY.peak_usage().saturating_sub(before);
        prop_assert!(peak <= allowance(length), "{} bytes for a package of {}", peak, length);
        if let Ok(found) = checked {
            prop_assert_eq!(found == root, same);
        }
    }
}

/// The files that are changed are models.
#[test]
fn unchanged_files_are_models() {
    let _alone = alone();
    for files in DIRECTORIES.iter() {
        within(files.values().map(Vec::len).sum(), || directory(files)).unwrap();
    }
    for file in GGUFS.iter() {
        within(file.len(), || gguf(file)).unwrap();
    }
}

#[test]
fn a_large_model_goes_through_in_rows() {
    let _alone = alone();
    // 25 million weights, 100 MB as floats.
    let shape = RandomShape {
        dim: 512,
        layers: 6,
        heads: 8,
        kv_heads: 8,
        head_dim: 64,
        hidden: 1536,
        vocabulary: 6000,
        context: 256,
        ..RandomShape::llama()
    };
    let source = random_source(1, &shape);
    let files = &DIRECTORIES[0];
    let tokenizer = huggingface::tokenizer_of(files, shape.vocabulary).unwrap();
    let mut package: Vec<u8> = Vec::new();
    // The room for the package is not the import's.
    WriteAt::resize(&mut package, 40 << 20).unwrap();
    package.clear();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let root = build_into(&source, &tokenizer, &mut package, &mut |_| ControlFlow::Continue(())).unwrap();
    let peak = MEMORY.peak_usage().saturating_sub(before);
    assert!(package.len() > 20 << 20, "{}", package.len());
    assert!(peak < 4 << 20, "{peak} bytes for a package of {}", package.len());
    assert_eq!(valid_model(&package), Ok(root));
}
