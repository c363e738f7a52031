use super::*;
use crate::model::import::{RandomShape, random_model};
use alloc::vec::Vec;
use proptest::prelude::*;
use std::sync::LazyLock;

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| random_model(1, &RandomShape::llama()).unwrap());

fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut package = BYTES.clone();
    package[at..at + bytes.len()].copy_from_slice(bytes);
    package
}

#[test]
fn the_head_alone_is_enough_to_list_a_model() {
    let package = Package::parse(BYTES.clone()).unwrap();
    let needed = Head::needed(&BYTES[..PREFIX_LEN]).unwrap();
    assert!(needed < 20_000);
    let head = Head::parse(&BYTES[..needed]).unwrap();
    assert_eq!(head.info(package.root()), package.info());
    assert_eq!(head.layout.total, BYTES.len() as u64);
    assert_eq!(valid_model(&BYTES), Ok(package.root()));
    assert_eq!(package.info().parameters, package.manifest().parameters());
    assert!(Head::parse(&BYTES[..needed - 1]).is_err());
}

#[test]
fn every_chunk_proves_itself() {
    let tree = chunk_tree(&BYTES);
    let root = model_root(&BYTES);
    assert_eq!(chunks(&BYTES).len(), BYTES.len().div_ceil(CHUNK_LEN));
    for (i, chunk) in chunks(&BYTES).enumerate() {
        let branch = tree.branch(i as u64).unwrap();
        assert_eq!(verify_chunk(&root, chunk, &branch), Ok(()));
        let mut bad = chunk.to_vec();
        bad[0] ^= 1;
        assert!(verify_chunk(&root, &bad, &branch).is_err());
    }
}

#[test]
fn what_could_overflow_or_is_not_canonical_is_refused() {
    let package = Package::parse(BYTES.clone()).unwrap();
    let layout = package.layout();
    let layer = &layout.layers[0];
    let value = |at: u64, bytes: &[u8]| match valid_model(&changed(at as usize, bytes)) {
        Err(PackageError::Value { table, .. }) => table,
        other => panic!("{other:?}"),
    };
    assert_eq!(value(layer.down.weights.end - 1, &[0x80]), "weights");
    assert_eq!(value(layer.qkv.mantissas.start, &0x7fffu16.to_le_bytes()), "scale mantissas");
    assert_eq!(value(layer.up.shifts.start + 3, &[64]), "scale shifts");
    assert_eq!(value(layer.fractions.start, &31i8.to_le_bytes()), "head fractions");
    assert_eq!(value(layer.mlp_norm.gain.start, &i32::MIN.to_le_bytes()), "norm gain");
    assert_eq!(value(layer.mlp_norm.fraction.start, &[41]), "norm fraction");
    assert_eq!(value(layer.mlp_norm.fraction.start + 1, &[1]), "padding");
    assert_eq!(value(layout.activation.start, &0x100_0001u32.to_le_bytes()), "activation table");
    assert_eq!(value(layout.activation.start, &0u32.to_le_bytes()), "activation table");
    assert_eq!(value(layout.rotary.start + 2, &(-16_385i16).to_le_bytes()), "rotary table");
    assert_eq!(valid_model(&changed(0, b"GGUF")), Err(PackageError::NotAPackage));
    assert_eq!(valid_model(&changed(8, &[9])), Err(PackageError::Version { expected: 1, found: 9 }));
    assert!(matches!(valid_model(&changed(12, &u32::MAX.to_le_bytes())), Err(PackageError::Field { .. })));
    assert!(matches!(valid_model(&changed(16, &[0xff; 8])), Err(PackageError::Length { .. })));
    let longer = [&BYTES[..], &[0]].concat();
    assert!(matches!(valid_model(&longer), Err(PackageError::Length { .. })));
}

#[test]
fn every_number_of_a_manifest_is_bounded() {
    let good = Package::parse(BYTES.clone()).unwrap().manifest().clone();
    let bad: [fn(&mut Manifest); 14] = [
        |m| m.dim = 0,
        |m| m.dim = u32::MAX,
        |m| m.layers = 513,
        |m| m.heads = 0,
        |m| m.kv_heads = 3,
        |m| m.kv_heads = 0,
        |m| m.head_dim = 7,
        |m| (m.heads, m.kv_heads, m.head_dim) = (1024, 1024, 1024),
        |m| m.context = 0,
        |m| m.rotary_dim = 10,
        |m| m.residual_fraction = 25,
        |m| m.epsilon = 0,
        |m| m.special.begin = Some(crate::units::TokenId(320)),
        |m| m.special.end = [5, 5].map(crate::units::TokenId).to_vec(),
    ];
    for change in bad {
        let mut m = good.clone();
        change(&mut m);
        assert!(matches!(m.check(), Err(PackageError::Field { .. })), "{m:?}");
    }
    // The largest shape that passes has a layout whose numbers do not overflow.
    let large = Manifest { dim: 1 << 15, hidden: 1 << 17, layers: 512, vocabulary: 1 << 20, context: 1 << 17, ..good };
    large.check().unwrap();
    assert!(matches!(Layout::new(&large, 1 << 26), Err(PackageError::Field { field: "package length", .. })));
    assert!(large.multiply_accumulates(u32::MAX, u32::MAX) > 0);
}

proptest! {
    #[test]
    fn a_cut_package_is_an_error(cut in 0usize..BYTES.len()) {
        prop_assert!(valid_model(&BYTES[..cut]).is_err());
    }

    #[test]
    fn a_changed_byte_never_panics_and_never_keeps_the_root(at in 0usize..BYTES.len(), in_head: bool, flip in 1u8..) {
        let at = if in_head { at % 3000 } else { at };
        let package = changed(at, &[BYTES[at] ^ flip]);
        if let Ok(root) = valid_model(&package) {
            prop_assert_ne!(root, model_root(&BYTES));
        }
    }
}
