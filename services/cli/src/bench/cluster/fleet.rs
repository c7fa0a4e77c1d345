//! The services of a cluster as processes of their own, as `deploy/compose` runs them, with the settings of `nats/`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use gateway::Pki;
use tokio::net::TcpStream;

use super::process::{Launch, Process, last_words};
use super::scratch::Scratch;
use super::{Cluster, Crew, Shape, await_answer, nats, ports};
use crate::bench::sampler::{Role, Sampler};
use crate::bench::wire::Endpoint;
use crate::{kubeconfig, up};

/// How long NATS may take to listen.
const NATS_PATIENCE: Duration = Duration::from_secs(10);

/// Starts NATS, then everything else at once.
pub async fn start(shape: &Shape, sampler: &Sampler) -> Result<Cluster> {
    let begun = Instant::now();
    let scratch = Scratch::make(&shape.data_dir, shape.keep_data)?;
    let [nats_port, monitoring, api_port] = ports::free()?;
    let fleet = Fleet::new(shape, &scratch, nats_port)?;
    let server_url = format!("https://127.0.0.1:{api_port}");
    let pki = Pki::load_or_create(&scratch.join("pki"), &[]).context("cannot make the cluster's keys")?;
    kubeconfig::write(&pki, &server_url, &scratch.join("kubeconfig"))?;
    let configuration = nats::configuration(nats_port, monitoring, &scratch.join("nats"), shape.relaxed)?;
    std::fs::write(scratch.join("nats.conf"), configuration).context("cannot write nats.conf")?;
    std::fs::write(scratch.join("users.conf"), nats::USERS).context("cannot write users.conf")?;

    let mut processes = vec![fleet.nats().start()?];
    follow(sampler, &processes);
    await_nats(nats_port, &mut processes).await?;
    let mut agents = Agents { fleet, further: shape.hollow.clone(), next: shape.first_agent };
    let mut launches =
        vec![agents.fleet.gateway(api_port, &scratch), agents.fleet.service("scheduler", "scheduler", &[])];
    launches.extend((1..=shape.controllers).map(|number| {
        let name =
            if shape.controllers == 1 { "controller".to_owned() } else { format!("controller {number}") };
        agents.fleet.service("controller", &name, &[])
    }));
    launches.extend(shape.agents.iter().map(|crew| agents.launch(crew)));
    for launch in launches {
        processes.push(launch.start()?);
    }
    follow(sampler, &processes);
    let endpoint = Endpoint::of(&scratch.join("kubeconfig")).await?;
    await_answer(&endpoint, &mut processes).await?;
    Ok(Cluster {
        endpoint,
        kubeconfig: scratch.join("kubeconfig"),
        answered_after: begun.elapsed(),
        processes,
        monitoring: Some(monitoring),
        agents: Some(agents),
        containers: None,
        _scratch: Some(scratch),
    })
}

fn follow(sampler: &Sampler, processes: &[Process]) {
    for process in processes {
        sampler.follow(&process.launch.name, process.launch.role, process.pid());
    }
}

async fn await_nats(port: u16, processes: &mut [Process]) -> Result<()> {
    let deadline = Instant::now() + NATS_PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        processes.iter_mut().try_for_each(Process::check)?;
        if Instant::now() > deadline {
            let log = processes.first().map(|nats| last_words(&nats.launch.log)).unwrap_or_default();
            bail!("the NATS server does not listen: {log}");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// What all processes of a cluster share.
struct Fleet {
    directory: PathBuf,
    odeon: PathBuf,
    nats_server: PathBuf,
    nats_url: String,
    control_password: String,
    agent_password: String,
}

impl Fleet {
    fn new(shape: &Shape, scratch: &Scratch, nats_port: u16) -> Result<Self> {
        let password = || format!("{:032x}", rand::random::<u128>());
        Ok(Self {
            directory: scratch.path().to_owned(),
            odeon: std::env::current_exe().context("cannot find this program")?,
            nats_server: up::find_nats_server(shape.nats_server.as_deref())?,
            nats_url: format!("nats://127.0.0.1:{nats_port}"),
            control_password: password(),
            agent_password: password(),
        })
    }

    fn nats(&self) -> Launch {
        Launch {
            name: "nats".to_owned(),
            role: Role::Control,
            program: self.nats_server.clone(),
            arguments: vec!["--config".into(), self.directory.join("nats.conf").into()],
            environment: vec![
                ("CONTROL_PASSWORD", self.control_password.clone()),
                ("AGENT_PASSWORD", self.agent_password.clone()),
                ("GOGC", std::env::var("GOGC").unwrap_or_else(|_| up::NATS_GARBAGE.to_owned())),
            ],
            log: self.directory.join("nats.log"),
        }
    }

    fn gateway(&self, port: u16, scratch: &Scratch) -> Launch {
        let listen = format!("127.0.0.1:{port}");
        let pki = scratch.join("pki");
        self.service(
            "gateway",
            "gateway",
            &["--listen".as_ref(), listen.as_ref(), "--pki-dir".as_ref(), pki.as_ref()],
        )
    }

    /// A service of the control plane.
    fn service(&self, verb: &str, name: &str, further: &[&Path]) -> Launch {
        self.launch(verb, name, Role::Control, ("control", &self.control_password), further)
    }

    fn launch(
        &self,
        verb: &str,
        name: &str,
        role: Role,
        (user, password): (&str, &str),
        further: &[&Path],
    ) -> Launch {
        let mut arguments: Vec<OsString> = vec![verb.into(), "--metrics-listen".into(), "127.0.0.1:0".into()];
        arguments.extend(further.iter().map(OsString::from));
        Launch {
            name: name.to_owned(),
            role,
            program: self.odeon.clone(),
            arguments,
            environment: vec![
                ("ODEON_NATS", self.nats_url.clone()),
                ("ODEON_NATS_USER", user.to_owned()),
                ("ODEON_NATS_PASSWORD", password.to_owned()),
                ("ODEON_LOG", std::env::var("ODEON_LOG").unwrap_or_else(|_| "warn".to_owned())),
            ],
            log: self.directory.join(format!("{name}.log")),
        }
    }
}

/// How a cluster's agents are started.
pub struct Agents {
    fleet: Fleet,
    /// Arguments that all of them get.
    further: Vec<String>,
    /// The number of the next one: each has addresses of its own.
    next: u32,
}

impl Agents {
    /// An agent with its hollow nodes.
    pub fn launch(&mut self, crew: &Crew) -> Launch {
        let (nodes, number) = (crew.nodes.to_string(), self.next.to_string());
        self.next += 1;
        let mut words = vec!["--runtime", "hollow", "--node-name", &crew.prefix, "--nodes", &nodes];
        words.extend(["--hollow-agent", &number]);
        words.extend(self.further.iter().map(String::as_str));
        let words: Vec<&Path> = words.into_iter().map(Path::new).collect();
        let name = format!("agent {}", crew.prefix);
        self.fleet.launch("agent", &name, Role::Nodes, ("agent", &self.fleet.agent_password), &words)
    }
}
