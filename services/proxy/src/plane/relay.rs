//! Moves bytes between two TCP connections: small traffic through a buffer of the thread, bulk through the kernel.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use prometheus::IntCounter;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// One read of small traffic. Larger messages are worth a pipe.
const BUFFER: usize = 64 * 1024;
/// So many full reads in a row are bulk.
const FULL_READS: u32 = 4;
/// What a pipe holds; the most that an unprivileged process may ask for.
const PIPE: usize = 1024 * 1024;
/// So many small moves in a row end bulk.
const SMALL_MOVES: u32 = 8;
/// Pipes that a thread keeps for later.
const SPARE_PIPES: usize = 16;

thread_local! {
    /// Holds bytes only within one poll, so one buffer serves all connections of a thread.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
    /// Empty pipes.
    static PIPES: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// Relays until both sides have ended, each of them when its peer did. If one side breaks off, so does the other.
pub async fn relay(
    client: &mut TcpStream,
    backend: &mut TcpStream,
    sent: &IntCounter,
    received: &IntCounter,
) {
    let (client_read, client_write) = client.split();
    let (backend_read, backend_write) = backend.split();
    let there = one_way(client_read, backend_write, sent);
    let back = one_way(backend_read, client_write, received);
    if futures::future::try_join(there, back).await.is_err() {
        reset(client);
        reset(backend);
    }
}

/// Lets the peer know that this was not an orderly end: dropping the stream sends a reset.
pub fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

enum Flow {
    /// The sender has ended.
    Ended,
    /// Much at once: a pipe is worth its price.
    Bulk,
    /// Little at once: a pipe is not.
    Small,
}

async fn one_way(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, bytes: &IntCounter) -> io::Result<()> {
    transfer(&mut from, &mut to, u64::MAX, bytes).await?;
    match to.shutdown().await {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Moves `most` bytes, or all until the sender ends. Returns how many are missing then.
pub async fn transfer(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    most: u64,
    bytes: &IntCounter,
) -> io::Result<u64> {
    let (mut left, mut flow) = (most, Flow::Small);
    loop {
        flow = match flow {
            Flow::Ended => return Ok(left),
            Flow::Small => Copy::default().run(from, to, &mut left, bytes).await?,
            Flow::Bulk => match Pipe::take() {
                Ok(pipe) => pipe.run(from.as_ref(), to.as_ref(), &mut left, bytes).await?,
                Err(_) => Flow::Small,
            },
        }
    }
}

/// Appends what can be read at once to `into`; 0 is the end.
pub async fn read_into(from: &mut ReadHalf<'_>, into: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|context| {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *from).poll_read(context, &mut buffer))?;
            into.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
    })
    .await
}

/// Copies through the thread's buffer. Only what the receiver did not take at once is kept by the connection.
#[derive(Default)]
struct Copy {
    /// Read and not yet written, from `written` on.
    rest: Vec<u8>,
    written: usize,
    full_reads: u32,
}

impl Copy {
    async fn run(
        mut self,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        left: &mut u64,
        bytes: &IntCounter,
    ) -> io::Result<Flow> {
        poll_fn(|context| self.poll(context, from, to, left, bytes)).await
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        left: &mut u64,
        bytes: &IntCounter,
    ) -> Poll<io::Result<Flow>> {
        loop {
            ready!(self.poll_flush(context, to))?;
            let most = usize::try_from(*left).unwrap_or(BUFFER).min(BUFFER);
            if most == 0 {
                return Poll::Ready(Ok(Flow::Ended));
            }
            if self.full_reads >= FULL_READS {
                return Poll::Ready(Ok(Flow::Bulk));
            }
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch.get_mut(..most).unwrap_or_default());
                ready!(Pin::new(&mut *from).poll_read(context, &mut buffer))?;
                let filled = buffer.filled();
                self.put(context, to, filled)?;
                Poll::Ready(io::Result::Ok(filled.len()))
            });
            let count = ready!(read)?;
            bytes.inc_by(count as u64);
            *left -= count as u64;
            match count {
                0 => return Poll::Ready(Ok(Flow::Ended)),
                BUFFER => self.full_reads += 1,
                _ => self.full_reads = 0,
            }
        }
    }

    /// Writes what can be written now and keeps the rest.
    fn put(&mut self, context: &mut Context<'_>, to: &mut WriteHalf<'_>, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match Pin::new(&mut *to).poll_write(context, bytes)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Poll::Pending => {
                    self.rest.extend_from_slice(bytes);
                    break;
                }
            }
        }
        Ok(())
    }

    fn poll_flush(&mut self, context: &mut Context<'_>, to: &mut WriteHalf<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.rest.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *to).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        (self.rest, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }
}

/// A pipe of the kernel: bytes go from socket to socket without being copied to us.
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    fn take() -> io::Result<Self> {
        if let Some(spare) = PIPES.with_borrow_mut(Vec::pop) {
            return Ok(spare);
        }
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        // Beyond the user's quota of pipe memory the pipe stays at its default size, and works.
        let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE as i32));
        Ok(Self { reader, writer })
    }

    /// Gives an empty pipe back. One that is dropped otherwise (an error, bytes left in it) is closed.
    fn give_back(self) {
        PIPES.with_borrow_mut(|spare| {
            if spare.len() < SPARE_PIPES {
                spare.push(self);
            }
        });
    }

    async fn run(
        self,
        from: &TcpStream,
        to: &TcpStream,
        left: &mut u64,
        bytes: &IntCounter,
    ) -> io::Result<Flow> {
        let mut small_moves = 0;
        while small_moves < SMALL_MOVES {
            let most = usize::try_from(*left).unwrap_or(PIPE).min(PIPE);
            let count = match most {
                0 => 0,
                _ => move_bytes(from, Interest::READABLE, from, &self.writer, most).await?,
            };
            if count == 0 {
                self.give_back();
                return Ok(Flow::Ended);
            }
            let mut piped = count;
            while piped > 0 {
                piped -= move_bytes(to, Interest::WRITABLE, &self.reader, to, piped).await?;
            }
            *left -= count as u64;
            bytes.inc_by(count as u64);
            small_moves = if count < BUFFER { small_moves + 1 } else { 0 };
        }
        self.give_back();
        Ok(Flow::Small)
    }
}

/// One splice, as soon as `socket` is ready for it.
async fn move_bytes(
    socket: &TcpStream,
    interest: Interest,
    from: impl AsFd,
    to: impl AsFd,
    most: usize,
) -> io::Result<usize> {
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    socket.async_io(interest, || Ok(splice(from.as_fd(), None, to.as_fd(), None, most, flags)?)).await
}
