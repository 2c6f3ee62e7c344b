//! `model.safetensors.index.json`: which file holds which tensor.

use std::path::{Component, Path};

use serde::Deserialize;
use serde::de::Error as _;

use crate::safetensors::Pairs;

/// The `weight_map` of an index.
#[derive(Debug)]
pub struct ShardIndex {
    /// File names, sorted.
    shards: Vec<String>,
    /// Tensor names, sorted, with the index of the shard.
    tensors: Vec<(String, u32)>,
}

#[derive(Deserialize)]
struct Json {
    weight_map: Pairs,
}

impl ShardIndex {
    /// Parses an index. Memory used is at most 64 times the length of `bytes`.
    ///
    /// # Errors
    /// JSON that is not valid or has no `weight_map` of strings, or names a tensor twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let Json { weight_map: Pairs(mut map) } = serde_json::from_slice(bytes)?;
        map.sort_unstable();
        if let Some(pair) = map.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(serde_json::Error::custom(format_args!(
                "tensor \"{}\" stands twice in weight_map",
                pair[0].0
            )));
        }
        let mut shards: Vec<String> = map.iter().map(|(_, shard)| shard.clone()).collect();
        shards.sort_unstable();
        shards.dedup();
        let number = |shard: String| shards.binary_search(&shard).unwrap_or_default() as u32;
        let tensors = map.into_iter().map(|(tensor, shard)| (tensor, number(shard))).collect();
        Ok(Self { shards, tensors })
    }

    /// Names of the files, sorted; not checked, so not to be joined to a path without [`Folder`](super::Folder)'s care.
    pub fn shards(&self) -> &[String] {
        &self.shards
    }

    /// Tensor names, sorted, each with its place in [`shards`](Self::shards).
    pub fn tensors(&self) -> &[(String, u32)] {
        &self.tensors
    }

    pub(super) fn into_tensors(self) -> Vec<(String, u32)> {
        self.tensors
    }
}

/// The name, if it is one plain component that cannot lead out of a folder on any system.
pub(super) fn plain_name(name: &str) -> Option<&str> {
    let mut components = Path::new(name).components();
    let single = matches!((components.next(), components.next()), (Some(Component::Normal(part)), None) if part == name);
    (single && !name.contains(['/', '\\', ':', '\0'])).then_some(name)
}
