//! What is watched for its cost, each said once: `benches` take its time, and `tests/bench/instructions` counts.

pub mod crowd;
pub mod engine;
pub mod guard;
pub mod machines;
pub mod relay;
pub mod world;

use core::fmt;

/// Something that is done again and again, the same way each time.
pub type Work = Box<dyn FnMut()>;

/// A piece of work that has a name and a budget.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// How often it is done where instructions are counted.
    pub times: u32,
    /// Sets it up.
    pub make: fn() -> Work,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Returns every case.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [machines::CASES, guard::CASES, relay::CASES, engine::CASES].into_iter().flatten()
}
