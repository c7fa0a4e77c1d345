//! The law of preemption: only who is less important goes, only where that helps, and who waits for it gets the room.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::cluster::{apply, brain};
use crate::brain::Brain;
use crate::decide::Outcome;

#[derive(Clone, Copy, Debug)]
struct Asked {
    cpu: u16,
    priority: u8,
}

/// What the test knows about the cluster, told by outcomes alone.
#[derive(Default)]
struct Known {
    asked: HashMap<String, Asked>,
    bound: BTreeMap<String, String>,
    leaving: BTreeMap<String, String>,
    nominated: HashMap<String, String>,
    revision: u64,
}

impl Known {
    fn decide(&mut self, brain: &mut Brain) -> Result<bool, TestCaseError> {
        let outcomes = brain.decide(1000);
        for outcome in &outcomes {
            match outcome {
                Outcome::Bind { pod, node, .. } => {
                    self.nominated.remove(&*pod.key.name);
                    self.bound.insert(pod.key.name.to_string(), node.to_string());
                }
                Outcome::Preempt { pod, node, victims, .. } => {
                    for victim in victims {
                        let name = &*victim.key.name;
                        let place = self.bound.remove(name);
                        prop_assert_eq!(place.as_deref(), Some(node.as_str()), "{} is there", name);
                        let (theirs, ours) = (self.asked[name], self.asked[&*pod.key.name]);
                        prop_assert!(theirs.priority < ours.priority, "{} is less important", name);
                        self.leaving.insert(name.to_owned(), node.to_string());
                    }
                    self.nominated.insert(pod.key.name.to_string(), node.to_string());
                }
                Outcome::Unplaced { pod, .. } => drop(self.nominated.remove(&*pod.key.name)),
                Outcome::Choose { .. } => {}
            }
        }
        Ok(!outcomes.is_empty())
    }

    fn apply(&mut self, brain: &mut Brain, line: &str) {
        self.revision += 1;
        apply(brain, line, self.revision);
    }

    fn all_leave(&mut self, brain: &mut Brain) {
        for (name, _) in std::mem::take(&mut self.leaving) {
            self.asked.remove(&name);
            self.apply(brain, &format!("gone {name}"));
        }
    }
}

proptest! {
    #[test]
    fn the_more_important_get_the_room(
        nodes in prop::collection::vec(1..5_u16, 1..4),
        pods in prop::collection::vec((1..30_u16, 0..4_u8, any::<bool>()), 1..40),
    ) {
        let (mut brain, mut known) = (brain(""), Known::default());
        for (at, cores) in nodes.iter().enumerate() {
            known.apply(&mut brain, &format!("node n{at} cpu={cores}"));
        }
        for (at, (tenths, priority, pause)) in pods.into_iter().enumerate() {
            let cpu = tenths * 100;
            known.asked.insert(format!("p{at}"), Asked { cpu, priority });
            known.apply(&mut brain, &format!("pod p{at} cpu={cpu}m priority={priority}"));
            if pause {
                known.decide(&mut brain)?;
            }
            for (node, cores) in nodes.iter().enumerate() {
                let here = known.bound.iter().chain(&known.leaving).filter(|(_, on)| **on == format!("n{node}"));
                let used: u16 = here.map(|(pod, _)| known.asked[pod].cpu).sum();
                prop_assert!(used <= cores * 1000, "n{node} has {cores} and {used}m are used");
            }
        }
        let mut rounds = 0;
        while known.decide(&mut brain)? || !known.leaving.is_empty() {
            known.all_leave(&mut brain);
            rounds += 1;
            prop_assert!(rounds < 200, "it settles");
        }
        prop_assert!(known.nominated.is_empty(), "whoever was promised room has it, or knows that it has not");
        // Nobody waits where pods that are less important would have made room.
        for (pod, Asked { cpu, priority }) in known.asked.iter().filter(|(pod, _)| !known.bound.contains_key(*pod)) {
            for (node, cores) in nodes.iter().enumerate() {
                let here = known.bound.iter().filter(|(_, on)| **on == format!("n{node}"));
                let firm: u16 = here.map(|(pod, _)| known.asked[pod]).filter(|it| it.priority >= *priority).map(|it| it.cpu).sum();
                prop_assert!(firm + cpu > cores * 1000, "{pod} would fit on n{node}");
            }
        }
    }
}
