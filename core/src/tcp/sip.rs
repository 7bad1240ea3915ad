//! SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", §2), which takes a short text and a key.
//!
//! It is written as a loop over one round, so that it takes 300 octets of a microcontroller's flash.

/// The four words that a text is mixed into.
struct State([u64; 4]);

impl State {
    const fn new(key: &[u64; 2]) -> Self {
        // "somepseudorandomlygeneratedbytes", in four words.
        Self([
            key[0] ^ 0x736f_6d65_7073_6575,
            key[1] ^ 0x646f_7261_6e64_6f6d,
            key[0] ^ 0x6c79_6765_6e65_7261,
            key[1] ^ 0x7465_6462_7974_6573,
        ])
    }

    /// Mixes one word in.
    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline(never)]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }
}

/// Returns the hash of a text under a key.
pub(super) fn sip(key: &[u64; 2], text: &[u8]) -> u64 {
    let mut state = State::new(key);
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        state.take(u64::from_le_bytes(*word));
    }
    // The last word holds what is left of the text, and its length in the highest octet.
    let left = rest.iter().rev().fold(0, |word, octet| word << 8 | u64::from(*octet));
    state.take(left | (text.len() as u64) << 56);
    state.0[2] ^= 0xff;
    for _ in 0..3 {
        state.round();
    }
    state.0.iter().fold(0, |all, word| all ^ word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use siphasher::sip::SipHasher13;

    #[test]
    fn every_text_has_the_hash_that_others_give_it() {
        let text =
            core::array::from_fn::<u8, 300, _>(|at| u8::try_from(at * 7 % 256).expect("it is an octet"));
        for key in [[0, 0], [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908], [u64::MAX, 1]] {
            for length in 0..text.len() {
                let theirs = SipHasher13::new_with_keys(key[0], key[1]).hash(&text[..length]);
                assert_eq!(sip(&key, &text[..length]), theirs, "{length} octets under {key:?}");
            }
        }
    }
}
