//! Jobs and CronJobs: what is given to them, what is refused, how they are listed.

use expect_test::expect;

use super::{ENDING, check_created, check_row, check_wrong};

fn job(spec: &str) -> String {
    format!("{{apiVersion: batch/v1, kind: Job, metadata: {{name: work}}, spec: {{{ENDING}{spec}}}}}")
}

fn cron_job(spec: &str) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: tick}}, spec: {{jobTemplate: {{spec: {{{ENDING}}}}}{spec}}}}}"
    )
}

#[test]
fn indexes_of_jobs_one_by_one() {
    check_wrong(
        &job(
            ", completions: 3, maxFailedIndexes: 4, backoffLimitPerIndex: 1, podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values: [1]}}]}",
        ),
        None,
        expect![[r#"
            spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode
            spec.maxFailedIndexes: Invalid value: 4: requires indexed completion mode
        "#]],
    );
    check_wrong(
        &job(
            ", completions: 3, completionMode: Indexed, maxFailedIndexes: 4, podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values: [1]}}]}",
        ),
        None,
        expect![[r#"
            spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified
            spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions
            spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set
        "#]],
    );
    check_wrong(
        &job(
            ", completions: 200000, completionMode: Indexed, backoffLimitPerIndex: 1, parallelism: 10001, successPolicy: {rules: [{}, {succeededIndexes: '3-1'}, {succeededIndexes: '0-2', succeededCount: 4}, {succeededCount: 200001}]}",
        ),
        None,
        expect![[r#"
            spec.maxFailedIndexes: Required value: must be specified when completions is above 100000
            spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index
            spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified
            spec.successPolicy.rules[1].succeededIndexes: Invalid value: "3-1": error parsing succeededIndexes: non-increasing order, previous: 3, current: 1
            spec.successPolicy.rules[2].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of indexes in the specified succeededIndexes field)
            spec.successPolicy.rules[3].succeededCount: Invalid value: 200001: must be less than or equal to 200000 (the number of specified completions)
        "#]],
    );
    check_wrong(
        &job(", completions: 3, completionMode: Indexed, backoffLimitPerIndex: 1"),
        Some(&job(", completions: 3, completionMode: Indexed, backoffLimitPerIndex: 2")),
        expect![[r#"
            spec.backoffLimitPerIndex: Invalid value: 1: field is immutable
        "#]],
    );
}

#[test]
fn jobs() {
    check_created(
        &job(""),
        expect![[r#"
        labels:
          batch.kubernetes.io/controller-uid: 5c5d4a0e-1111-2222-3333-444444444444
          batch.kubernetes.io/job-name: work
          controller-uid: 5c5d4a0e-1111-2222-3333-444444444444
          job-name: work
        spec:
          backoffLimit: 6
          completionMode: NonIndexed
          completions: 1
          manualSelector: false
          parallelism: 1
          podReplacementPolicy: TerminatingOrFailed
          selector:
            matchLabels:
              batch.kubernetes.io/controller-uid: 5c5d4a0e-1111-2222-3333-444444444444
          suspend: false
          template:
            metadata:
              labels:
                batch.kubernetes.io/controller-uid: 5c5d4a0e-1111-2222-3333-444444444444
                batch.kubernetes.io/job-name: work
                controller-uid: 5c5d4a0e-1111-2222-3333-444444444444
                job-name: work
    "#]],
    );
    check_wrong(
        &job(", completionMode: Indexed, parallelism: 2, backoffLimit: -1, successPolicy: {rules: []}"),
        None,
        expect![[r#"
            spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0
            spec.completions: Required value: when completion mode is Indexed
            spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified
        "#]],
    );
    check_wrong(
        &job("").replace("Never", "Always"),
        None,
        expect![[r#"
        spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"
    "#]],
    );
    check_wrong(
        &job(
            ", podFailurePolicy: {rules: [{action: Stop}, {action: FailJob, onExitCodes: {operator: In, values: [0, 1]}}]}",
        ),
        None,
        expect![[r#"
            spec.podFailurePolicy.rules[0].action: Unsupported value: "Stop": supported values: "Count", "FailIndex", "FailJob", "Ignore"
            spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required
            spec.podFailurePolicy.rules[1].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator
        "#]],
    );
    check_wrong(
        &job(", completions: 3, suspend: true").replace("image: x", "image: y"),
        Some(&job("")),
        expect![[r#"
            spec.completions: Invalid value: 3: field is immutable
            spec.template: Invalid value: {"metadata":{"labels":{"batch.kubernetes.io/controller-uid":"5c5d4a0e-1111-2222-3333-444444444444","batch.kubernetes.io/job-name":"work","controller-uid":"5c5d4a0e-1111-2222-3333-444444444444","job-name":"work"}},"spec":{"containers":[{"image":"y","imagePullPolicy":"Always","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Never","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}: field is immutable
        "#]],
    );
    check_row(
        "{apiVersion: batch/v1, kind: Job, metadata: {name: work, creationTimestamp: '2026-01-01T11:00:00Z'}, spec: {completions: 3, template: {spec: {containers: [{name: c, image: x}]}}}, status: {startTime: '2026-01-01T11:00:00Z', succeeded: 1, conditions: [{type: FailureTarget, status: 'True'}]}}",
        expect![
            "Name: work | Status: FailureTarget | Completions: 1/3 | Duration: 60m | Age: 60m | Containers: c | Images: x | Selector: <none>"
        ],
    );
}

#[test]
fn cron_jobs() {
    check_created(
        &cron_job(", schedule: '@daily', timeZone: Europe/Berlin"),
        expect![[r#"
        labels: null
        spec:
          concurrencyPolicy: Allow
          failedJobsHistoryLimit: 1
          jobTemplate:
            metadata: {}
            spec:
              template:
                metadata: {}
          schedule: '@daily'
          successfulJobsHistoryLimit: 3
          suspend: false
          timeZone: Europe/Berlin
    "#]],
    );
    check_wrong(
        &cron_job(", schedule: '* * * *', timeZone: Moon/Sea, concurrencyPolicy: Maybe"),
        None,
        expect![[r#"
            spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]
            spec.timeZone: Invalid value: "Moon/Sea": unknown time zone Moon/Sea
            spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"
        "#]],
    );
    check_wrong(
        &cron_job(", schedule: 'TZ=UTC 0 * * * *', timeZone: Local").replace("tick", &"t".repeat(53)),
        None,
        expect![[r#"
            spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead
            spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones
            metadata.name: Invalid value: "ttttttttttttttttttttttttttttttttttttttttttttttttttttt": must be no more than 52 characters
        "#]],
    );
    check_row(
        "{apiVersion: batch/v1, kind: CronJob, metadata: {name: tick, creationTimestamp: '2026-01-01T11:00:00Z'}, spec: {schedule: '@hourly', jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: x}]}}}}}, status: {lastScheduleTime: '2026-01-01T11:50:00Z'}}",
        expect![
            "Name: tick | Schedule: @hourly | Timezone: <none> | Suspend: False | Active: 0 | Last Schedule: 10m | Age: 60m | Containers: c | Images: x | Selector: <none>"
        ],
    );
}
