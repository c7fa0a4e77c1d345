//! Each process killed and started again with everything loaded: time until decisions flow again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Method;

use crate::bench::chart;
use crate::bench::cluster::Layout;
use crate::bench::figures::Figure;
use crate::bench::lab::Lab;
use crate::bench::observe::Watcher;
use crate::bench::options::Options;
use crate::bench::targets::Target;
use crate::bench::wire::Endpoint;
use crate::bench::workload::deployment;

/// Before a server that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(10);
/// How long a request may hang in a connection that nobody serves any more.
const HANGS: Duration = Duration::from_secs(2);

/// Kills one process after the other.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let (workload, pods) = (lab.workload(), lab.watch_pods().await?);
    lab.deploy(&workload, &pods).await?;
    let names: Vec<String> =
        lab.cluster.processes().iter().map(|process| process.launch.name.clone()).collect();
    pods.restart();
    let whole = lab.mark().await;
    let mut there = workload.pods();
    for name in names {
        there += 1;
        recover(lab, &pods, &name, there).await?;
    }
    let spent = lab.since(&whole, "every process killed and started again").await;
    lab.chart(chart::course("Pods while processes are killed one after the other", &pods.course()));
    lab.record.phases.push(spent);
    Ok(())
}

/// Fails where there is nothing to kill.
pub fn check(options: &Options) -> Result<()> {
    match options.shape().layout {
        Layout::Separate => Ok(()),
        Layout::Single | Layout::Engine => bail!("processes are killed one by one; leave out --in-one"),
        Layout::Foreign { .. } => {
            bail!("the processes of a cluster that --kubeconfig names are not ours to kill")
        }
    }
}

/// Kills a process, starts it again at once, and waits until a new Deployment's pod is Ready, then until all are.
pub async fn recover(lab: &mut Lab<'_>, pods: &Watcher, name: &str, all: u32) -> Result<()> {
    let canary = format!("canary-{}", name.replace(' ', "-"));
    let seen = lab.watch_pods_beside(Some(format!("app={canary}")), None).await?;
    let patience = lab.options.patience_for(all);
    lab.progress.counting(&format!("{name} killed and started again"), all, pods.counts());
    let killed = Instant::now();
    let process = lab.cluster.process(name)?;
    process.kill().await?;
    process.start_again()?;
    let pid = process.pid();
    let role = process.launch.role;
    lab.sampler.follow(name, role, pid);
    let path = lab.workload().collection();
    insist(&lab.cluster.endpoint, &path, &canary, killed + patience)
        .await
        .with_context(|| format!("after {name} was killed"))?;
    let what = format!("the pod of a new Deployment Ready after {name} was killed");
    seen.until(&what, patience, |census| census.ready >= 1).await?;
    let decided = killed.elapsed();
    lab.reach(pods, "all pods Ready", all, |census| [census.existing, census.ready] == [all, all]).await?;
    let target = Target::AtMost(10_000.0);
    lab.figure(
        Figure::took(format!("{name} killed until a new Deployment's pod is Ready"), decided).against(target),
    );
    lab.figure(Figure::took("… until all pods are Ready", killed.elapsed()));
    Ok(())
}

/// Creates a Deployment, again and again until it is there.
async fn insist(endpoint: &Endpoint, path: &str, name: &str, deadline: Instant) -> Result<()> {
    let object = Bytes::from(deployment(name, 1).to_string());
    loop {
        let attempt = async {
            let mut wire = endpoint.connect().await?;
            let (status, answer) = wire.exchange(Method::POST, path, object.clone()).await?;
            // An attempt whose answer was lost may have succeeded.
            let there = status.is_success() || status == http::StatusCode::CONFLICT;
            anyhow::ensure!(there, "the server answered {status}: {}", String::from_utf8_lossy(&answer));
            anyhow::Ok(())
        };
        let outcome = tokio::time::timeout(HANGS, attempt).await.unwrap_or_else(|_| bail!("no answer"));
        let Err(error) = outcome else { return Ok(()) };
        if Instant::now() > deadline {
            return Err(error).context("the API takes no Deployments any more");
        }
        tokio::time::sleep(AGAIN).await;
    }
}
