//! Packets with comments for Wireshark (draft-ietf-opsawg-pcapng): what passed, which way, and what it meant here.

use super::packet::{self, Head};
use super::{Writer, ends};
use core::fmt::Write as _;
use core::net::{IpAddr, SocketAddr};
use sockhop::tcp::Seq;
use sockhop::trace::{AppLine, Ends, Event, Flow, Header, View};
use std::collections::HashMap;
use std::io::{self, Write};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// LINKTYPE_RAW: the packet begins with its IP header.
const RAW: u16 = 101;
/// The longest comment; an option's length is 16 bits.
const LONGEST: usize = 60_000;

/// Writes a section with one interface, and a packet for each segment and datagram.
pub(super) struct Packets {
    unix: u64,
    flows: HashMap<u32, Known>,
    /// The last segment or datagram, to which the next event may add options or an address.
    pending: Option<Pending>,
    lost: u64,
}

/// A connection, and what happened at it since its last packet.
#[derive(Default)]
struct Known {
    flow: Flow,
    since: Vec<String>,
}

struct Pending {
    event: Event,
    view: View,
    mss: Option<u16>,
    scale: Option<u8>,
    sack: [Option<(Seq, Seq)>; 2],
    peer: Option<IpAddr>,
}

impl Packets {
    pub(super) fn begin(header: &Header, out: &mut dyn Write) -> io::Result<Self> {
        let mut section = Vec::new();
        section.extend(0x1a2b_3c4d_u32.to_le_bytes());
        section.extend([1, 0, 0, 0]);
        section.extend(u64::MAX.to_le_bytes());
        option(&mut section, 4, b"sockhop");
        option(&mut section, 0, b"");
        block(SECTION, &section, out)?;
        let mut interface = Vec::new();
        interface.extend(RAW.to_le_bytes());
        interface.extend([0; 2]);
        interface.extend(0_u32.to_le_bytes());
        option(&mut interface, 2, header.node().as_bytes());
        option(&mut interface, 9, &[6]);
        option(&mut interface, 0, b"");
        block(INTERFACE, &interface, out)?;
        Ok(Self { unix: header.unix, flows: HashMap::new(), pending: None, lost: 0 })
    }

    /// Writes the packet that waited, if there is one.
    fn flush(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        match pending.view {
            View::Segment { sent, flags, seq, ack, len, window, .. } => {
                let (mss, scale, sack) = (pending.mss, pending.scale, pending.sack);
                let lost = core::mem::take(&mut self.lost);
                let known = self.flows.entry(pending.event.flow()).or_default();
                let (local, remote) = ends(&known.flow);
                let (from, to) = if sent { (local, remote) } else { (remote, local) };
                let comment = known.comment(&pending.event, lost);
                let head = Head { from, to, flags, seq, ack, window, len, mss, scale, sack };
                self.packet(&pending.event, sent, &packet::segment(&head), len, &comment, out)
            }
            View::Datagram { sent, ports, remote, len } => {
                let Some(peer) = remote.map(IpAddr::V4).or(pending.peer) else { return Ok(()) };
                let ours: IpAddr = if peer.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
                let (local, remote) = (SocketAddr::new(ours, ports.0), SocketAddr::new(peer, ports.1));
                let (from, to) = if sent { (local, remote) } else { (remote, local) };
                let octets = packet::datagram(from, to, len);
                self.packet(
                    &pending.event,
                    sent,
                    &octets,
                    len,
                    "the stack's own address is not in the trace",
                    out,
                )
            }
            _ => Ok(()),
        }
    }

    fn packet(
        &self,
        event: &Event,
        sent: bool,
        octets: &[u8],
        payload: u16,
        comment: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let micros = self.unix / 1_000 + event.time().micros();
        let length = |octets: usize| u32::try_from(octets).unwrap_or(u32::MAX).to_le_bytes();
        let mut body = Vec::with_capacity(octets.len() + comment.len() + 48);
        body.extend(0_u32.to_le_bytes());
        body.extend(u32::try_from(micros >> 32).unwrap_or(0).to_le_bytes());
        body.extend(((micros & 0xffff_ffff) as u32).to_le_bytes());
        body.extend(length(octets.len()));
        body.extend(length(octets.len() + usize::from(payload)));
        body.extend(octets);
        pad(&mut body);
        option(&mut body, 1, comment.as_bytes());
        option(&mut body, 2, &(if sent { 2_u32 } else { 1 }).to_le_bytes());
        option(&mut body, 0, b"");
        block(PACKET, &body, out)
    }
}

impl Writer for Packets {
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        let view = event.view();
        if let Some(pending) = &mut self.pending
            && pending.event.flow() == event.flow()
        {
            match view {
                Some(View::Options { mss, scale, .. }) => (pending.mss, pending.scale) = (mss, scale),
                Some(View::Sacked { blocks, .. }) => pending.sack = blocks,
                Some(View::Address { local: false, address }) if event.flow() == 0 => {
                    pending.peer = Some(address.into());
                }
                _ => self.flush(out)?,
            }
        } else {
            self.flush(out)?;
        }
        match view {
            Some(View::Lost { events }) => self.lost += u64::from(events),
            Some(View::Clock { unix }) => self.unix = unix.saturating_sub(event.time().micros() * 1_000),
            _ => {}
        }
        if event.flow() != 0 {
            let known = self.flows.entry(event.flow()).or_default();
            known.flow.see(event);
            if let Some(said) = said(event, known.flow.ends()) {
                known.since.push(said);
            }
        }
        if let Some(view @ (View::Segment { .. } | View::Datagram { .. })) = view {
            let (mss, scale, sack, peer) = (None, None, [None; 2], None);
            self.pending = Some(Pending { event: *event, view, mss, scale, sack, peer });
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.flush(out)
    }
}

impl Known {
    /// Says what a packet meant: itself, the states, the variables, the marks, and what happened since the last one.
    fn comment(&mut self, event: &Event, lost: u64) -> String {
        let Some(View::Segment { states: (from, to), marks, .. }) = event.view() else {
            return String::new();
        };
        let flow = &self.flow;
        let mut text = flow.ends().say(event).map(|said| said.to_string()).unwrap_or_default();
        let (ours, theirs) = flow.ends().origins();
        let relative = |seq: Seq, origin: Option<Seq>| seq.0.wrapping_sub(origin.unwrap_or_default().0);
        let _ = if from == to { write!(text, " | {to}") } else { write!(text, " | {from} -> {to}") };
        let _ = write!(
            text,
            " | una={} nxt={} flight={} snd_wnd={} rcv_nxt={} rcv_wnd={}",
            relative(flow.snd_una(), ours),
            relative(flow.snd_nxt(), ours),
            flow.flight(),
            flow.snd_wnd(),
            relative(flow.rcv_nxt(), theirs),
            flow.rcv_wnd()
        );
        if marks.0 != 0 {
            let _ = write!(text, " | {marks}");
        }
        for said in self.since.drain(..) {
            let _ = write!(text, " | before: {said}");
        }
        if lost > 0 {
            let _ = write!(text, " | {lost} events lost before");
        }
        while text.len() > LONGEST {
            text.pop();
        }
        text
    }
}

/// Returns what happened at a connection without a packet of its own.
fn said(event: &Event, ends: &Ends) -> Option<String> {
    match event.view()? {
        View::State { from, cause, to, .. } => Some(format!("{from} -> {to} [{cause}]")),
        View::Guarded { rule, .. } => Some(format!("guard: {rule}")),
        View::Blocked { .. } | View::App { .. } | View::Transfer { .. } => Some(AppLine(event).to_string()),
        View::Verdict { .. } => Some(sockhop::trace::Line(event, ends).to_string()),
        _ => None,
    }
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn block(kind: u32, body: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&length)
}
