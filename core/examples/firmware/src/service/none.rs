//! Nothing: the image that relays and does nothing else.

use crate::app::Board;
use sockhop::node::{Opened, Report};
use sockhop::time::Instant;
use sockhop::trace::{Event, Sink};

/// A trace that keeps nothing.
pub struct Trace;

impl Trace {
    /// Returns it.
    pub const fn new() -> Self {
        Self
    }
}

impl Sink for Trace {
    fn record(&mut self, _event: &Event) {}

    fn enabled(&self) -> bool {
        false
    }
}

/// No services.
pub struct Services;

impl Services {
    /// Returns them.
    pub fn new(_node: &mut Board) -> Self {
        Self
    }

    /// Takes a connection to a port that nobody listens at, which does not happen.
    pub fn opened(&mut self, node: &mut Board, opened: Opened) {
        node.release(opened.flow);
    }

    /// Notes the end of a session.
    pub fn ended(&mut self, _report: &Report) {}

    /// Does nothing.
    pub fn work(&mut self, _now: Instant, _node: &mut Board) {}
}
