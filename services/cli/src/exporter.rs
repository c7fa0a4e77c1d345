//! `odeon nats-exporter`: NATS servers' own monitoring (`/varz`, `/jsz`) as Prometheus metrics.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use prometheus::GaugeVec;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// How often the servers are asked.
const EVERY: Duration = Duration::from_secs(5);
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Export NATS servers' own figures to Prometheus
#[derive(clap::Args, Clone, Debug)]
pub struct Exporter {
    /// A server's monitoring address: http://nats-1:8222 (repeatable)
    #[arg(long, required = true)]
    target: Vec<String>,
}

/// One exported figure: metric, help, page, JSON pointer.
struct Figure {
    name: &'static str,
    help: &'static str,
    page: &'static str,
    pointer: &'static str,
}

const FIGURES: &[Figure] = &[
    Figure {
        name: "odeon_nats_connections",
        help: "Client connections.",
        page: "varz",
        pointer: "/connections",
    },
    Figure {
        name: "odeon_nats_in_msgs",
        help: "Messages received since start.",
        page: "varz",
        pointer: "/in_msgs",
    },
    Figure {
        name: "odeon_nats_out_msgs",
        help: "Messages sent since start.",
        page: "varz",
        pointer: "/out_msgs",
    },
    Figure {
        name: "odeon_nats_in_bytes",
        help: "Bytes received since start.",
        page: "varz",
        pointer: "/in_bytes",
    },
    Figure {
        name: "odeon_nats_out_bytes",
        help: "Bytes sent since start.",
        page: "varz",
        pointer: "/out_bytes",
    },
    Figure {
        name: "odeon_nats_slow_consumers",
        help: "Slow consumers since start.",
        page: "varz",
        pointer: "/slow_consumers",
    },
    Figure {
        name: "odeon_nats_subscriptions",
        help: "Subscriptions.",
        page: "varz",
        pointer: "/subscriptions",
    },
    Figure { name: "odeon_nats_memory_bytes", help: "Resident memory.", page: "varz", pointer: "/mem" },
    Figure {
        name: "odeon_nats_cpu_percent",
        help: "CPU in percent of a core.",
        page: "varz",
        pointer: "/cpu",
    },
    Figure {
        name: "odeon_nats_jetstream_storage_bytes",
        help: "Bytes of streams on disk.",
        page: "jsz",
        pointer: "/storage",
    },
    Figure {
        name: "odeon_nats_jetstream_memory_bytes",
        help: "Bytes of streams in memory.",
        page: "jsz",
        pointer: "/memory",
    },
    Figure {
        name: "odeon_nats_jetstream_messages",
        help: "Messages in streams.",
        page: "jsz",
        pointer: "/messages",
    },
    Figure { name: "odeon_nats_jetstream_streams", help: "Streams.", page: "jsz", pointer: "/streams" },
    Figure { name: "odeon_nats_jetstream_consumers", help: "Consumers.", page: "jsz", pointer: "/consumers" },
];

static UP: LazyLock<GaugeVec> = LazyLock::new(|| {
    telemetry::metrics::gauge_vec("odeon_nats_up", "Whether the server's monitoring answers.", &["server"])
});

/// Asks the servers until `shutdown`.
pub async fn run(options: &Exporter, shutdown: CancellationToken) -> Result<()> {
    let gauges: Vec<(&Figure, GaugeVec)> = FIGURES
        .iter()
        .map(|figure| (figure, telemetry::metrics::gauge_vec(figure.name, figure.help, &["server"])))
        .collect();
    loop {
        for target in &options.target {
            let server = target.trim_start_matches("http://").trim_end_matches('/');
            let result = tokio::time::timeout(PATIENCE, export(server, &gauges)).await;
            let outcome = result.unwrap_or_else(|_| bail!("no answer"));
            UP.with_label_values(&[server]).set(f64::from(u8::from(outcome.is_ok())));
            if let Err(error) = outcome {
                tracing::debug!(server, %error, "nats monitoring does not answer");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn export(server: &str, gauges: &[(&Figure, GaugeVec)]) -> Result<()> {
    for page in ["varz", "jsz"] {
        let answer = fetch(server, page).await?;
        for (figure, gauge) in gauges.iter().filter(|(figure, _)| figure.page == page) {
            if let Some(value) = answer.pointer(figure.pointer).and_then(Value::as_f64) {
                gauge.with_label_values(&[server]).set(value);
            }
        }
    }
    Ok(())
}

/// One GET over HTTP/1.0, which needs no client library: the answer ends with the connection.
async fn fetch(server: &str, page: &str) -> Result<Value> {
    let mut stream =
        TcpStream::connect(server).await.with_context(|| format!("cannot connect to {server}"))?;
    stream.write_all(format!("GET /{page} HTTP/1.0\r\nHost: {server}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let (_, body) = text.split_once("\r\n\r\n").context("not an HTTP answer")?;
    serde_json::from_str(body).context("not JSON")
}
