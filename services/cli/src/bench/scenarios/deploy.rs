//! Deployments on hollow nodes until all their pods are Ready, and what they cost in CPU, memory and writes.

use std::time::Duration;

use anyhow::Result;

use crate::bench::chart;
use crate::bench::figures::{Figure, number};
use crate::bench::lab::Lab;
use crate::bench::observe::Watcher;
use crate::bench::record::Spent;
use crate::bench::sampler::{Role, sum};
use crate::bench::targets;
use crate::bench::workload::Workload;

/// Memory is read when nothing has happened for so long.
const SETTLE: Duration = Duration::from_secs(3);

/// Creates the Deployments and waits.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let (workload, pods) = (lab.workload(), lab.watch_pods().await?);
    run(lab, &workload, &pods).await
}

/// Creates these Deployments, seen by this watcher.
pub async fn run(lab: &mut Lab<'_>, workload: &Workload, watcher: &Watcher) -> Result<()> {
    let pods = workload.pods();
    let mark = lab.mark().await;
    watcher.restart();
    lab.deploy(workload, watcher).await?;
    let spent = lab.since(&mark, format!("{} created until Ready", workload.describe())).await;
    lab.chart(chart::course("Pods while they are deployed", &watcher.course()));
    let waited = [("a pod seen first until Ready".to_owned(), watcher.until_ready())];
    lab.chart(chart::distribution("How long pods take", &waited));
    let rate = f64::from(pods) / spent.seconds;
    lab.figure(
        Figure::single(format!("{} until all are Ready", workload.describe()), rate, "pods/s")
            .against(targets::pods_per_second(pods)),
    );
    lab.figure(Figure::took("… took", spent.took()));
    lab.figure(Figure::of_durations("a pod, from its first event to Ready", &watcher.until_ready()));
    costs(lab, &spent, pods);
    lab.record.phases.push(spent);
    memory(lab, pods).await;
    Ok(())
}

/// CPU and writes per pod.
fn costs(lab: &mut Lab<'_>, spent: &Spent, pods: u32) {
    if !spent.knows_processes() {
        return;
    }
    let control = spent.cpu_per(Role::Control, pods);
    lab.figure(
        Figure::single(format!("CPU per pod, {}", lab.whose()), control, "ms")
            .against(targets::cpu_per_pod(pods)),
    );
    if spent.knows_agents() {
        lab.figure(Figure::single("CPU per pod, agents", spent.cpu_per(Role::Nodes, pods), "ms"));
    }
    let written = sum(&spent.processes, Role::Control).written_mib * 1024.0 / f64::from(pods);
    lab.figure(Figure::single("written to disk per pod", written, "KiB"));
    if let Some(nats) = spent.nats {
        let per_pod = |messages: f64| messages / f64::from(pods);
        lab.figure(Figure::single("NATS messages in per pod", per_pod(nats.received), ""));
        lab.figure(Figure::single("NATS messages out per pod", per_pod(nats.sent), ""));
    }
}

/// Memory when everything has settled.
pub async fn memory(lab: &mut Lab<'_>, pods: u32) {
    lab.progress.step("settling");
    tokio::time::sleep(SETTLE).await;
    let used = lab.sampler.used();
    if used.len() > 1 {
        let what = format!("memory with {} pods, {}", number(f64::from(pods)), lab.whose());
        let control = sum(&used, Role::Control);
        let resident = control.resident_mib;
        lab.figure(Figure::single(what, resident, "MiB").against(targets::memory(pods)));
        lab.figure(Figure::single("… with shared pages divided (PSS)", control.pss_mib, "MiB"));
        let everything = resident + sum(&used, Role::Nodes).resident_mib;
        let in_all = Figure::single("… everything, hollow nodes included", everything, "MiB");
        lab.figure(in_all.against(targets::memory_in_all(pods)));
    }
}
