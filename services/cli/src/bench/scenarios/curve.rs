//! What a pod costs, the more of them there are: it must not matter how many came before.

use anyhow::Result;

use crate::bench::chart::{self, Axis, Chart, Series};
use crate::bench::figures::{Figure, number};
use crate::bench::lab::Lab;
use crate::bench::sampler::Role;
use crate::bench::targets::Target;

/// Pods of each Deployment: the steps differ by how many Deployments they add.
const REPLICAS: u32 = 1000;
/// Where the cost is measured; the last step is the number that was asked for.
const STEPS: [u32; 7] = [1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];
/// How far the cost may differ from that of the first step.
const FLAT: f64 = 0.2;

/// One step: how many pods there were then, and what each new one cost.
struct Step {
    pods: f64,
    control_ms: f64,
    nodes_ms: f64,
    per_second: f64,
}

/// Adds Deployments step by step.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let all = lab.options.pods();
    let replicas = REPLICAS.min(all);
    let workload = lab.workload_of(all.div_ceil(replicas), replicas);
    let pods = lab.watch_pods().await?;
    let whole = lab.mark().await;
    let mut steps: Vec<Step> = Vec::new();
    pods.restart();
    let mut done = 0;
    for step in steps_to(all) {
        let deployments = step / replicas;
        let wanted = deployments * replicas;
        lab.progress.counting(
            &format!("growing to {} pods", number(f64::from(wanted))),
            wanted,
            pods.counts(),
        );
        let mark = lab.mark().await;
        workload.create_some(done..deployments).await?;
        lab.reach(&pods, "all pods Ready", wanted, |census| census.is_complete(wanted)).await?;
        let spent = lab.since(&mark, "").await;
        let added = (deployments - done) * replicas;
        done = deployments;
        steps.push(Step {
            pods: f64::from(wanted),
            control_ms: spent.cpu_per(Role::Control, added),
            nodes_ms: spent.cpu_per(Role::Nodes, added),
            per_second: f64::from(added) / spent.seconds,
        });
    }
    let spent = lab.since(&whole, format!("growing to {} pods", number(f64::from(done * replicas)))).await;
    lab.chart(chart::course("Pods while the cluster grows", &pods.course()));
    tell(lab, &steps, spent.knows_processes());
    lab.record.phases.push(spent);
    super::deploy::memory(lab, done * replicas).await;
    Ok(())
}

/// The steps up to so many pods.
fn steps_to(all: u32) -> Vec<u32> {
    STEPS.into_iter().filter(|step| *step < all).chain([all]).collect()
}

fn tell(lab: &mut Lab<'_>, steps: &[Step], knows_cost: bool) {
    let Some(first) = steps.first() else { return };
    for step in steps {
        let what = format!("growing to {} pods", number(step.pods));
        lab.figure(Figure::single(what, step.per_second, "pods/s"));
        if knows_cost {
            lab.figure(Figure::single(format!("… CPU per new pod, {}", lab.whose()), step.control_ms, "ms"));
        }
    }
    lab.chart(curve(
        "Pace as the cluster grows",
        "pods per second",
        vec![Series::marked(
            "pods Ready per second",
            steps.iter().map(|step| (step.pods, step.per_second)).collect(),
        )],
        None,
    ));
    if !knows_cost {
        return;
    }
    let farthest = steps.iter().map(|step| (step.control_ms / first.control_ms - 1.0) * 100.0);
    let farthest = farthest.max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or_default();
    lab.figure(
        Figure::single("CPU per pod differs from the first step's by at most", farthest.abs(), "%")
            .against((steps.len() > 1).then_some(Target::AtMost(FLAT * 100.0))),
    );
    let lines = vec![
        Series::marked(
            "control plane with NATS",
            steps.iter().map(|step| (step.pods, step.control_ms)).collect(),
        ),
        Series::marked("hollow nodes", steps.iter().map(|step| (step.pods, step.nodes_ms)).collect()),
    ];
    let band = (first.control_ms * (1.0 - FLAT), first.control_ms * (1.0 + FLAT));
    lab.chart(curve(
        "CPU per pod as the cluster grows (band: ± 20 % of the first step)",
        "milliseconds per pod",
        lines,
        Some(band),
    ));
}

fn curve(title: &str, unit: &str, series: Vec<Series>, band: Option<(f64, f64)>) -> Chart {
    Chart { title: title.to_owned(), x: Axis::logarithmic("pods"), y: Axis::linear(unit), series, band }
}

#[cfg(test)]
mod tests {
    use super::steps_to;

    #[test]
    fn the_last_step_is_what_was_asked_for() {
        assert_eq!(steps_to(500), [500]);
        assert_eq!(steps_to(5000), [1000, 2000, 5000]);
        assert_eq!(steps_to(7000), [1000, 2000, 5000, 7000]);
    }
}
