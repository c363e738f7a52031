//! Every input of the committed corpus through its target: what the fuzzers found once stays found.

use camelid_fuzz_bodies::TARGETS;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// Bodies count the whole process's memory: one runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("a folder's entry can be read").path()).collect();
    paths.sort();
    paths
}

/// Runs a target's corpus. The input that fails is named on standard error, just before the panic's own words.
fn replay(name: &str) {
    let _alone = alone();
    let (_, run) = TARGETS.into_iter().find(|t| t.0 == name).expect("the target is one of TARGETS");
    run(&[]);
    let paths = inputs(&corpus().join(name));
    assert!(!paths.is_empty(), "no corpus for {name}");
    for path in paths {
        let input = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let named = Named(&path);
        run(&input);
        core::mem::forget(named);
    }
}

/// Dropped while a panic goes through: says which input it was.
struct Named<'a>(&'a Path);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        eprintln!("the input is {}", self.0.display());
    }
}

macro_rules! targets {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        /// A target that is in one list and not in the other would never run.
        #[test]
        fn every_target_is_replayed_and_built() {
            let here = [$(stringify!($name)),*];
            assert_eq!(here.to_vec(), TARGETS.map(|t| t.0).to_vec());
            let programs = inputs(&corpus().join("../targets"));
            let programs: Vec<_> = programs.iter().filter_map(|p| p.file_stem()?.to_str()).collect();
            assert_eq!(here.to_vec(), programs);
            let folders = inputs(&corpus());
            let folders: Vec<_> = folders.iter().filter_map(|p| p.file_name()?.to_str()).collect();
            assert_eq!(here.to_vec(), folders);
        }
    };
}

targets!(chain, contract, decoders, filters, importers, keys, messages, packages, script, tokenizers);
