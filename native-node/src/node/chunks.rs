//! The models of this node, for neighbours: which there are, and their chunks with branches.
//!
//! The packages lie in memory as they were checked when the node started; nothing is read from their files again. The tree
//! over a package's chunks is made when somebody first asks for one, off the node's task, and kept: at most 64 bytes a
//! chunk, a thousandth of the package that is in memory anyway.

use super::Node;
use super::route::answer;
use crate::network::{PeerId, Quota, Rate, Responder};
use camelid_core::encode::Encode;
use camelid_core::hash::{MerkleTree, ModelRoot};
use camelid_core::message::{
    ChunkRange, LightResponse, ListedModel, MAX_MODELS_PER_RESPONSE, ModelRequest, ModelResponse, Response,
};
use camelid_core::model::Package;
use camelid_core::model::package::{CHUNK_LEN, MAX_CHUNKS_AT_ONCE, chunk_tree, prove_chunks};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::sync::Semaphore;

/// "A neighbour gets 20 MB of chunks a second and 64 MB at once."
const BYTES: Rate = Rate { per_second: 20e6, burst: 64e6 };
/// Answers that are being made at once: each takes a MiB and, the first time, a pass over a package.
const AT_ONCE: usize = 4;

type Tree = Arc<OnceLock<MerkleTree>>;

/// What has been given to whom, and the trees.
pub(super) struct Chunks {
    trees: BTreeMap<ModelRoot, Tree>,
    bytes: Quota<PeerId>,
    at_once: Arc<Semaphore>,
}

impl Default for Chunks {
    fn default() -> Self {
        Chunks { trees: BTreeMap::new(), bytes: Quota::new(BYTES), at_once: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Chunks {
    /// The tree of a package that is here, made or not.
    fn tree(&mut self, root: ModelRoot) -> Tree {
        self.trees.entry(root).or_default().clone()
    }

    /// Whether a neighbour may have so many more chunks now.
    fn allows(&mut self, peer: &PeerId, count: u64, now: Instant) -> bool {
        self.bytes.take(peer, (count * CHUNK_LEN as u64) as f64, now)
    }
}

/// How many chunks answer a question about a package of this length.
fn answered(range: &ChunkRange, length: usize) -> u64 {
    let there = length.div_ceil(CHUNK_LEN) as u64;
    u64::from(range.count).min(MAX_CHUNKS_AT_ONCE as u64).min(there.saturating_sub(range.first))
}

/// The answer, as bytes. Hashes the whole package if nobody did before.
fn chunks(package: &Package, tree: &OnceLock<MerkleTree>, first: u64, count: u64) -> Vec<u8> {
    let tree = tree.get_or_init(|| chunk_tree(package.bytes()).into_tree());
    let response = match prove_chunks(package.bytes(), tree, first, count) {
        Ok(chunks) => Response::Model(ModelResponse::Chunks(chunks)),
        Err(error) => {
            tracing::error!(%error, model = %package.root(), "chunks of a model cannot be given");
            Response::Light(LightResponse::NotFound)
        }
    };
    response.to_bytes()
}

impl Node {
    /// A neighbour asks about models.
    pub(super) fn on_model_request(&mut self, peer: PeerId, request: ModelRequest, respond: Responder) {
        match request {
            ModelRequest::List(after) => answer(respond, Response::Model(ModelResponse::List(self.listed(after)))),
            ModelRequest::Chunks(range) => self.on_chunk_request(peer, &range, respond),
        }
    }

    fn listed(&self, after: Option<ModelRoot>) -> Vec<ListedModel> {
        let listed = |package: &Arc<Package>| {
            let root = package.root();
            let price = self.models.get_served(&root).map(|_| self.config.price);
            ListedModel::new(root, package.manifest(), package.bytes().len() as u64, price)
        };
        self.models.after(after).take(MAX_MODELS_PER_RESPONSE).map(listed).collect()
    }

    fn on_chunk_request(&mut self, peer: PeerId, range: &ChunkRange, respond: Responder) {
        let Some(package) = self.models.get(&range.root).cloned() else {
            return answer(respond, Response::Light(LightResponse::NotFound));
        };
        let (first, count) = (range.first, answered(range, package.bytes().len()));
        if count == 0 {
            return answer(respond, Response::Model(ModelResponse::Chunks(Vec::new())));
        }
        if !self.chunks.allows(&peer, count, Instant::now()) {
            return answer(respond, Response::Busy);
        }
        let (tree, at_once) = (self.chunks.tree(range.root), self.chunks.at_once.clone());
        tokio::spawn(async move {
            let Ok(_permit) = at_once.acquire_owned().await else { return };
            let made = tokio::task::spawn_blocking(move || chunks(&package, &tree, first, count));
            if let Ok(bytes) = made.await {
                let _ = respond.send(bytes).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::encode::Decode;
    use camelid_core::model::import::{RandomShape, random_model};
    use std::time::Duration;

    #[test]
    fn an_answer_holds_what_is_there_and_no_more_than_sixteen() {
        let length = 20 * CHUNK_LEN - 5;
        let count = |first, count| answered(&ChunkRange { root: ModelRoot([1; 32]), first, count }, length);
        assert_eq!((count(0, 1), count(0, u32::MAX), count(4, 16), count(5, 16), count(19, 9)), (1, 16, 16, 15, 1));
        assert_eq!((count(0, 0), count(20, 1), count(u64::MAX, u32::MAX)), (0, 0, 0));
        assert_eq!(answered(&ChunkRange { root: ModelRoot([1; 32]), first: 0, count: 16 }, 0), 0);
    }

    #[test]
    fn a_package_is_hashed_once_and_its_chunks_prove_themselves() {
        let package = Package::parse(random_model(3, &RandomShape::llama()).unwrap()).unwrap();
        let mut server = Chunks::default();
        for first in 0..2 {
            let tree = server.tree(package.root());
            assert_eq!(tree.get().is_some(), first > 0);
            let bytes = chunks(&package, &tree, first, 2);
            let Ok(Response::Model(ModelResponse::Chunks(given))) = Response::from_bytes(&bytes) else { panic!() };
            let there = package.bytes().len().div_ceil(CHUNK_LEN) as u64;
            assert_eq!(given.len() as u64, 2u64.min(there - first));
            for (chunk, index) in given.iter().zip(first..) {
                assert_eq!((chunk.verify(&package.root()), chunk.branch.index), (Ok(()), index));
                assert_eq!(Some(&chunk.bytes[..]), package.chunk(index as usize));
            }
        }
    }

    #[test]
    fn a_neighbour_gets_only_so_many_chunks() {
        let (mut server, now) = (Chunks::default(), Instant::now());
        let (near, other) = (PeerId::random(), PeerId::random());
        let most = (BYTES.burst / (16 * CHUNK_LEN) as f64) as usize;
        assert_eq!((0..1000).filter(|_| server.allows(&near, 16, now)).count(), most);
        assert!(server.allows(&other, 16, now), "others are not concerned");
        assert!(server.allows(&near, 16, now + Duration::from_secs(1)));
    }
}
