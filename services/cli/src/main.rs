//! The `odeon` binary: every service as a subcommand, `odeon up`, and kubectl-style verbs.

mod args;
mod bench;
mod client;
mod exporter;
mod failure;
mod kubeconfig;
mod resources;
mod service;
mod up;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use client::Client;

fn main() -> ExitCode {
    // A pod's sandbox is this same file as PID 1 of a container: nothing else may start there.
    if std::env::args_os().nth(1).is_some_and(|word| word == "sandbox") {
        agent::sandbox::main();
    }
    share_arenas();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    let outcome = runtime.block_on(dispatch(cli));
    // What still runs (a stuck lookup, a blocking read of standard input) must not keep a finished command waiting.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

/// The C library keeps a heap for every thread, up to eight per core, and what one thread gives back no other one uses. Messages are
/// decoded on one thread and dropped on another here: two heaps for all of them need much less memory, and are as fast.
#[cfg(target_env = "gnu")]
#[expect(
    unsafe_code,
    reason = "mallopt is a C function; it only sets a limit, before there are other threads"
)]
fn share_arenas() {
    const ARENAS: i32 = 2;
    // SAFETY: no other thread runs yet, and the parameters are among those that mallopt(3) documents.
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, ARENAS);
    }
}

#[cfg(not(target_env = "gnu"))]
fn share_arenas() {}

async fn dispatch(cli: Cli) -> anyhow::Result<()> {
    let connect = async || Client::connect(cli.kubeconfig.as_deref()).await;
    match cli.command {
        Command::Up(options) => up::up(options).await,
        Command::Gateway(options) => service::gateway(*options).await,
        Command::Controller(options) => service::controller(options).await,
        Command::Scheduler(options) => service::scheduler(options).await,
        Command::Agent(options) => service::agent(options).await,
        Command::NatsExporter(options) => service::exporter(options).await,
        Command::Kubeconfig(options) => kubeconfig::print(&options),
        Command::Get(options) => verbs::get(&connect().await?, &options).await,
        Command::Describe(options) => verbs::describe(&connect().await?, &options).await,
        Command::Apply(options) => verbs::apply(&connect().await?, &options).await,
        Command::Delete(options) => verbs::delete(&connect().await?, &options).await,
        Command::Scale(options) => verbs::scale(&connect().await?, &options).await,
        Command::Logs(options) => verbs::logs(&connect().await?, &options).await,
        Command::Rollout(options) => verbs::rollout(&connect().await?, &options).await,
        Command::Why(options) => verbs::why(&connect().await?, &options).await,
        Command::Bench(options) => bench::bench(&options, cli.kubeconfig.as_deref()).await,
        Command::Completion { shell } => {
            args::print_completion(shell);
            Ok(())
        }
    }
}
