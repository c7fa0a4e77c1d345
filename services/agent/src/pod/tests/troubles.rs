//! What pods meet: probes that fail, hooks that fail, things that are missing.

use expect_test::expect;

use super::check;

#[test]
fn readiness_follows_its_probe() {
    check(
        "container web readiness
           web Readiness fails
           settle
           status
           web Readiness passes
           wait 2s
           status
           web Readiness fails
           wait 31s
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               0.0s    Running +PodReadyToStartContainers +Initialized -Ready -ContainersReady
               0.0s      web: running, 0 restarts
               2.0s    Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               2.0s      web: running, ready, 0 restarts
               30.1s   (Unhealthy: Readiness probe failed: connection refused)
               33.0s   Running +PodReadyToStartContainers +Initialized -Ready -ContainersReady
               33.0s     web: running, 0 restarts
           "#]],
    );
}

#[test]
fn failing_liveness_restarts_the_container() {
    check(
        "container web liveness
           settle
           wait 15s
           web Liveness fails
           wait 30s
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               40.0s   (Unhealthy: Liveness probe failed: connection refused)
               40.0s   terminate web: its liveness probe failed
               40.0s   run web again (1): it has exited with code 143
               45.0s   Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               45.0s     web: running, ready, 1 restarts, before: 143
           "#]],
    );
}

#[test]
fn liveness_waits_for_the_startup_probe() {
    check(
        "container web startup liveness
           web Startup fails
           web Liveness fails
           settle
           wait 15s
           status
           web Startup passes
           web Liveness passes
           wait 10s
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               15.0s   Running +PodReadyToStartContainers +Initialized -Ready -ContainersReady
               15.0s     web: running, 0 restarts
               25.0s   Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               25.0s     web: running, ready, 0 restarts
           "#]],
    );
}

#[test]
fn an_image_that_cannot_be_pulled_is_tried_again_later_and_later() {
    check(
        "container web
           web has ErrImagePull
           settle
           status
           wait 5s
           status
           wait 30s
           web is mended
           wait 30s
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               0.0s    (Failed: Error: ErrImagePull: it is not there)
               0.0s    Pending +PodReadyToStartContainers +Initialized -Ready -ContainersReady
               0.0s      web: waiting ErrImagePull, 0 restarts
               5.0s    Pending +PodReadyToStartContainers +Initialized -Ready -ContainersReady
               5.0s      web: waiting ImagePullBackOff, 0 restarts
               10.0s   run web: it has never run
               30.0s   run web: it has never run
               65.0s   Pending +PodReadyToStartContainers +Initialized -Ready -ContainersReady
               65.0s     web: waiting ImagePullBackOff, 0 restarts
           "#]],
    );
}

#[test]
fn missing_configuration_is_waited_for() {
    check(
        "container web
           web has CreateContainerConfigError
           settle
           status
           web is mended
           wait 3s
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               0.0s    (Failed: Error: CreateContainerConfigError: it is not there)
               0.0s    Pending +PodReadyToStartContainers +Initialized -Ready -ContainersReady
               0.0s      web: waiting CreateContainerConfigError, 0 restarts
               2.0s    run web: it has never run
               3.0s    Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               3.0s      web: running, ready, 0 restarts
           "#]],
    );
}

#[test]
fn a_failed_post_start_hook_kills() {
    check(
        "container web poststart
           web PostStart fails
           settle
           web PostStart passes
           wait 20s
           status",
        expect![[r#"
               0.0s    create sandbox: the pod has no sandbox
               0.0s    run web: it has never run
               0.0s    run postStart hook of web: it has started
               0.0s    (FailedPostStartHook: PostStartHook of container web failed: it exited with 1)
               0.0s    terminate web: its postStart hook failed
               0.0s    run web again (1): it has exited with code 143
               0.0s    run postStart hook of web: it has started
               0.0s    (FailedPostStartHook: PostStartHook of container web failed: it exited with 1)
               0.0s    terminate web: its postStart hook failed
               10.0s   run web again (2): it has exited with code 143
               10.0s   run postStart hook of web: it has started
               10.0s   remove an old container: a newer instance has replaced it
               20.0s   Running +PodReadyToStartContainers +Initialized +Ready +ContainersReady
               20.0s     web: running, ready, 2 restarts, before: 143
           "#]],
    );
}

#[test]
fn pods_for_another_operating_system_are_rejected() {
    check(
        "pod os=windows
         container web
         settle
         status",
        expect![[r#"
            0.0s    Failed (PodOSNotSupported) -PodReadyToStartContainers +Initialized -Ready -ContainersReady
        "#]],
    );
    check(
        "pod os=linux\n container web\n settle",
        expect![[r#"
        0.0s    create sandbox: the pod has no sandbox
        0.0s    run web: it has never run
    "#]],
    );
}
