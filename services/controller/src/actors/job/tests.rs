//! Decisions of Jobs, as text.

use actor::laws::{Cluster, Laws, NOW, Pods, check, check_at, decide};
use expect_test::expect;

use super::JobActor;

#[test]
fn makes_as_many_pods_as_may_run() {
    check::<JobActor>(
        "job work completions=5 parallelism=2",
        expect![[r#"
        create pod work-spmz4 image=image: 0 of 2 pods are active [SuccessfulCreate]
        create pod work-wk7w6 image=image: 0 of 2 pods are active [SuccessfulCreate]
        status startTime=2026-01-01T00:00:00Z
    "#]],
    );
}

#[test]
fn a_pod_is_held_until_it_is_counted() {
    let cluster = Cluster::of("job work completions=1");
    let (_, decision) = decide::<JobActor>(&cluster, NOW);
    let [actor::Write::Create { object, .. }] = &decision.commands[..] else { panic!("{decision:?}") };
    expect![[r#"{"finalizers":["batch.kubernetes.io/job-tracking"],"generateName":"work-","labels":{"job-name":"work"},"name":"work-spmz4","namespace":"default","ownerReferences":[{"apiVersion":"batch/v1","blockOwnerDeletion":true,"controller":true,"kind":"Job","name":"work","uid":"job-work"}]}"#]].assert_eq(&object["metadata"].to_string());
}

const HELD: &str = "finalizer batch.kubernetes.io/job-tracking";

#[test]
fn counts_in_three_steps() {
    check::<JobActor>(
        &format!("job work completions=3 parallelism=2\npod a owner=job/work succeeded {HELD}"),
        expect![[r#"
            create pod work-spmz4 image=image: 0 of 2 pods are active [SuccessfulCreate]
            create pod work-wk7w6 image=image: 0 of 2 pods are active [SuccessfulCreate]
            status startTime=2026-01-01T00:00:00Z uncountedTerminatedPods.succeeded=["pod-a"] uncountedTerminatedPods=-
        "#]],
    );
    check::<JobActor>(
        &format!(
            "job work completions=3 parallelism=2 status.uncountedTerminatedPods.succeeded=[\"pod-a\"]\npod a owner=job/work succeeded {HELD}\npod b owner=job/work running {HELD}\npod c owner=job/work running {HELD}"
        ),
        expect![[r#"
            patch pod a metadata.finalizers=null: it is counted
            status active=2 startTime=2026-01-01T00:00:00Z
        "#]],
    );
    check::<JobActor>(
        "job work completions=3 parallelism=2 status.uncountedTerminatedPods.succeeded=[\"pod-a\"]\npod a owner=job/work succeeded\npod b owner=job/work running\npod c owner=job/work running",
        expect![[r#"
            status active=2 startTime=2026-01-01T00:00:00Z succeeded=1 uncountedTerminatedPods={} uncountedTerminatedPods.succeeded=-
        "#]],
    );
}

#[test]
fn announces_success_and_is_complete_when_all_is_counted() {
    check::<JobActor>(
        "job work completions=1 status.uncountedTerminatedPods.succeeded=[\"pod-a\"]\npod a owner=job/work succeeded",
        expect![[r#"
            patch job work SuccessCriteriaMet=True/CompletionsReached: Reached expected number of succeeded pods
            patch job work SuccessCriteriaMet=True/CompletionsReached Complete=True/CompletionsReached: Reached expected number of succeeded pods [Completed]
            status completionTime=2026-01-01T00:00:00Z SuccessCriteriaMet=True/CompletionsReached Complete=True/CompletionsReached startTime=2026-01-01T00:00:00Z succeeded=1 uncountedTerminatedPods={} uncountedTerminatedPods.succeeded=-
        "#]],
    );
}

#[test]
fn failures_wait_longer_each_time_and_end_at_the_limit() {
    let failed = |count: usize| -> String {
        let pods = (0..count).map(|index| {
            format!("\npod f{index} owner=job/work failed {{\"status\": {{\"containerStatuses\": [{{\"state\": {{\"terminated\": {{\"exitCode\": 1, \"finishedAt\": \"2025-12-31T23:59:5{index}Z\"}}}}}}]}}}}")
        });
        format!("job work backoff=2 status.failed={count}{}", pods.collect::<String>())
    };
    check::<JobActor>(
        &failed(1),
        expect![[r#"
        create pod work-spmz4 image=image: 0 of 1 pods are active [SuccessfulCreate]
        status startTime=2026-01-01T00:00:00Z
    "#]],
    );
    check::<JobActor>(
        &failed(2),
        expect![[r#"
        status startTime=2026-01-01T00:00:00Z
        wake after 11s
    "#]],
    );
    check_at::<JobActor>(
        &failed(2),
        NOW.plus(std::time::Duration::from_secs(12)),
        expect![[r#"
        create pod work-spmz4 image=image: 0 of 1 pods are active [SuccessfulCreate]
        status startTime=2026-01-01T00:00:12Z
    "#]],
    );
    check::<JobActor>(
        &format!("{}\npod g owner=job/work running {HELD}", failed(3)),
        expect![[r#"
        patch job work FailureTarget=True/BackoffLimitExceeded: Job has reached the specified backoff limit
        delete pod g: Job has reached the specified backoff limit [SuccessfulDelete]
        status active=1 FailureTarget=True/BackoffLimitExceeded startTime=2026-01-01T00:00:00Z
    "#]],
    );
}

#[test]
fn a_job_that_is_late_fails() {
    check::<JobActor>(
        &format!(
            "job work spec.activeDeadlineSeconds=60 status.startTime=2025-12-31T23:59:10Z\npod a owner=job/work running {HELD}"
        ),
        expect![[r#"
            status active=1
            wake after 10s
        "#]],
    );
    check::<JobActor>(
        &format!(
            "job work spec.activeDeadlineSeconds=60 status.startTime=2025-12-31T23:59:00Z\npod a owner=job/work running {HELD}"
        ),
        expect![[r#"
            patch job work FailureTarget=True/DeadlineExceeded: Job was active longer than specified deadline
            delete pod a: Job was active longer than specified deadline [SuccessfulDelete]
            status active=1 FailureTarget=True/DeadlineExceeded
        "#]],
    );
}

#[test]
fn suspended_jobs_have_no_pods_and_lose_nothing() {
    check::<JobActor>(
        &format!(
            "job work suspend status.startTime=2025-12-31T23:59:10Z\npod a owner=job/work running {HELD}"
        ),
        expect![[r#"
            patch pod a metadata.finalizers=null: the job is suspended
            delete pod a: the job is suspended [SuccessfulDelete]
            patch job work Suspended=True/JobSuspended: Job suspended [Suspended]
            status active=1 Suspended=True/JobSuspended startTime=-
        "#]],
    );
    check::<JobActor>(
        "job work {\"status\": {\"conditions\": [{\"type\": \"Suspended\", \"status\": \"True\"}]}}",
        expect![[r#"
            patch job work Suspended=False/JobResumed: Job resumed [Resumed]
            create pod work-spmz4 image=image: 0 of 1 pods are active [SuccessfulCreate]
            status Suspended=False/JobResumed startTime=2026-01-01T00:00:00Z
        "#]],
    );
}

#[test]
fn indexes_are_worked_on_once_each() {
    let pod = |name: &str, index: u32, state: &str| {
        format!(
            "\npod {name} owner=job/work {state} {HELD} annotation batch.kubernetes.io/job-completion-index={index}"
        )
    };
    check::<JobActor>(
        &format!(
            "job work completions=5 parallelism=3 spec.completionMode=Indexed {{\"status\": {{\"completedIndexes\": \"0\"}}}}{}{}{}",
            pod("a", 0, "succeeded"),
            pod("b", 2, "succeeded"),
            pod("c", 1, "running"),
        ),
        expect![[r#"
            patch pod a metadata.finalizers=null: it is counted
            create pod work-3-spmz4 image=image: 1 of 3 pods are active [SuccessfulCreate]
            create pod work-4-spmz4 image=image: 1 of 3 pods are active [SuccessfulCreate]
            status active=1 completedIndexes=0,2 startTime=2026-01-01T00:00:00Z succeeded=2
        "#]],
    );
    check::<JobActor>(
        &format!(
            "job work completions=3 parallelism=3 spec.completionMode=Indexed{}{}{}",
            pod("a", 0, "running"),
            pod("b", 0, "running"),
            pod("c", 7, "running"),
        ),
        expect![[r#"
            patch pod b metadata.finalizers=null: the job needs fewer pods
            delete pod b: the job needs fewer pods [SuccessfulDelete]
            patch pod c metadata.finalizers=null: the job needs fewer pods
            delete pod c: the job needs fewer pods [SuccessfulDelete]
            create pod work-1-spmz4 image=image: 1 of 3 pods are active [SuccessfulCreate]
            create pod work-2-spmz4 image=image: 1 of 3 pods are active [SuccessfulCreate]
            status active=3 startTime=2026-01-01T00:00:00Z
        "#]],
    );
}

#[test]
fn failures_are_judged_by_the_policy() {
    let job = "job work {\"spec\": {\"podFailurePolicy\": {\"rules\": [
        {\"action\": \"Ignore\", \"onPodConditions\": [{\"type\": \"DisruptionTarget\", \"status\": \"True\"}]},
        {\"action\": \"FailJob\", \"onExitCodes\": {\"operator\": \"In\", \"values\": [42]}}]}}}"
        .replace('\n', "");
    let exit = |code: u8| {
        format!(
            "{{\"status\": {{\"containerStatuses\": [{{\"name\": \"app\", \"state\": {{\"terminated\": {{\"exitCode\": {code}}}}}}}]}}}}"
        )
    };
    check::<JobActor>(
        &format!("{job}\npod a owner=job/work failed {HELD} {}", exit(42)),
        expect![[r#"
        patch job work FailureTarget=True/PodFailurePolicy: Container app for pod default/a failed with exit code 42 matching FailJob rule at index 1
        status FailureTarget=True/PodFailurePolicy startTime=2026-01-01T00:00:00Z uncountedTerminatedPods.failed=["pod-a"] uncountedTerminatedPods=-
    "#]],
    );
    check::<JobActor>(
        &format!(
            "{job}\npod a owner=job/work failed age=1h {HELD} {{\"status\": {{\"conditions\": [{{\"type\": \"DisruptionTarget\", \"status\": \"True\"}}]}}}}"
        ),
        expect![[r#"
            patch pod a metadata.finalizers=null: it is counted
            create pod work-spmz4 image=image: 0 of 1 pods are active [SuccessfulCreate]
            status startTime=2026-01-01T00:00:00Z
        "#]],
    );
}

#[test]
fn a_finished_job_lets_go_and_expires() {
    let complete = "{\"status\": {\"conditions\": [{\"type\": \"Complete\", \"status\": \"True\", \"lastTransitionTime\": \"2025-12-31T23:59:00Z\"}]}}";
    check::<JobActor>(
        &format!(
            "job work spec.ttlSecondsAfterFinished=100 {complete}\npod a owner=job/work succeeded {HELD}"
        ),
        expect![[r#"
            patch pod a metadata.finalizers=null: the job has finished
            wake after 40s
        "#]],
    );
    check::<JobActor>(
        &format!("job work spec.ttlSecondsAfterFinished=60 {complete}"),
        expect![[r#"
        delete job work foreground: it has finished 60s ago
    "#]],
    );
}

#[test]
fn jobs_obey() {
    let laws = |pods: Pods| Laws::of::<JobActor>().pods(pods);
    laws(Pods::Succeed).hold("job work completions=3 parallelism=2");
    laws(Pods::Succeed).hold("job work completions=3 parallelism=3 spec.completionMode=Indexed");
    laws(Pods::Succeed).hold("job work completions=null parallelism=1");
    laws(Pods::Fail).hold("job work completions=2 parallelism=1 backoff=1");
    laws(Pods::Run).hold("job work completions=2 parallelism=2 suspend");
    laws(Pods::Run).hold("job work completions=2 parallelism=2 spec.activeDeadlineSeconds=30");
}

/// A pod of an index, after so many failures of it.
fn attempt(name: &str, index: u32, before: u32, state: &str) -> String {
    format!(
        "\npod {name} owner=job/work {state} {HELD} annotation batch.kubernetes.io/job-completion-index={index} annotation batch.kubernetes.io/job-index-failure-count={before}"
    )
}

/// What such a pod tells that ended a minute before [`NOW`].
const LONG_AGO: &str = r#"failed {"status": {"containerStatuses": [{"state": {"terminated": {"exitCode": 1, "finishedAt": "2025-12-31T23:59:00Z"}}}]}}"#;
/// The same, a second before.
const JUST_NOW: &str = r#"failed {"status": {"containerStatuses": [{"state": {"terminated": {"exitCode": 1, "finishedAt": "2025-12-31T23:59:59Z"}}}]}}"#;
const PER_INDEX: &str =
    "job work completions=3 parallelism=3 spec.completionMode=Indexed spec.backoffLimitPerIndex=1";

#[test]
fn a_failed_pod_is_held_until_the_next_of_its_index_knows_of_it() {
    check::<JobActor>(
        &format!("{PER_INDEX}{}", attempt("a", 0, 0, LONG_AGO)),
        expect![[r#"
        create pod work-0-spmz4 image=image: 0 of 3 pods are active [SuccessfulCreate]
        create pod work-1-spmz4 image=image: 0 of 3 pods are active [SuccessfulCreate]
        create pod work-2-spmz4 image=image: 0 of 3 pods are active [SuccessfulCreate]
        status failedIndexes="" startTime=2026-01-01T00:00:00Z
    "#]],
    );
    check::<JobActor>(
        &format!("{PER_INDEX}{}", attempt("a", 0, 0, JUST_NOW)),
        expect![[r#"
        create pod work-1-spmz4 image=image: 0 of 3 pods are active [SuccessfulCreate]
        create pod work-2-spmz4 image=image: 0 of 3 pods are active [SuccessfulCreate]
        status failedIndexes="" startTime=2026-01-01T00:00:00Z
        wake after 9s
    "#]],
    );
    check::<JobActor>(
        &format!("{PER_INDEX}{}{}", attempt("a", 0, 0, LONG_AGO), attempt("b", 0, 1, "running")),
        expect![[r#"
            create pod work-1-spmz4 image=image: 1 of 3 pods are active [SuccessfulCreate]
            create pod work-2-spmz4 image=image: 1 of 3 pods are active [SuccessfulCreate]
            status active=1 failedIndexes="" startTime=2026-01-01T00:00:00Z uncountedTerminatedPods.failed=["pod-a"] uncountedTerminatedPods=-
        "#]],
    );
    let cluster = Cluster::of(&format!("{PER_INDEX}{}", attempt("a", 0, 0, LONG_AGO)));
    let (_, decision) = decide::<JobActor>(&cluster, NOW);
    let Some(actor::Write::Create { object, .. }) = decision.commands.first() else { panic!("{decision:?}") };
    expect![[r#"{"batch.kubernetes.io/job-completion-index":"0","batch.kubernetes.io/job-index-failure-count":"1"}"#]].assert_eq(&object["metadata"]["annotations"].to_string());
}

#[test]
fn an_index_that_fails_too_often_is_given_up_while_others_go_on() {
    check::<JobActor>(
        &format!("{PER_INDEX}{}{}", attempt("a", 0, 1, LONG_AGO), attempt("b", 1, 0, "running")),
        expect![[r#"
            create pod work-2-spmz4 image=image: 1 of 2 pods are active [SuccessfulCreate]
            status active=1 failedIndexes=0 startTime=2026-01-01T00:00:00Z uncountedTerminatedPods.failed=["pod-a"] uncountedTerminatedPods=-
        "#]],
    );
    check::<JobActor>(
        &format!("{PER_INDEX} {{\"status\": {{\"completedIndexes\": \"1,2\", \"failedIndexes\": \"0\"}}}}"),
        expect![[r#"
            patch job work FailureTarget=True/FailedIndexes: Job has failed indexes
            patch job work FailureTarget=True/FailedIndexes Failed=True/FailedIndexes: Job has failed indexes [FailedIndexes]
            status FailureTarget=True/FailedIndexes Failed=True/FailedIndexes startTime=2026-01-01T00:00:00Z succeeded=2
        "#]],
    );
    check::<JobActor>(
        &format!(
            "{PER_INDEX} spec.maxFailedIndexes=0{}{}",
            attempt("a", 0, 1, LONG_AGO),
            attempt("b", 1, 0, "running")
        ),
        expect![[r#"
            patch job work FailureTarget=True/MaxFailedIndexesExceeded: Job has exceeded the specified maximal number of failed indexes
            delete pod b: Job has exceeded the specified maximal number of failed indexes [SuccessfulDelete]
            status active=1 FailureTarget=True/MaxFailedIndexesExceeded failedIndexes=0 startTime=2026-01-01T00:00:00Z uncountedTerminatedPods.failed=["pod-a"] uncountedTerminatedPods=-
        "#]],
    );
    let rule = r#"{"spec": {"podFailurePolicy": {"rules": [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}}]}}}"#;
    check::<JobActor>(
        &format!("{PER_INDEX} {rule}{}", attempt("a", 0, 0, LONG_AGO)),
        expect![[r#"
        create pod work-1-spmz4 image=image: 0 of 2 pods are active [SuccessfulCreate]
        create pod work-2-spmz4 image=image: 0 of 2 pods are active [SuccessfulCreate]
        status failedIndexes=0 startTime=2026-01-01T00:00:00Z uncountedTerminatedPods.failed=["pod-a"] uncountedTerminatedPods=-
    "#]],
    );
}

#[test]
fn some_indexes_are_enough_by_policy() {
    let job = |rules: &str, done: &str| {
        format!(
            "{PER_INDEX} {{\"spec\": {{\"successPolicy\": {{\"rules\": {rules}}}}}, \"status\": {{\"completedIndexes\": \"{done}\"}}}}{}",
            attempt("b", 1, 0, "running")
        )
    };
    check::<JobActor>(
        &job(r#"[{"succeededIndexes": "0,2"}]"#, "0"),
        expect![[r#"
        create pod work-2-spmz4 image=image: 1 of 2 pods are active [SuccessfulCreate]
        status active=1 failedIndexes="" startTime=2026-01-01T00:00:00Z succeeded=1
    "#]],
    );
    check::<JobActor>(
        &job(r#"[{"succeededIndexes": "1"}, {"succeededIndexes": "0,2"}]"#, "0,2"),
        expect![[r#"
            patch job work SuccessCriteriaMet=True/SuccessPolicy: Matched rules at index 1
            delete pod b: Matched rules at index 1 [SuccessfulDelete]
            status active=1 SuccessCriteriaMet=True/SuccessPolicy failedIndexes="" startTime=2026-01-01T00:00:00Z succeeded=2
        "#]],
    );
    check::<JobActor>(
        &job(r#"[{"succeededIndexes": "0-2", "succeededCount": 1}]"#, "0"),
        expect![[r#"
        patch job work SuccessCriteriaMet=True/SuccessPolicy: Matched rules at index 0
        delete pod b: Matched rules at index 0 [SuccessfulDelete]
        status active=1 SuccessCriteriaMet=True/SuccessPolicy failedIndexes="" startTime=2026-01-01T00:00:00Z succeeded=1
    "#]],
    );
    check::<JobActor>(
        &job(r#"[{"succeededCount": 2}]"#, "0"),
        expect![[r#"
        create pod work-2-spmz4 image=image: 1 of 2 pods are active [SuccessfulCreate]
        status active=1 failedIndexes="" startTime=2026-01-01T00:00:00Z succeeded=1
    "#]],
    );
}
