//! Pictures as the trained part of a network takes them.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ounce_data::{DataError, Picture};
use ounce_formats::safetensors::{Safetensors, SafetensorsType, Writer};
use ounce_graph::{DType, Executor, PlanOptions, Slice, TensorType, passes, plan};
use ounce_kernels::ThreadPool;

use super::{CheckpointError, LearnError, Part, Prepared};
use crate::pictures;

/// The key of a file's metadata that says what it is of, and the names of its tensors.
const OF: &str = "of";
const LABELS: &str = "labels";
const VALUE: &str = "value.";

/// What the frozen part of a network gives for pictures, in bytes, with their labels. One or two versions of each picture: as it is, and mirrored.
#[derive(Clone, PartialEq, Debug)]
pub struct Examples {
    values: Vec<Stored>,
    labels: Vec<i32>,
    versions: usize,
}

/// One input of the trained part, for all examples.
#[derive(Clone, PartialEq, Debug)]
struct Stored {
    name: String,
    /// Bytes of one example.
    len: usize,
    /// Example by example, the versions of one behind each other.
    data: Vec<i8>,
}

/// One input in the making: its name, and what a thread writes.
struct Sink<'a> {
    name: &'a str,
    len: usize,
    data: &'a mut [i8],
}

impl Examples {
    /// Runs the frozen part on pictures: as many as there are `labels`, each given by `load`. `mirrored` adds a second version of each. `progress` is told how many are done
    /// and may stop it.
    ///
    /// # Errors
    /// If a picture cannot be loaded, or the network takes or gives anything else than bytes; [`LearnError::Stopped`].
    pub fn compute(
        prepared: &Prepared,
        labels: Vec<i32>,
        mirrored: bool,
        threads: usize,
        load: &(dyn Fn(usize) -> Result<Picture, DataError> + Sync),
        progress: &(dyn Fn(usize) -> ControlFlow<()> + Sync),
    ) -> Result<Self, LearnError> {
        let versions = 1 + usize::from(mirrored);
        let graph = &prepared.network.graph;
        let mut values = Vec::new();
        for id in graph.inputs() {
            let (name, ty) = (&graph.value(*id).name, graph.ty(*id));
            let single = TensorType::new(ty.dtype, ty.shape.get(1..).unwrap_or(&[]));
            if ty.dtype != DType::I8 {
                return Err(LearnError::Examples(format!("{name} is {ty}, not bytes")));
            }
            let len = single.elements();
            let data = vec![0; len * versions * labels.len()];
            values.push(Stored { name: name.clone(), len, data });
        }
        let share = labels.len().div_ceil(threads.max(1)).max(1);
        let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let finish = || {
            if progress(done.fetch_add(1, Ordering::Relaxed) + 1).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
            if stop.load(Ordering::Relaxed) { Err(LearnError::Stopped) } else { Ok(()) }
        };
        // Every thread writes the values of a run of examples.
        let mut runs: Vec<Vec<Sink<'_>>> = Vec::new();
        for Stored { name, len, data } in &mut values {
            let chunk = (*len * versions * share).max(1);
            for (at, data) in data.chunks_mut(chunk).enumerate() {
                if runs.len() <= at {
                    runs.resize_with(at + 1, Vec::new);
                }
                runs[at].push(Sink { name, len: *len, data });
            }
        }
        std::thread::scope(|scope| {
            let finish = &finish;
            let work = runs.into_iter().enumerate().map(|(at, sinks)| {
                let examples = at * share..labels.len().min((at + 1) * share);
                scope.spawn(move || fill(prepared, examples, versions, sinks, load, finish))
            });
            let work: Vec<_> = work.collect();
            work.into_iter().try_for_each(|thread| {
                let panicked = |_| Err(LearnError::Examples("a thread gave up".to_owned()));
                thread.join().unwrap_or_else(panicked)
            })
        })?;
        Ok(Self { values, labels, versions })
    }

    /// As [`Examples::compute`], for the pictures of a data set.
    ///
    /// # Errors
    /// As there.
    pub fn of(
        prepared: &Prepared,
        part: &Part,
        mirrored: bool,
        threads: usize,
        progress: &(dyn Fn(usize) -> ControlFlow<()> + Sync),
    ) -> Result<Self, LearnError> {
        Self::compute(prepared, part.labels(), mirrored, threads, &|index| part.load(index), progress)
    }

    /// Writes them as a safetensors file, whole or not at all, under a text that says what they are of.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self, path: &Path, of: &str) -> Result<(), CheckpointError> {
        let mut writer = Writer::create(path)?;
        writer.metadata(OF, of);
        let labels: Vec<u8> = self.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        writer.tensor(LABELS, SafetensorsType::I32, &[self.labels.len()], &labels)?;
        for Stored { name, len, data } in &self.values {
            let shape = [self.labels.len(), self.versions, *len];
            writer.tensor(
                &format!("{VALUE}{name}"),
                SafetensorsType::I8,
                &shape,
                bytemuck::cast_slice(data),
            )?;
        }
        Ok(writer.finish()?)
    }

    /// Reads what [`Examples::write`] wrote under the same text; `None` if it was another.
    ///
    /// # Errors
    /// If the file is damaged or something else.
    pub fn read(path: &Path, of: &str) -> Result<Option<Self>, CheckpointError> {
        let file = Safetensors::open(path)?;
        if !file.metadata().iter().any(|(key, value)| key == OF && value == of) {
            return Ok(None);
        }
        let wrong = |name: &str| CheckpointError::Content(format!("{name} is no value of examples"));
        let (mut labels, mut values, mut versions) = (Vec::new(), Vec::new(), 1);
        let count = file.tensor(LABELS).map_or(0, |labels| labels.shape().iter().product());
        for view in file.tensors() {
            match (view.name(), view.name().strip_prefix(VALUE), view.dtype(), view.shape()) {
                (LABELS, _, SafetensorsType::I32, _) => {
                    labels = view.bytes().as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect();
                }
                (_, Some(name), SafetensorsType::I8, &[examples, of_each, len]) if examples == count => {
                    versions = of_each;
                    let data = bytemuck::cast_slice(view.bytes()).to_vec();
                    values.push(Stored { name: name.to_owned(), len, data });
                }
                (name, ..) => return Err(wrong(name)),
            }
        }
        let alike = values.iter().all(|stored| stored.data.len() == count * versions * stored.len);
        if versions == 0 || !alike {
            return Err(wrong("a tensor of another shape"));
        }
        Ok(Some(Self { values, labels, versions }))
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Versions of each picture.
    pub fn versions(&self) -> usize {
        self.versions
    }

    /// The label of a picture.
    pub fn label(&self, index: usize) -> i32 {
        self.labels[index]
    }

    /// Bytes that all of them take.
    pub fn bytes(&self) -> usize {
        self.values.iter().map(|stored| stored.data.len()).sum()
    }

    /// Names of the values and the bytes of one example.
    pub(super) fn inputs(&self) -> impl Iterator<Item = (&str, usize)> {
        self.values.iter().map(|stored| (stored.name.as_str(), stored.len))
    }

    /// One value of a version of a picture.
    pub(super) fn value(&self, input: usize, index: usize, version: usize) -> &[i8] {
        let Stored { len, data, .. } = &self.values[input];
        &data[(index * self.versions + version) * len..][..*len]
    }
}

/// Computes some of the examples.
fn fill(
    prepared: &Prepared,
    examples: std::ops::Range<usize>,
    versions: usize,
    mut sinks: Vec<Sink<'_>>,
    load: &(dyn Fn(usize) -> Result<Picture, DataError> + Sync),
    finish: &(dyn Fn() -> Result<(), LearnError> + Sync),
) -> Result<(), LearnError> {
    let mut frozen = if prepared.frozen.nodes().is_empty() {
        None
    } else {
        let graph = passes::optimize_for_host(&prepared.frozen)?;
        let plan = plan::plan(&graph, &PlanOptions { iterations: 0, ..PlanOptions::default() })?;
        Some(Executor::new(&graph, &plan)?)
    };
    let mut pool = ThreadPool::new(1);
    for (nth, index) in examples.enumerate() {
        let picture = load(index)?;
        for version in 0..versions {
            let image = match version {
                0 => pictures::image(&picture, &prepared.image)?,
                _ => pictures::image(&mirrored(&picture), &prepared.image)?,
            };
            if let Some(executor) = &mut frozen {
                for id in prepared.frozen.inputs() {
                    executor.set_input(&prepared.frozen.value(*id).name, &image)?;
                }
                executor.run(&mut pool);
            }
            for Sink { name, len, data } in &mut sinks {
                let given = prepared.frozen.outputs().iter().any(|(output, _)| output == name);
                let to = &mut data[(nth * versions + version) * *len..][..*len];
                let from = match &frozen {
                    Some(executor) if given => executor.output_slice(name)?,
                    _ => image.slice(),
                };
                match from {
                    Slice::I8(from) if from.len() == to.len() => to.copy_from_slice(from),
                    _ => return Err(LearnError::Examples(format!("{name} is not what the image gives"))),
                }
            }
        }
        finish()?;
    }
    Ok(())
}

/// The picture with left and right exchanged.
fn mirrored(picture: &Picture) -> Picture {
    let row = 3 * picture.width();
    let pixels = picture.rgb().chunks_exact(row).flat_map(|row| row.chunks_exact(3).rev().flatten().copied());
    // There are as many pixels as before.
    Picture::from_rgb(picture.width(), picture.height(), pixels.collect()).unwrap_or_else(|| picture.clone())
}
