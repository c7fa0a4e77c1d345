//! A thread with a runtime of its own, which serves its share of every frontend's connections.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::balancer::Balancer;
use super::listen::Claim;
use super::{tcp, udp};

/// How long connections may go on when the proxy stops in order.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A socket to serve until `closed`.
pub struct Order {
    /// The worker's own socket of the frontend.
    pub socket: Bound,
    /// Where its clients are led.
    pub balancer: Arc<Balancer>,
    /// Ends the serving.
    pub closed: CancellationToken,
    /// Keeps the port ours until the socket is closed.
    pub claim: Arc<Claim>,
}

/// A socket that is open already.
pub enum Bound {
    /// Listens.
    Tcp(std::net::TcpListener),
    /// Receives.
    Udp(std::net::UdpSocket),
}

/// One thread. Stops when dropped, after its connections had a moment to end.
pub struct Worker {
    orders: Option<UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread.
    pub fn start(number: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (orders, received) = unbounded_channel();
        let thread = std::thread::Builder::new()
            .name(format!("proxy-{number}"))
            .spawn(move || runtime.block_on(serve(received)))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Serves one more socket.
    pub fn give(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // Only a panicked thread does not listen; the socket is closed then, and others share its port.
            let _ = orders.send(order);
        }
    }

    /// Lets the thread end once its connections have.
    pub fn dismiss(&mut self) {
        self.orders = None;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.dismiss();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(mut orders: UnboundedReceiver<Order>) {
    let connections = TaskTracker::new();
    let stopped = CancellationToken::new();
    while let Some(Order { socket, balancer, closed, claim }) = orders.recv().await {
        let stopped = stopped.clone();
        let connections = connections.clone();
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            match socket {
                Bound::Tcp(listener) => tcp::serve(listener, balancer, closed, connections).await,
                Bound::Udp(socket) => udp::serve(socket, balancer, closed).await,
            }
            drop(claim);
        }));
    }
    stopped.cancel();
    connections.close();
    let _ = tokio::time::timeout(LAST_WORDS, connections.wait()).await;
}
