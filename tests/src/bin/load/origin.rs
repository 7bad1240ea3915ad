//! The target of a load.

use crate::{LAST, ROOM, SINK, SOURCE, say};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Serves each connection as its first octet says.
///
/// Threads are used again, so that a connection does not cost a thread: one always waits for the next connection, and the
/// last that leaves to serve starts another.
pub(super) fn serve(at: &str) -> io::Result<()> {
    let listener = TcpListener::bind(at)?;
    // Of thousands that come at once none is to be told to come again.
    rustix::net::listen(&listener, 4_096)?;
    say(&format!("ready {}", listener.local_addr()?));
    let pool = Arc::new(Pool { listener, waiting: AtomicUsize::new(1) });
    pool.work()
}

struct Pool {
    listener: TcpListener,
    waiting: AtomicUsize,
}

impl Pool {
    fn work(self: &Arc<Self>) -> io::Result<()> {
        let mut room = vec![0; ROOM];
        loop {
            let (stream, _) = self.listener.accept()?;
            if self.waiting.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let pool = Arc::clone(self);
                thread::spawn(move || pool.work());
            }
            // A client that has gone is no matter.
            drop(answer(stream, &mut room));
            self.waiting.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn answer(mut stream: TcpStream, room: &mut [u8]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    stream.read_exact(&mut first)?;
    let mut heard = 0_u64;
    loop {
        let count = if first[0] == SOURCE { room.len() } else { stream.read(room)? };
        heard += count as u64;
        if count == 0 {
            return stream.shutdown(Shutdown::Write);
        }
        if first[0] != SINK {
            stream.write_all(&room[..count])?;
        } else if room[count - 1] == LAST {
            stream.write_all(&heard.to_be_bytes())?;
        }
    }
}
