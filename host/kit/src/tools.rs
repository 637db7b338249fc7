//! Child processes.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Error;

/// Where a tool comes from.
pub(crate) struct Tool {
    /// What it does here.
    pub(crate) why: &'static str,
    /// How to get it.
    pub(crate) install: &'static str,
}

/// Runs a command to its end. What it prints goes to standard error, because
/// standard output is the caller's.
pub(crate) fn run(command: &mut Command, to: &'static str, tool: &Tool) -> Result<(), Error> {
    let status = command.stdin(Stdio::null()).stdout(io::stderr()).status();
    let status = status.map_err(|e| cannot_start(command, tool, e))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed { to, tool: program(command), status: status.to_string() })
}

/// Like [`run`], and gives what the command printed.
pub(crate) fn output(
    command: &mut Command,
    to: &'static str,
    tool: &Tool,
) -> Result<String, Error> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| cannot_start(command, tool, e))?;
    if !output.status.success() {
        let status = output.status.to_string();
        return Err(Error::Failed { to, tool: program(command), status });
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Error::Unexpected(format!("{} printed what is not UTF-8", program(command))))
}

fn cannot_start(command: &Command, tool: &Tool, e: io::Error) -> Error {
    let name = program(command);
    if e.kind() == io::ErrorKind::NotFound {
        return Error::Missing { tool: name, why: tool.why, install: tool.install.to_owned() };
    }
    Error::Unexpected(format!("{name} cannot be started: {e}"))
}

/// Its file's name, which is what people know it by.
fn program(command: &Command) -> String {
    let path = Path::new(command.get_program());
    path.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned()
}

/// Says what is done that takes long or reaches for the network.
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
