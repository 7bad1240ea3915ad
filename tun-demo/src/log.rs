//! What is said while it runs: lines for people, or JSON for programs that collect logs.

use clap::ValueEnum;
use sockhop_hosted::proxy::Report;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::Dispatch;
use tracing_subscriber::fmt::MakeWriter;

/// How it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines that a person reads
    Text,
    /// A JSON object for each line
    Json,
}

/// Where events are written before they are printed, since the printing thread owns standard output.
#[derive(Clone, Debug, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> String {
        // A writer that panicked has written part of a line at worst.
        let mut octets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&core::mem::take(&mut *octets)).trim_end().to_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Buffer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A format and what it takes.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// Where events go as JSON; nowhere when people read.
    events: Option<Dispatch>,
    buffer: Buffer,
}

impl Log {
    pub(crate) fn new(format: Format) -> Self {
        let buffer = Buffer::default();
        let events = (format == Format::Json).then(|| {
            let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_target(false);
            Dispatch::new(subscriber.with_writer(buffer.clone()).finish())
        });
        Self { events, buffer }
    }

    /// Returns the line of a session that has ended.
    pub(crate) fn session(&self, report: &Report) -> String {
        let Some(events) = &self.events else { return report.to_string() };
        tracing::dispatcher::with_default(events, || {
            tracing::info!(
                client = %report.client,
                user = report.user,
                destination = report.target,
                reply = report.reply,
                octets_up = report.octets.0,
                octets_down = report.octets.1,
                seconds = report.lasted.as_secs_f64(),
                end = %report.end,
                detail = report.detail,
                "session"
            );
        });
        self.buffer.take()
    }

    /// Prints what stands on a screen of lines.
    ///
    /// # Errors
    /// Those of standard output.
    pub(crate) fn screen(&self, screen: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let Some(events) = &self.events else {
            out.write_all(screen)?;
            return out.flush();
        };
        let text = String::from_utf8_lossy(screen);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            tracing::dispatcher::with_default(events, || tracing::info!("{line}"));
            writeln!(out, "{}", self.buffer.take())?;
        }
        out.flush()
    }

    /// Says on standard error that something was done, or was not.
    pub(crate) fn notice(&self, text: &str) {
        let line = self.events.as_ref().map_or_else(
            || format!("tun-demo: {text}"),
            |events| {
                tracing::dispatcher::with_default(events, || tracing::warn!("{text}"));
                self.buffer.take()
            },
        );
        // Nobody has to read it.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use sockhop_hosted::proxy::End;

    #[test]
    fn a_session_is_one_json_object_whatever_its_names_are() {
        let report = Report {
            client: "192.0.2.1:9".parse().unwrap(),
            user: "a\"b".to_owned(),
            target: "evil\\n.test:80".to_owned(),
            detail: String::new(),
            reply: Some(0),
            octets: (1, 2),
            lasted: Duration::from_millis(1_500),
            end: End::Complete,
        };
        let line = Log::new(Format::Json).session(&report);
        for part in [
            "\"message\":\"session\"",
            "\"client\":\"192.0.2.1:9\"",
            "\"user\":\"a\\\"b\"",
            "\"destination\":\"evil\\\\n.test:80\"",
            "\"reply\":0",
            "\"octets_down\":2",
            "\"seconds\":1.5",
            "\"end\":\"complete\"",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        assert_eq!(line.lines().count(), 1);
        assert_eq!(Log::new(Format::Text).session(&report), report.to_string());
    }
}
