//! The demo's sample: a tiny web server that says which pod answered.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

/// A client that sends nothing for so long is let go.
const IDLE: Duration = Duration::from_secs(60);

fn main() -> std::io::Result<()> {
    end_when_told()?;
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080_u16);
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    let answer = Answer::from_environment();
    println!("hello listens on port {port} as {}", answer.pod);
    for client in listener.incoming() {
        let (client, answer) = (client?, answer.clone());
        std::thread::Builder::new().stack_size(64 * 1024).spawn(move || serve(client, &answer))?;
    }
    Ok(())
}

/// As PID 1 of its container it would ignore SIGTERM. By then no proxy sends new requests, so it may go at once.
fn end_when_told() -> std::io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    // Threads that are started later inherit the mask, so the signals wait for the one that asks for them.
    signals.thread_block()?;
    std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
        let _ = signals.wait();
        println!("told to stop");
        std::process::exit(0);
    })?;
    Ok(())
}

/// What every request is answered with.
#[derive(Clone)]
struct Answer {
    /// The pod's name.
    pod: String,
    /// The node's name, if the manifest passes it on.
    node: String,
}

impl Answer {
    fn from_environment() -> Self {
        let pod = std::env::var("POD_NAME")
            .or_else(|_| std::fs::read_to_string("/etc/hostname").map(|name| name.trim().to_owned()))
            .unwrap_or_else(|_| "somebody".to_owned());
        Self { pod, node: std::env::var("NODE_NAME").unwrap_or_default() }
    }

    fn to_response(&self, path: &str) -> String {
        let node = if self.node.is_empty() { String::new() } else { format!(" on {}", self.node) };
        let body = format!("hello from {}{node}\n", self.pod);
        println!("{path}");
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nx-pod: {}\r\n\r\n{body}",
            body.len(),
            self.pod
        )
    }
}

/// Answers the requests of one connection until the client closes it.
fn serve(client: TcpStream, answer: &Answer) {
    let _ = client.set_read_timeout(Some(IDLE));
    let _ = client.set_nodelay(true);
    let Ok(mut writer) = client.try_clone() else { return };
    let mut reader = BufReader::new(client);
    while let Some(path) = next_request(&mut reader) {
        if writer.write_all(answer.to_response(&path).as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads one request's head; its path, or `None` when the client is gone.
fn next_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let path = line.split_whitespace().nth(1)?.to_owned();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim_end().is_empty() {
            return Some(path);
        }
    }
}
