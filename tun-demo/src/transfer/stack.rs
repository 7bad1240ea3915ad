//! A stack behind a TUN device, for one service.

use super::flags::Stack;
use super::meter::Meter;
use crate::args::host_of;
use crate::exit::{FAILED, Failure, USAGE};
use crate::printer::{Page, Printer};
use crate::recording::{self, Watch};
use core::net::IpAddr;
use sockhop_hosted::engine::{self, Engine};
use sockhop_hosted::ladder::Style;
use sockhop_hosted::os;
use sockhop_hosted::report::{Recording, Unstarted};
use sockhop_hosted::tun::{self, Tun};

/// Opens a TUN device and puts a stack behind it, which will be watched as the flags say; no thread is started.
pub(crate) fn open(flags: &Stack) -> Result<(Tun, Engine<Meter>, Unwatched<'_>), Failure> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|error| Failure::new(FAILED, format!("no randomness: {error}")))?;
    let word = |at: usize| seed[at..at + 8].iter().fold(0_u64, |word, octet| word << 8 | u64::from(*octet));
    os::map_large_tables();
    let (ip, prefix) = (IpAddr::V4(flags.addr.0), flags.addr.1);
    let host = host_of(ip, prefix).map_err(|text| Failure::new(USAGE, text))?;
    let tun = Tun::open(&tun::Config {
        name: flags.tun.clone(),
        addresses: vec![(host, prefix)],
        mtu: flags.mtu,
        offload: !flags.no_offload,
    })?;
    let mut config = engine::Config::new(vec![(ip, prefix)], flags.mtu.into(), [word(0), word(8)]);
    config.limits.ring.1 = engine::LARGEST_RING;
    config.offload = true;
    let (recording, spool) = recording::begin(flags.trace.as_deref(), "stack")?;
    let engine =
        Engine::new(config, Meter::new(Watch { page: Page::default(), ladder: flags.ladder, spool }));
    Ok((tun, engine, Unwatched { flags, recording }))
}

/// What a stack is to be watched with: its file is open, and no thread is started.
pub(crate) struct Unwatched<'a> {
    flags: &'a Stack,
    recording: Option<Unstarted>,
}

impl<'a> Unwatched<'a> {
    /// Starts the threads that print and record.
    ///
    /// The loop comes first: it blocks the signals that they are not to take.
    pub(crate) fn start(self) -> Watching<'a> {
        let Self { flags, recording } = self;
        let style = Style { colour: crate::colour(), whole: true, ..Style::default() };
        let printer = flags.ladder.then(|| Printer::start(style, false));
        Watching { flags, printer, recording: recording.map(Unstarted::start) }
    }
}

/// A ladder that is printed and a file that is written while a stack runs, where there are any.
pub(crate) struct Watching<'a> {
    flags: &'a Stack,
    printer: Option<Printer>,
    recording: Option<Recording>,
}

impl Watching<'_> {
    /// Hands on what has happened; returns whether a ladder is printed.
    pub(crate) fn look(&self, engine: &mut Engine<Meter>) -> bool {
        let watch = &mut engine.recorder().sink_mut().watch;
        if let Some(printer) = &self.printer {
            printer.pages().offer(&mut watch.page);
        }
        if let Some(spool) = &mut watch.spool {
            spool.offer();
        }
        self.printer.is_some()
    }

    /// Waits until everything is printed and written, and says what is in the file.
    pub(crate) fn finish(self, engine: &mut Engine<Meter>) -> Result<(), Failure> {
        let watch = &mut engine.recorder().sink_mut().watch;
        if let Some(printer) = self.printer {
            printer.finish(core::mem::take(&mut watch.page))?;
        }
        match self.recording.zip(watch.spool.take()) {
            Some((recording, spool)) => {
                recording::say(recording, spool, self.flags.trace.as_deref(), &mut std::io::stderr())
            }
            None => Ok(()),
        }
    }
}
