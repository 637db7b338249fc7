//! `surety serve`

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Failed;
use super::output::fields;
use super::{Common, Output};
use crate::compile::by_this_binary;
use crate::config::{Backend, Config};
use crate::serve::{About, start};
use crate::telemetry;

/// Runs a host until SIGTERM or SIGINT. Needs no configuration.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration; every key has a default
    #[arg(long, env = "SURETY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Run modules that nobody signed; on loopback only
    #[arg(long)]
    development: bool,
}

impl Serve {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let mut config = common.config(self.config.as_ref())?;
        config.listen = self.listen.unwrap_or(config.listen);
        config.policy.development |= self.development;
        telemetry::start(&config.log)?;
        let runtime = tokio::runtime::Runtime::new()?;
        let done = runtime.block_on(serve(config, common.output()));
        // What still runs was given its time, and is not waited for again.
        runtime.shutdown_background();
        Ok(done?)
    }
}

async fn serve(config: Config, output: Output) -> anyhow::Result<()> {
    let listen = config.listen;
    let memory = config.store.backend == Backend::Memory;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("the host cannot listen on {listen}"))?;
    // Before anything is said, so that who reads it can stop the host at once.
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
        }
    };
    let started = start(config, by_this_binary()?, listener, shutdown).await?;
    announce(output, &started.about, memory)?;
    started.finished().await
}

fn announce(output: Output, about: &About, memory: bool) -> anyhow::Result<()> {
    let url = format!("http://{}", about.listen);
    let (data, token_file) = (about.data.display(), about.token_file.display());
    let value = json!({
        "url": url,
        "listen": about.listen.to_string(),
        "data": data.to_string(),
        "host": about.host,
        "token_file": token_file.to_string(),
        "development": about.development,
    });
    output.value(&value, |_| {
        let kept = if memory { " (messages only in memory)" } else { "" };
        let mode = match about.development {
            true => "development: modules run that nobody signed",
            false => "only modules run that the policy's publishers signed",
        };
        fields(&[
            ("surety serves", url.clone()),
            ("modules", mode.to_owned()),
            ("data", format!("{data}{kept}")),
            ("host address", about.host.to_string()),
            ("operator token", token_file.to_string()),
        ])
    })
}
