//! What a service manager hands over, and what it is given in return: sockets, signs of life, numbers.

use crate::args::{Service, Socks5};
use crate::exit::{FAILED, Failure, MISSING};
use crate::socks5::cannot_listen;
use core::time::Duration;
use sockhop_hosted::front;
use sockhop_hosted::metrics::{self, Board};
use sockhop_hosted::upkeep::{Manager, Upkeep};
use std::net::TcpListener;

/// What was opened before the process was locked in.
#[derive(Debug)]
pub(crate) struct Prepared {
    manager: Manager,
    page: Option<TcpListener>,
    workers: usize,
    drain: Duration,
}

/// Opens what cannot be opened later, for so many workers.
pub(crate) fn prepare(service: &Service, workers: usize) -> Result<Prepared, Failure> {
    let manager = Manager::from_environment()
        .map_err(|error| Failure::new(FAILED, format!("NOTIFY_SOCKET cannot be connected to: {error}")))?;
    let page = front::listen(service.metrics.as_slice()).map_err(|error| cannot_listen(&error))?;
    Ok(Prepared { manager, page: page.into_iter().next(), workers, drain: service.drain })
}

impl Prepared {
    /// Starts the page of numbers, if there is one, and returns what the loop does beside serving.
    ///
    /// # Errors
    /// The host's.
    pub(crate) fn upkeep(self) -> Result<Upkeep, Failure> {
        let board = match self.page {
            Some(listener) => {
                let board = Board::new(self.workers);
                metrics::serve(listener, board.clone())?;
                Some(board)
            }
            None => None,
        };
        Ok(Upkeep::new(self.drain, board, self.manager))
    }
}

/// Returns the sockets to serve at: those that were handed over, or new ones.
pub(crate) fn listeners(options: &Socks5) -> Result<Vec<TcpListener>, Failure> {
    if !options.service.activated {
        return front::listen(&options.listen).map_err(|error| cannot_listen(&error));
    }
    let mut handed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for number in 0..handed.len() {
        let listener = handed.take_tcp_listener(number).map_err(|error| {
            Failure::new(
                FAILED,
                format!("socket {number} of LISTEN_FDS listens to no TCP connections: {error}"),
            )
        })?;
        listeners.extend(listener);
    }
    if listeners.is_empty() {
        let text = "--activated, but no socket was handed over (LISTEN_FDS): start it by its socket unit, or use --listen";
        return Err(Failure::new(MISSING, text));
    }
    Ok(listeners)
}
