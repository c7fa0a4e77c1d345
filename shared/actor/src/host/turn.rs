//! One turn of a resource actor: observe, decide, perform.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use api::ObjectKey;
use bus::View;
use telemetry::metrics::Histogram;

use super::brain::Brain;
use crate::hands::Act;
use crate::hands::plan::{Bases, StatusChange};
use crate::stage::{After, Performer, Reasons};
use crate::{Facts, Hands, Partitions, Performed, Refusal, TurnError, World};

/// The turns of one brain.
pub(crate) struct Turns<B> {
    hands: Hands,
    view: Arc<View>,
    facts: Arc<Facts>,
    partitions: Arc<Partitions>,
    decide_seconds: Histogram,
    brain: PhantomData<fn() -> B>,
}

impl<B: Brain> Turns<B> {
    pub(super) fn new(hands: Hands, view: Arc<View>, facts: Arc<Facts>, partitions: Arc<Partitions>) -> Self {
        let decide_seconds = telemetry::metrics::histogram_vec(
            "odeon_decide_seconds",
            "How long actors thought about one turn.",
            &["kind"],
            telemetry::metrics::SECONDS,
        )
        .with_label_values(&[B::NAME]);
        Self { hands, view, facts, partitions, decide_seconds, brain: PhantomData }
    }

    /// What was not admitted is a fact for the next turn.
    fn remember(&self, key: &ObjectKey, acted: &Result<Performed, TurnError>) {
        match acted {
            Ok(_) => self.facts.note_refusal(key, None),
            Err(error) => {
                let refusal = error.source.as_ref().and_then(|source| source.downcast_ref::<Refusal>());
                if let Some(refusal) = refusal {
                    self.facts.note_refusal(key, Some(refusal.clone()));
                }
            }
        }
    }

    /// Nothing is left to do for an object, or others do it.
    fn retire(&self, key: &ObjectKey) -> After {
        self.facts.note_refusal(key, None);
        After::Retire
    }
}

impl<B: Brain> Performer for Turns<B> {
    type Key = ObjectKey;

    async fn turn(&self, key: &ObjectKey, reasons: &Reasons) -> Result<After, TurnError> {
        if !self.partitions.owns(key) {
            return Ok(self.retire(key));
        }
        let (me, thought, bases, questions) = {
            let world = World::new(self.view.read(), &self.facts);
            let Some(me) = world.stored(key).cloned() else { return Ok(self.retire(key)) };
            let started = Instant::now();
            let thought = B::think(&me, &world, telemetry::clock::now());
            self.decide_seconds.observe(started.elapsed().as_secs_f64());
            let bases = Bases::collect(world.reader(), &thought.commands, Some(&me));
            let questions = self.hands.questions(world.reader(), &thought.commands);
            (me, thought, bases, questions)
        };
        let status =
            thought.status.map(|status| StatusChange { key: key.clone(), seen: me.revision, status });
        let act = Act {
            object: Some(key),
            uid: me.metadata.uid.clone(),
            trigger: reasons.to_string(),
            parent: reasons.cause(Some(key)),
            writes: thought.commands,
            status,
            bases,
            questions,
        };
        let writes = !act.writes.is_empty();
        let acted = self.hands.act(act).await;
        if writes {
            self.remember(key, &acted);
        }
        acted?;
        Ok(thought.wake_after.map_or(After::Idle, After::WakeIn))
    }
}
