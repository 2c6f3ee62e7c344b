//! Whether a device computes what this machine computes.

use ounce_graph::{DType, Executor, Graph, PlanOptions, Tensor, passes, plan};
use ounce_kernels::ThreadPool;
use ounce_random::Pcg32;
use ounce_tiny::emit::{Budget, EmitOptions, Entry, emit};
use ounce_tiny::simulate::{Build, Run, Target};
use serde::Serialize;
use std::path::Path;

/// What a simulation took, and how it compares.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Instructions of one inference, the most of all.
    pub(crate) instructions: u64,
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
}

/// Compiles a network, gives it noise on a simulated device in `folder` and here, and compares.
pub(crate) fn compare(
    graph: &Graph,
    target: Target,
    budget: &Budget,
    images: usize,
    seed: u64,
    folder: &Path,
) -> Result<Report, Box<dyn std::error::Error>> {
    let program = emit(&[Entry { name: "invoke", graph }], &EmitOptions::default())?;
    let build = Build::new(target).ram(budget.sram).flash(budget.flash).stack(budget.stack);
    let image = program.add_to(build).text("main.c", program.driver()).compile(folder)?;
    budget.check_compiled(&image.sizes)?;
    let optimized = passes::optimize(graph)?;
    let mut executor = Executor::new(&optimized, &plan::plan(&optimized, &PlanOptions::default())?)?;
    let mut pool = ThreadPool::new(ounce_kernels::available_threads());
    let mut random = Pcg32::new(seed);
    let function = &program.functions[0];
    let (mut requests, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..images {
        let values = function
            .inputs
            .iter()
            .map(|input| noise(&input.ty, &mut random))
            .collect::<Result<Vec<_>, _>>()?;
        for (input, value) in function.inputs.iter().zip(&values) {
            executor.set_input(&input.label, value)?;
        }
        executor.run(&mut pool);
        requests.extend(function.request(&values.iter().collect::<Vec<_>>())?);
        let outputs = function.outputs.iter().map(|output| executor.output(&output.label));
        expected.push(outputs.collect::<Result<Vec<_>, _>>()?);
    }
    std::fs::write(folder.join("requests"), requests)?;
    let limit = std::time::Duration::from_secs(60 + 10 * images as u64);
    let report = Run::new().limit(limit).execute(&image, folder)?;
    let answers = std::fs::read(folder.join("answers"))?;
    let mut left = &answers[..];
    let equal =
        expected.iter().filter(|expected| function.answer(&mut left).as_ref() == Some(expected)).count();
    Ok(Report {
        instructions: report.spans().into_iter().step_by(2).max().unwrap_or(0),
        sram_bytes: image.sizes.ram(),
        stack_bytes: image.sizes.stack,
        stack_peak_bytes: report.stack_peak,
        flash_bytes: image.sizes.flash(),
        images,
        equal,
    })
}

/// A value of the given type.
fn noise(ty: &ounce_graph::TensorType, random: &mut Pcg32) -> Result<Tensor, Box<dyn std::error::Error>> {
    if ty.dtype != DType::I8 {
        return Err(format!("the network takes {ty}; only inputs of bytes can be made up").into());
    }
    Ok(Tensor::i8(&ty.shape, (0..ty.elements()).map(|_| (random.next_u32() >> 24) as u8 as i8).collect())?)
}
