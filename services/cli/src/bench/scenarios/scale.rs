//! Growth to ten times the size, and back.

use anyhow::Result;

use crate::bench::chart;
use crate::bench::figures::{Figure, number};
use crate::bench::lab::Lab;
use crate::bench::workload::Workload;

/// Scales up until all are Ready, and down until the others are gone.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let (many, pods) = (lab.workload(), lab.watch_pods().await?);
    let few = many.sized(many.deployments, (many.replicas / 10).max(1));
    let shown = |workload: &Workload| number(f64::from(workload.pods()));
    lab.deploy(&few, &pods).await?;
    pods.restart();
    let whole = lab.mark().await;
    for (from, to, what) in [(&few, &many, "until all are Ready"), (&many, &few, "until the others are gone")]
    {
        let wanted = to.pods();
        lab.progress.counting(&format!("scaling to {}", shown(to)), wanted, pods.counts());
        let mark = lab.mark().await;
        many.scale(to.replicas).await?;
        lab.reach(&pods, what, many.pods(), |census| census.is_complete(wanted)).await?;
        let took = mark.at.elapsed();
        lab.figure(Figure::took(format!("scale {} → {} {what}", shown(from), shown(to)), took));
    }
    let spent = lab.since(&whole, format!("scaling {} → {} and back", shown(&few), shown(&many))).await;
    lab.chart(chart::course("Pods while the Deployments are scaled", &pods.course()));
    lab.record.phases.push(spent);
    Ok(())
}
