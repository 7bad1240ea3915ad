//! What `socks5` shows of itself while it runs: its control socket, and the screen of `--top`.

use crate::args::{Control, Socks5};
use crate::exit::{FAILED, Failure};
use crate::printer::{Page, Pages, Printer};
use crate::top;
use core::net::IpAddr;
use sockhop_hosted::control::{Feed, Place, Plan};
use sockhop_hosted::ladder::Style;
use sockhop_hosted::survey::Node;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

/// Where it is shown what happens: in lines, or on a screen that asks for it by itself.
pub(crate) enum Shown {
    Lines(Printer),
    Screen(JoinHandle<io::Result<()>>),
}

impl Shown {
    /// Begins to show what one worker does or `several` do: on a screen if this is its end of the connection to the desk.
    pub(crate) fn begin(screen: Option<UnixStream>, several: bool) -> Self {
        match screen {
            Some(stream) => Self::Screen(top::inside(stream)),
            None => {
                let style = Style { colour: crate::colour(), whole: true, ..Style::default() };
                Self::Lines(Printer::start(style, several))
            }
        }
    }

    /// Returns where what there is to be said is handed over; a screen takes none of it.
    pub(crate) fn pages(&self) -> Pages {
        match self {
            Self::Lines(printer) => printer.pages(),
            Self::Screen(_) => Pages::default(),
        }
    }

    /// Waits until everything is shown, and the terminal is as it was.
    ///
    /// # Errors
    /// Those of the terminal.
    pub(crate) fn finish(self, page: Page) -> io::Result<()> {
        match self {
            Self::Lines(printer) => printer.finish(page),
            Self::Screen(thread) => {
                thread.join().unwrap_or_else(|_| Err(io::Error::other("the screen has failed")))
            }
        }
    }
}

/// Returns what the runtime's desk is told, and the other end of the connection that `--top` asks through.
pub(crate) fn plan(
    options: &Socks5,
    name: &str,
    addresses: Vec<IpAddr>,
    feed: Option<Feed>,
) -> Result<(Plan, Option<UnixStream>), Failure> {
    let pair = options.top.then(UnixStream::pair).transpose()?;
    let (inside, screen) = pair.map_or((None, None), |(inside, screen)| (Some(inside), Some(screen)));
    let egress = options.egress.to_string();
    let node = Node {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: name.to_owned(),
        addresses,
        egress,
        ..Node::default()
    };
    Ok((Plan { place: place(options, name)?, inside, feed, node }, screen))
}

/// Says how it can be looked at while it runs.
pub(crate) fn say(options: &Socks5, out: &mut impl Write) -> io::Result<()> {
    match &options.control {
        Some(Control::None) => Ok(()),
        Some(Control::At(path)) => writeln!(out, "  watch it:  tun-demo top --control {}", path.display()),
        None => writeln!(out, "  watch it:  tun-demo top, or tun-demo netstat"),
    }
}

/// Returns where it is asked; a socket that nobody asked for and that cannot be had is not worth a failure.
fn place(options: &Socks5, name: &str) -> Result<Option<Place>, Failure> {
    match &options.control {
        Some(Control::None) => Ok(None),
        Some(Control::At(path)) => Place::open(Some(path), name)
            .map_err(|error| Failure::new(FAILED, format!("{error}; --control takes another path, or none"))),
        None => Place::open(None, name).or_else(|error| {
            let text = "tun-demo netstat will not find this process; --control PATH chooses another place";
            // Nobody has to read it.
            let _ = writeln!(io::stderr(), "tun-demo: {error}: {text}");
            Ok(None)
        }),
    }
}
