//! Model files in and out: GGUF, safetensors, Hugging Face folders, ONNX, TensorFlow Lite, torch checkpoints.
//!
//! Files are memory-mapped ([`mmap`]) and tensors are ranges of the map: nothing is copied, and a model that is larger than the free
//! memory opens in milliseconds. Every length in a file is checked against the bytes that remain before anything is allocated for it, so
//! a hostile file costs an error and never memory. Errors name the place in the file, what stood there and what should have.
//!
//! * [`gguf`]: reader and writer of GGUF versions 2 and 3, with metadata.
//! * [`ggml`]: the block types of GGUF tensors: unpacking, dequantization, quantization.
//! * [`safetensors`]: reader and writer of one safetensors file.
//! * [`hugging_face`]: reader and writer of a model folder: `config.json`, tokenizer files, one or many safetensors files.
//! * [`quantized`]: the linear maps of quantized model folders: AutoAWQ, GPTQ, compressed-tensors.
//! * [`mcunet`]: quantized networks of MCUNetV3, and the training graph of TinyEngine.
//! * [`onnx`]: reader and writer of ONNX models.
//! * [`pickle`]: reader of Python pickles that executes nothing, of numpy arrays in them, and of torch checkpoints.
//! * [`scalar`]: types of numbers and arrays of them, which several formats share.
//! * [`tflite`]: reader of TensorFlow Lite models.
#![deny(unsafe_code)]

pub mod ggml;
pub mod gguf;
pub mod hugging_face;
pub mod mcunet;
pub mod mmap;
pub mod onnx;
pub mod pickle;
pub mod quantized;
pub mod safetensors;
pub mod scalar;
pub mod tflite;

mod temporary;
