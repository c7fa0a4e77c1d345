//! Measures requests, new connections and bulk through the proxy and past it, on loopback: `cargo run --release -p proxy --example throughput`.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use proxy::plane::Plane;
use proxy::plane::listen::Ports;
use proxy::plane::userspace::{Doors, Userspace};
use proxy::route::{Door, Frontend, Owner, Route, Target, Transport};

const CLIENTS: usize = 64;
const LASTS: Duration = Duration::from_secs(3);
const MESSAGE: usize = 256;
const BULK: usize = 256 * 1024;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let backends = [serve()?, serve()?, serve()?];
    let address: SocketAddr = "127.96.200.1:80".parse()?;
    let doors = Doors { cluster_ips: true, node_port_addresses: Vec::new() };
    let plane = Userspace::start(doors, Ports::default(), std::thread::available_parallelism()?.get())?;
    let owner = Owner { namespace: "default".into(), service: "web".into(), port: "http".into() };
    let frontend = Frontend { transport: Transport::Tcp, door: Door::ClusterIp(address) };
    let target = Target { owner, may_speak_http: true, affinity: None, backends: backends.to_vec() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(plane.apply(vec![Route::Listen { frontend, target }]));
    let [direct, ..] = backends;
    for (what, unit, run) in [
        ("requests on kept connections", "req/s", requests as fn(SocketAddr, &Load) -> Outcome<()>),
        ("new connections, one request each", "conn/s", connections),
        ("bulk", "MiB/s", bulk),
    ] {
        let clients = if unit == "MiB/s" { 2 } else { CLIENTS };
        let (past, through) = (measure(direct, clients, run)?, measure(address, clients, run)?);
        println!("{what}: direct {past:.0} {unit}, proxy {through:.0} {unit}, ratio {:.2}", through / past);
    }
    Ok(())
}

/// What the clients of one measurement share.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    done: AtomicU64,
}

fn measure(address: SocketAddr, clients: usize, run: fn(SocketAddr, &Load) -> Outcome<()>) -> Outcome<f64> {
    let (load, started) = (Load::default(), Instant::now());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(|| run(address, &load))).collect();
        std::thread::sleep(LASTS);
        load.over.store(true, Relaxed);
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "client panicked")?)
    })?;
    Ok(load.done.load(Relaxed) as f64 / started.elapsed().as_secs_f64())
}

fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn requests(address: SocketAddr, load: &Load) -> Outcome<()> {
    let (mut stream, mut buffer) = (connect(address)?, [0; MESSAGE]);
    while !load.over.load(Relaxed) {
        stream.write_all(&buffer)?;
        stream.read_exact(&mut buffer)?;
        load.done.fetch_add(1, Relaxed);
    }
    Ok(())
}

fn connections(address: SocketAddr, load: &Load) -> Outcome<()> {
    let mut buffer = [0; MESSAGE];
    while !load.over.load(Relaxed) {
        let mut stream = connect(address)?;
        stream.write_all(&buffer)?;
        stream.read_exact(&mut buffer)?;
        load.done.fetch_add(1, Relaxed);
    }
    Ok(())
}

fn bulk(address: SocketAddr, load: &Load) -> Outcome<()> {
    let stream = connect(address)?;
    let (mut writer, mut reader) = (stream.try_clone()?, stream);
    std::thread::scope(|scope| {
        let receiving = scope.spawn(move || -> Outcome<()> {
            let mut buffer = vec![0; BULK];
            let mut bytes = 0;
            loop {
                match reader.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => bytes += count as u64,
                }
                load.done.fetch_add(bytes >> 20, Relaxed);
                bytes &= (1 << 20) - 1;
            }
        });
        let buffer = vec![7; BULK];
        while !load.over.load(Relaxed) {
            writer.write_all(&buffer)?;
        }
        writer.shutdown(std::net::Shutdown::Write)?;
        receiving.join().map_err(|_| "reader panicked")?
    })
}

/// An echo server with a thread per connection.
fn serve() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || echo(stream));
        }
    });
    Ok(address)
}

fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BULK];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(buffer.get(..count).unwrap_or_default())?,
        }
    }
}
