//! A cluster under measurement: separate processes as in production, `odeon up` in one, or somebody else's.

mod fleet;
pub mod nats;
mod ports;
mod process;
mod scratch;
mod single;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::sampler::{Role, Sampler};
use super::wire::Endpoint;
use nats::Counted;
pub use process::Process;
use scratch::Scratch;

/// How long an API server may take to answer for the first time.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// What a cluster consists of.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How it is run.
    pub layout: Layout,
    /// The agents, each with how many hollow nodes.
    pub agents: Vec<Crew>,
    /// How many controllers share the work.
    pub controllers: u32,
    /// Writes are acknowledged before they are on disk.
    pub relaxed: bool,
    /// The number of the first agent, which its addresses depend on.
    pub first_agent: u32,
    /// How the hollow nodes behave: further arguments of each agent.
    pub hollow: Vec<String>,
    /// The NATS server's program, if it is not where it is looked for.
    pub nats_server: Option<PathBuf>,
    /// Where its directory is made.
    pub data_dir: PathBuf,
    /// The directory, with every process' log, stays when the cluster is gone.
    pub keep_data: bool,
}

/// How a cluster is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A process for each service.
    Separate,
    /// `odeon up`: all services and the hollow nodes in one process, and NATS.
    Single,
    /// `odeon up` with one node that runs containers on this machine's engine.
    Engine,
    /// Whatever runs behind a kubeconfig: processes of this machine by their numbers, if they are known.
    Foreign {
        /// Says where it is.
        kubeconfig: PathBuf,
        /// What to look at while it works.
        processes: Vec<(String, u32)>,
    },
}

/// One agent process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crew {
    /// What its nodes' names begin with.
    pub prefix: String,
    /// How many they are.
    pub nodes: u32,
}

/// A running cluster. Everything that was started for it ends with it.
pub struct Cluster {
    /// Where its API is.
    pub endpoint: Endpoint,
    /// For other clients.
    pub kubeconfig: PathBuf,
    /// From the first process' start until the API answered.
    pub answered_after: Duration,
    processes: Vec<Process>,
    /// The NATS server's monitoring port, where it is ours.
    monitoring: Option<u16>,
    /// How agents are started here.
    agents: Option<fleet::Agents>,
    /// What its containers are called on this machine's engine, if it runs any.
    containers: Option<String>,
    /// Dropped last: the processes have ended by then.
    _scratch: Option<Scratch>,
}

impl Cluster {
    /// Starts one and waits until its API answers. The sampler looks at its processes from their start.
    ///
    /// # Errors
    /// A process did not start or ended; it is quoted.
    pub async fn start(shape: &Shape, sampler: &Sampler) -> Result<Self> {
        match &shape.layout {
            Layout::Separate => fleet::start(shape, sampler).await,
            Layout::Single | Layout::Engine => single::start(shape, sampler).await,
            Layout::Foreign { kubeconfig, processes } => {
                for (name, pid) in processes {
                    sampler.follow(name, role_of(name), *pid);
                }
                let endpoint = Endpoint::of(kubeconfig).await?;
                endpoint.connect().await?;
                Ok(Self {
                    endpoint,
                    kubeconfig: kubeconfig.clone(),
                    answered_after: Duration::ZERO,
                    processes: Vec::new(),
                    monitoring: None,
                    agents: None,
                    containers: None,
                    _scratch: None,
                })
            }
        }
    }

    /// What its NATS server has counted, if it has one that can be asked.
    pub async fn counted(&self) -> Option<Counted> {
        // A server that is being started again has nothing to say yet.
        Counted::of(self.monitoring?).await.ok()
    }

    /// Starts one more agent.
    ///
    /// # Errors
    /// This cluster's agents are not ours to start.
    pub fn add_agent(&mut self, crew: &Crew, sampler: &Sampler) -> Result<()> {
        let agents =
            self.agents.as_mut().context("agents can only be added to a cluster of separate processes")?;
        let process = agents.launch(crew).start()?;
        sampler.follow(&process.launch.name, process.launch.role, process.pid());
        self.processes.push(process);
        Ok(())
    }

    /// The processes that were started for it.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The process of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn process(&mut self, name: &str) -> Result<&mut Process> {
        let found = self.processes.iter_mut().find(|process| process.launch.name == name);
        found.with_context(|| format!("this cluster has no process `{name}` that may be killed"))
    }

    /// The process of that name has been killed for good.
    pub fn forget(&mut self, name: &str) {
        self.processes.retain(|process| process.launch.name != name);
    }

    /// Fails if a process has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        self.processes.iter_mut().try_for_each(Process::check)
    }

    /// Stops everything in order: those who were started last first.
    pub async fn stop(mut self) -> Result<()> {
        let mut outcome = Ok(());
        for process in self.processes.iter_mut().rev() {
            outcome = process.stop().await.and(outcome);
        }
        if let Some(name) = &self.containers {
            agent::cleanup(name).await.context("cannot remove the cluster's containers")?;
        }
        outcome
    }
}

/// What a foreign process counts as, by what it was called on the command line.
fn role_of(name: &str) -> Role {
    let performs_nodes = ["agent", "hollow", "kwok", "kubelet", "kubemark"];
    match performs_nodes.iter().any(|word| name.starts_with(word)) {
        true => Role::Nodes,
        false => Role::Control,
    }
}

/// Asks until the API answers.
async fn await_answer(endpoint: &Endpoint, processes: &mut [Process]) -> Result<()> {
    let deadline = tokio::time::Instant::now() + START_PATIENCE;
    loop {
        let answered = async {
            let mut wire = endpoint.connect().await?;
            wire.send(http::Method::GET, "/readyz", bytes::Bytes::new()).await
        };
        let Err(error) = answered.await else { return Ok(()) };
        processes.iter_mut().try_for_each(Process::check)?;
        if tokio::time::Instant::now() > deadline {
            bail!("the API did not answer within {} s: {error}", START_PATIENCE.as_secs());
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
