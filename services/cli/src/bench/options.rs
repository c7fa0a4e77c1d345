//! What can be chosen about a run, checked before anything is started.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::cluster::{Crew, Layout, Shape};

/// Agents that have addresses of their own, less those that are set apart to be lost.
const MOST_AGENTS: i64 = agent::MOST_HOLLOW_AGENTS as i64 - 2;
/// Pods that a node takes, unless it says otherwise.
const PODS_PER_NODE: u32 = 110;
/// The most nodes that are chosen without being asked for.
const MOST_NODES: u32 = 5000;

/// Sizes, and where it runs.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Pods of each Deployment
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub replicas: u32,
    /// Deployments
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub deployments: u32,
    /// Hollow nodes [default: a tenth of the pods, at most 5,000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    nodes: Option<u32>,
    /// Agent processes that perform the hollow nodes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MOST_AGENTS))]
    agents: u32,
    /// Controller processes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    controllers: u32,
    /// Clients of the API's loads, one load for each
    #[arg(long, value_delimiter = ',', default_value = "1,16,64", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub clients: Vec<u32>,
    /// Watchers of the API's load
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub watchers: u32,
    /// Changes per second of `churn`
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
    /// How long each load and each rest lasts
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// How long a state may take before the run fails [default: a minute, and one second for every 100 pods]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: Option<u64>,
    /// Run `odeon up` in one process instead of a process for each service
    #[arg(long)]
    in_one: bool,
    /// Measure each scenario once more with NATS' default of syncing every two minutes; its figures stand beside the durable ones
    #[arg(long)]
    pub relaxed_sync: bool,
    /// A process of this machine to look at, of a cluster that --kubeconfig names (repeatable)
    #[arg(long = "pid", value_name = "NAME=PID", value_parser = process)]
    processes: Vec<(String, u32)>,
    /// Where clusters keep their state meanwhile; must be on a disk [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Leave each cluster's directory behind, with the logs of all its processes
    #[arg(long)]
    keep_data: bool,
    /// The nats-server program [default: beside odeon, else on the PATH]
    #[arg(long, env = "ODEON_NATS_SERVER", value_name = "FILE")]
    nats_server: Option<PathBuf>,
    #[command(flatten)]
    hollow: agent::HollowConfig,
    /// Set from the global flag: the cluster that is measured instead of one of our own.
    #[arg(skip)]
    pub kubeconfig: Option<PathBuf>,
}

impl Options {
    /// All pods.
    pub fn pods(&self) -> u32 {
        self.deployments.saturating_mul(self.replicas)
    }

    /// All nodes.
    pub fn nodes(&self) -> u32 {
        self.nodes.unwrap_or_else(|| self.pods().div_ceil(10).clamp(1, MOST_NODES))
    }

    /// How long each load and each rest lasts.
    pub fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// How long a state of so many objects may take.
    pub fn patience_for(&self, objects: u32) -> Duration {
        Duration::from_secs(self.patience.unwrap_or(60 + u64::from(objects) / 100))
    }

    /// Fails where sizes contradict each other.
    ///
    /// # Errors
    /// Says which do, and what to change.
    pub fn check(&self) -> Result<()> {
        let room = u64::from(self.nodes()) * u64::from(PODS_PER_NODE);
        let pods = u64::from(self.deployments) * u64::from(self.replicas);
        ensure!(pods <= u64::from(u32::MAX / 2), "{pods} pods are too many");
        if self.kubeconfig.is_none() && pods + pods / 4 > room {
            bail!(
                "{} nodes take {room} pods, and {pods} pods (a quarter more while they are replaced) do not fit; --nodes {} would do",
                self.nodes(),
                (pods + pods / 4).div_ceil(u64::from(PODS_PER_NODE))
            );
        }
        ensure!(
            self.agents <= self.nodes(),
            "{} agents cannot share {} nodes; --agents must not be more",
            self.agents,
            self.nodes()
        );
        ensure!(
            self.processes.is_empty() || self.kubeconfig.is_some(),
            "--pid is for a cluster that --kubeconfig names; our own processes are known"
        );
        let foreign = [(self.in_one, "--in-one"), (self.relaxed_sync, "--relaxed-sync")];
        for (given, flag) in foreign {
            ensure!(
                !given || self.kubeconfig.is_none(),
                "{flag} is about clusters that are started here, not about one that --kubeconfig names"
            );
        }
        Ok(())
    }

    /// A cluster with all its nodes.
    pub fn shape(&self) -> Shape {
        self.shape_of(crews("hollow", self.nodes(), self.agents))
    }

    /// A cluster with these agents.
    pub fn shape_of(&self, agents: Vec<Crew>) -> Shape {
        let layout = match &self.kubeconfig {
            Some(kubeconfig) => {
                Layout::Foreign { kubeconfig: kubeconfig.clone(), processes: self.processes.clone() }
            }
            None if self.in_one => Layout::Single,
            None => Layout::Separate,
        };
        Shape {
            layout,
            agents,
            controllers: self.controllers,
            relaxed: false,
            first_agent: self.hollow.hollow_agent.into(),
            hollow: self.hollow.arguments(),
            nats_server: self.nats_server.clone(),
            keep_data: self.keep_data,
            data_dir: self.data_dir.clone().unwrap_or_else(std::env::temp_dir),
        }
    }

    /// A cluster of one node on this machine's container engine.
    pub fn shape_on_engine(&self) -> Shape {
        let node = Crew { prefix: String::new(), nodes: 1 };
        Shape { layout: Layout::Engine, controllers: 1, ..self.shape_of(vec![node]) }
    }

    /// A cluster with agents that are to be lost beside those that stay.
    pub fn shape_losing(&self, lost: &[Crew]) -> Shape {
        let rest = self.nodes().saturating_sub(lost.iter().map(|crew| crew.nodes).sum()).max(1);
        let mut agents = lost.to_vec();
        agents.extend(crews("hollow", rest, self.agents.min(rest)));
        self.shape_of(agents)
    }
}

/// Nodes shared among agents as evenly as they go.
fn crews(prefix: &str, nodes: u32, agents: u32) -> Vec<Crew> {
    let name = |index: u32| if agents == 1 { prefix.to_owned() } else { format!("{prefix}-{index}") };
    let share = |index: u32| nodes / agents + u32::from(index < nodes % agents);
    (0..agents).map(|index| Crew { prefix: name(index), nodes: share(index) }).collect()
}

fn process(text: &str) -> Result<(String, u32)> {
    let (name, pid) = text.split_once('=').context("expected NAME=PID, such as etcd=1234")?;
    let pid: u32 = pid.parse().with_context(|| format!("`{pid}` is not the number of a process"))?;
    ensure!(super::proc::Reading::of(pid).is_some(), "there is no process {pid}");
    Ok((name.to_owned(), pid))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use expect_test::{Expect, expect};

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        options: Options,
    }

    fn parse(words: &[&str]) -> Options {
        Only::try_parse_from(["bench"].iter().chain(words)).unwrap().options
    }

    fn check(words: &[&str], expected: Expect) {
        let complaint = match Only::try_parse_from(["bench"].iter().chain(words)) {
            Ok(only) => only.options.check().err().map(|error| error.to_string()).unwrap_or_default(),
            Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
        };
        expected.assert_eq(&complaint);
    }

    #[test]
    fn wrong_sizes_are_refused_with_what_to_change() {
        check(&[], expect![""]);
        check(
            &["--replicas", "1000", "--nodes", "5"],
            expect![
                "5 nodes take 550 pods, and 1000 pods (a quarter more while they are replaced) do not fit; --nodes 12 would do"
            ],
        );
        check(
            &["--replicas", "10", "--agents", "3"],
            expect!["3 agents cannot share 1 nodes; --agents must not be more"],
        );
        check(
            &["--replicas", "0"],
            expect!["error: invalid value '0' for '--replicas <REPLICAS>': 0 is not in 1..=4294967295"],
        );
        check(
            &["--pid", "etcd"],
            expect![
                "error: invalid value 'etcd' for '--pid <NAME=PID>': expected NAME=PID, such as etcd=1234"
            ],
        );
        check(
            &["--pid", "etcd=4294967295"],
            expect![
                "error: invalid value 'etcd=4294967295' for '--pid <NAME=PID>': there is no process 4294967295"
            ],
        );
        check(
            &["--hollow-failures", "2"],
            expect!["error: invalid value '2' for '--hollow-failures <PART>': a part is between 0 and 1"],
        );
    }

    #[test]
    fn nodes_are_shared_evenly() {
        let nodes =
            |agents: &[Crew]| agents.iter().map(|crew| (crew.prefix.clone(), crew.nodes)).collect::<Vec<_>>();
        let shared = |name: &str, nodes: u32| (name.to_owned(), nodes);
        assert_eq!(nodes(&parse(&[]).shape().agents), [shared("hollow", 100)]);
        let three = parse(&["--nodes", "100", "--agents", "3"]).shape();
        assert_eq!(
            nodes(&three.agents),
            [shared("hollow-0", 34), shared("hollow-1", 33), shared("hollow-2", 33)]
        );
        let losses = parse(&[]).shape_losing(&[Crew { prefix: "lost".to_owned(), nodes: 10 }]);
        assert_eq!(nodes(&losses.agents), [shared("lost", 10), shared("hollow", 90)]);
    }
}
