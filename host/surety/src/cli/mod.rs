//! The command line. One file a subcommand; a new one is a line in `Command`
//! and one in its match.
//!
//! `serve`, `reconcile`, `export`, `import`, `doctor`, `aws`, `keys`, `token`, `verify`,
//! `message sign` (as typed data with a definition at hand), `action
//! new|build|check|test|sign|approve`, `action audit` and `workflow graph` of a file and,
//! with modules given, `workflow check|touches` work here; all others ask a host over
//! HTTP. `action publish` asks an OCI registry, and so does what is given `oci://…` for a
//! module.

mod exit;
mod input;
mod output;
mod remote;

mod action;
mod archive;
mod aws;
mod client;
mod compile;
mod doctor;
mod keys;
mod message;
mod moving;
mod reconcile;
mod redrive;
mod serve;
mod token;
mod verify;
mod workflow;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use exit::Failed;
use output::Output;
use remote::Remote;

/// Runs signed messages through sandboxed actions, and proves what it did.
#[derive(Debug, Parser)]
#[command(name = "surety", version, after_help = exit::HELP)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a host
    Serve(serve::Serve),
    /// Make and show private keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Make bearer tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Register clients
    #[command(subcommand)]
    Client(client::Client),
    /// Write, sign, submit and follow messages
    #[command(subcommand)]
    Message(message::Message),
    /// Make, build, test and deploy action modules
    #[command(subcommand)]
    Action(action::Action),
    /// Check, draw and deploy workflows
    #[command(subcommand)]
    Workflow(workflow::Workflow),
    /// Move parked messages on
    Redrive(redrive::Redrive),
    /// Compare what is shown with what is kept, and mend it; needs a stopped host
    Reconcile(reconcile::Reconcile),
    /// Write everything that is kept into a folder; needs stopped hosts
    Export(moving::Export),
    /// Put an export into an empty store; needs stopped hosts
    Import(moving::Import),
    /// Take out the proof of a finished message
    #[command(subcommand)]
    Archive(archive::Archive),
    /// Verify a bundle, without a host
    Verify(verify::Verify),
    /// Examine where messages are kept, and say what to do
    Doctor(doctor::Doctor),
    /// Make what hosts need on AWS, and say who may do what
    #[command(subcommand)]
    Aws(aws::Aws),
    #[command(name = crate::compile::SUBCOMMAND, hide = true)]
    Compile(compile::Compile),
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
struct Common {
    /// Print JSON, one value a line
    #[arg(long, global = true)]
    json: bool,
    /// Where the host is
    #[arg(long, global = true, env = "SURETY_URL", default_value = "http://127.0.0.1:8480")]
    url: String,
    /// The bearer token; other users can see it in the list of processes
    #[arg(long, global = true, env = "SURETY_TOKEN", hide_env_values = true)]
    token: Option<Secret>,
    /// A file with the bearer token; goes before --token [default: the data
    /// folder's operator.token]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The data folder [default: $XDG_DATA_HOME/surety or ~/.local/share/surety]
    #[arg(long, global = true, env = "SURETY_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// A text that is not shown.
#[derive(Clone)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl Common {
    fn output(&self) -> Output {
        Output::new(self.json)
    }

    /// The host that is asked.
    fn remote(&self) -> Result<Remote, Failed> {
        let token = match (&self.token_file, &self.token) {
            (Some(file), _) => Some(input::text(file)?),
            (None, Some(Secret(token))) => Some(token.clone()),
            // There may be none here: then the host says whether it takes one.
            (None, None) => {
                let folder = self.config(None).ok().and_then(|config| config.data_folder().ok());
                folder.and_then(|f| std::fs::read_to_string(crate::data::operator_token(&f)).ok())
            }
        };
        Remote::new(&self.url, token.as_deref().map(str::trim))
    }

    /// The configuration, with what the command line says.
    fn config(&self, file: Option<&PathBuf>) -> anyhow::Result<Config> {
        let mut config = Config::load(file.map(PathBuf::as_path))?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }
}

/// Runs the command that the process was given.
pub fn run() -> ExitCode {
    let Cli { common, command } = Cli::parse();
    let done = match command {
        Command::Compile(compile) => return compile.run(),
        Command::Serve(serve) => serve.run(&common),
        Command::Keys(keys) => keys.run(&common),
        Command::Token(token) => token.run(&common),
        Command::Client(client) => client.run(&common),
        Command::Message(message) => message.run(&common),
        Command::Action(action) => action.run(&common),
        Command::Workflow(workflow) => workflow.run(&common),
        Command::Redrive(redrive) => redrive.run(&common),
        Command::Reconcile(reconcile) => reconcile.run(&common),
        Command::Export(export) => export.run(&common),
        Command::Import(import) => import.run(&common),
        Command::Archive(archive) => archive.run(&common),
        Command::Verify(verify) => verify.run(&common),
        Command::Doctor(doctor) => doctor.run(&common),
        Command::Aws(aws) => aws.run(&common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => failed.report(common.json),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_token_is_not_shown() {
        let cli = Cli::parse_from(["surety", "client", "list", "--token", "hush"]);
        assert!(!format!("{cli:?}").contains("hush"));
    }
}
