//! A rolling update with the limits that Kubernetes has by default, which must hold at every moment.

use anyhow::{Result, ensure};

use crate::bench::chart;
use crate::bench::figures::Figure;
use crate::bench::lab::Lab;
use crate::bench::sampler::Role;
use crate::bench::targets;

/// Rolls a new template out over all pods.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let (workload, pods) = (lab.workload(), lab.watch_pods().await?);
    lab.deploy(&workload, &pods).await?;
    let all = workload.pods();
    // A quarter of each Deployment, rounded as Kubernetes does: fewer may be missing, more may be there.
    let fewest = workload.deployments * (workload.replicas - workload.replicas / 4);
    let most = workload.deployments * (workload.replicas + workload.replicas.div_ceil(4));
    let mark = lab.mark().await;
    lab.progress.step("rolling");
    pods.restart();
    workload.roll("2").await?;
    lab.reach(&pods, "all pods replaced", all, |census| [census.existing, census.fresh] == [all, all])
        .await?;
    let spent = lab.since(&mark, format!("rolling update of {}", workload.describe())).await;
    lab.reach(&pods, "the old pods gone", all, |census| census.is_complete(all)).await?;
    let gone = mark.at.elapsed();
    let census = pods.census();
    let mut course = chart::course("Pods while they are replaced (band: 25 % / 25 %)", &pods.course());
    course.band = Some((f64::from(fewest), f64::from(most)));
    lab.chart(course);
    lab.figure(
        Figure::took(format!("rolling update of {}, 25 % / 25 %", workload.describe()), spent.took())
            .against(targets::roll(all)),
    );
    lab.figure(Figure::took("… until the old pods are gone", gone));
    lab.figure(Figure::single(
        format!("… fewest Ready at any moment ({fewest} have to be)"),
        f64::from(census.fewest_ready),
        "pods",
    ));
    lab.figure(Figure::single(
        format!("… most at any moment ({most} may be)"),
        f64::from(census.most_existing),
        "pods",
    ));
    if spent.knows_processes() {
        lab.figure(Figure::single(
            format!("CPU per replaced pod, {}", lab.whose()),
            spent.cpu_per(Role::Control, all),
            "ms",
        ));
    }
    lab.record.phases.push(spent);
    ensure!(
        census.fewest_ready >= fewest && census.most_existing <= most,
        "the limits did not hold: at one moment {} pods were Ready ({fewest} have to be), at one {} existed ({most} may)",
        census.fewest_ready,
        census.most_existing
    );
    Ok(())
}
