//! Whether a device computes what this machine computes.

use ounce_graph::{DType, Executor, Graph, PlanOptions, Tensor, TensorType, passes, plan};
use ounce_kernels::ThreadPool;
use ounce_random::Pcg32;
use ounce_tiny::emit::{Budget, EmitOptions, Emitted, Entry, emit};
use ounce_tiny::simulate::{Build, Run, Target};
use serde::Serialize;
use std::path::Path;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a network is given once.
pub(crate) struct Sample {
    /// A value for every input.
    pub(crate) values: Vec<Tensor>,
    /// The number of its class, if it has one.
    pub(crate) class: Option<usize>,
}

/// What a simulation took, and how it compares.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Instructions of one inference, the most of all.
    pub(crate) instructions: u64,
    /// Instructions of one inference, the mean of all.
    pub(crate) mean_instructions: u64,
    /// RAM in use or set aside.
    pub(crate) sram_bytes: u64,
    /// The part of it that is the stack.
    pub(crate) stack_bytes: u64,
    /// The most of the stack that was in use.
    pub(crate) stack_peak_bytes: u64,
    /// Flash in use, start-up code and the reading of files included.
    pub(crate) flash_bytes: u64,
    /// Images that were given.
    pub(crate) images: usize,
    /// Images for which all outputs are the same bit for bit.
    pub(crate) equal: usize,
    /// Images whose largest output is that of their class, where they have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) right: Option<usize>,
}

/// Compiles a network, gives it the samples on a simulated device in `folder` and here, and compares.
pub(crate) fn compare(
    graph: &Graph,
    target: Target,
    budget: &Budget,
    samples: &[Sample],
    folder: &Path,
) -> Result<Report> {
    let program = emit(&[Entry { name: "invoke", graph }], &EmitOptions::default())?;
    budget.check(&program.memory)?;
    let build = Build::new(target).ram(budget.sram).flash(budget.flash).stack(budget.stack);
    let image = program.add_to(build).text("main.c", program.driver()).compile(folder)?;
    budget.check_compiled(&image.sizes)?;
    let (requests, expected) = here(graph, &program, samples)?;
    std::fs::write(folder.join("requests"), requests)?;
    let limit = std::time::Duration::from_secs(60 + 10 * samples.len() as u64);
    let run = Run::new().limit(limit).execute(&image, folder)?;
    let answers = std::fs::read(folder.join("answers"))?;
    let (mut left, mut equal, mut right) = (&answers[..], 0, None);
    for (sample, expected) in samples.iter().zip(&expected) {
        let found = program.functions[0].answer(&mut left);
        equal += usize::from(found.as_ref() == Some(expected));
        if let Some(class) = sample.class {
            let is_right = found.and_then(|outputs| largest(outputs.first()?)) == Some(class);
            right = Some(right.unwrap_or(0) + usize::from(is_right));
        }
    }
    let instructions: Vec<u64> = run.spans().into_iter().step_by(2).collect();
    Ok(Report {
        instructions: instructions.iter().copied().max().unwrap_or(0),
        mean_instructions: instructions.iter().sum::<u64>() / instructions.len().max(1) as u64,
        sram_bytes: image.sizes.ram(),
        stack_bytes: image.sizes.stack,
        stack_peak_bytes: run.stack_peak,
        flash_bytes: image.sizes.flash(),
        images: samples.len(),
        equal,
        right,
    })
}

/// The requests for all samples, and what this machine gives for them.
fn here(graph: &Graph, program: &Emitted, samples: &[Sample]) -> Result<(Vec<u8>, Vec<Vec<Tensor>>)> {
    let optimized = passes::optimize_for_host(graph)?;
    let mut executor = Executor::new(&optimized, &plan::plan(&optimized, &PlanOptions::default())?)?;
    let mut pool = ThreadPool::new(ounce_kernels::available_threads());
    let function = &program.functions[0];
    let (mut requests, mut expected) = (Vec::new(), Vec::new());
    for sample in samples {
        for (input, value) in function.inputs.iter().zip(&sample.values) {
            executor.set_input(&input.label, value)?;
        }
        executor.run(&mut pool);
        requests.extend(function.request(&sample.values.iter().collect::<Vec<_>>())?);
        let outputs = function.outputs.iter().map(|output| executor.output(&output.label));
        expected.push(outputs.collect::<std::result::Result<Vec<_>, _>>()?);
    }
    Ok((requests, expected))
}

/// The first of the largest elements.
fn largest(output: &Tensor) -> Option<usize> {
    let elements: Vec<f32> = match (output.as_i8(), output.as_f32()) {
        (Some(bytes), _) => bytes.iter().map(|x| f32::from(*x)).collect(),
        (_, Some(floats)) => floats.to_vec(),
        _ => return None,
    };
    let best = |best: usize, at: usize| if elements[at] > elements[best] { at } else { best };
    (0..elements.len()).reduce(best)
}

/// Samples of noise.
pub(crate) fn noise(graph: &Graph, count: usize, seed: u64) -> Result<Vec<Sample>> {
    let mut random = Pcg32::new(seed);
    let sample = |_| {
        let values = graph.inputs().iter().map(|id| value(graph.ty(*id), &mut random));
        Ok(Sample { values: values.collect::<Result<_>>()?, class: None })
    };
    (0..count).map(sample).collect()
}

/// A value of the given type: any bytes, floats from -1 to 1.
fn value(ty: &TensorType, random: &mut Pcg32) -> Result<Tensor> {
    let count = 0..ty.elements();
    match ty.dtype {
        DType::I8 => {
            Ok(Tensor::i8(&ty.shape, count.map(|_| (random.next_u32() >> 24) as u8 as i8).collect())?)
        }
        DType::F32 => Ok(Tensor::f32(&ty.shape, count.map(|_| random.uniform(-1.0, 1.0) as f32).collect())?),
        _ => Err(format!("the network takes {ty}; only inputs of bytes and floats can be made up").into()),
    }
}
