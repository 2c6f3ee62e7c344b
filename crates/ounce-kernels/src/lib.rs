//! CPU capability tokens, a thread pool, weight layouts and the operations of a transformer on them; amplitudes of quantum states and the gates
//! on them.
//!
//! The crate knows no model and no file. A caller makes a [`pool::ThreadPool`], turns its weights into [`Matrix`] values and calls
//! the operations in [`ops`] from inside [`pool::ThreadPool::region`]:
//!
//! ```
//! use ounce_kernels::{FloatType, Matrix, SharedBytes, ThreadPool, ops};
//!
//! let weights: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|w| w.to_le_bytes()).collect();
//! let matrix = Matrix::from_float(FloatType::F32, 2, 2, SharedBytes::from_vec(weights))?;
//! let mut pool = ThreadPool::new(1);
//! let mut y = [0.0; 2];
//! pool.region(|team| {
//!     ops::project(team, ops::Input { x: &[1.0, 10.0], norm: None }, &mut [ops::Output::write(&matrix, &mut y)]);
//! });
//! assert_eq!(y, [21.0, 43.0]);
//! # Ok::<(), ounce_kernels::MatrixError>(())
//! ```
//!
//! A kernel is reached through a [`Kernels`] token, which exists only if this CPU has the instructions. Every instruction set fills
//! the same table; the portable one is the readable reference that the tests hold the others against.

// Kernels index several arrays by the same counter; zipped iterators would hide which element meets which.
#![allow(clippy::needless_range_loop)]

pub mod amplitudes;
mod buffer;
mod bytes;
mod isa;
pub mod matrix;
pub mod ops;
mod planes;
pub mod pool;
mod quantize;
mod simd;

pub use buffer::Buffer;
pub use bytes::SharedBytes;
pub use isa::Kernels;
pub use matrix::{ActivationScale, FloatType, Matrix, MatrixError, PackSpec, QuantRow, Quants, W8A8Spec};
pub use pool::{Team, ThreadPool, available_threads};
