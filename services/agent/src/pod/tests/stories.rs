//! How pods start, run and end.

use expect_test::expect;

use super::check;

#[test]
fn a_pod_starts() {
    check(
        "container web
           settle
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               0.0s    Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               0.0s      web: running, ready, 0 restarts
           "#]],
    );
}

#[test]
fn init_containers_run_one_after_the_other_and_sidecars_stay() {
    check(
        "init fetch
           sidecar proxy
           init prepare
           container web
           settle
           status
           exit fetch 0
           exit prepare 0
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run fetch: it has never run
               0.0s    Pending +PodReadyToStartContainers -Initialized -Ready -ContainersReady
               0.0s      fetch: running, 0 restarts
               0.0s      proxy: waiting PodInitializing, 0 restarts
               0.0s      prepare: waiting PodInitializing, 0 restarts
               0.0s      web: waiting PodInitializing, 0 restarts
               0.0s    run proxy: it has never run
               0.0s    run prepare: it has never run
               0.0s    run web: it has never run
               0.0s    Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               0.0s      fetch: Completed with 0, ready, 0 restarts
               0.0s      proxy: running, ready, 0 restarts
               0.0s      prepare: Completed with 0, ready, 0 restarts
               0.0s      web: running, ready, 0 restarts
           "#]],
    );
}

#[test]
fn a_failing_container_restarts_at_once_then_backs_off_and_is_forgiven() {
    check(
        "container web
           settle
           exit web 1
           status
           exit web 1
           status
           wait 10s
           status
           wait 700s
           exit web 1",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               0.0s    run web again (1): it has exited with code 1
               0.0s    Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               0.0s      web: running, ready, 1 restarts, before: 1
               0.0s    Running +PodReadyToStartContainers +Initialized -Ready -ContainersReady
               0.0s      web: waiting CrashLoopBackOff, 1 restarts, before: 1
               10.0s   run web again (2): it has exited with code 1
               10.0s   remove an old container: a newer instance has replaced it
               10.0s   Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               10.0s     web: running, ready, 2 restarts, before: 1
               710.0s  run web again (3): it has exited with code 1
               710.0s  remove an old container: a newer instance has replaced it
           "#]],
    );
}

#[test]
fn a_job_pod_succeeds() {
    check(
        "pod restartPolicy=Never
           container a
           container b
           settle
           exit a 0
           status
           exit b 0
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run a: it has never run
               0.0s    run b: it has never run
               0.0s    Running +PodReadyToStartContainers +Initialized -Ready -ContainersReady
               0.0s      a: Completed with 0, 0 restarts
               0.0s      b: running, ready, 0 restarts
               0.0s    remove sandbox: the pod has ended
               0.0s    Succeeded -PodReadyToStartContainers +Initialized -Ready -ContainersReady
               0.0s      a: Completed with 0, 0 restarts
               0.0s      b: Completed with 0, 0 restarts
           "#]],
    );
}

#[test]
fn a_job_pod_fails_and_its_sidecar_is_stopped() {
    check(
        "pod restartPolicy=Never
           sidecar proxy
           container a
           settle
           exit a 3
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run proxy: it has never run
               0.0s    run a: it has never run
               0.0s    terminate proxy: the pod has ended
               0.0s    remove sandbox: the pod has ended
               0.0s    Failed -PodReadyToStartContainers -Initialized -Ready -ContainersReady
               0.0s      proxy: Error with 143, 0 restarts
               0.0s      a: Error with 3, 0 restarts
           "#]],
    );
}

#[test]
fn on_failure_restarts_failures_only() {
    check(
        "pod restartPolicy=OnFailure
           container a
           settle
           exit a 1
           exit a 0
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run a: it has never run
               0.0s    run a again (1): it has exited with code 1
               0.0s    remove sandbox: the pod has ended
               0.0s    Succeeded -PodReadyToStartContainers +Initialized -Ready -ContainersReady
               0.0s      a: Completed with 0, 1 restarts, before: 1
           "#]],
    );
}

#[test]
fn a_container_restarts_by_its_own_rules() {
    check(
        "pod restartPolicy=Always
           container a restarts-after-42
           container b
           settle
           exit b 0
           exit a 42
           exit a 1
           status",
        expect![[r#"
            0.0s    create sandbox: the pod has no sandbox
            0.0s    run a: it has never run
            0.0s    run b: it has never run
            0.0s    run b again (1): it has exited with code 0
            0.0s    run a again (1): it has exited with code 42
            0.0s    Running +PodReadyToStartContainers +Initialized -Ready -ContainersReady
            0.0s      a: Error with 1, 1 restarts, before: 42
            0.0s      b: running, ready, 1 restarts, before: 0
        "#]],
    );
}

#[test]
fn an_init_container_that_fails_fails_a_pod_that_never_restarts() {
    check(
        "pod restartPolicy=Never
           init fetch
           container web
           settle
           exit fetch 1
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run fetch: it has never run
               0.0s    remove sandbox: the pod has ended
               0.0s    Failed -PodReadyToStartContainers -Initialized -Ready -ContainersReady
               0.0s      fetch: Error with 1, 0 restarts
               0.0s      web: waiting PodInitializing, 0 restarts
           "#]],
    );
}

#[test]
fn a_pod_ends_in_order() {
    check(
        "sidecar proxy
           container web prestop
           settle
           stop 30
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run proxy: it has never run
               0.0s    run web: it has never run
               0.0s    run preStop hook of web: it was deleted
               0.0s    terminate web: it was deleted
               0.0s    terminate proxy: it was deleted
               0.0s    remove everything: it was deleted
               0.0s    Pending -PodReadyToStartContainers -Initialized -Ready -ContainersReady
               0.0s      proxy: Error with 143, 0 restarts
               0.0s      web: Error with 143, 0 restarts
           "#]],
    );
}

#[test]
fn what_does_not_end_in_time_is_killed() {
    check(
        "container web
           web ignores SIGTERM
           settle
           stop 5
           wait 4s
           wait 3s",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               0.0s    terminate web: it was deleted
               5.0s    kill web: it has not ended within its grace period
               5.0s    remove everything: it was deleted
           "#]],
    );
}

#[test]
fn a_grace_period_can_be_shortened() {
    check(
        "container web
           web ignores SIGTERM
           settle
           stop 600
           wait 10s
           stop 0",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               0.0s    terminate web: it was deleted
               10.0s   kill web: it has not ended within its grace period
               10.0s   remove everything: it was deleted
           "#]],
    );
}

#[test]
fn a_dead_sandbox_takes_its_containers_along_and_everything_starts_anew() {
    check(
        "init fetch
           container web
           settle
           exit fetch 0
           sandbox dies
           exit fetch 0
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run fetch: it has never run
               0.0s    run web: it has never run
               0.0s    kill web: the pod's sandbox has died
               0.0s    remove sandbox: the sandbox has died
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run fetch again (1): it has exited with code 0
               0.0s    run web again (1): it has exited with code 137
               0.0s    Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               0.0s      fetch: Completed with 0, ready, 1 restarts, before: 0
               0.0s      web: running, ready, 1 restarts, before: 137
           "#]],
    );
}

#[test]
fn an_agent_that_restarts_adopts_what_runs() {
    check(
        "init fetch
           container web poststart
           settle
           exit fetch 0
           agent restarts
           settle
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run fetch: it has never run
               0.0s    run web: it has never run
               0.0s    run postStart hook of web: it has started
               0.0s    Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               0.0s      fetch: Completed with 0, ready, 0 restarts
               0.0s      web: running, ready, 0 restarts
           "#]],
    );
}

#[test]
fn a_fenced_pod_is_killed_and_runs_again_when_there_is_a_lease() {
    check(
        "container web
           settle
           fence
           status
           wait 20s
           unfence
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               0.0s    kill web: the node's lease is about to end
               0.0s    Running +PodReadyToStartContainers +Initialized -Ready -ContainersReady
               0.0s      web: Error with 137, 0 restarts
               20.0s   run web again (1): it has exited with code 137
               20.0s   Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               20.0s     web: running, ready, 1 restarts, before: 137
           "#]],
    );
}

#[test]
fn a_pod_is_not_active_for_longer_than_its_deadline() {
    check(
        "pod activeDeadlineSeconds=60
           container web
           settle
           wait 61s
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               60.0s   terminate web: the pod has ended
               60.0s   remove sandbox: the pod has ended
               61.0s   Failed (DeadlineExceeded) -PodReadyToStartContainers +Initialized -Ready -ContainersReady
               61.0s     web: Error with 143, 0 restarts
           "#]],
    );
}

#[test]
fn running_containers_are_given_other_resources() {
    check(
        "container web
           container db restarts-for-memory
           settle
           resize web 64Mi
           resize db 1Gi
           status
           web has ResizeError
           resize web 1Mi
           status
           wait 3s
           web is mended
           wait 3s
           status",
        expect![[r#"
            0.0s    create sandbox: the pod has no sandbox
            0.0s    run web: it has never run
            0.0s    run db: it has never run
            0.0s    resize web: its resources have changed
            0.0s    (ResizeCompleted: Resized container web)
            0.0s    terminate db: its resources have changed
            0.0s    run db again (1): it has exited with code 143
            0.0s    Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
            0.0s      web: running, ready, 0 restarts
            0.0s      db: running, ready, 1 restarts, before: 143
            0.0s    resize web: its resources have changed
            0.0s    (ResizeError: Resize of container web failed: it needs more than that)
            0.0s    Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady +PodResizeInProgress
            0.0s      web: running, ready, 0 restarts
            0.0s      db: running, ready, 1 restarts, before: 143
            2.0s    resize web: its resources have changed
            4.0s    resize web: its resources have changed
            4.0s    (ResizeCompleted: Resized container web)
            6.0s    Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
            6.0s      web: running, ready, 0 restarts
            6.0s      db: running, ready, 1 restarts, before: 143
        "#]],
    );
}
