//! A cluster in one process: `odeon up`, with its hollow nodes inside and a NATS server as its child.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::process::{Launch, last_words};
use super::scratch::Scratch;
use super::{ASK_EVERY, Cluster, Layout, Shape, await_answer, ports};
use crate::bench::proc::children;
use crate::bench::sampler::{Role, Sampler};
use crate::bench::wire::Endpoint;

/// Where Services' addresses come from, so that a demo beside it is not disturbed.
const SERVICES: &str = "10.112.0.0/16";
/// How long `odeon up` may take to write its kubeconfig.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts `odeon up` on free ports.
pub async fn start(shape: &Shape, sampler: &Sampler) -> Result<Cluster> {
    if shape.relaxed || shape.controllers != 1 || shape.agents.len() > 1 {
        bail!(
            "--in-one is one controller, one agent and durable writes; leave out --controllers, --agents and --relaxed-sync"
        );
    }
    let begun = Instant::now();
    let scratch = Scratch::make(&shape.data_dir, shape.keep_data)?;
    let [api_port] = ports::free()?;
    let kubeconfig = scratch.join("kubeconfig");
    let launch = Launch {
        name: "odeon up".to_owned(),
        role: Role::Control,
        program: std::env::current_exe().context("cannot find this program")?,
        arguments: arguments(shape, &scratch, api_port).into_iter().map(Into::into).collect(),
        environment: shape
            .nats_server
            .iter()
            .map(|file| ("ODEON_NATS_SERVER", file.display().to_string()))
            .collect(),
        log: scratch.join("up.log"),
    };
    let mut process = launch.start()?;
    sampler.follow(&process.launch.name, Role::Control, process.pid());
    while !kubeconfig.exists() {
        process.check()?;
        if begun.elapsed() > PATIENCE {
            bail!("odeon up does not start: {}", last_words(&process.launch.log));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    let endpoint = Endpoint::of(&kubeconfig).await?;
    let mut processes = vec![process];
    await_answer(&endpoint, &mut processes).await?;
    for child in processes.iter().flat_map(|up| children(up.pid())) {
        sampler.follow("nats", Role::Control, child);
    }
    let containers = match shape.layout {
        Layout::Engine => std::fs::read_to_string(scratch.join("cluster")).ok(),
        Layout::Separate | Layout::Single | Layout::Foreign { .. } => None,
    };
    Ok(Cluster {
        endpoint,
        kubeconfig,
        answered_after: begun.elapsed(),
        processes,
        monitoring: None,
        agents: None,
        containers,
        _scratch: Some(scratch),
    })
}

fn arguments(shape: &Shape, scratch: &Scratch, api_port: u16) -> Vec<String> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut words =
        own(&["up", "--metrics-listen", "127.0.0.1:0", "--listen", &format!("127.0.0.1:{api_port}")]);
    words.extend(own(&["--data-dir", &scratch.path().display().to_string()]));
    if shape.layout == Layout::Engine {
        words.extend(own(&["--runtime", "docker", "--service-cidr", SERVICES]));
        return words;
    }
    words.extend(own(&["--runtime", "hollow", "--hollow-agent", &shape.first_agent.to_string()]));
    for crew in &shape.agents {
        words.extend(own(&["--node-name", &crew.prefix, "--nodes", &crew.nodes.to_string()]));
    }
    words.extend(shape.hollow.iter().cloned());
    words
}
