//! Packets out of pcap and pcapng files, whoever wrote them.

use super::Unreadable;

/// A packet, from its IP header on, and when it was seen in nanoseconds since 1970.
pub(super) struct Packet {
    pub(super) at: u64,
    pub(super) octets: Vec<u8>,
}

/// What a file holds.
pub(super) struct Capture {
    pub(super) packets: Vec<Packet>,
    /// Whether it ends within a packet.
    pub(super) cut: bool,
    /// Packets of links that are not understood here.
    pub(super) strange: usize,
}

/// The octets of a file, read in its own order.
struct Octets<'a> {
    rest: &'a [u8],
    big: bool,
}

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn word(&mut self) -> Option<u32> {
        let octets = *self.take(4)?.first_chunk()?;
        Some(if self.big { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) })
    }

    fn half(&mut self) -> Option<u16> {
        let octets = *self.take(2)?.first_chunk()?;
        Some(if self.big { u16::from_be_bytes(octets) } else { u16::from_le_bytes(octets) })
    }
}

/// Returns whether octets begin as a capture does.
pub(super) fn is_capture(octets: &[u8]) -> bool {
    let first = octets.first_chunk().map(|word| u32::from_le_bytes(*word));
    matches!(first, Some(0x0a0d_0d0a | 0xa1b2_c3d4 | 0xa1b2_3c4d | 0xd4c3_b2a1 | 0x4d3c_b2a1))
}

/// Reads a capture.
pub(super) fn read(octets: &[u8]) -> Result<Capture, Unreadable> {
    let mut capture = Capture { packets: Vec::new(), cut: false, strange: 0 };
    let whole = match octets.first_chunk().map(|word| u32::from_le_bytes(*word)) {
        Some(0x0a0d_0d0a) => capture.blocks(octets),
        Some(_) => capture.records(octets),
        None => None,
    };
    capture.cut = whole.is_none();
    if capture.packets.is_empty() && capture.strange > 0 {
        return Err(Unreadable::Link);
    }
    Ok(capture)
}

impl Capture {
    /// Reads the records of a pcap file; `None` when it ends within one.
    fn records(&mut self, octets: &[u8]) -> Option<()> {
        let magic = u32::from_le_bytes(*octets.first_chunk()?);
        let big = matches!(magic, 0xd4c3_b2a1 | 0x4d3c_b2a1);
        let fine = matches!(magic, 0xa1b2_3c4d | 0x4d3c_b2a1);
        let mut file = Octets { rest: octets, big };
        file.take(20)?;
        let link = file.word()? & 0xffff;
        while !file.rest.is_empty() {
            let (seconds, part) = (file.word()?, file.word()?);
            let (kept, _) = (file.word()?, file.word()?);
            let octets = file.take(usize::try_from(kept).ok()?)?;
            let nanos = u64::from(part) * if fine { 1 } else { 1_000 };
            self.packet(u64::from(seconds) * 1_000_000_000 + nanos, u16::try_from(link).ok()?, octets);
        }
        Some(())
    }

    /// Reads the blocks of a pcapng file; `None` when it ends within one.
    fn blocks(&mut self, octets: &[u8]) -> Option<()> {
        let mut file = Octets { rest: octets, big: false };
        let mut links: Vec<(u16, u64)> = Vec::new();
        while !file.rest.is_empty() {
            if file.rest.first_chunk() == Some(&[0x0a, 0x0d, 0x0d, 0x0a]) {
                file.big = file.rest.get(8..12)? == [0x1a, 0x2b, 0x3c, 0x4d];
                links.clear();
            }
            let (kind, length) = (file.word()?, usize::try_from(file.word()?).ok()?);
            let body = file.take(length.checked_sub(12)?)?;
            file.take(4)?;
            let mut body = Octets { rest: body, big: file.big };
            match kind {
                1 => links.push(interface(&mut body)?),
                // A block that is malformed within itself costs only its packet.
                6 => _ = self.enhanced(&mut body, &links),
                3 => _ = self.simple(&mut body, &links),
                _ => {}
            }
        }
        Some(())
    }

    fn enhanced(&mut self, body: &mut Octets<'_>, links: &[(u16, u64)]) -> Option<()> {
        let (link, unit) = *links.get(usize::try_from(body.word()?).ok()?)?;
        let ticks = u64::from(body.word()?) << 32 | u64::from(body.word()?);
        let (kept, _) = (usize::try_from(body.word()?).ok()?, body.word()?);
        let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(unit);
        // What is beyond the year 2554 is all the same time.
        self.packet(u64::try_from(nanos).unwrap_or(u64::MAX), link, body.take(kept)?);
        Some(())
    }

    fn simple(&mut self, body: &mut Octets<'_>, links: &[(u16, u64)]) -> Option<()> {
        let (link, _) = *links.first()?;
        let kept = usize::try_from(body.word()?).ok()?.min(body.rest.len());
        let octets = body.take(kept)?;
        // It has no time; it keeps its place.
        let at = self.packets.last().map_or(0, |packet| packet.at);
        self.packet(at, link, octets);
        Some(())
    }

    fn packet(&mut self, at: u64, link: u16, octets: &[u8]) {
        match inside(link, octets) {
            Some(packet) => self.packets.push(Packet { at, octets: lengthened(packet) }),
            None => self.strange += 1,
        }
    }
}

/// Reads an interface: its kind of link, and how many units of time make a second.
fn interface(body: &mut Octets<'_>) -> Option<(u16, u64)> {
    let link = body.half()?;
    body.take(6)?;
    let mut unit = 1_000_000;
    while let (Some(code), Some(length)) = (body.half(), body.half()) {
        let value = body.take(usize::from(length))?;
        body.take((4 - usize::from(length) % 4) % 4)?;
        if let (9, Some(resolution)) = (code, value.first()) {
            let power = u32::from(resolution & 0x7f);
            let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
            unit = base.checked_pow(power)?;
        }
    }
    Some((link, unit))
}

/// Returns the IP packet in a frame of this kind of link.
fn inside(link: u16, frame: &[u8]) -> Option<&[u8]> {
    let after = |at: usize, ethertype: usize| {
        let kind = frame.get(ethertype..ethertype + 2)?;
        matches!(kind, [0x08, 0x00] | [0x86, 0xdd]).then(|| frame.get(at..))?
    };
    match link {
        0 | 108 => frame.get(4..),
        1 if frame.get(12..14) == Some(&[0x81, 0x00]) => after(18, 16),
        1 => after(14, 12),
        12 | 14 | 101 | 228 | 229 => Some(frame),
        113 => after(16, 14),
        276 => after(20, 0),
        _ => None,
    }
}

/// Returns the packet as long as it says it is: what a capture cut off is replaced by zeros.
fn lengthened(packet: &[u8]) -> Vec<u8> {
    let said = match packet.first().map(|octet| octet >> 4) {
        Some(4) => packet.get(2..4).map(|length| usize::from(u16::from_be_bytes([length[0], length[1]]))),
        Some(6) => {
            packet.get(4..6).map(|length| 40 + usize::from(u16::from_be_bytes([length[0], length[1]])))
        }
        _ => None,
    };
    let mut octets = packet.to_vec();
    match said {
        // A segment that the card will cut up has no length yet.
        Some(0) => {
            let length = u16::try_from(octets.len()).unwrap_or(u16::MAX).to_be_bytes();
            octets[2..4].copy_from_slice(&length);
        }
        Some(said) if said > octets.len() => octets.resize(said, 0),
        Some(_) | None => {}
    }
    octets
}
