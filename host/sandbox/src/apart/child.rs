//! The compiler's side: a process that does one job and ends.

use std::io::{self, Write as _};
use std::process::ExitCode;

use surety_core::refusal::{Code, Refusal};

use super::confine::confine;
use super::wire::{self, Answer, Job, Task};
use super::{limit_reached, limits::CompileLimits};
use crate::engine;
use crate::inspect::read;

/// What the kernel and wasmtime say when memory cannot be had.
const NO_MEMORY: [&str; 2] = ["Cannot allocate memory", "out of memory"];

/// Does the job that the host gave on the command line. The process is to do
/// nothing before and nothing after it: it gives up almost everything.
#[must_use]
pub fn compile_apart(job: &str) -> ExitCode {
    match work(job) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}"); // nobody else to tell
            ExitCode::FAILURE
        }
    }
}

fn work(job: &str) -> Result<(), Box<dyn std::error::Error>> {
    let Job { task, limits, compile } = serde_json::from_str(job)?;
    // It asks which processor this is, and is not given a file for it later.
    let engine = engine::compiler(&limits).map_err(|e| format!("{e:#}"))?;
    let confined = confine(&compile)?;
    let mut artifact = Vec::new();
    let answer = match task {
        Task::Confine => Answer::Confined(confined),
        Task::Inspect | Task::Compile => {
            let component = wire::read_all(io::stdin().lock(), limits.component_bytes_max)?;
            let component = component.ok_or("the component is larger than it was said to be")?;
            match read(&component, &limits) {
                Err(refusal) => Answer::Refused(refusal.into()),
                Ok(shown) if task == Task::Inspect => Answer::Read(shown),
                Ok(shown) => match precompile(&engine, &component, &compile) {
                    Ok(compiled) => {
                        artifact = compiled;
                        Answer::Read(shown)
                    }
                    Err(refusal) => Answer::Refused(refusal.into()),
                },
            }
        }
    };
    let mut stdout = io::stdout().lock();
    wire::write(&mut stdout, &answer, &artifact)?;
    Ok(stdout.flush()?)
}

/// Compiles. Memory that cannot be had is the limit's doing: the process has as much
/// as it says.
fn precompile(
    engine: &wasmtime::Engine,
    component: &[u8],
    compile: &CompileLimits,
) -> Result<Vec<u8>, Refusal> {
    let compiled = engine.precompile_component(component).map_err(|e| {
        let text = format!("{e:#}");
        if NO_MEMORY.iter().any(|sign| text.contains(sign)) {
            return limit_reached("memory_bytes_max", compile.memory_bytes_max);
        }
        Refusal::new(Code::ModuleInvalid, format!("the component cannot be compiled: {text}"))
    })?;
    if compiled.len() > compile.output_bytes_max {
        return Err(limit_reached("output_bytes_max", compile.output_bytes_max as u64));
    }
    Ok(compiled)
}
