//! What a cluster holds and uses while nothing happens: without nodes, and with all of them.

use std::time::Duration;

use anyhow::Result;

use crate::bench::cluster::Layout;
use crate::bench::figures::{Figure, number};
use crate::bench::lab::Lab;
use crate::bench::options::Options;
use crate::bench::sampler::{Role, sum};
use crate::bench::targets;

/// What has just been started is left alone for so long first.
const SETTLE: Duration = Duration::from_secs(2);

/// Rests without nodes, adds them, and rests again.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let wanted = lab.options.shape();
    if wanted.layout != Layout::Separate {
        // `10 nodes; odeon up in one process, and NATS`
        let nodes = lab.record.cluster.split(';').next().unwrap_or_default().to_owned();
        return rest(lab, &nodes).await;
    }
    rest(lab, "0 nodes").await?;
    for crew in &wanted.agents {
        lab.cluster.add_agent(crew, &lab.sampler)?;
    }
    let nodes = lab.options.nodes();
    lab.await_nodes(nodes).await?;
    rest(lab, &format!("{} nodes", number(f64::from(nodes)))).await
}

/// The shape to begin with: no agents where they can be added later.
pub fn shape(options: &Options) -> crate::bench::cluster::Shape {
    let whole = options.shape();
    match whole.layout {
        Layout::Separate => options.shape_of(Vec::new()),
        Layout::Single | Layout::Engine | Layout::Foreign { .. } => whole,
    }
}

async fn rest(lab: &mut Lab<'_>, nodes: &str) -> Result<()> {
    lab.progress.step(&format!("idle with {nodes}"));
    tokio::time::sleep(SETTLE).await;
    let mark = lab.mark().await;
    tokio::time::sleep(lab.options.length()).await;
    lab.cluster.check()?;
    let spent = lab.since(&mark, format!("idle with {nodes}")).await;
    if spent.knows_processes() {
        let control = sum(&spent.processes, Role::Control);
        lab.figure(
            Figure::single(format!("memory idle with {nodes}, {}", lab.whose()), control.resident_mib, "MiB")
                .against((nodes == "0 nodes").then(|| targets::memory(0)).flatten()),
        );
        lab.figure(Figure::single("… with shared pages divided (PSS)", control.pss_mib, "MiB"));
        let percent = |role| sum(&spent.processes, role).cpu_seconds / spent.seconds * 100.0;
        lab.figure(Figure::single("… its CPU", percent(Role::Control), "% of a core"));
        if spent.knows_agents() {
            lab.figure(Figure::single("… CPU of the agents", percent(Role::Nodes), "% of a core"));
        }
        lab.figure(Figure::single(
            "… written to disk",
            control.written_mib * 1024.0 / spent.seconds,
            "KiB/s",
        ));
        if let Some(nats) = spent.nats {
            lab.figure(Figure::single("… NATS messages in", nats.received / spent.seconds, "/s"));
        }
    }
    lab.record.phases.push(spent);
    Ok(())
}
