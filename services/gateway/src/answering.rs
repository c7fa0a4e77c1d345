//! Answers what agents and controllers ask over the bus, many questions at the same time.

use std::sync::Arc;

use bus::{Delivery, Subscription};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One gateway answers each question.
pub const GROUP: &str = "gateways";
/// So many questions of one subject are answered at the same time; the others wait.
const MOST_AT_ONCE: usize = 256;

/// Answers until `shutdown`; what is being answered then is answered.
pub async fn serve<Q, A>(
    mut questions: Subscription<Q>,
    shutdown: CancellationToken,
    answer: impl Fn(Delivery<Q>) -> A,
) where
    Q: DeserializeOwned,
    A: Future<Output = ()> + Send + 'static,
{
    let (tasks, seats) = (TaskTracker::new(), Arc::new(Semaphore::new(MOST_AT_ONCE)));
    while let Some(Some(question)) = shutdown.run_until_cancelled(questions.next()).await {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { break };
        let answering = answer(question);
        tasks.spawn(async move {
            answering.await;
            drop(seat);
        });
    }
    tasks.close();
    tasks.wait().await;
}
