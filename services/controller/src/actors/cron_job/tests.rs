//! Decisions of CronJobs, as text. It is midnight of New Year's Day.

use std::time::Duration;

use actor::laws::{Laws, NOW, check, check_at};
use expect_test::expect;

use super::CronJobActor;

const QUARTERLY: &str =
    "cronjob tick schedule=\"*/15 * * * *\" spec.successfulJobsHistoryLimit=1 spec.failedJobsHistoryLimit=1";

fn job(name: &str, minute: &str, status: &str) -> String {
    let end = match status {
        "running" => String::new(),
        end => format!(
            "{{\"status\": {{\"startTime\": \"2025-12-31T{minute}:00Z\", \"conditions\": [{{\"type\": \"{end}\", \"status\": \"True\", \"lastTransitionTime\": \"2025-12-31T{minute}:30Z\"}}]}}}}"
        ),
    };
    format!(
        "\njob {name} owner=cronjob/tick annotation batch.kubernetes.io/cronjob-scheduled-timestamp=2025-12-31T{minute}:00Z {end}"
    )
}

#[test]
fn waits_for_its_time() {
    let soon = NOW.plus(Duration::from_secs(60));
    check_at::<CronJobActor>(
        &format!("{QUARTERLY} age=10s status.lastScheduleTime=2026-01-01T00:00:00Z"),
        soon,
        expect![[r#"
            wake after 840s
        "#]],
    );
}

#[test]
fn makes_the_latest_job_that_is_due_and_skips_those_before() {
    check::<CronJobActor>(
        &format!("{QUARTERLY} age=2h"),
        expect![[r#"
        create job tick-29453760 image=image: it is scheduled for 2026-01-01T00:00:00Z [SuccessfulCreate]
        wake after 900s
    "#]],
    );
    check::<CronJobActor>(
        &format!("{QUARTERLY} age=2h spec.timeZone=Asia/Kolkata"),
        expect![[r#"
        create job tick-29453760 image=image: it is scheduled for 2026-01-01T00:00:00Z [SuccessfulCreate]
        wake after 900s
    "#]],
    );
    check::<CronJobActor>(
        &format!("{QUARTERLY} age=2h suspend"),
        expect![[r#"
        nothing
    "#]],
    );
}

#[test]
fn notes_the_time_when_the_job_is_there() {
    check::<CronJobActor>(
        &format!("{QUARTERLY} age=2h{}", job("tick-29453760", "23:45", "running")),
        expect![[r#"
            create job tick-29453760 image=image: it is scheduled for 2026-01-01T00:00:00Z [SuccessfulCreate]
            status active=[{"apiVersion":"batch/v1","kind":"Job","name":"tick-29453760","namespace":"default","uid":"job-tick-29453760"}] lastScheduleTime=2025-12-31T23:45:00Z =-
            wake after 900s
        "#]],
    );
}

#[test]
fn jobs_that_are_too_late_are_left_out() {
    let late = NOW.plus(Duration::from_secs(100));
    check_at::<CronJobActor>(
        &format!("{QUARTERLY} age=2h spec.startingDeadlineSeconds=60"),
        late,
        expect![[r#"
            wake after 800s
        "#]],
    );
}

#[test]
fn jobs_overlap_are_kept_apart_or_replace_each_other() {
    let running = job("tick-old", "23:45", "running");
    for policy in ["Allow", "Forbid", "Replace"] {
        let expect = match policy {
            "Allow" => expect![[r#"
                create job tick-29453760 image=image: it is scheduled for 2026-01-01T00:00:00Z [SuccessfulCreate]
                status active=[{"apiVersion":"batch/v1","kind":"Job","name":"tick-old","namespace":"default","uid":"job-tick-old"}]
                wake after 900s
            "#]],
            "Forbid" => expect![[r#"
                status active=[{"apiVersion":"batch/v1","kind":"Job","name":"tick-old","namespace":"default","uid":"job-tick-old"}]
                wake after 900s
            "#]],
            _ => expect![[r#"
                delete job tick-old: a newer job replaces it [SuccessfulDelete]
                create job tick-29453760 image=image: it is scheduled for 2026-01-01T00:00:00Z [SuccessfulCreate]
                status active=[{"apiVersion":"batch/v1","kind":"Job","name":"tick-old","namespace":"default","uid":"job-tick-old"}]
                wake after 900s
            "#]],
        };
        check::<CronJobActor>(
            &format!(
                "{QUARTERLY} age=2h spec.concurrencyPolicy={policy} status.lastScheduleTime=2025-12-31T23:45:00Z{running}"
            ),
            expect,
        );
    }
}

#[test]
fn the_oldest_finished_jobs_go() {
    check::<CronJobActor>(
        &format!(
            "{QUARTERLY} status.lastScheduleTime=2026-01-01T00:00:00Z{}{}{}{}",
            job("a", "23:00", "Complete"),
            job("b", "23:15", "Complete"),
            job("c", "23:30", "Failed"),
            job("d", "23:45", "Failed"),
        ),
        expect![[r#"
            delete job a: the history is longer than its limit [SuccessfulDelete]
            delete job c: the history is longer than its limit [SuccessfulDelete]
            status lastSuccessfulTime=2025-12-31T23:15:30Z
            wake after 900s
        "#]],
    );
}

#[test]
fn cron_jobs_obey() {
    let laws = || Laws::of::<CronJobActor>().without_time();
    laws().hold(&format!("{QUARTERLY} age=2h"));
    laws().hold(&format!(
        "{QUARTERLY} age=2h spec.concurrencyPolicy=Replace status.lastScheduleTime=2025-12-31T23:45:00Z{}",
        job("a", "23:45", "running")
    ));
}
