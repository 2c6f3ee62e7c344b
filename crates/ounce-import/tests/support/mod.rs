//! What tests of several formats need.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part")]

pub(crate) mod onnx;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ounce_graph::{Executor, Graph, PlanOptions, Tensor, passes, plan};
use ounce_kernels::ThreadPool;
use safetensors::{Dtype, SafeTensors};

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A file of the data that is not part of the project: in the folder that `OUNCE_TEST_DATA` names, or in `shared/data` beside the
/// checkout. `None`, with a message, if it is in neither.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let folders =
        [std::env::var_os("OUNCE_TEST_DATA").map(PathBuf::from), Some(here("../../../shared/data"))];
    let found = folders.into_iter().flatten().map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is neither under OUNCE_TEST_DATA nor in ../shared/data");
    }
    found
}

/// A golden file.
pub(crate) struct Golden(Vec<u8>);

impl Golden {
    pub(crate) fn open(name: &str) -> Self {
        Self(std::fs::read(here("tests/golden").join(name)).unwrap())
    }

    fn view<T>(&self, name: &str, read: impl FnOnce(safetensors::tensor::TensorView<'_>) -> T) -> T {
        read(SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap_or_else(|_| panic!("no {name}")))
    }

    pub(crate) fn shape(&self, name: &str) -> Vec<usize> {
        self.view(name, |view| view.shape().to_vec())
    }

    pub(crate) fn i8s(&self, name: &str) -> Vec<i8> {
        self.view(name, |view| view.data().iter().map(|byte| *byte as i8).collect())
    }

    pub(crate) fn i32s(&self, name: &str) -> Vec<i32> {
        self.view(name, |view| view.data().as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect())
    }

    pub(crate) fn f32s(&self, name: &str) -> Vec<f32> {
        self.view(name, |view| view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    pub(crate) fn f64s(&self, name: &str) -> Vec<f64> {
        self.view(name, |view| view.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect())
    }

    pub(crate) fn tensor(&self, name: &str) -> Tensor {
        let shape = self.shape(name);
        match self.view(name, |view| view.dtype()) {
            Dtype::I8 => Tensor::i8(&shape, self.i8s(name)),
            Dtype::I32 => Tensor::i32(&shape, self.i32s(name)),
            _ => Tensor::f32(&shape, self.f32s(name)),
        }
        .unwrap()
    }
}

/// What a graph gives on the arena, after all passes.
pub(crate) fn executed(graph: &Graph, inputs: &[(&str, &Tensor)]) -> HashMap<String, Tensor> {
    let mut graph = graph.clone();
    graph.freeze_all();
    let graph = passes::optimize(&graph).unwrap();
    let mut executor = Executor::new(&graph, &plan::plan(&graph, &PlanOptions::default()).unwrap()).unwrap();
    inputs.iter().for_each(|(name, tensor)| executor.set_input(name, tensor).unwrap());
    executor.run(&mut ThreadPool::new(1));
    graph.outputs().iter().map(|(name, _)| (name.clone(), executor.output(name).unwrap())).collect()
}
