//! The full house: as many nodes and pods as Kubernetes promises at most, and then what users and accidents do to it.

use std::time::Instant;

use anyhow::{Context, Result};

use super::{deploy, loss, recover};
use crate::bench::chart;
use crate::bench::cluster::Layout;
use crate::bench::figures::{Figure, number};
use crate::bench::lab::Lab;
use crate::bench::load::{Ask, send_all};
use crate::bench::targets::Target;
use crate::bench::workload::pod;

/// Single pods that are created one after the other.
const SINGLES: u32 = 200;

/// Deploys everything, then creates single pods, loses a node and kills a controller.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let (workload, pods) = (lab.workload(), lab.watch_pods().await?);
    deploy::run(lab, &workload, &pods).await?;
    drop(pods);
    singles(lab).await?;
    if lab.options.shape().layout != Layout::Separate {
        return Ok(());
    }
    loss::lose(lab, &workload, &loss::one()).await?;
    let pods = lab.watch_pods().await?;
    let controllers: Vec<String> =
        lab.cluster.processes().iter().map(|process| process.launch.name.clone()).collect();
    let controller = controllers.iter().find(|name| name.starts_with("controller"));
    let name = controller.context("the cluster has no controller")?.clone();
    recover::recover(lab, &pods, &name, workload.pods() + 1).await
}

/// Creates pods one at a time, each until it is Ready, and deletes them again.
async fn singles(lab: &mut Lab<'_>) -> Result<()> {
    lab.progress.step(&format!("creating {SINGLES} pods one at a time"));
    let label = "single=yes".to_owned();
    let seen = lab.watch_pods_beside(Some(label), None).await?;
    let (endpoint, path) = (lab.cluster.endpoint.clone(), lab.path("pods"));
    let mut wire = endpoint.connect().await?;
    let mut took = Vec::new();
    for index in 0..SINGLES {
        let mut object = pod(&format!("single-{index}"));
        if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(|labels| labels.as_object_mut())
        {
            labels.insert("single".to_owned(), "yes".into());
        }
        let started = Instant::now();
        wire.send(http::Method::POST, &path, object.to_string().into()).await?;
        let patience = lab.options.patience_for(1);
        seen.until("a single pod Ready", patience, |census| census.ready > index).await?;
        took.push(started.elapsed());
    }
    let existing = number(f64::from(lab.options.pods()));
    lab.figure(Figure::of_durations(format!("one pod, create → Ready, beside {existing}"), &took));
    lab.figure(
        Figure::of_tail(format!("one pod, create → Ready, beside {existing}, 99 %"), &took)
            .against(Target::AtMost(1000.0)),
    );
    lab.chart(chart::distribution(
        &format!("From one pod's create to Ready, beside {existing}"),
        &[("one at a time".to_owned(), took)],
    ));
    let deletions = (0..SINGLES).map(|index| Ask::delete(format!("{path}/single-{index}")));
    send_all(&endpoint, 16, deletions.collect()).await?;
    seen.until("the single pods gone", lab.options.patience_for(SINGLES), |census| census.all() == 0).await?;
    Ok(())
}
