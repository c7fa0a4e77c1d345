//! The command line.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::bench::Bench;
use crate::kubeconfig::PrintKubeconfig;
use crate::service::{AgentOptions, ControlOptions, ExporterOptions};
use crate::up::Up;
use crate::verbs;

/// A Kubernetes-compatible container orchestrator of actors on NATS JetStream.
///
/// `odeon up` starts a cluster in one process; `odeon get pods`, kubectl and every other Kubernetes client use it.
#[derive(Parser, Debug)]
#[command(name = "odeon", version, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    /// The kubeconfig of the cluster to talk to [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Every subcommand.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Start a whole cluster in this process, with a NATS server as its child
    Up(Box<Up>),
    Get(verbs::Get),
    Describe(verbs::Describe),
    Apply(verbs::Apply),
    Delete(verbs::Delete),
    Scale(verbs::Scale),
    Logs(verbs::Logs),
    Rollout(verbs::Rollout),
    Why(verbs::Why),
    /// Run a gateway: the Kubernetes API
    Gateway(Box<ControlOptions<gateway::Config>>),
    /// Run a controller: the actors of Deployments, ReplicaSets, Services, Namespaces and Nodes
    Controller(ControlOptions<controller::Config>),
    /// Run a scheduler; one of several is active
    Scheduler(ControlOptions<scheduler::Config>),
    /// Run an agent: this machine (or simulated ones) as a node, with its Service proxy
    Agent(Box<AgentOptions>),
    /// Export NATS servers' own figures to Prometheus
    NatsExporter(ExporterOptions),
    /// Print a kubeconfig for a gateway's key directory
    Kubeconfig(PrintKubeconfig),
    Bench(Box<Bench>),
    /// Print a shell's completion script
    Completion {
        /// Which shell
        shell: Shell,
    },
}

/// Prints the completion script of a shell.
pub fn print_completion(shell: Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "odeon", &mut std::io::stdout());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
