//! Networks as portable C99.
//!
//! [`emit`] turns graphs into the text of a program that calls the [run-time](crate::runtime): one function for every graph, for instance one that infers and one that
//! takes a training step. All work in one arena whose places are planned at compile time, and share parameters of equal names: those that some graph
//! updates lie in RAM, all others in flash. Operators that the run-time lacks are named before anything is written.
//!
//! Images are HWC, batch 1. Inference gives the bits of the graph's executor. In a training step, sums of floats are taken in the order that the run-time's header
//! states, so that losses and gradients agree with the executor's up to rounding; the program itself gives the same bits on every machine.

mod budget;
mod error;
pub mod interface;
mod lower;
mod memory;
mod program;
mod text;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use ounce_graph::plan::Picture;
use ounce_graph::{Graph, PlanOptions, Tensor, passes};

pub use self::budget::{Budget, Memory};
pub use self::error::EmitError;
use self::interface::{Argument, Signature};
use self::lower::Shared;
use self::memory::Layout;
use self::program::{Function, Given, Tables, identifier};
use crate::runtime::{CFile, HEADERS, code_bytes, config, sources_of};
use crate::simulate::Build;

/// One function of a program.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What it is called, behind the program's name: `invoke` becomes `model_invoke`.
    pub name: &'a str,
    /// What it computes. Inputs and outputs are its arguments in this order; inputs of one number are passed by value.
    pub graph: &'a Graph,
}

/// How a program is made.
#[derive(Clone, Debug)]
pub struct EmitOptions {
    /// Begins the names of files and functions: letters, digits and underscores.
    pub name: String,
    /// How hard to look for a small arena. Of no effect is the alignment, which is 8.
    pub plan: PlanOptions,
}

impl Default for EmitOptions {
    fn default() -> Self {
        Self { name: "model".to_owned(), plan: PlanOptions::default() }
    }
}

impl EmitOptions {
    /// The best of some orders, none searched for.
    pub(crate) fn quick() -> Self {
        Self { plan: PlanOptions { iterations: 0, ..PlanOptions::default() }, ..Self::default() }
    }
}

/// A program: files in C, and what they need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Emitted {
    /// Names and texts, without the run-time but for `ounce_config.h`.
    pub files: Vec<(String, String)>,
    /// What it takes of the memory.
    pub memory: Memory,
    /// Its functions.
    pub functions: Vec<Signature>,
    /// The parameters that it trains, in the order in which the driver writes them.
    pub states: Vec<Argument>,
    name: String,
}

impl Emitted {
    /// Writes all files, what is needed of the run-time among them, into a folder, which is made if it does not exist.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self, folder: &Path) -> Result<(), EmitError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| EmitError::Io { path, source }
        };
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let called: String = self.files.iter().map(|(_, text)| text.as_str()).collect();
        let runtime = HEADERS.iter().chain(sources_of(&called)).map(|CFile { name, text }| (*name, *text));
        let own = self.files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        // The program's own header of what is compiled takes the place of the run-time's.
        for (name, text) in runtime.chain(own) {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(failed(&path))?;
        }
        Ok(())
    }

    /// The function of a name.
    pub fn function(&self, name: &str) -> Option<&Signature> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// A program around the functions that is fed from a file, see [`interface`].
    pub fn driver(&self) -> String {
        interface::driver(&self.name, &self.functions, &self.states)
    }

    /// The trained parameters that the driver wrote, by name, in the graph's order; `answers` is moved behind them. `None` if there is less.
    pub fn state(&self, answers: &mut &[u8]) -> Option<HashMap<String, Tensor>> {
        self.states
            .iter()
            .map(|state| Some((state.label.clone(), interface::take(state, answers)?)))
            .collect()
    }

    /// Adds the files to a program that is to be simulated.
    pub fn add_to(&self, build: Build) -> Build {
        self.files.iter().fold(build, |build, (name, text)| build.text(name.clone(), text.clone()))
    }
}

/// The arena of one function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arena {
    /// The function's name.
    pub function: String,
    /// What lies in it, and when.
    pub picture: Picture,
    /// What it would be if pieces were placed by the order of their lifetimes alone, as TinyEngine does.
    pub first_fit: usize,
}

/// What a program takes, without its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measured {
    /// All of it.
    pub memory: Memory,
    /// The arena as each function uses it.
    pub arenas: Vec<Arena>,
}

/// What the program that [`emit`] makes of the same graphs takes of the memory.
///
/// # Errors
/// Those of [`emit`].
pub fn measure(entries: &[Entry<'_>], options: &EmitOptions) -> Result<Measured, EmitError> {
    let compiled = compile(entries, options, Tables::counted())?;
    let arena = |(function, layout): &(Function, Layout)| Arena {
        function: function.name.clone(),
        picture: layout.picture(function),
        first_fit: layout.first_fit(),
    };
    Ok(Measured { memory: compiled.memory, arenas: compiled.functions.iter().map(arena).collect() })
}

/// A program as texts, without the run-time.
struct Compiled {
    functions: Vec<(Function, Layout)>,
    /// Without values where tables are only counted.
    files: Vec<(String, String)>,
    states: Vec<Argument>,
    memory: Memory,
}

fn compile(entries: &[Entry<'_>], options: &EmitOptions, tables: Tables) -> Result<Compiled, EmitError> {
    let prefix = &options.name;
    // The run-time has names that begin so, files among them.
    if identifier(prefix) != *prefix || prefix.starts_with("ounce_") {
        return Err(EmitError::Name(prefix.clone()));
    }
    let graphs = entries.iter().map(|entry| passes::optimize(entry.graph)).collect::<Result<Vec<_>, _>>()?;
    let updated: HashSet<String> = graphs
        .iter()
        .flat_map(|graph| graph.updates().iter().map(|(id, _)| graph.value(*id).name.clone()))
        .collect();
    let mut shared =
        Shared { prefix, updated: &updated, tables, states: Vec::new(), features: BTreeSet::new() };
    let mut functions = Vec::new();
    for (entry, graph) in entries.iter().zip(&graphs) {
        let function = lower::lower(graph, entry.name, &mut shared)?;
        check_names(prefix, &function)?;
        let layout = memory::place(&function, &options.plan);
        functions.push((function, layout));
    }
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    names.extend(shared.states.iter().map(|state| state.name.as_str()));
    if let Some(name) = duplicate(names) {
        return Err(EmitError::Name(name));
    }
    let Shared { tables, states, features, .. } = shared;
    let arena = functions.iter().map(|(_, layout)| layout.bytes).max().unwrap_or(0);
    let lower_bound = functions.iter().map(|(_, layout)| layout.lower_bound).max().unwrap_or(0);
    let [weights_header, weights] = text::weights(prefix, &tables);
    let files = vec![
        (format!("{prefix}.h"), text::header(prefix, &functions, arena, tables.state_bytes)),
        (format!("{prefix}.c"), text::source(prefix, &functions, &tables, arena)),
        (format!("{prefix}_weights.h"), weights_header),
        (format!("{prefix}_weights.c"), weights),
        ("ounce_config.h".to_owned(), config(&features)),
    ];
    let called: String = files.iter().map(|(_, text)| text.as_str()).collect();
    let kernels = sources_of(&called).into_iter().map(code_bytes).sum();
    let calls = functions.iter().map(|(function, _)| function.statements.len()).sum();
    let memory = Memory {
        arena: arena as u64,
        lower_bound: lower_bound as u64,
        state: tables.state_bytes as u64,
        constants: tables.constant_bytes as u64,
        kernels,
        calls,
    };
    Ok(Compiled { functions, files, states, memory })
}

/// Compiles graphs to a program.
///
/// # Errors
/// If a node has no kernel, names collide, or the graphs do not fit each other.
pub fn emit(entries: &[Entry<'_>], options: &EmitOptions) -> Result<Emitted, EmitError> {
    let prefix = &options.name;
    let Compiled { functions, files, states, memory } = compile(entries, options, Tables::default())?;
    let given = |values: Vec<Given>| values.into_iter().map(|(argument, _)| argument).collect();
    let functions = functions
        .into_iter()
        .zip(0..)
        .map(|((Function { name, inputs, outputs, .. }, _), number)| Signature {
            name,
            number,
            inputs: given(inputs),
            outputs: given(outputs),
        })
        .collect();
    Ok(Emitted { files, memory, functions, states, name: prefix.clone() })
}

/// Arguments and the function have names of their own.
fn check_names(prefix: &str, function: &Function) -> Result<(), EmitError> {
    if identifier(&function.name) != function.name {
        return Err(EmitError::Name(function.name.clone()));
    }
    let arguments =
        function.inputs.iter().chain(&function.outputs).map(|(argument, _)| argument.name.as_str());
    let own = [prefix, "at", "arena", "update", "first", "rows", "int", "float", "void", "NULL"];
    match duplicate(arguments.chain(own).collect()) {
        Some(name) => Err(EmitError::Name(name)),
        None => Ok(()),
    }
}

/// A name that occurs twice.
fn duplicate(names: Vec<&str>) -> Option<String> {
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name)).map(str::to_owned)
}
