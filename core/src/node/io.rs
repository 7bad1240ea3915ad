//! A node's connections as embedded-io streams: one that waits by letting the node work, and one for async owners.

use super::{FlowId, Nic, Node};
use crate::relay::{Broken, Stream};
use crate::time::Instant;
use crate::trace::Sink;
use embedded_io::{ErrorKind, ErrorType, Read, Write};

impl embedded_io::Error for Broken {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Reset => ErrorKind::ConnectionReset,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::Host(_) => ErrorKind::Other,
        }
    }
}

/// Tries to read; a connection that is over and forgotten was reset.
fn read<N: Nic, S: Sink>(
    node: &mut Node<'_, N, S>,
    flow: FlowId,
    into: &mut [u8],
) -> nb::Result<usize, Broken> {
    if into.is_empty() {
        return Ok(0);
    }
    node.stream(flow).map_or(Err(nb::Error::Other(Broken::Reset)), |mut stream| stream.read(into))
}

/// Tries to write.
fn write<N: Nic, S: Sink>(node: &mut Node<'_, N, S>, flow: FlowId, from: &[u8]) -> nb::Result<usize, Broken> {
    if from.is_empty() {
        return Ok(0);
    }
    node.stream(flow).map_or(Err(nb::Error::Other(Broken::Reset)), |mut stream| stream.write(from))
}

/// Returns whether everything written was acknowledged by the peer.
fn is_flushed<N: Nic, S: Sink>(node: &mut Node<'_, N, S>, flow: FlowId) -> bool {
    node.find(flow).is_none_or(|flow| flow.over || flow.socket_ref().send_queue() == 0)
}

/// A connection as a blocking stream: while it waits, the node works and nothing else does.
///
/// Datagrams that come meanwhile are lost. The connection stays the owner's, to be released.
#[derive(Debug)]
pub struct Blocking<'n, 'a, N, S, C> {
    node: &'n mut Node<'a, N, S>,
    flow: FlowId,
    clock: C,
}

impl<'n, 'a, N: Nic, S: Sink, C: FnMut() -> Instant> Blocking<'n, 'a, N, S, C> {
    /// Returns a connection of the node's as a stream; `clock` tells the time, and may sleep until the next frame.
    pub const fn new(node: &'n mut Node<'a, N, S>, flow: FlowId, clock: C) -> Self {
        Self { node, flow, clock }
    }

    fn wait<R>(
        &mut self,
        mut attempt: impl FnMut(&mut Node<'a, N, S>, FlowId) -> nb::Result<R, Broken>,
    ) -> Result<R, Broken> {
        loop {
            match attempt(self.node, self.flow) {
                Ok(done) => return Ok(done),
                Err(nb::Error::Other(how)) => return Err(how),
                Err(nb::Error::WouldBlock) => {}
            }
            self.node.poll((self.clock)());
            self.node.drop_datagram();
        }
    }
}

impl<N, S, C> ErrorType for Blocking<'_, '_, N, S, C> {
    type Error = Broken;
}

impl<N: Nic, S: Sink, C: FnMut() -> Instant> Read for Blocking<'_, '_, N, S, C> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Broken> {
        self.wait(|node, flow| read(node, flow, into))
    }
}

impl<N: Nic, S: Sink, C: FnMut() -> Instant> Write for Blocking<'_, '_, N, S, C> {
    fn write(&mut self, from: &[u8]) -> Result<usize, Broken> {
        self.wait(|node, flow| write(node, flow, from))
    }

    fn flush(&mut self) -> Result<(), Broken> {
        self.wait(|node, flow| if is_flushed(node, flow) { Ok(()) } else { Err(nb::Error::WouldBlock) })
    }
}

/// A connection of a node that several tasks of one executor share.
///
/// One task calls [`Node::poll`], which wakes those that wait; no task holds the node across an await.
#[cfg(feature = "embedded-io-async")]
#[derive(Debug)]
pub struct Shared<'n, 'a, N, S> {
    node: &'n core::cell::RefCell<Node<'a, N, S>>,
    flow: FlowId,
}

#[cfg(feature = "embedded-io-async")]
impl<'n, 'a, N: Nic, S: Sink> Shared<'n, 'a, N, S> {
    /// Returns a connection of the node's as a stream.
    pub const fn new(node: &'n core::cell::RefCell<Node<'a, N, S>>, flow: FlowId) -> Self {
        Self { node, flow }
    }

    async fn wait<R>(
        &self,
        mut attempt: impl FnMut(&mut Node<'a, N, S>, FlowId) -> nb::Result<R, Broken>,
    ) -> Result<R, Broken> {
        core::future::poll_fn(|context| {
            let mut node = self.node.borrow_mut();
            match attempt(&mut node, self.flow) {
                Ok(done) => core::task::Poll::Ready(Ok(done)),
                Err(nb::Error::Other(how)) => core::task::Poll::Ready(Err(how)),
                Err(nb::Error::WouldBlock) => {
                    node.wake_with(self.flow, context.waker());
                    core::task::Poll::Pending
                }
            }
        })
        .await
    }
}

#[cfg(feature = "embedded-io-async")]
impl<N, S> ErrorType for Shared<'_, '_, N, S> {
    type Error = Broken;
}

#[cfg(feature = "embedded-io-async")]
impl<N: Nic, S: Sink> embedded_io_async::Read for Shared<'_, '_, N, S> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, Broken> {
        self.wait(|node, flow| read(node, flow, into)).await
    }
}

#[cfg(feature = "embedded-io-async")]
impl<N: Nic, S: Sink> embedded_io_async::Write for Shared<'_, '_, N, S> {
    async fn write(&mut self, from: &[u8]) -> Result<usize, Broken> {
        self.wait(|node, flow| write(node, flow, from)).await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        self.wait(|node, flow| if is_flushed(node, flow) { Ok(()) } else { Err(nb::Error::WouldBlock) }).await
    }
}
