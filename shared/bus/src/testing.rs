//! A real `nats-server` for tests: own port, own store directory, gone when dropped.
#![expect(clippy::panic, clippy::expect_used, reason = "a test that has no server cannot go on")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::{Bus, BusConfig, Layout};

/// How long the server may take to start.
const START: Duration = Duration::from_secs(20);

/// A running server.
pub struct NatsServer {
    child: Option<Child>,
    port: u16,
    directory: TempDir,
    /// The configuration; address and store are given on the command line.
    config: PathBuf,
    /// Environment variables that the configuration refers to.
    environment: Vec<(String, String)>,
}

impl NatsServer {
    /// Starts a server that syncs every write, as the real one does.
    pub async fn start() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let config = directory.path().join("nats.conf");
        std::fs::write(&config, "max_payload: 2MB\njetstream { sync_interval: always }\n")
            .expect("a configuration");
        Self::start_in(directory, config, Vec::new()).await
    }

    /// Starts a server with a configuration as it is shipped, but for its store directory `/data`.
    pub async fn start_from(config: &Path, environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        for file in std::fs::read_dir(config.parent().expect("a directory")).expect("a directory").flatten() {
            let text = std::fs::read_to_string(file.path()).expect("a text file");
            let text = text.replace("  store_dir: /data\n", "");
            std::fs::write(directory.path().join(file.file_name()), text).expect("a copy");
        }
        let config = directory.path().join(config.file_name().expect("a file"));
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self::start_in(directory, config, environment.collect()).await
    }

    /// Starts three servers that form a cluster.
    pub async fn start_cluster() -> Vec<Self> {
        let routes: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let urls: Vec<String> = routes.iter().map(|port| format!("nats-route://127.0.0.1:{port}")).collect();
        let mut servers = Vec::new();
        for (number, port) in (1..).zip(&routes) {
            let directory = TempDir::new().expect("a temporary directory");
            let config = directory.path().join("nats.conf");
            let text = format!(
                "server_name: n{number}\nmax_payload: 2MB\njetstream {{ sync_interval: always }}\n\
                 cluster {{ name: test, listen: \"127.0.0.1:{port}\", routes: {urls:?} }}\n"
            );
            std::fs::write(&config, text).expect("a configuration");
            servers.push(Self::start_in(directory, config, Vec::new()).await);
        }
        servers
    }

    async fn start_in(directory: TempDir, config: PathBuf, environment: Vec<(String, String)>) -> Self {
        let mut server = Self { child: None, port: free_port(), directory, config, environment };
        server.run().await;
        server
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it (SIGKILL) and starts it again on the same port and store.
    pub async fn restart(&mut self) {
        self.kill();
        self.run().await;
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again after `kill`.
    pub async fn run(&mut self) {
        let log = std::fs::File::create(self.directory.path().join("log")).expect("a log file");
        let child = Command::new(binary())
            .args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-m", &free_port().to_string(), "-c"])
            .arg(&self.config)
            .arg("-sd")
            .arg(self.directory.path().join("store"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nats-server starts: put it on the PATH or name it in ODEON_NATS_SERVER");
        self.child = Some(child);
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("nats-server does not listen: {log}");
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// A new connection.
    pub async fn connect(&self) -> Bus {
        Bus::connect(self.config()).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// How to connect.
    pub fn config(&self) -> BusConfig {
        BusConfig { servers: vec![self.url()], name: "test".to_owned(), ..BusConfig::default() }
    }

    /// A new connection to a bucket that is laid out.
    pub async fn bus(&self) -> Bus {
        let bus = self.connect().await;
        provisioned(&bus, Layout::default()).await;
        bus
    }
}

/// Lays the bucket out as soon as the server can.
pub async fn provisioned(bus: &Bus, layout: Layout) {
    let deadline = Instant::now() + START;
    while let Err(error) = bus.provision(layout.clone()).await {
        assert!(Instant::now() < deadline, "{error}");
        sleep(Duration::from_millis(20)).await;
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|it| it.local_addr()).expect("a free port").port()
}

fn binary() -> PathBuf {
    let local = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../bin/nats-server"));
    match std::env::var_os("ODEON_NATS_SERVER") {
        Some(named) => named.into(),
        None if local.exists() => local,
        None => "nats-server".into(),
    }
}
