use std::{convert::Infallible, fs, path::PathBuf};

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// A tree with all its leaves at hand.
struct Leaves(Vec<Hash>);

impl Nodes for Leaves {
    type Error = Infallible;
    fn node(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        let start = at(index << level);
        Ok(root(&self.0[start..start + (1 << level)]))
    }
}

fn at(index: u64) -> usize {
    index.try_into().unwrap()
}

fn leaves(count: u64) -> Leaves {
    Leaves((0..count).map(|index| Hash::leaf(&index.to_be_bytes())).collect())
}

/// One published vector; fields that one of the two kinds lacks are absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    leaf_idx: Option<u64>,
    tree_size: Option<u64>,
    leaf_hash: Option<String>,
    root: Option<String>,
    size1: Option<u64>,
    size2: Option<u64>,
    root1: Option<String>,
    root2: Option<String>,
    proof: Option<Vec<String>>,
    want_err: bool,
}

impl Vector {
    /// Whether ours accepts it. What is no hash cannot be told to ours: that is a refusal.
    fn accepted(&self) -> bool {
        let proof = self.proof.iter().flatten().map(|text| Hash::parse(text));
        let Some(proof) = proof.collect::<Option<Vec<_>>>() else { return false };
        let hash = |text: &Option<String>| text.as_deref().and_then(Hash::parse);
        match (self.leaf_idx, self.size1) {
            (Some(index), None) => {
                let (leaf, root) = (hash(&self.leaf_hash), hash(&self.root));
                let (Some(leaf), Some(root)) = (leaf, root) else { return false };
                included(leaf, index, self.tree_size.unwrap(), &proof, root)
            }
            (None, Some(size)) => {
                let (Some(old), Some(new)) = (hash(&self.root1), hash(&self.root2)) else {
                    return false;
                };
                consistent((size, old), (self.size2.unwrap(), new), &proof)
            }
            _ => panic!("a vector is of one kind"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the test brings the bytes that the crate is given")]
fn vectors(kind: &str) -> Option<Vec<(PathBuf, Vector)>> {
    let mut found = vec![];
    let folder = gw_testkit::shared::folder(&format!("vectors/merkle/testdata/{kind}"))?;
    for case in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(case.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let vector = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            found.push((path, vector));
        }
    }
    Some(found)
}

#[test]
fn published_proofs_are_judged_as_published() {
    for (kind, least) in [("inclusion", 86), ("consistency", 84)] {
        let Some(vectors) = vectors(kind) else { return };
        assert!(vectors.len() >= least, "{kind}: {} vectors", vectors.len());
        for (path, vector) in vectors {
            assert_eq!(vector.accepted(), !vector.want_err, "{}", path.display());
        }
    }
}

#[test]
fn the_empty_tree_and_one_leaf_have_the_published_roots() {
    // RFC 6962, section 2.1: the hash of nothing, and of one zero byte before an empty leaf.
    assert_eq!(Hash::empty().to_string(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(
        root(&[Hash::leaf(b"")]).to_string(),
        "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="
    );
}

proptest! {
    #[test]
    fn every_leaf_of_every_tree_is_provable_and_no_other(size in 1u64..300, index in 0u64..300, bit in 0usize..256) {
        let leaves = leaves(size);
        let root = root(&leaves.0);
        let proof = prove_inclusion(&leaves, index, size).unwrap();
        prop_assert_eq!(proof.is_some(), index < size);
        let Some(mut proof) = proof else { return Ok(()) };
        let leaf = leaves.0[at(index)];
        prop_assert!(included(leaf, index, size, &proof, root));
        prop_assert!(!included(Hash::leaf(b"another"), index, size, &proof, root));
        prop_assert!(!included(leaf, (index + 1) % size, size, &proof, root) || size == 1);
        if let Some(first) = proof.first_mut() {
            first.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!included(leaf, index, size, &proof, root));
        }
    }

    #[test]
    fn every_tree_is_the_beginning_of_every_larger_one(old in 0u64..300, more in 0u64..300) {
        let leaves = leaves(old + more);
        let new = (old + more, root(&leaves.0));
        let beginning = root(&leaves.0[..at(old)]);
        let proof = prove_consistency(&leaves, old, new.0).unwrap().unwrap();
        prop_assert!(consistent((old, beginning), new, &proof));
        prop_assert!(!consistent((old, Hash::leaf(b"another")), new, &proof));
        prop_assert!(prove_consistency(&leaves, new.0 + 1, new.0).unwrap().is_none());
    }
}
