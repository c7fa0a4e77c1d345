//! Runs what must be in time on a thread and a connection of its own.

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::connection::{Bus, BusConfig};
use crate::error::BusError;

/// Work that runs apart. It ends when this is dropped.
#[derive(Debug)]
pub struct Express {
    _stop: oneshot::Sender<()>,
}

impl Bus {
    /// Runs `work` apart: neither what this process computes nor what its other connection carries delays it. Heartbeats go this
    /// way, so that a node under load is not taken for a lost one. The new connection is named `name`.
    pub async fn express<W, F>(&self, name: &str, work: W) -> Result<Express, BusError>
    where
        W: FnOnce(Bus) -> F + Send + 'static,
        F: Future<Output = ()>,
    {
        let config = BusConfig { name: name.to_owned(), ..self.inner.config.clone() };
        let (told, is_connected) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build().map_err(BusError::Thread)?;
        let run = move || {
            runtime.block_on(async move {
                let bus = match Bus::connect(config).await {
                    Ok(bus) => bus,
                    Err(error) => return drop(told.send(Err(error))),
                };
                if told.send(Ok(())).is_err() {
                    return;
                }
                tokio::select! {
                    () = work(bus) => {}
                    _ = stopped => {}
                }
            });
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(BusError::Thread)?;
        let ended = |_| BusError::Thread(std::io::Error::other("it ended before it was connected"));
        is_connected.await.map_err(ended)??;
        Ok(Express { _stop: stop })
    }
}
