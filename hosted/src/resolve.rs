//! Names to addresses, by the host's own resolver, on threads of its own.

use core::net::{IpAddr, SocketAddr};
use core::sync::atomic::{AtomicBool, Ordering};
use mio::Waker;
use std::net::ToSocketAddrs;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// How many names are resolved at once.
const THREADS: usize = 8;
/// How many more may wait.
const WAITING: usize = 256;

/// The addresses of a name, or why there are none.
pub type Answer = Result<Vec<SocketAddr>, String>;

struct Question {
    key: usize,
    generation: u64,
    name: String,
    port: u16,
    forgotten: Arc<AtomicBool>,
}

/// A question under way; when this is dropped and nobody works on it yet, nobody will.
#[derive(Debug, Default)]
pub struct Asked(Arc<AtomicBool>);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What became of a name.
#[derive(Debug)]
pub enum Resolved {
    /// It was an address all along.
    Literal(IpAddr),
    /// It is being asked for.
    Asked(Asked),
}

/// Resolves names on a few threads, which end when it is dropped.
#[derive(Debug)]
pub struct Resolver {
    questions: SyncSender<Question>,
    answers: Receiver<(usize, u64, Answer)>,
}

impl core::fmt::Debug for Question {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}", self.name.escape_default(), self.port)
    }
}

impl Resolver {
    /// Returns a resolver that wakes its owner for each answer.
    pub fn new(waker: Arc<Waker>) -> Self {
        let (questions, asked) = sync_channel::<Question>(WAITING);
        let (sender, answers) = channel();
        let asked = Arc::new(Mutex::new(asked));
        for _ in 0..THREADS {
            let (asked, sender, waker) = (Arc::clone(&asked), sender.clone(), Arc::clone(&waker));
            thread::spawn(move || {
                loop {
                    let question = match asked.lock() {
                        Ok(asked) => asked.recv(),
                        Err(_) => return,
                    };
                    let Ok(question) = question else { return };
                    if question.forgotten.load(Ordering::Relaxed) {
                        continue;
                    }
                    let answer = look_up(&question.name, question.port);
                    if sender.send((question.key, question.generation, answer)).is_err() {
                        return;
                    }
                    // An owner that cannot be woken is gone.
                    let _ = waker.wake();
                }
            });
        }
        Self { questions, answers }
    }

    /// Asks for a name's addresses; a literal is told at once and nobody is asked.
    ///
    /// # Errors
    /// A sentence, when the octets are no name or too many questions wait.
    pub fn resolve(&self, key: usize, generation: u64, name: &[u8], port: u16) -> Result<Resolved, String> {
        let name = checked(name)?;
        if let Some(ip) = literal(name) {
            return Ok(Resolved::Literal(ip));
        }
        let forgotten = Arc::new(AtomicBool::new(false));
        let asked = Asked(Arc::clone(&forgotten));
        let question = Question { key, generation, name: name.to_owned(), port, forgotten };
        match self.questions.try_send(question) {
            Ok(()) => Ok(Resolved::Asked(asked)),
            Err(TrySendError::Full(_)) => Err(format!("{name}: too many names wait to be resolved")),
            Err(TrySendError::Disconnected(_)) => Err(format!("{name}: the resolver has ended")),
        }
    }

    /// Returns the next answer with the key and generation of its question.
    pub fn answer(&self) -> Option<(usize, u64, Answer)> {
        self.answers.try_recv().ok()
    }
}

/// Returns the octets as a name that may be asked for: visible ASCII, not all digits and dots.
fn checked(name: &[u8]) -> Result<&str, String> {
    let shown = || name.escape_ascii().to_string();
    if name.is_empty() || !name.iter().all(|octet| octet.is_ascii_graphic()) {
        return Err(format!("{:?} is no name", shown()));
    }
    let text = core::str::from_utf8(name).map_err(|_| format!("{:?} is no name", shown()))?;
    // "127.1", "2130706433" and "0x7f.1" are addresses to some resolvers and names to nobody.
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or(text);
    let number = last.starts_with(|first: char| first.is_ascii_digit()) && literal(text).is_none();
    let numeric =
        last.bytes().all(|octet| octet.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    if number && numeric {
        return Err(format!("{text}: neither an address nor a name"));
    }
    Ok(text)
}

fn literal(name: &str) -> Option<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.parse().ok()
}

fn look_up(name: &str, port: u16) -> Answer {
    match (name, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_that_are_no_name_are_never_asked_for() {
        for name in [
            &b""[..],
            b"localhost\0.invalid",
            b"a b",
            b"a\nb",
            b"\xff",
            b"127.1",
            b"2130706433",
            b"0x7f.0.0.1",
            b"0x7f000001",
            b"127.0.0.1.",
        ] {
            let refused = checked(name).is_err();
            assert!(refused, "{}", name.escape_ascii());
        }
        for name in
            [&b"example.org"[..], b"localhost", b"3com.com", b"127.0.0.1", b"[::1]", b"::1", b"a-b.c."]
        {
            assert!(checked(name).is_ok(), "{}", name.escape_ascii());
        }
    }
}
