//! Start until ready, and idle memory.

use std::time::Duration;

use anyhow::Result;

use super::cluster::BenchCluster;
use super::figures::Figure;

/// How often a cluster is started.
const STARTS: usize = 5;
/// An idle cluster's memory is read after it has been left alone for so long.
const SETTLE: Duration = Duration::from_secs(3);

/// Starts clusters and looks at the last one at rest.
pub async fn measure() -> Result<Vec<Figure>> {
    let mut boots = Vec::new();
    for start in 1..=STARTS {
        let cluster = BenchCluster::start(&["--runtime", "hollow"]).await?;
        boots.push(cluster.boot);
        if start == STARTS {
            tokio::time::sleep(SETTLE).await;
            let memory = cluster.memory();
            cluster.stop().await?;
            return Ok(vec![
                Figure::of_durations("start until ready", &boots, Some(1000.0)),
                Figure::single("idle memory, NATS included", memory, "MiB", Some(64.0)),
            ]);
        }
        cluster.stop().await?;
    }
    Ok(Vec::new())
}
