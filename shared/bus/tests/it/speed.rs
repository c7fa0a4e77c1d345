//! How fast the store writes. Not part of the usual run: `cargo nextest run -p bus --run-ignored only --no-capture speed`.

use std::time::{Duration, Instant};

use bus::testing::NatsServer;

use crate::support::{create, update};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn writes_per_second() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let view = bus.view().await.unwrap();
    for writers in [1_usize, 2, 4, 8, 16, 64, 256, 1_000, 4_000] {
        let until = Instant::now() + Duration::from_secs(3);
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let store = bus.store();
                tokio::spawn(async move {
                    let name = format!("o-{writers}-{writer}");
                    let mut at = store.write(create(&name, 0)).await.unwrap();
                    let mut took = Vec::new();
                    while Instant::now() < until {
                        let begun = Instant::now();
                        at = store.write(update(&name, at, 1)).await.unwrap();
                        took.push(begun.elapsed());
                    }
                    took
                })
            })
            .collect();
        let mut took = Vec::new();
        for task in tasks {
            took.extend(task.await.unwrap());
        }
        took.sort();
        let at = |part: usize| took[(took.len() - 1) * part / 100];
        let (rate, p50, p99) = (took.len() / 3, at(50), at(99));
        println!("{writers:5} writers: {rate:6} writes/s, p50 {p50:?}, p99 {p99:?}");
    }
    println!("view at {}", view.revision());
}
