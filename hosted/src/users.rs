//! Who may come in: names with plain passwords, compared in constant time, or with salted hashes, judged on threads of
//! their own because a good hash takes its time.
//!
//! ```
//! use sockhop_hosted::users::{Users, Verdict, hash};
//!
//! let line = format!("ann:{}", hash(b"secret").expect("the host has randomness"));
//! let mut users: Users = line.parse().expect("a line as `tun-demo passwd` writes it");
//! users.add("bob", "plain");
//! assert_eq!(users.verdict(b"bob", b"plain"), Verdict::Known(true));
//! assert!(matches!(users.verdict(b"ann", b"secret"), Verdict::Hashed { his: true, .. })); // a `Judge` takes his time
//! assert!(matches!(users.verdict(b"eve", b"secret"), Verdict::Hashed { his: false, .. })); // and is asked in vain
//! ```

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use core::fmt;
use core::hash::Hasher;
use core::str::FromStr;
use mio::Waker;
use siphasher::sip128::{Hasher128, SipHasher24};
use sockhop::socks5::Login;
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use subtle::ConstantTimeEq;

/// Passwords that are judged at once in a process.
const THREADS: usize = 2;
/// Passwords that may wait to be judged; more are wrong.
const WAITING: usize = 256;
/// Right passwords that are remembered, so that a browser's hundred connections cost one judgment.
const REMEMBERED: usize = 1_024;

/// What a user has to know.
#[derive(Clone, PartialEq, Eq)]
enum Secret {
    Plain(String),
    /// A hash in the PHC string format.
    Hashed(Arc<str>),
}

/// Names and what each has to know.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Users(Vec<(String, Secret)>);

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What is known of a name and a password at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are right or wrong.
    Known(bool),
    /// The password is to be judged by a hash.
    Hashed {
        /// The hash.
        hash: Arc<str>,
        /// Whether it is the user's own; if not, the password is wrong whatever comes of it.
        his: bool,
    },
}

impl FromStr for Users {
    type Err = String;

    /// Reads a file of users: a line `NAME:HASH` for each; `#` begins a comment.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut users = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| format!("line {}: {what}", number + 1);
            let (name, hash) = line.split_once(':').ok_or_else(|| wrong("a user is given as NAME:HASH"))?;
            if !(1..=255).contains(&name.len()) {
                return Err(wrong("a name takes 1 to 255 octets (RFC 1929)"));
            }
            // One that is cut short can be read and would fit no password.
            let known = PasswordHash::new(hash).is_ok_and(|hash| {
                hash.algorithm.as_str().starts_with("argon2") && hash.salt.is_some() && hash.hash.is_some()
            });
            if !known {
                return Err(wrong(&format!(
                    "{name} has no argon2 hash; `tun-demo passwd {name}` makes a line for him"
                )));
            }
            if users.0.iter().any(|(other, _)| other == name) {
                return Err(wrong(&format!("{name} is there twice")));
            }
            users.0.push((name.to_owned(), Secret::Hashed(hash.into())));
        }
        Ok(users)
    }
}

impl Users {
    /// Adds a user with a plain password.
    pub fn add(&mut self, name: &str, password: &str) {
        self.0.push((name.to_owned(), Secret::Plain(password.to_owned())));
    }

    /// Adds all of another list.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Returns how many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none, and so nobody is asked for a password.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first one's name.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(|(name, _)| name.as_str())
    }

    /// Returns what clients are asked for.
    pub const fn login(&self) -> Login {
        if self.is_empty() { Login::Open } else { Login::Password }
    }

    /// Compares with every user in constant time for each length.
    ///
    /// A name that nobody has is judged by somebody's hash, in vain, so that time does not tell who exists.
    pub fn verdict(&self, user: &[u8], password: &[u8]) -> Verdict {
        let (mut known, mut hash, mut any) = (subtle::Choice::from(0), None, None);
        for (name, secret) in &self.0 {
            let named = name.as_bytes().ct_eq(user);
            match secret {
                Secret::Plain(secret) => known |= named & secret.as_bytes().ct_eq(password),
                Secret::Hashed(stored) => {
                    any = Some(stored);
                    if named.into() {
                        hash = Some(stored);
                    }
                }
            }
        }
        match hash.or(any) {
            Some(other) if !bool::from(known) => {
                Verdict::Hashed { hash: Arc::clone(other), his: hash.is_some() }
            }
            Some(_) | None => Verdict::Known(known.into()),
        }
    }
}

/// Returns a salted hash of a password, in the PHC string format.
///
/// # Errors
/// The host has no randomness.
pub fn hash(password: &[u8]) -> Result<String, String> {
    Argon2::default().hash_password(password).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// A password that is to be judged.
struct Question {
    key: usize,
    serial: u32,
    password: Vec<u8>,
    hash: Arc<str>,
    /// Whether the hash is the user's own.
    his: bool,
}

/// Right passwords by their hash, as fingerprints under a key that nobody else has; never as they are.
struct Remembered {
    key: [u8; 16],
    right: Mutex<HashMap<Arc<str>, u128>>,
}

impl Remembered {
    /// Returns whether a password is right.
    fn judge(&self, question: &Question) -> bool {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&question.password);
        let print = hasher.finish128().as_u128();
        // A thread that panicked here has left nothing half done.
        let right = || self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if question.his && right().get(&question.hash).is_some_and(|known| *known == print) {
            return true;
        }
        let Ok(hash) = PasswordHash::new(&question.hash) else { return false };
        let same = Argon2::default().verify_password(&question.password, &hash).is_ok();
        if same && question.his {
            let mut right = right();
            if right.len() >= REMEMBERED {
                right.clear();
            }
            right.insert(Arc::clone(&question.hash), print);
        }
        same && question.his
    }
}

/// Threads that judge passwords and wake their owner for each answer; they end when this is dropped.
#[derive(Debug)]
pub struct Judge {
    questions: SyncSender<Question>,
    answers: Receiver<(usize, u32, bool)>,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Judge {
    /// Returns a judge who has nothing to do yet, one of so many in this process.
    ///
    /// # Errors
    /// The host has no randomness.
    pub fn new(waker: Arc<Waker>, of: usize) -> std::io::Result<Self> {
        let (questions, asked) = sync_channel::<Question>(WAITING);
        let (sender, answers) = channel();
        let asked = Arc::new(Mutex::new(asked));
        let mut key = [0; 16];
        // Fingerprints under a key that can be guessed would be worth little more than the passwords.
        getrandom::fill(&mut key).map_err(|error| std::io::Error::other(error.to_string()))?;
        let remembered = Arc::new(Remembered { key, right: Mutex::default() });
        for _ in 0..THREADS.div_ceil(of) {
            let (asked, sender, waker) = (Arc::clone(&asked), sender.clone(), Arc::clone(&waker));
            let remembered = Arc::clone(&remembered);
            thread::spawn(move || {
                loop {
                    // A thread that panicked here has left nothing half done.
                    let next = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(question) = next else { return };
                    let right = remembered.judge(&question);
                    if sender.send((question.key, question.serial, right)).is_err() {
                        return;
                    }
                    // An owner that cannot be woken is gone.
                    let _ = waker.wake();
                }
            });
        }
        Ok(Self { questions, answers })
    }

    /// Asks whether a password is right; returns whether there was room for the question.
    pub fn ask(&self, (key, serial): (usize, u32), password: &[u8], (hash, his): (Arc<str>, bool)) -> bool {
        let question = Question { key, serial, password: password.to_vec(), hash, his };
        match self.questions.try_send(question) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Returns the next answer with the key and serial of its question.
    pub fn answer(&self) -> Option<(usize, u32, bool)> {
        self.answers.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(users: &Users, user: &[u8]) -> (Arc<str>, bool) {
        match users.verdict(user, b"secret") {
            Verdict::Hashed { hash, his } => (hash, his),
            Verdict::Known(known) => panic!("judged at once: {known}"),
        }
    }

    #[test]
    fn a_file_is_read_and_a_wrong_line_is_named() {
        let (ann, bob) = (hash(b"secret").unwrap(), hash(b"secret").unwrap());
        assert_ne!(ann, bob, "each has a salt of its own");
        let users: Users = format!("# people\n\nann:{ann}\nbob:{bob}\n").parse().unwrap();
        assert_eq!((users.len(), users.first(), users.login()), (2, Some("ann"), Login::Password));
        for (text, said) in [
            ("ann", "line 1: a user is given"),
            ("#\n:x", "line 2: a name"),
            ("ann:secret", "tun-demo passwd ann"),
            (&*format!("ann:{ann}\nann:{bob}"), "line 2: ann is there twice"),
        ] {
            let error = text.parse::<Users>().unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(!format!("{users:?}").contains("argon2"), "no hash is ever printed");
    }

    #[test]
    fn right_is_right_again_and_wrong_stays_wrong() {
        let users: Users = format!("ann:{}", hash(b"secret").unwrap()).parse().unwrap();
        let remembered = Remembered { key: [7; 16], right: Mutex::default() };
        let judged = |user: &[u8], password: &[u8]| {
            let (hash, his) = hashed(&users, user);
            remembered.judge(&Question { key: 0, serial: 0, password: password.to_vec(), hash, his })
        };
        assert!(judged(b"ann", b"secret"));
        assert!(judged(b"ann", b"secret"), "from memory");
        for (user, password) in [
            (&b"ann"[..], &b"secre"[..]),
            (b"ann", b"secret\0"),
            (b"ann\0", b"secret"),
            (b"nobody", b"secret"),
            (b"", b""),
        ] {
            assert!(!judged(user, password), "{user:?} {password:?}");
        }
    }

    #[test]
    fn plain_passwords_are_judged_at_once_and_hashes_are_asked_last() {
        let mut users = Users::default();
        users.add("ann", "secret");
        assert_eq!(users.verdict(b"ann", b"secret"), Verdict::Known(true));
        assert_eq!(users.verdict(b"ann", b"secret\0"), Verdict::Known(false));
        users.extend(format!("bob:{}", hash(b"word").unwrap()).parse().unwrap());
        assert_eq!(users.verdict(b"ann", b"secret"), Verdict::Known(true));
        assert!(hashed(&users, b"bob").1);
        assert!(!hashed(&users, b"eve").1, "judged in vain, for as long as the others");
    }
}
