//! Deployments' deletion until none of their pods is left.

use anyhow::Result;

use crate::bench::chart;
use crate::bench::figures::Figure;
use crate::bench::lab::Lab;
use crate::bench::sampler::Role;

/// Deletes the Deployments in the background.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let (workload, pods) = (lab.workload(), lab.watch_pods().await?);
    lab.deploy(&workload, &pods).await?;
    let all = workload.pods();
    let mark = lab.mark().await;
    lab.progress.step("deleting");
    pods.restart();
    workload.delete().await?;
    lab.reach(&pods, "all pods gone", all, |census| census.all() == 0).await?;
    let spent = lab.since(&mark, format!("{} deleted", workload.describe())).await;
    lab.chart(chart::course("Pods while they are deleted", &pods.course()));
    lab.figure(Figure::took(format!("{} deleted until none is left", workload.describe()), spent.took()));
    lab.figure(Figure::single("… deleted", f64::from(all) / spent.seconds, "pods/s"));
    if spent.knows_processes() {
        lab.figure(Figure::single(
            format!("CPU per deleted pod, {}", lab.whose()),
            spent.cpu_per(Role::Control, all),
            "ms",
        ));
    }
    lab.record.phases.push(spent);
    Ok(())
}
