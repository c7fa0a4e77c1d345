//! A gateway with a NATS server of its own, for trying clients against it: prints where its kubeconfig is.

use bus::testing::NatsServer;
use gateway::{Config, Gateway};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "target/standalone".to_owned());
    let nats = NatsServer::start().await;
    let bus = nats.bus().await;
    let config = Config {
        listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        pki_dir: format!("{directory}/pki").into(),
        ..Config::default()
    };
    let gateway = Gateway::bind(config, bus).await?;
    let kubeconfig = gateway.pki().kubeconfig(&format!("https://{}", gateway.local_addr()));
    std::fs::write(format!("{directory}/kubeconfig"), kubeconfig)?;
    println!("{directory}/kubeconfig");
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        stop.cancel();
    });
    gateway.serve(shutdown).await?;
    Ok(())
}
