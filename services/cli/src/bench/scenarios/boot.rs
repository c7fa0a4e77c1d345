//! Start until ready, and idle memory: of separate processes, and of `odeon up` in one.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::bench::cluster::{Cluster, Crew, Layout, Shape};
use crate::bench::figures::Figure;
use crate::bench::observe::{Collection, Watcher};
use crate::bench::options::Options;
use crate::bench::progress::Progress;
use crate::bench::record::{Record, Spent};
use crate::bench::sampler::{Role, Sampler, sum};
use crate::bench::targets::{self, Target};

/// How often each kind of cluster is started.
const STARTS: usize = 5;
/// An idle cluster's memory is read after it has been left alone for so long.
const SETTLE: Duration = Duration::from_secs(3);

/// Starts clusters of one node and looks at the last one of each kind at rest.
pub async fn measure(options: &Options, progress: &Progress, record: &mut Record) -> Result<()> {
    if options.kubeconfig.is_some() {
        bail!("`boot` starts clusters of its own; it cannot be pointed at one that runs already");
    }
    "one hollow node".clone_into(&mut record.cluster);
    let layouts =
        [(Layout::Separate, "separate processes"), (Layout::Single, "odeon up, one process and NATS")];
    for (layout, what) in layouts {
        let crew = Crew { prefix: "hollow".to_owned(), nodes: 1 };
        let shape = Shape { layout, controllers: 1, ..options.shape_of(vec![crew]) };
        let (mut answers, mut boots) = (Vec::new(), Vec::new());
        for start in 1..=STARTS {
            progress.step(&format!("start {start} of {STARTS}, {what}"));
            let sampler = Sampler::start();
            let (cluster, took) = boot(&shape, &sampler, options).await?;
            answers.push(cluster.answered_after);
            boots.push(took);
            if start == STARTS {
                tokio::time::sleep(SETTLE).await;
                let processes = sampler.used();
                let idle = sum(&processes, Role::Control).resident_mib;
                record
                    .figures
                    .push(Figure::of_durations(format!("start until the API answers, {what}"), &answers));
                record.figures.push(
                    Figure::of_durations(format!("start until the node is Ready, {what}"), &boots)
                        .against(Target::AtMost(1000.0)),
                );
                record.figures.push(
                    Figure::single(format!("idle memory, {what}"), idle, "MiB").against(targets::memory(0)),
                );
                let seconds = SETTLE.as_secs_f64();
                record.phases.push(Spent { what: format!("booted, {what}"), seconds, processes, nats: None });
            }
            cluster.stop().await?;
        }
    }
    Ok(())
}

async fn boot(shape: &Shape, sampler: &Sampler, options: &Options) -> Result<(Cluster, Duration)> {
    let started = Instant::now();
    let cluster = Cluster::start(shape, sampler).await?;
    let nodes = Collection { path: "/api/v1/nodes".to_owned(), label: None };
    let nodes = Watcher::start(&cluster.endpoint, &nodes, None).await?;
    nodes.until("the node Ready", options.patience_for(1), |census| census.ready >= 1).await?;
    Ok((cluster, started.elapsed()))
}
