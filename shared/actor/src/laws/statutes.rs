//! The laws themselves, tried along random schedules of stale views and half-performed turns.

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::Expect;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::Value;

use super::cluster::Cluster;
use super::render;
use super::simulation::{Player, Pods, Simulation};
use crate::{ResourceActor, World, Write};

/// Rounds after which a world that still changes is said not to settle.
const MOST_ROUNDS: usize = 120;
/// How often time is moved on to the next wake after everything was quiet.
const MOST_WAKES: usize = 20;
/// Schedules that are tried.
const CASES: u32 = 48;

/// What must always be true; `Err` says what is wrong.
type Invariant = Box<dyn Fn(&World<'_>) -> Result<(), String>>;

/// Actors, the world around them, and what must hold.
pub struct Laws {
    players: Vec<Player>,
    pods: Pods,
    invariants: Vec<Invariant>,
    moves_time: bool,
}

/// One step of a bad day: some body takes a turn on an old view and is killed in the middle.
#[derive(Clone, Copy, Debug)]
struct BadTurn {
    who: u8,
    /// Changes that its view lacks.
    behind: u8,
    /// Mutations that are done before it dies.
    prefix: u8,
    /// Pods and time move on afterwards.
    evolves: bool,
}

impl Laws {
    /// The laws for one actor, in a world where pods run.
    pub fn of<A: ResourceActor<Command = Write>>() -> Self {
        Self { players: vec![Player::of::<A>()], pods: Pods::Run, invariants: Vec::new(), moves_time: true }
    }

    /// Adds an actor that the first one needs (a Deployment needs ReplicaSets to act).
    pub fn with<A: ResourceActor<Command = Write>>(mut self) -> Self {
        self.players.push(Player::of::<A>());
        self
    }

    /// What happens to pods by themselves.
    pub fn pods(mut self, pods: Pods) -> Self {
        self.pods = pods;
        self
    }

    /// Time stands still: for actors that never stop wanting things as it goes on (a CronJob).
    pub fn without_time(mut self) -> Self {
        self.moves_time = false;
        self
    }

    /// Something that must hold after every single turn, also those on stale views.
    pub fn always(mut self, invariant: impl Fn(&World<'_>) -> Result<(), String> + 'static) -> Self {
        self.invariants.push(Box::new(invariant));
        self
    }

    /// Tries everything on a cluster; panics with what breaks and how to get there.
    #[expect(clippy::panic, reason = "this is an assertion")]
    pub fn hold(&self, cluster: &str) {
        let cluster = Cluster::of(cluster);
        let mut calm = Simulation::of(&cluster, self.pods);
        if let Err(broken) = self.settle(&mut calm, &mut String::new()) {
            panic!("{broken}");
        }
        let wanted = summary(&calm);
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let tried =
            runner.run(&bad_day(), |day| self.survive(&cluster, &day, &wanted).map_err(TestCaseError::fail));
        if let Err(error) = tried {
            panic!("{error}");
        }
    }

    /// Plays a cluster until it settles, and compares every turn that did something with `expect`.
    #[expect(clippy::panic, reason = "this is an assertion")]
    pub fn story(&self, cluster: &str, expect: Expect) {
        let mut simulation = Simulation::of(&Cluster::of(cluster), self.pods);
        let mut story = String::new();
        if let Err(broken) = self.settle(&mut simulation, &mut story) {
            panic!("{broken}");
        }
        expect.assert_eq(&story);
    }

    /// Settles and idempotent: whole turns on the present view until nothing is left to do.
    fn settle(&self, world: &mut Simulation, story: &mut String) -> Result<(), String> {
        let mut wakes = 0;
        for _ in 0..MOST_ROUNDS {
            let (mut changed, mut next_wake) = (false, None::<Duration>);
            for player in &self.players {
                for body in world.bodies(*player) {
                    let turned = self.whole_turn(world, *player, &body)?;
                    if turned.0 {
                        story.push_str(&turned.1);
                    }
                    changed |= turned.0;
                    next_wake = [next_wake, turned.2].into_iter().flatten().min();
                }
            }
            if world.evolve() || changed {
                continue;
            }
            match next_wake.filter(|_| self.moves_time && wakes < MOST_WAKES) {
                Some(delay) => {
                    world.now = world.now.plus(delay);
                    wakes += 1;
                }
                None => return Ok(()),
            }
        }
        Err(format!("does not settle within {MOST_ROUNDS} rounds; it did:\n{}", tail(story)))
    }

    /// One turn, and the law of idempotence about it: the same decision again asks for nothing that is not done.
    fn whole_turn(
        &self,
        world: &mut Simulation,
        player: Player,
        body: &api::ObjectKey,
    ) -> Result<(bool, String, Option<Duration>), String> {
        let before = world.view_at(world.age());
        let first = world.think(player, body, &before);
        let second = world.think(player, body, &before);
        let shape = |thought: &Option<(_, crate::Thought)>| {
            thought.as_ref().map(|(_, thought)| (thought.commands.clone(), thought.status.clone()))
        };
        if shape(&first) != shape(&second) {
            return Err(format!("{} decides differently about the same world", render::show(body)));
        }
        let view = std::sync::Arc::clone(&world.view);
        let turned = world.turn(player, body, &view, usize::MAX);
        self.check(world)?;
        let repeated = world.turn(player, body, &before, usize::MAX);
        if repeated.changed > 0 {
            return Err(format!("doing the same again is not nothing for {}", repeated.text));
        }
        Ok((turned.changed > 0, turned.text, turned.wake_after))
    }

    /// Crash-safe: after a bad day it settles where it would have settled without.
    fn survive(
        &self,
        cluster: &Cluster,
        day: &[BadTurn],
        wanted: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let mut world = Simulation::of(cluster, self.pods);
        let beginning = world.age();
        for step in day {
            let bodies: Vec<_> = self
                .players
                .iter()
                .flat_map(|player| world.bodies(*player).into_iter().map(move |body| (*player, body)))
                .collect();
            let Some((player, body)) = bodies.get(usize::from(step.who) % bodies.len().max(1)) else { break };
            let seen = world.age().saturating_sub(usize::from(step.behind)).max(beginning);
            let view = world.view_at(seen);
            world.turn(*player, body, &view, usize::from(step.prefix));
            self.check(&world).map_err(|broken| format!("{broken}\nafter a turn of {}", player.name))?;
            if step.evolves {
                world.evolve();
            }
        }
        self.settle(&mut world, &mut String::new())?;
        let found = summary(&world);
        match found == *wanted {
            true => Ok(()),
            false => Err(format!("settles elsewhere after crashes:\n{}", difference(wanted, &found))),
        }
    }

    fn check(&self, world: &Simulation) -> Result<(), String> {
        let world = World::new(world.view.read(), &world.facts);
        self.invariants.iter().try_for_each(|invariant| invariant(&world))
    }
}

fn bad_day() -> impl Strategy<Value = Vec<BadTurn>> {
    let turn = (any::<u8>(), 0..6_u8, 0..4_u8, any::<bool>());
    let turn = turn.prop_map(|(who, behind, prefix, evolves)| BadTurn { who, behind, prefix, evolves });
    proptest::collection::vec(turn, 0..24)
}

/// What must be the same however a world got there: how many objects each owner has of each kind, and the numbers of statuses.
/// Names, times and the generations of specs may differ.
fn summary(world: &Simulation) -> BTreeMap<String, String> {
    let reader = world.view.read();
    let resources: Vec<_> = reader.resources().collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for stored in resources.into_iter().flat_map(|resource| reader.list(resource, None)) {
        match stored.metadata.controller() {
            Some(owner) => {
                *counts.entry(format!("{} of {}", stored.key.resource, owner.name)).or_default() += 1
            }
            None => {
                let value = stored.value();
                let status = value.get("status").and_then(Value::as_object).into_iter().flatten();
                let numbers = status.filter(|(key, value)| value.is_number() && *key != "observedGeneration");
                let numbers: Vec<String> = numbers.map(|(key, value)| format!("{key}={value}")).collect();
                found.insert(render::show(&stored.key), numbers.join(" "));
            }
        }
    }
    found.extend(counts.into_iter().map(|(what, count)| (what, count.to_string())));
    found
}

fn difference(wanted: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for what in wanted.keys().chain(found.keys().filter(|what| !wanted.contains_key(*what))) {
        let show =
            |side: &BTreeMap<String, String>| side.get(what).cloned().unwrap_or_else(|| "none".to_owned());
        if wanted.get(what) != found.get(what) {
            text.push_str(&format!("  {what}: {} instead of {}\n", show(found), show(wanted)));
        }
    }
    text
}

/// The end of a long story.
fn tail(story: &str) -> String {
    let lines: Vec<&str> = story.lines().collect();
    lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
}
