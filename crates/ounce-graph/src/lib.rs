//! The network compiler: operators over values of static shape, gradients at compile time, passes, a memory planner, and an executor for this machine.
//!
//! A [`Graph`] is built by its methods, or by [`Graph::apply`] from any operator of [`ops`]. [`differentiate`] appends the nodes of gradients;
//! [`train::training_graph`] appends the updates of an optimizer too. The [`passes`] change a graph into one that computes the same with less; [`plan`](plan::plan)
//! gives every value a place in one arena; an [`Executor`] runs the result, and [`evaluate`] runs any graph by the book.
//!
//! ```
//! use ounce_graph::train::{Optimizer, Schedule, Trainer, training_graph};
//! use ounce_graph::{Graph, PlanOptions, Tensor, TensorType};
//! use ounce_kernels::ThreadPool;
//!
//! // Fits y = 2 x.
//! let mut graph = Graph::new();
//! let x = graph.input("x", TensorType::f32(&[4, 1]))?;
//! let y = graph.input("y", TensorType::f32(&[4, 1]))?;
//! let w = graph.parameter("w", Tensor::f32(&[1, 1], vec![0.0])?)?;
//! let predicted = graph.linear(x, w, None)?;
//! let loss = graph.mse(predicted, y)?;
//! let step = training_graph(&graph, loss, &[w], Optimizer::SGD)?;
//! let mut trainer = Trainer::new(&step, Schedule::Constant(0.1), &PlanOptions::default())?;
//! let mut pool = ThreadPool::new(1);
//! let x = Tensor::f32(&[4, 1], vec![1.0, -1.0, 0.5, 2.0])?;
//! let y = Tensor::f32(&[4, 1], vec![2.0, -2.0, 1.0, 4.0])?;
//! for _ in 0..50 {
//!     trainer.step(&mut pool, &[("x", &x), ("y", &y)])?;
//! }
//! let w = trainer.executor().parameter("w")?;
//! assert!((w.as_f32().unwrap()[0] - 2.0).abs() < 1e-3);
//! # Ok::<(), ounce_graph::GraphError>(())
//! ```
#![forbid(unsafe_code)]
// Kernels index several arrays by the same counter; zipped iterators would hide which element meets which.
#![allow(clippy::needless_range_loop)]

mod autodiff;
mod builder;
mod cut;
mod error;
pub mod execute;
mod graph;
mod host;
mod io;
mod operator;
pub mod ops;
pub mod passes;
pub mod plan;
pub mod portable;
mod rewrite;
pub mod shape;
mod tensor;
pub mod train;
mod types;

pub use autodiff::{Differentiated, Gradient, differentiate};
pub use cut::{Cut, cut};
pub use error::{GraphError, OpError};
pub use execute::{Evaluation, Executor, evaluate};
pub use graph::{Graph, Node, Source, Value, ValueId};
pub use io::Io;
pub use operator::{Cost, Custom, Operator};
pub use ops::Op;
pub use plan::{MemoryPlan, PlanOptions};
pub use rewrite::Rewrite;
pub use tensor::{Data, Slice, SliceMut, Tensor, bit, set_bits};
pub use types::{DType, TensorType};
