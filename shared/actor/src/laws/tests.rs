//! The laws' own tests: decisions as text, and actors that break each law.

use expect_test::expect;

use super::*;
use crate::toy::{Greedy, Toy};

#[test]
fn a_decision_is_a_table() {
    check::<Toy>(
        "replicaset web replicas=3
         pod web-0 owner=replicaset/web running ready
         pod web-1 owner=replicaset/web failed
         pod other owner=replicaset/api running",
        expect![[r#"
            delete pod web-1: it has ended
            create pod web-2 image=image: a replica is missing [SuccessfulCreate]
            create pod web-3 image=image: a replica is missing [SuccessfulCreate]
            status readyReplicas=1 replicas=1
        "#]],
    );
}

#[test]
fn nothing_is_a_decision() {
    check::<Toy>(
        "replicaset web replicas=1 status.replicas=1 status.readyReplicas=1
         pod web-0 owner=replicaset/web ready",
        expect![[r#"
            nothing
        "#]],
    );
}

#[test]
fn the_marked_object_decides() {
    check::<Toy>(
        "replicaset a replicas=0\n> replicaset x/b replicas=1",
        expect![[r#"
        create pod x/b-0 image=image: a replica is missing [SuccessfulCreate]
    "#]],
    );
}

#[test]
fn a_story_ends_when_nothing_is_left_to_do() {
    story::<Toy>(
        "replicaset web replicas=2
         pod web-0 owner=replicaset/web failed
         pod web-5 owner=replicaset/web running ready node=n1",
        expect![[r#"
            replicaset web:
              delete pod web-0: it has ended
              create pod web-1 image=image: a replica is missing [SuccessfulCreate]
              status
            replicaset web:
              status
        "#]],
    );
}

#[test]
fn an_honest_actor_keeps_the_laws() {
    let most = |world: &World<'_>| match world.list::<api::views::Pod>(None).count() {
        0..=7 => Ok(()),
        many => Err(format!("{many} pods")),
    };
    Laws::of::<Toy>().always(most).hold(
        "replicaset web replicas=3
         pod web-0 owner=replicaset/web failed
         pod web-1 owner=replicaset/web terminating
         pod web-7 owner=replicaset/web running ready node=n1",
    );
}

#[test]
#[should_panic(expected = "does not settle")]
fn an_actor_that_never_has_enough_is_found() {
    hold_for::<Greedy>("replicaset web replicas=1");
}

#[test]
#[should_panic(expected = "one pod too many")]
fn a_broken_invariant_is_found() {
    Laws::of::<Toy>()
        .always(|world| match world.list::<api::views::Pod>(None).count() {
            0 => Ok(()),
            _ => Err("one pod too many".to_owned()),
        })
        .hold("replicaset web replicas=1");
}
