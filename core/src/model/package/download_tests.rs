// One range of chunks is meant as one range.
#![allow(clippy::single_range_in_vec_init)]

use super::super::{MAX_CHUNKS_AT_ONCE, chunk_tree, prove_chunks};
use super::*;
use crate::encode::{Decode, Encode};
use crate::hash::{Branch, MerkleHasher};
use proptest::prelude::*;

/// Some bytes that are cut as a package is: `chunks` chunks, the last one of `last` bytes.
fn package(chunks: usize, last: usize, seed: u8) -> Vec<u8> {
    let length = (chunks - 1) * CHUNK_LEN + last;
    (0..length).map(|i| (i % 251) as u8 ^ (i / CHUNK_LEN) as u8 ^ seed).collect()
}

fn root(package: &[u8]) -> ModelRoot {
    ModelRoot(chunk_tree(package).root().0)
}

fn all(package: &[u8]) -> Vec<ProvedChunk> {
    let tree = chunk_tree(package).into_tree();
    let firsts = (0..tree.count()).step_by(MAX_CHUNKS_AT_ONCE);
    firsts.flat_map(|first| prove_chunks(package, &tree, first, u64::MAX).unwrap()).collect()
}

#[test]
fn only_the_chunks_asked_for_and_no_more_than_an_answer_holds_are_read() {
    let package = package(20, 7, 1);
    let tree = chunk_tree(&package).into_tree();
    let asked = |first, count| {
        let chunks = prove_chunks(&package[..], &tree, first, count).unwrap();
        assert!(chunks.iter().zip(first..).all(|(c, i)| c.branch.index == i && c.verify(&root(&package)) == Ok(())));
        chunks.len()
    };
    assert_eq!((asked(0, 1), asked(3, 5), asked(0, u64::MAX), asked(18, 9)), (1, 5, MAX_CHUNKS_AT_ONCE, 2));
    assert_eq!((asked(0, 0), asked(20, 1), asked(u64::MAX, u64::MAX)), (0, 0, 0));
    assert_eq!(prove_chunks(&package[..], &tree, 19, 1).unwrap()[0].bytes.len(), 7);
    // Where a file was cut meanwhile there is no chunk, not a shorter one.
    assert!(prove_chunks(&package[..CHUNK_LEN], &tree, 0, 1).is_ok());
    assert!(prove_chunks(&package[..CHUNK_LEN], &tree, 0, 2).is_err());
    assert!(prove_chunks(&package[..CHUNK_LEN + 5], &tree, 1, 1).is_err());
}

#[test]
fn chunks_are_taken_in_any_order_once() {
    let package = package(5, 9, 2);
    let mut download = ModelDownload::new(root(&package));
    assert_eq!((download.count(), download.is_complete(), download.missing().count()), (None, false, 0));
    assert_eq!((download.next_missing(0, 16), download.next_missing(16, 16)), (Some(0..16), Some(16..32)));
    assert_eq!((download.next_missing(MAX_CHUNKS, 16), download.next_missing(0, 0)), (None, Some(0..1)));
    let chunks = all(&package);
    assert_eq!(download.take(&chunks[3]), Ok(Taken::New { offset: 3 * CHUNK_LEN as u64 }));
    assert_eq!(download.take(&chunks[3]), Ok(Taken::Known));
    assert_eq!((download.count(), download.there(), download.has(3), download.has(2)), (Some(5), 1, true, false));
    assert_eq!(download.missing().collect::<Vec<_>>(), [0..3, 4..5]);
    assert_eq!((download.next_missing(0, 2), download.next_missing(2, 16)), (Some(0..2), Some(2..3)));
    assert_eq!((download.next_missing(3, 16), download.next_missing(5, 1)), (Some(4..5), None));
    for chunk in [&chunks[4], &chunks[0], &chunks[2], &chunks[1]] {
        assert!(!download.is_complete());
        assert!(matches!(download.take(chunk), Ok(Taken::New { .. })));
    }
    assert!(download.is_complete() && download.next_missing(0, 1).is_none());
    download.forget(4);
    download.forget(4);
    download.forget(99);
    assert_eq!((download.there(), download.missing().collect::<Vec<_>>()), (4, vec![4..5]));
}

#[test]
fn whatever_is_wrong_with_a_chunk_is_its_senders_fault_and_changes_nothing() {
    let (package, other) = (package(20, 9, 3), package(20, 9, 4));
    let chunks = all(&package);
    let mut download = ModelDownload::new(root(&package));
    for known in [false, true] {
        let before = download.clone();
        let mut wrong: Vec<ProvedChunk> = vec![all(&other)[7].clone()];
        let mut change = |f: fn(&mut ProvedChunk)| {
            let mut chunk = chunks[7].clone();
            f(&mut chunk);
            wrong.push(chunk);
        };
        change(|c| c.bytes[65_535] ^= 1);
        change(|c| c.bytes.truncate(CHUNK_LEN - 1));
        change(|c| c.bytes.clear());
        change(|c| c.branch.siblings.truncate(4));
        change(|c| c.branch.siblings.clear());
        change(|c| c.branch.siblings.push(c.branch.siblings[0]));
        change(|c| c.branch.siblings[2].0[0] ^= 1);
        change(|c| c.branch.index = 8);
        change(|c| c.branch.index = 20);
        change(|c| c.branch.index = u64::MAX);
        change(|c| c.branch.count = 21);
        change(|c| c.branch.count = 0);
        change(|c| c.branch.count = u64::MAX);
        for chunk in &wrong {
            let error = download.take(chunk).unwrap_err();
            assert!(error.is_senders_fault() && !alloc::format!("{error}").contains('\n'), "{error}");
        }
        assert_eq!(download, before);
        if !known {
            download.take(&chunks[0]).unwrap();
        }
    }
    assert!(download.take(&chunks[7]).is_ok());
}

/// Somebody names a root over leaves that are no chunks of a package: whoever sends them is not to blame.
#[test]
fn a_root_that_is_no_models_is_found_out() {
    let tree = |leaves: &[&[u8]]| {
        let mut hasher = MerkleHasher::default();
        leaves.iter().for_each(|leaf| hasher.push(leaf));
        hasher.into_tree()
    };
    let bytes = vec![1; CHUNK_LEN + 1];
    let (none, short, full, long) = (&bytes[..0], &bytes[..9], &bytes[..CHUNK_LEN], &bytes[..]);
    for (leaves, index) in [([short, full], 0), ([full, none], 1), ([full, long], 1), ([long, full], 0)] {
        let tree = tree(&leaves);
        let chunk = ProvedChunk { bytes: leaves[index].to_vec(), branch: tree.branch(index as u64).unwrap() };
        let mut download = ModelDownload::new(ModelRoot(tree.root().0));
        let error = download.take(&chunk).unwrap_err();
        assert!(matches!(error, DownloadError::Length { .. }) && !error.is_senders_fault(), "{error}");
        assert_eq!(download.count(), None);
    }
    // One that commits to more chunks than a package can have: nothing is allocated by that number.
    let count = 1 << 40;
    let mut branch = Branch { index: 0, count, siblings: vec![Default::default(); 40] };
    let Err(MerkleError::WrongRoot { found, .. }) = branch.verify(full, &Default::default()) else { panic!() };
    let mut download = ModelDownload::new(ModelRoot(found.0));
    let error = download.take(&ProvedChunk { bytes: full.to_vec(), branch: branch.clone() }).unwrap_err();
    assert!(matches!(error, DownloadError::Count { .. }) && !error.is_senders_fault(), "{error}");
    branch.siblings.pop();
    let error = download.take(&ProvedChunk { bytes: full.to_vec(), branch }).unwrap_err();
    assert!(error.is_senders_fault(), "{error}");
}

#[test]
fn a_list_of_what_is_there_is_checked() {
    let package = package(3, 5, 5);
    let root = root(&package);
    let listed = |count, there: &[Range<u64>]| ModelDownload::resume(root, count, there.iter().cloned());
    assert!(matches!(listed(0, &[]), Err(DownloadError::Count { .. })));
    assert!(matches!(listed(u64::MAX, &[]), Err(DownloadError::Count { .. })));
    assert!(matches!(listed(3, &[1..4]), Err(DownloadError::ListedPastEnd { end: 4, count: 3 })));
    assert!(listed(3, &[0..3, 1..2, 2..2]).unwrap().is_complete());
    // Another model's count shows with the first chunk that comes.
    let error = listed(4, &[1..2]).unwrap().take(&all(&package)[0]).unwrap_err();
    assert!(matches!(error, DownloadError::Listed { listed: 4, found: 3, .. }) && !error.is_senders_fault());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_chunk_round_trips_and_damage_is_refused(at: prop::sample::Index, flip in 1u8.., index in 0usize..5) {
        let package = package(5, 1000, 6);
        let chunk = all(&package)[index].clone();
        let bytes = chunk.to_bytes();
        prop_assert_eq!(ProvedChunk::from_bytes(&bytes), Ok(chunk));
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= flip;
        if let Ok(other) = ProvedChunk::from_bytes(&changed) {
            prop_assert_eq!(other.to_bytes(), changed);
            prop_assert!(other.verify(&root(&package)).is_err());
        }
        prop_assert!(ProvedChunk::from_bytes(&bytes[..at.index(bytes.len())]).is_err());
    }

    /// Whatever comes first, wherever it is interrupted: what is there and what is missing are the whole, and a download
    /// that goes on from its list is the same download.
    #[test]
    fn what_is_there_and_what_is_missing_are_the_whole(
        count in 1u64..300, marks in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..400)
    ) {
        let mut download = ModelDownload::resume(ModelRoot([7; 32]), count, []).unwrap();
        let mut model = vec![false; count as usize];
        for (at, there) in marks {
            let index = at.index(count as usize);
            download.mark(index as u64, there);
            model[index] = there;
        }
        let there: u64 = download.present().map(|r| r.end - r.start).sum();
        prop_assert_eq!(there, download.there());
        prop_assert_eq!(download.is_complete(), model.iter().all(|m| *m));
        for (ranges, wanted) in [(download.present().collect::<Vec<_>>(), true), (download.missing().collect(), false)] {
            let listed: Vec<u64> = ranges.iter().cloned().flatten().collect();
            let expected: Vec<u64> = (0..count).filter(|i| model[*i as usize] == wanted).collect();
            prop_assert_eq!(listed, expected);
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "runs are as long as they can be");
        }
        let mut next = Vec::new();
        let mut from = 0;
        while let Some(range) = download.next_missing(from, 16) {
            prop_assert!(range.start >= from && range.end - range.start <= 16);
            from = range.end;
            next.extend(range);
        }
        prop_assert_eq!(next, download.missing().flatten().collect::<Vec<_>>());
        let again = ModelDownload::resume(download.root(), count, download.present()).unwrap();
        prop_assert_eq!(again, download);
    }
}
