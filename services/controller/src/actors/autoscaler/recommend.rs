//! How many replicas the metrics ask for: Kubernetes' arithmetic over one reading of the gauges.

use std::collections::BTreeMap;

use actor::Reading;
use api::Uid;
use api::messages::ContainerUsage;
use api::views::{AutoscalerSpec, Metric, ResourceMetric};
use serde_json::{Value, json};

use super::Target;

/// How far the use may be off before anything happens.
const TOLERANCE: f64 = 0.1;

/// What the metrics ask for.
#[derive(Debug)]
pub(super) struct Recommendation {
    /// So many replicas.
    pub replicas: i32,
    /// The metric that asks for most, as Kubernetes describes it.
    pub metric: String,
    /// What all metrics showed, for the status.
    pub shown: Vec<Value>,
}

/// Why there is no recommendation.
#[derive(Debug)]
pub(super) struct Trouble {
    /// CamelCase.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// One metric, seen at one moment.
struct Gauge<'a> {
    metric: &'a ResourceMetric,
    /// What each pod uses, in thousandths.
    usage: BTreeMap<&'a Uid, i128>,
    /// What each pod shall use, in thousandths.
    aim: i128,
    /// What each pod requests, in thousandths; zero if that does not matter.
    request: i128,
}

impl Trouble {
    /// The gauges have shown nothing lately.
    pub fn nothing_measured(spec: &AutoscalerSpec) -> Self {
        let resource = spec.metrics.iter().find_map(resource_of).map_or("cpu", |metric| metric.name.as_str());
        Self {
            reason: "FailedGetResourceMetric",
            message: format!(
                "the HPA was unable to compute the replica count: failed to get {resource} utilization: unable to get metrics for resource {resource}: no metrics returned from resource metrics API"
            ),
        }
    }
}

/// The most that any metric asks for. A metric that cannot be read keeps the others from shrinking the workload.
pub(super) fn now(
    spec: &AutoscalerSpec,
    target: &Target,
    reading: &Reading,
) -> Result<Recommendation, Trouble> {
    let mut found: Option<(i32, String)> = None;
    let (mut shown, mut trouble) = (Vec::new(), None);
    for metric in &spec.metrics {
        match Gauge::read(metric, target, reading) {
            Ok(gauge) => {
                shown.push(gauge.shown());
                let replicas = gauge.replicas(spec, target);
                if found.as_ref().is_none_or(|(most, _)| replicas > *most) {
                    found = Some((replicas, gauge.describe()));
                }
            }
            Err(why) => trouble = Some(why),
        }
    }
    match (found, trouble) {
        (Some((replicas, _)), Some(trouble)) if replicas < target.replicas => Err(trouble),
        (Some((replicas, metric)), _) => Ok(Recommendation { replicas, metric, shown }),
        (None, Some(trouble)) => Err(trouble),
        (None, None) => Err(Trouble::nothing_measured(spec)),
    }
}

/// What an earlier reading asked for: all its pods counted, as they were.
pub(super) fn back_then(spec: &AutoscalerSpec, target: &Target, reading: &Reading) -> Option<i32> {
    let gauges = spec.metrics.iter().filter_map(|metric| Gauge::read(metric, target, reading).ok());
    gauges
        .map(|gauge| {
            let ratio = gauge.ratio(gauge.usage.values().sum(), gauge.usage.len());
            match is_close(ratio, TOLERANCE) {
                true => reading.replicas,
                false => ceil(ratio, gauge.usage.len()),
            }
        })
        .max()
}

impl<'a> Gauge<'a> {
    fn read(metric: &'a Metric, target: &Target, reading: &'a Reading) -> Result<Self, Trouble> {
        let failed = |message: String| Trouble {
            reason: "FailedGetResourceMetric",
            message: format!("the HPA was unable to compute the replica count: {message}"),
        };
        let Some(metric) = resource_of(metric) else {
            let message = format!(
                "the HPA was unable to compute the replica count: metrics of type {} are not served",
                metric.kind
            );
            return Err(Trouble { reason: "InvalidMetricSourceType", message });
        };
        let container = metric.container.as_deref();
        let request = match metric.target.average_utilization {
            Some(_) => target.request(&metric.name, container).map_err(|name| {
                failed(format!(
                    "failed to get {} utilization: missing request for {} in container {name}",
                    metric.name, metric.name
                ))
            })?,
            None => 0,
        };
        let aim = match (metric.target.average_utilization, metric.target.average_value) {
            (Some(percent), _) => request * i128::from(percent) / 100,
            (None, Some(value)) => value.milli,
            (None, None) => 0,
        };
        let of_pod = |containers: &[ContainerUsage]| -> i128 {
            let counted =
                containers.iter().filter(|usage| container.is_none_or(|wanted| *usage.name == *wanted));
            counted.map(|usage| amount(usage, &metric.name)).sum()
        };
        let usage: BTreeMap<&Uid, i128> =
            reading.pods.iter().map(|pod| (&pod.uid, of_pod(&pod.containers))).collect();
        match usage.is_empty() || aim <= 0 {
            true => Err(failed(format!(
                "failed to get {} utilization: unable to get metrics for resource {}: no metrics returned from resource metrics API",
                metric.name, metric.name
            ))),
            false => Ok(Self { metric, usage, aim, request }),
        }
    }

    /// Kubernetes' rules: pods that are not ready use nothing when that speaks for more replicas, and pods without figures are taken
    /// for what speaks against a change.
    fn replicas(&self, spec: &AutoscalerSpec, target: &Target) -> i32 {
        let (mut ready, mut unready, mut missing) = (Vec::new(), 0_usize, 0_usize);
        for pod in &target.pods {
            match self.usage.get(&pod.metadata.uid) {
                None => missing += 1,
                Some(_) if !pod.is_ready() => unready += 1,
                Some(used) => ready.push(*used),
            }
        }
        if ready.is_empty() {
            return target.replicas;
        }
        let used: i128 = ready.iter().sum();
        let ratio = self.ratio(used, ready.len());
        let tolerance = tolerance(spec, ratio);
        let up = ratio > 1.0;
        if missing == 0 && !(up && unready > 0) {
            return if is_close(ratio, tolerance) { target.replicas } else { ceil(ratio, ready.len()) };
        }
        let (mut used, mut count) = (used, ready.len() + missing);
        if up {
            count += unready;
        } else {
            used += i128::try_from(missing).unwrap_or_default() * self.aim.max(self.request);
        }
        let cautious = self.ratio(used, count);
        let turned = (cautious > 1.0) != up;
        let replicas = ceil(cautious, count);
        let wrong =
            (cautious < 1.0 && replicas > target.replicas) || (cautious > 1.0 && replicas < target.replicas);
        if is_close(cautious, tolerance) || turned || wrong { target.replicas } else { replicas }
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio of amounts is not exact anyway")]
    fn ratio(&self, used: i128, pods: usize) -> f64 {
        used as f64 / (self.aim as f64 * pods as f64)
    }

    fn shown(&self) -> Value {
        let average =
            self.usage.values().sum::<i128>() / i128::try_from(self.usage.len()).unwrap_or(1).max(1);
        let value = match self.metric.name.as_str() {
            "cpu" => format!("{average}m"),
            _ => format!("{}", average / 1000),
        };
        let mut current = json!({"averageValue": value});
        if self.request > 0
            && let Some(fields) = current.as_object_mut()
        {
            fields.insert(
                "averageUtilization".into(),
                json!(i64::try_from(average * 100 / self.request).unwrap_or(i64::MAX)),
            );
        }
        match &self.metric.container {
            None => json!({"type": "Resource", "resource": {"name": self.metric.name, "current": current}}),
            Some(container) => {
                json!({"type": "ContainerResource", "containerResource": {"name": self.metric.name, "container": container, "current": current}})
            }
        }
    }

    fn describe(&self) -> String {
        let what = match &self.metric.container {
            None => "resource",
            Some(_) => "container resource",
        };
        match self.request {
            0 => format!("{} {what}", self.metric.name),
            _ => format!("{} {what} utilization (percentage of request)", self.metric.name),
        }
    }
}

fn resource_of(metric: &Metric) -> Option<&ResourceMetric> {
    metric.resource.as_ref().or(metric.container_resource.as_ref())
}

/// In thousandths, as quantities count.
fn amount(usage: &ContainerUsage, resource: &str) -> i128 {
    match resource {
        "cpu" => i128::from(usage.cpu_nano / 1_000_000),
        _ => i128::from(usage.memory) * 1000,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a tolerance is a few thousandths")]
fn tolerance(spec: &AutoscalerSpec, ratio: f64) -> f64 {
    let rules = if ratio > 1.0 { &spec.behavior.scale_up } else { &spec.behavior.scale_down };
    let stated = rules.tolerance.as_ref().and_then(Value::as_str).and_then(api::quantity::Quantity::parse);
    stated.map_or(TOLERANCE, |stated| stated.milli as f64 / 1000.0)
}

fn is_close(ratio: f64, tolerance: f64) -> bool {
    (ratio - 1.0).abs() <= tolerance
}

/// Pods that bring the ratio to one.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "counts of pods are small")]
fn ceil(ratio: f64, pods: usize) -> i32 {
    // What is a whole number but for the last bits is that number.
    (ratio * pods as f64 - 1e-9).ceil().clamp(0.0, f64::from(i32::MAX)) as i32
}
