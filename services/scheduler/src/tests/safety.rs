//! The law: whatever happens in whatever order, no node is over-committed, and no fitting pod waits.

use std::collections::HashMap;

use proptest::prelude::*;

use super::cluster::{apply, brain};
use crate::decide::Outcome;

#[derive(Clone, Debug)]
enum Step {
    Pod { owner: u8, cpu: u16 },
    Ends { nth: usize },
    Fails { nth: usize },
    Decide { limit: usize },
    Node { name: u8, cpu: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_u8, 1..20_u16).prop_map(|(owner, tenths)| Step::Pod { owner, cpu: tenths * 100 }),
        1 => (0..50_usize).prop_map(|nth| Step::Ends { nth }),
        1 => (0..50_usize).prop_map(|nth| Step::Fails { nth }),
        3 => (1..20_usize).prop_map(|limit| Step::Decide { limit }),
        1 => (0..5_u8, 1..5_u16).prop_map(|(name, cores)| Step::Node { name, cpu: cores * 1000 }),
    ]
}

proptest! {
    #[test]
    fn never_over_commits(steps in prop::collection::vec(step(), 1..120)) {
        let mut brain = brain("");
        let (mut revision, mut pods) = (0, 0);
        // Pods: cpu and owner, and where they are.
        let mut asked: HashMap<String, (u16, u8)> = HashMap::new();
        let mut bound: Vec<(String, String)> = Vec::new();
        let mut sizes: HashMap<String, u16> = HashMap::new();
        for step in steps {
            revision += 1;
            match step {
                Step::Pod { owner, cpu } => {
                    pods += 1;
                    asked.insert(format!("p{pods}"), (cpu, owner));
                    apply(&mut brain, &format!("pod p{pods} owner=o{owner} cpu={cpu}m"), revision);
                }
                Step::Ends { nth } if !bound.is_empty() => {
                    let (pod, node) = bound.remove(nth % bound.len());
                    let (cpu, owner) = asked[&pod];
                    apply(&mut brain, &format!("pod {pod} owner=o{owner} cpu={cpu}m on={node} phase=Failed"), revision);
                }
                Step::Fails { nth } if !bound.is_empty() => {
                    let (pod, _) = bound.remove(nth % bound.len());
                    let (cpu, owner) = asked[&pod];
                    brain.failed(&pod.as_str().into(), None);
                    apply(&mut brain, &format!("pod {pod} owner=o{owner} cpu={cpu}m"), revision);
                }
                Step::Ends { .. } | Step::Fails { .. } => {}
                Step::Node { name, cpu } => {
                    // Nodes only grow: what a user takes away from a node is not the scheduler's doing.
                    let size = sizes.entry(format!("n{name}")).or_default();
                    *size = cpu.max(*size);
                    apply(&mut brain, &format!("node n{name} cpu={size}m"), revision);
                }
                Step::Decide { limit } => {
                    for outcome in brain.decide(limit) {
                        if let Outcome::Bind { pod, node, .. } = outcome {
                            bound.push((pod.key.name.to_string(), node.to_string()));
                        }
                    }
                }
            }
            for (node, size) in &sizes {
                let used: u16 = bound.iter().filter(|(_, on)| on == node).map(|(pod, _)| asked[pod].0).sum();
                prop_assert!(used <= *size, "{node} has {size}m and {used}m are used");
            }
        }
        brain.decide(1000);
        let waiting = brain.waiting();
        prop_assert!(brain.decide(1000).is_empty(), "deciding again adds nothing");
        prop_assert_eq!(brain.waiting(), waiting);
    }
}
