//! Segments that no socket is left to send.

use super::wait::Tuple;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};
use sockhop::tcp::Seq;

/// Writes an empty acknowledgment with a window of 0 octets into `out`, and returns the packet's length.
pub(super) fn acknowledgment((local, remote): Tuple, seq: Seq, ack: Seq, out: &mut [u8]) -> usize {
    let tcp = TcpRepr {
        src_port: local.port(),
        dst_port: remote.port(),
        control: TcpControl::None,
        seq_number: TcpSeqNumber(seq.0.cast_signed()),
        ack_number: Some(TcpSeqNumber(ack.0.cast_signed())),
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let (source, target) = (IpAddress::from(local.ip()), IpAddress::from(remote.ip()));
    let ip = IpRepr::new(source, target, IpProtocol::Tcp, tcp.buffer_len(), 64);
    let checksums = ChecksumCapabilities::default();
    ip.emit(&mut *out, &checksums);
    let header = ip.header_len();
    let end = header + tcp.buffer_len();
    tcp.emit(&mut TcpPacket::new_unchecked(&mut out[header..end]), &source, &target, &checksums);
    end
}
