//! Decisions of autoscalers, as text.

use std::time::Duration;

use actor::Reading;
use actor::laws::{Cluster, Laws, NOW, decide, show_write};
use api::Uid;
use api::messages::{ContainerUsage, PodUsage};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::AutoscalerActor;

/// A Deployment of pods that request 100m each, and an autoscaler that wants them at half of that.
fn cluster(replicas: u32, ready: u32, spec: &Value) -> Cluster {
    let mut wanted = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 1, "maxReplicas": 10,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}],
    });
    if let (Some(wanted), Some(spec)) = (wanted.as_object_mut(), spec.as_object()) {
        wanted.extend(spec.clone());
    }
    let requests = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "image", "resources": {"requests": {"cpu": "100m"}}}]}}}});
    let mut text = format!(
        "horizontalpodautoscaler web {}\ndeployment web replicas={replicas} {requests}\n",
        json!({"spec": wanted})
    );
    for index in 0..replicas {
        let state = if index < ready { "ready" } else { "running" };
        text.push_str(&format!("pod web-{index} {state} node=n label app=web\n"));
    }
    Cluster::of(&text)
}

/// So long ago, so many replicas were wanted, and each pod used so many thousandths of a processor.
fn reading(ago: u64, replicas: u32, usage: &[u64]) -> Reading {
    let pods = usage.iter().enumerate().map(|(index, milli)| PodUsage {
        uid: Uid::from(format!("pod-web-{index}").as_str()),
        containers: vec![ContainerUsage {
            name: "app".into(),
            cpu_nano: milli * 1_000_000,
            memory: 64 << 20,
        }],
    });
    let at = api::Timestamp(NOW.0 - i64::try_from(Duration::from_secs(ago).as_micros()).unwrap());
    Reading { at, replicas: i32::try_from(replicas).unwrap(), pods: pods.collect() }
}

fn check(cluster: &Cluster, readings: &[Reading], expected: Expect) {
    for reading in readings {
        cluster.facts.note_reading(
            &Uid::from("horizontalpodautoscaler-web"),
            reading.clone(),
            Duration::from_secs(3600),
        );
    }
    let (_, decision) = decide::<AutoscalerActor>(cluster, NOW);
    let mut lines: Vec<String> = decision.commands.iter().map(show_write).collect();
    if let Some(status) = &decision.status {
        lines.push(format!("{} of {} replicas", status.current_replicas, status.desired_replicas));
        lines.extend(status.current_metrics.iter().map(Value::to_string));
        lines.extend(
            status
                .conditions
                .iter()
                .map(|it| format!("{}={} {}: {}", it.kind, it.status, it.reason, it.message)),
        );
    }
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn grows_with_the_load_as_fast_as_allowed() {
    check(
        &cluster(2, 2, &json!({})),
        &[reading(5, 2, &[100, 100])],
        expect![[r#"
        patch deployment web spec.replicas=4: the autoscaler web sets 4 replicas: its pods use more than they shall, or are too few [SuccessfulRescale]
        2 of 4 replicas
        {"resource":{"current":{"averageUtilization":100,"averageValue":"100m"},"name":"cpu"},"type":"Resource"}
        AbleToScale=True SucceededRescale: the HPA controller was able to update the target scale to 4
        ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited=False DesiredWithinRange: the desired count is within the acceptable range"#]],
    );
    check(
        &cluster(2, 2, &json!({"maxReplicas": 20})),
        &[reading(5, 2, &[900, 900])],
        expect![[r#"
        patch deployment web spec.replicas=6: the autoscaler web sets 6 replicas: its pods use more than they shall, or are too few [SuccessfulRescale]
        2 of 6 replicas
        {"resource":{"current":{"averageUtilization":900,"averageValue":"900m"},"name":"cpu"},"type":"Resource"}
        AbleToScale=True SucceededRescale: the HPA controller was able to update the target scale to 6
        ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited=True ScaleUpLimit: the desired replica count is increasing faster than the maximum scale rate"#]],
    );
    check(
        &cluster(2, 2, &json!({"maxReplicas": 3})),
        &[reading(5, 2, &[100, 100])],
        expect![[r#"
        patch deployment web spec.replicas=3: the autoscaler web sets 3 replicas: its pods use more than they shall, or are too few [SuccessfulRescale]
        2 of 3 replicas
        {"resource":{"current":{"averageUtilization":100,"averageValue":"100m"},"name":"cpu"},"type":"Resource"}
        AbleToScale=True SucceededRescale: the HPA controller was able to update the target scale to 3
        ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited=True TooManyReplicas: the desired replica count is more than the maximum replica count"#]],
    );
}

#[test]
fn stays_within_the_tolerance() {
    check(
        &cluster(2, 2, &json!({})),
        &[reading(5, 2, &[52, 54])],
        expect![[r#"
        2 of 2 replicas
        {"resource":{"current":{"averageUtilization":53,"averageValue":"53m"},"name":"cpu"},"type":"Resource"}
        AbleToScale=True ReadyForNewScale: recommended size matches current size
        ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited=False DesiredWithinRange: the desired count is within the acceptable range"#]],
    );
}

#[test]
fn shrinks_only_when_it_was_quiet_for_long() {
    check(
        &cluster(4, 4, &json!({})),
        &[reading(200, 4, &[50, 50, 50, 50]), reading(5, 4, &[10, 10, 10, 10])],
        expect![[r#"
            4 of 4 replicas
            {"resource":{"current":{"averageUtilization":10,"averageValue":"10m"},"name":"cpu"},"type":"Resource"}
            AbleToScale=True ScaleDownStabilized: recent recommendations were higher than current one, applying the highest recent recommendation
            ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
            ScalingLimited=False DesiredWithinRange: the desired count is within the acceptable range"#]],
    );
    check(
        &cluster(4, 4, &json!({})),
        &[reading(400, 4, &[50, 50, 50, 50]), reading(5, 4, &[10, 10, 10, 10])],
        expect![[r#"
            patch deployment web spec.replicas=1: the autoscaler web sets 1 replicas: its pods use less than they shall, or are too many [SuccessfulRescale]
            4 of 1 replicas
            {"resource":{"current":{"averageUtilization":10,"averageValue":"10m"},"name":"cpu"},"type":"Resource"}
            AbleToScale=True SucceededRescale: the HPA controller was able to update the target scale to 1
            ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
            ScalingLimited=False DesiredWithinRange: the desired count is within the acceptable range"#]],
    );
    let slow = json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}});
    check(
        &cluster(4, 4, &slow),
        &[reading(5, 4, &[10, 10, 10, 10])],
        expect![[r#"
        patch deployment web spec.replicas=3: the autoscaler web sets 3 replicas: its pods use less than they shall, or are too many [SuccessfulRescale]
        4 of 3 replicas
        {"resource":{"current":{"averageUtilization":10,"averageValue":"10m"},"name":"cpu"},"type":"Resource"}
        AbleToScale=True SucceededRescale: the HPA controller was able to update the target scale to 3
        ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited=True ScaleDownLimit: the desired replica count is decreasing faster than the maximum scale rate"#]],
    );
    check(
        &cluster(4, 4, &slow),
        &[reading(50, 5, &[10, 10, 10, 10]), reading(5, 4, &[10, 10, 10, 10])],
        expect![[r#"
            4 of 4 replicas
            {"resource":{"current":{"averageUtilization":10,"averageValue":"10m"},"name":"cpu"},"type":"Resource"}
            AbleToScale=True ReadyForNewScale: recommended size matches current size
            ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
            ScalingLimited=True ScaleDownLimit: the desired replica count is decreasing faster than the maximum scale rate"#]],
    );
}

#[test]
fn pods_that_are_not_ready_or_not_measured_make_it_careful() {
    check(
        &cluster(3, 2, &json!({})),
        &[reading(5, 3, &[100, 100, 100])],
        expect![[r#"
        patch deployment web spec.replicas=4: the autoscaler web sets 4 replicas: its pods use more than they shall, or are too few [SuccessfulRescale]
        3 of 4 replicas
        {"resource":{"current":{"averageUtilization":100,"averageValue":"100m"},"name":"cpu"},"type":"Resource"}
        AbleToScale=True SucceededRescale: the HPA controller was able to update the target scale to 4
        ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited=False DesiredWithinRange: the desired count is within the acceptable range"#]],
    );
    check(
        &cluster(3, 3, &json!({})),
        &[reading(5, 3, &[100, 100])],
        expect![[r#"
        patch deployment web spec.replicas=4: the autoscaler web sets 4 replicas: its pods use more than they shall, or are too few [SuccessfulRescale]
        3 of 4 replicas
        {"resource":{"current":{"averageUtilization":100,"averageValue":"100m"},"name":"cpu"},"type":"Resource"}
        AbleToScale=True SucceededRescale: the HPA controller was able to update the target scale to 4
        ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited=False DesiredWithinRange: the desired count is within the acceptable range"#]],
    );
    check(
        &cluster(3, 3, &json!({})),
        &[reading(5, 3, &[10, 10])],
        expect![[r#"
        3 of 3 replicas
        {"resource":{"current":{"averageUtilization":10,"averageValue":"10m"},"name":"cpu"},"type":"Resource"}
        AbleToScale=True ReadyForNewScale: recommended size matches current size
        ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited=False DesiredWithinRange: the desired count is within the acceptable range"#]],
    );
}

#[test]
fn says_what_it_misses() {
    check(
        &cluster(2, 2, &json!({})),
        &[],
        expect![[r#"
        2 of 2 replicas
        AbleToScale=True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive=False FailedGetResourceMetric: the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API"#]],
    );
    check(
        &cluster(
            2,
            2,
            &json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}}),
        ),
        &[],
        expect![[r#"
            0 of 0 replicas
            AbleToScale=False FailedGetScale: the HPA controller was unable to get the target's current scale: deployments.apps "none" not found"#]],
    );
    check(
        &cluster(0, 0, &json!({})),
        &[],
        expect![[r#"
        0 of 0 replicas
        AbleToScale=True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive=False ScalingDisabled: scaling is disabled since the replica count of the target is zero"#]],
    );
    let memory = json!({"metrics": [{"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 50}}}]});
    check(
        &cluster(2, 2, &memory),
        &[reading(5, 2, &[10, 10])],
        expect![[r#"
        2 of 2 replicas
        AbleToScale=True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive=False FailedGetResourceMetric: the HPA was unable to compute the replica count: failed to get memory utilization: missing request for memory in container app"#]],
    );
}

#[test]
fn bounds_hold_without_any_figures() {
    check(
        &cluster(2, 2, &json!({"minReplicas": 3})),
        &[],
        expect![[r#"
        patch deployment web spec.replicas=3: the autoscaler web sets 3 replicas: its pods use more than they shall, or are too few [SuccessfulRescale]
        2 of 3 replicas
        AbleToScale=True SucceededRescale: the HPA controller was able to update the target scale to 3"#]],
    );
}

#[test]
fn autoscalers_obey() {
    let spec = json!({"spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 3, "maxReplicas": 10,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}],
    }});
    Laws::of::<AutoscalerActor>()
        .without_time()
        .hold(&format!("horizontalpodautoscaler web {spec}\ndeployment web replicas=1"));
}
