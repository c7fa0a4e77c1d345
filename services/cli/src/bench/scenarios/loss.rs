//! Nodes' sudden death until their pods are Ready elsewhere: one node, and a tenth of all at once.

use anyhow::{Result, bail, ensure};

use crate::bench::chart;
use crate::bench::cluster::{Crew, Layout};
use crate::bench::figures::{Figure, number};
use crate::bench::lab::Lab;
use crate::bench::observe::Census;
use crate::bench::options::Options;
use crate::bench::targets::Target;
use crate::bench::workload::Workload;

/// Kills the agent of one node, then that of a tenth.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let (workload, pods) = (lab.workload(), lab.watch_pods().await?);
    lab.deploy(&workload, &pods).await?;
    drop(pods);
    lose(lab, &workload, &one()).await?;
    lose(lab, &workload, &tenth(lab.options)).await
}

/// The agent of the one node that is lost.
pub fn one() -> Crew {
    Crew { prefix: "lost-one".to_owned(), nodes: 1 }
}

/// The agent of the tenth that is lost.
pub fn tenth(options: &Options) -> Crew {
    Crew { prefix: "lost-tenth".to_owned(), nodes: (options.nodes() / 10).max(1) }
}

/// Fails where there is no agent to kill.
pub fn check(options: &Options) -> Result<()> {
    match options.shape().layout {
        Layout::Separate => {
            ensure!(
                options.nodes() >= 3,
                "losing one node and a tenth takes three nodes or more; --nodes 3 would do"
            );
            Ok(())
        }
        Layout::Single | Layout::Engine => {
            bail!("nodes are lost by killing their agents; leave out --in-one")
        }
        Layout::Foreign { .. } => {
            bail!(
                "nodes are lost by killing their agents, and those of a cluster that --kubeconfig names are not ours to kill"
            )
        }
    }
}

/// Kills an agent, and waits until everything is Ready without its nodes.
pub async fn lose(lab: &mut Lab<'_>, workload: &Workload, lost: &Crew) -> Result<()> {
    let what = match lost.nodes {
        1 => "1 node".to_owned(),
        many => format!("{} nodes at once", number(f64::from(many))),
    };
    let agent = format!("agent {}", lost.prefix);
    let pods = lab.watch_pods_beside(None, Some(&lost.prefix)).await?;
    let all = pods.census().ready;
    let doomed = all - pods.census().elsewhere;
    ensure!(doomed > 0, "no pod was placed on {what}; more --replicas would reach every node");
    let mark = lab.mark().await;
    pods.restart();
    lab.progress.counting(&format!("healing the loss of {what}"), all, pods.counts());
    lab.cluster.process(&agent)?.kill().await?;
    let healed = |census: &Census| census.elsewhere >= all;
    pods.until("the lost pods Ready elsewhere", lab.options.patience_for(workload.pods()), healed).await?;
    let spent = lab.since(&mark, format!("loss of {what}")).await;
    let title = format!("{what} killed until {} pods are Ready elsewhere", number(f64::from(doomed)));
    lab.figure(Figure::took(title, spent.took()).against(Target::AtMost(5000.0)));
    lab.chart(chart::course(&format!("Pods after the loss of {what}"), &pods.course()));
    lab.record.phases.push(spent);
    // What is gone for good must not be looked for as if it had ended by itself.
    lab.cluster.forget(&agent);
    Ok(())
}
