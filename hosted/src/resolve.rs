//! Names to addresses and back: by a stub that asks the host's name servers, all names at once, or by the C library on a
//! few threads. The stub opens no file and loads no plug-in, so it works where the process is locked in.
//!
//! ```no_run
//! use mio::{Poll, Token, Waker};
//! use sockhop_hosted::resolve::{Names, Resolved, Resolver};
//! use std::sync::Arc;
//!
//! # fn main() -> std::io::Result<()> {
//! let poll = Poll::new()?;
//! let waker = Arc::new(Waker::new(poll.registry(), Token(0))?);
//! let resolver = Resolver::new(waker, Names::default(), Arc::default())?;
//! match resolver.resolve(7, 0, b"example.org", 443) {
//!     Ok(Resolved::Literal(ip)) => println!("{ip} needs nobody"),
//!     Ok(_) => {} // the poll wakes up, and `answer` tells of key 7
//!     Err(why) => println!("{why}"),
//! }
//! # Ok(())
//! # }
//! ```

mod lookup;
mod stub;
mod system;
mod wire;

use crate::metrics::Latency;
use crate::sandbox::Files;
use core::net::{IpAddr, SocketAddr};
use core::sync::atomic::{AtomicBool, Ordering};
use mio::Waker;
use std::collections::VecDeque;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;
use stub::Stub;
use system::Source;

/// How many names the C library resolves at once.
const THREADS: usize = 8;
/// How many more may wait.
const WAITING: usize = 256;

/// Who resolves names.
#[derive(Clone, Debug, Default)]
pub enum Names {
    /// The C library, with all that `/etc/nsswitch.conf` tells it to ask.
    #[default]
    Libc,
    /// A stub that reads `/etc/hosts` and `/etc/resolv.conf` through these.
    Stub(Files),
}

impl Names {
    /// The files that the stub reads.
    pub const PATHS: [&str; 2] = [system::HOSTS, system::SERVERS];
}

/// The addresses of a name, or why there are none.
pub type Answer = Result<Vec<SocketAddr>, String>;

/// The name of an address, or why there is none.
pub type Reversed = Result<String, String>;

struct Question {
    began: Instant,
    key: usize,
    generation: u64,
    what: What,
    forgotten: Arc<AtomicBool>,
}

/// What is asked for.
#[derive(Debug)]
enum What {
    /// The addresses of a name, with this port.
    Addresses(String, u16),
    /// The name of an address.
    Name(IpAddr),
}

impl What {
    /// The name or the address, for sentences.
    fn shown(&self) -> String {
        match self {
            Self::Addresses(name, _) => name.clone(),
            Self::Name(ip) => ip.to_string(),
        }
    }

    /// Returns that there is nothing to be found, and why.
    fn nothing(&self, why: &str) -> Told {
        let text = format!("{}: {why}", self.shown());
        match self {
            Self::Addresses(..) => Told::Addresses(Err(text)),
            Self::Name(_) => Told::Name(Err(text)),
        }
    }
}

/// What was found, in the words of the question.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Addresses(Answer),
    Name(Reversed),
}

impl Question {
    fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Relaxed)
    }
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

impl core::fmt::Debug for Question {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.what.fmt(f)
    }
}

/// An answer and what it is to.
type Answered<T> = (Question, T);

/// By which those who work on questions tell their owner, who is woken for each answer.
#[derive(Clone, Debug)]
struct Tongue {
    answers: Sender<Answered<Answer>>,
    names: Sender<Answered<Reversed>>,
    owner: Arc<Waker>,
}

impl Tongue {
    /// Returns it with what its owner hears.
    fn new(owner: Arc<Waker>) -> (Self, Receiver<Answered<Answer>>, Receiver<Answered<Reversed>>) {
        let ((answers, answered), (names, named)) = (channel(), channel());
        (Self { answers, names, owner }, answered, named)
    }

    /// Tells an answer; returns whether somebody hears it.
    fn tell(&self, question: Question, told: Told) -> bool {
        let heard = match told {
            Told::Addresses(answer) => self.answers.send((question, answer)).is_ok(),
            Told::Name(name) => self.names.send((question, name)).is_ok(),
        };
        // An owner that cannot be woken is gone.
        heard && self.owner.wake().is_ok()
    }
}

/// Questions that nobody works on yet.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    questions: VecDeque<Question>,
    closed: bool,
}

impl Queue {
    /// Puts a question last; returns whether there was room, of which forgotten questions take none.
    fn put(&self, question: Question) -> bool {
        let mut waiting = self.lock();
        if waiting.questions.len() >= WAITING {
            waiting.questions.retain(|question| !question.is_forgotten());
        }
        let room = waiting.questions.len() < WAITING;
        if room {
            waiting.questions.push_back(question);
            self.changed.notify_one();
        }
        room
    }

    /// Waits for the first question that is not forgotten; `None` once the queue is closed.
    fn take(&self) -> Option<Question> {
        let mut waiting = self.lock();
        while !waiting.closed {
            match waiting.questions.pop_front() {
                Some(question) if question.is_forgotten() => {}
                Some(question) => return Some(question),
                None => waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        }
        None
    }

    /// Returns the first question that is not forgotten, without waiting for one.
    fn next(&self) -> Option<Question> {
        let mut waiting = self.lock();
        waiting.questions.retain(|question| !question.is_forgotten());
        waiting.questions.pop_front()
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Nothing under the lock can be left half done, so a thread that panicked there does no harm.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves names on threads of its own, which end when this is dropped; one of the C library's after its look-up.
#[derive(Debug)]
pub struct Resolver {
    queue: Arc<Queue>,
    answers: Receiver<Answered<Answer>>,
    names: Receiver<Answered<Reversed>>,
    /// How long names take.
    took: Arc<Latency>,
    /// Wakes the stub; the C library's threads wait for the queue itself.
    stub: Option<Waker>,
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.queue.close();
        self.rouse();
    }
}

impl Resolver {
    /// Returns a resolver that asks whoever is named and wakes its owner for each answer.
    ///
    /// # Errors
    /// The host's, when it has no descriptors left.
    pub fn new(waker: Arc<Waker>, names: Names, took: Arc<Latency>) -> io::Result<Self> {
        match names {
            Names::Libc => Ok(Self::with(waker, look_up, crate::os::name_of)),
            Names::Stub(files) => Self::stub(waker, Source::new(files)),
        }
        .map(|mut resolver| {
            resolver.took = took;
            resolver
        })
    }

    fn stub(waker: Arc<Waker>, source: Source) -> io::Result<Self> {
        let (queue, (tongue, answers, names)) = (Arc::new(Queue::default()), Tongue::new(waker));
        let (stub, rouser) = Stub::new(Arc::clone(&queue), source, tongue)?;
        thread::spawn(|| stub.run());
        Ok(Self { queue, answers, names, took: Arc::default(), stub: Some(rouser) })
    }

    /// Has the stub look at the queue; one that cannot be woken has no descriptors and answers nobody.
    fn rouse(&self) {
        if let Some(stub) = &self.stub {
            let _ = stub.wake();
        }
    }

    /// Returns a resolver that asks `look_up` for addresses and `reverse` for names, which may take their time, and
    /// wakes its owner for each answer.
    pub fn with(
        waker: Arc<Waker>,
        look_up: impl Fn(&str, u16) -> Answer + Send + Sync + 'static,
        reverse: impl Fn(IpAddr) -> Reversed + Send + Sync + 'static,
    ) -> Self {
        let queue = Arc::new(Queue::default());
        let ask = Arc::new(move |what: &What| match what {
            What::Addresses(name, port) => Told::Addresses(look_up(name, *port)),
            What::Name(ip) => Told::Name(reverse(*ip)),
        });
        let (tongue, answers, names) = Tongue::new(waker);
        for _ in 0..THREADS {
            let (queue, ask, tongue) = (Arc::clone(&queue), Arc::clone(&ask), tongue.clone());
            thread::spawn(move || {
                while let Some(question) = queue.take() {
                    let told = ask(&question.what);
                    if !tongue.tell(question, told) {
                        return;
                    }
                }
            });
        }
        Self { queue, answers, names, took: Arc::default(), stub: None }
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
        let asked = self.ask(key, generation, What::Addresses(name.to_owned(), port));
        asked.map(Resolved::Asked).ok_or(format!("{name}: too many names wait to be resolved"))
    }

    /// Asks for an address's name.
    ///
    /// # Errors
    /// A sentence, when too many questions wait.
    pub fn reverse(&self, key: usize, generation: u64, ip: IpAddr) -> Result<Asked, String> {
        let asked = self.ask(key, generation, What::Name(ip));
        asked.ok_or(format!("{ip}: too many names wait to be resolved"))
    }

    fn ask(&self, key: usize, generation: u64, what: What) -> Option<Asked> {
        let forgotten = Arc::new(AtomicBool::new(false));
        let asked = Asked(Arc::clone(&forgotten));
        let question = Question { began: Instant::now(), key, generation, what, forgotten };
        self.queue.put(question).then(|| {
            self.rouse();
            asked
        })
    }

    /// Returns the next answer with the key and generation of its question.
    pub fn answer(&self) -> Option<(usize, u64, Answer)> {
        let (question, answer) = self.answers.try_recv().ok()?;
        self.took.observe(question.began.elapsed());
        Some((question.key, question.generation, answer))
    }

    /// Returns the next name that was found for an address, with the key and generation of its question.
    pub fn name(&self) -> Option<(usize, u64, Reversed)> {
        let (question, name) = self.names.try_recv().ok()?;
        self.took.observe(question.began.elapsed());
        Some((question.key, question.generation, name))
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

/// Returns the address that a name is a spelling of; `None` for a name that is one.
///
/// # Errors
/// A sentence, when the octets are no name.
pub(crate) fn literal_of(name: &[u8]) -> Result<Option<IpAddr>, String> {
    checked(name).map(literal)
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
    fn a_forgotten_question_is_never_worked_on() {
        let queue = Queue::default();
        let (first, forgotten) = question("black.hole");
        let (second, _waited) = question("example.org");
        assert!(queue.put(first) && queue.put(second));
        drop(forgotten);
        assert_eq!(name(queue.take()).as_deref(), Some("example.org"));
    }

    #[test]
    fn forgotten_questions_take_no_room() {
        let queue = Queue::default();
        let mut asked: Vec<Asked> = (0..WAITING)
            .map(|_| {
                let (question, asked) = question("black.hole");
                assert!(queue.put(question));
                asked
            })
            .collect();
        assert!(!queue.put(question("one.too.many").0));
        asked.pop();
        let (last, _waited) = question("example.org");
        assert!(queue.put(last));
        drop(asked);
        assert_eq!(name(queue.take()).as_deref(), Some("example.org"));
    }

    #[test]
    fn a_closed_queue_gives_no_question_that_waited() {
        let queue = Queue::default();
        let (waits, _waited) = question("example.org");
        assert!(queue.put(waits));
        queue.close();
        assert!(queue.take().is_none());
    }

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

    fn question(name: &str) -> (Question, Asked) {
        let asked = Asked::default();
        let forgotten = Arc::clone(&asked.0);
        let what = What::Addresses(name.to_owned(), 80);
        (Question { began: Instant::now(), key: 0, generation: 0, what, forgotten }, asked)
    }

    fn name(question: Option<Question>) -> Option<String> {
        question.map(|question| match question.what {
            What::Addresses(name, _) => name,
            What::Name(ip) => ip.to_string(),
        })
    }
}
