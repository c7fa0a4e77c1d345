//! The NATS server of `odeon up`: a child process that ends with its parent and is started again if it dies.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};

use super::lock::DataDir;

/// How long a server may take to say where it listens.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// How long a server may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// A server that dies so often is not started again.
const MAX_RESTARTS: u32 = 5;
/// How much garbage the server gathers before it collects, in percent of what it uses. Most of what it handles is gone at once, so that
/// collecting costs little, and a machine that runs everything has better uses for memory.
pub const GARBAGE: &str = "40";

/// The running server.
pub struct NatsChild {
    port: u16,
    password: String,
    /// Asks the supervisor to stop the server; it answers when that is done.
    stop: mpsc::Sender<oneshot::Sender<()>>,
    /// Why the supervisor gave up, if it did.
    gave_up: watch::Receiver<Option<String>>,
}

impl NatsChild {
    /// Writes the configuration, starts the server and waits until it listens.
    ///
    /// # Errors
    /// There is no nats-server, the port is taken, or it does not start; its own last words are quoted.
    pub async fn start(data: &DataDir, program: Option<&Path>, port: u16) -> Result<Self> {
        let program = find_program(program)?;
        let password = password(data)?;
        let mut launch = Launch { program, data_root: data.path(""), port, config: data.path("nats.conf") };
        std::fs::write(&launch.config, launch.configuration(&password)).context("cannot write nats.conf")?;
        std::fs::set_permissions(&launch.config, Permissions::from_mode(0o600))
            .context("cannot protect nats.conf")?;
        let child = launch.start().await?;
        // Clients reconnect to the same address, so a server that is started again must have the same port.
        launch.port = launch.await_port(&child).await?;
        std::fs::write(data.path("nats.url"), format!("nats://127.0.0.1:{}", launch.port))
            .context("cannot write nats.url")?;
        let (stop, stops) = mpsc::channel(1);
        let (reason, gave_up) = watch::channel(None);
        let port = launch.port;
        tokio::spawn(supervise(launch, child, stops, reason));
        Ok(Self { port, password, stop, gave_up })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// User and password.
    pub fn credentials(&self) -> (String, String) {
        ("control".to_owned(), self.password.clone())
    }

    /// Resolves when the server has died too often.
    pub async fn gave_up(&self) -> anyhow::Error {
        let mut gave_up = self.gave_up.clone();
        match gave_up.wait_for(Option::is_some).await {
            Ok(reason) => anyhow!("{}", reason.clone().unwrap_or_default()),
            Err(_) => anyhow!("the NATS server's supervisor ended"),
        }
    }

    /// Stops the server in order.
    pub async fn stop(self) {
        let (done, stopped) = oneshot::channel();
        if self.stop.send(done).await.is_ok() {
            let _ = stopped.await;
        }
    }
}

/// How the server is started.
struct Launch {
    program: PathBuf,
    data_root: PathBuf,
    /// 0 until the server has chosen.
    port: u16,
    config: PathBuf,
}

impl Launch {
    fn configuration(&self, password: &str) -> String {
        let root = self.data_root.display();
        format!(
            "# Written by `odeon up` at every start.\n\
             host: 127.0.0.1\n\
             server_name: odeon-up\n\
             ports_file_dir: \"{root}\"\n\
             max_payload: 2MB\n\
             jetstream {{ store_dir: \"{root}/nats\", sync_interval: always }}\n\
             authorization {{ users: [ {{ user: control, password: \"{password}\" }} ] }}\n"
        )
    }

    async fn start(&self) -> Result<Child> {
        let log = std::fs::File::create(self.data_root.join("nats.log")).context("cannot write nats.log")?;
        let port = if self.port == 0 { "-1".to_owned() } else { self.port.to_string() };
        let mut command = Command::new(&self.program);
        command
            .args(["--config".as_ref(), self.config.as_os_str(), "--port".as_ref(), port.as_ref()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .env("GOGC", std::env::var_os("GOGC").unwrap_or_else(|| GARBAGE.into()))
            // Ctrl-C is for us; the server is stopped when everything else has stopped.
            .process_group(0)
            .kill_on_drop(true);
        end_with_parent(&mut command);
        command.spawn().with_context(|| format!("cannot start {}", self.program.display()))
    }

    /// The server writes its ports to a file when it listens.
    async fn await_port(&self, child: &Child) -> Result<u16> {
        let pid = child.id().context("the NATS server ended at once")?;
        let name =
            self.program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let file = self.data_root.join(format!("{name}_{pid}.ports"));
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if let Some(port) = std::fs::read_to_string(&file).ok().and_then(|text| port_of(&text)) {
                return Ok(port);
            }
            let ended = nix::sys::wait::waitpid(
                Pid::from_raw(i32::try_from(pid).unwrap_or_default()),
                Some(
                    nix::sys::wait::WaitPidFlag::WNOHANG
                        | nix::sys::wait::WaitPidFlag::WNOWAIT
                        | nix::sys::wait::WaitPidFlag::WEXITED,
                ),
            );
            if Instant::now() > deadline
                || ended.is_ok_and(|status| status != nix::sys::wait::WaitStatus::StillAlive)
            {
                bail!("the NATS server did not start: {}", self.last_words());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The last complaint in the server's log.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.data_root.join("nats.log")).unwrap_or_default();
        let complaint = log
            .lines()
            .rev()
            .find(|line| line.contains("[FTL]") || line.contains("[ERR]") || line.contains("nats-server:"));
        complaint.or_else(|| log.lines().next_back()).unwrap_or("it says nothing").to_owned()
    }
}

/// `{"nats":["nats://127.0.0.1:4222"],…}`.
fn port_of(text: &str) -> Option<u16> {
    let ports: serde_json::Value = serde_json::from_str(text).ok()?;
    ports.pointer("/nats/0")?.as_str()?.rsplit_once(':')?.1.parse().ok()
}

/// The process that is started gets SIGTERM when we end, however we end.
#[expect(unsafe_code, reason = "pre_exec is unsafe; prctl is async-signal-safe and allocates nothing")]
pub fn end_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec only prctl(2) is called.
    unsafe {
        command.pre_exec(|| set_pdeathsig(Signal::SIGTERM).map_err(std::io::Error::from));
    }
}

/// Beside our own binary (where `make build` puts it), else on the PATH.
pub fn find_program(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(program) = named {
        if program.is_file() {
            return Ok(program.to_owned());
        }
        bail!("{} is not a program", program.display());
    }
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("nats-server"));
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut candidates = beside.into_iter().chain(on_path.map(|directory| directory.join("nats-server")));
    candidates.find(|program| program.is_file()).context(
        "no nats-server found: `make build` puts one beside odeon; or install nats-server 2.12 or newer, or name it with --nats-server",
    )
}

/// The password of this data directory, made at the first start.
fn password(data: &DataDir) -> Result<String> {
    let path = data.path("nats.password");
    if let Ok(known) = std::fs::read_to_string(&path)
        && !known.is_empty()
    {
        return Ok(known);
    }
    let fresh = format!("{:032x}", rand::random::<u128>());
    std::fs::write(&path, &fresh).context("cannot write nats.password")?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).context("cannot protect nats.password")?;
    Ok(fresh)
}

/// Starts the server again when it dies, and stops it when asked.
async fn supervise(
    launch: Launch,
    mut child: Child,
    mut stops: mpsc::Receiver<oneshot::Sender<()>>,
    gave_up: watch::Sender<Option<String>>,
) {
    let mut restarts = 0;
    loop {
        tokio::select! {
            stop = stops.recv() => {
                end(&mut child).await;
                if let Some(done) = stop {
                    let _ = done.send(());
                }
                return;
            }
            status = child.wait() => {
                restarts += 1;
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                tracing::warn!(status, restarts, "the nats server died; starting it again");
                match launch.start().await {
                    Ok(next) if restarts <= MAX_RESTARTS => child = next,
                    Ok(_) | Err(_) => {
                        gave_up.send_replace(Some(format!("the NATS server keeps dying: {}", launch.last_words())));
                        return;
                    }
                }
            }
        }
    }
}

async fn end(child: &mut Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if tokio::time::timeout(STOP_PATIENCE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_servers_own_file() {
        assert_eq!(port_of(r#"{"nats":["nats://127.0.0.1:41234"],"monitoring":[]}"#), Some(41234));
        assert_eq!(port_of("{"), None);
    }
}
