//! Digests of whole files: which there are, and what computes them.

use core::fmt;

/// The digest of a file or of its first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sum(pub [u8; 32]);

impl fmt::Display for Sum {
    /// Writes 64 hexadecimal digits, as `sha256sum` and `b3sum` do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// How a digest is computed; the number is its bit in an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4), which a microcontroller has room for.
    Sha256 = 0,
    /// BLAKE3, which keeps up with any link between hosts.
    Blake3 = 1,
}

impl Algorithm {
    /// Returns the algorithm with this bit number.
    pub const fn from_bit(bit: u8) -> Option<Self> {
        match bit {
            0 => Some(Self::Sha256),
            1 => Some(Self::Blake3),
            _ => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Blake3 => "BLAKE3",
        })
    }
}

/// A set of algorithms, as it stands in an offer; bits that nobody knows are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Algorithms(pub u8);

impl Algorithms {
    /// SHA-256 alone.
    pub const SHA256: Self = Self(1);
    /// Both.
    pub const ALL: Self = Self(3);

    /// Returns the faster one of those that both sides have.
    pub const fn common(self, other: Self) -> Option<Algorithm> {
        match self.0 & other.0 & Self::ALL.0 {
            0 => None,
            1 => Some(Algorithm::Sha256),
            _ => Some(Algorithm::Blake3),
        }
    }
}

/// Computes a digest, octet by octet.
pub trait Digest {
    /// The algorithms it can compute.
    const ALGORITHMS: Algorithms;

    /// Begins the digest of an empty file.
    fn begin(algorithm: Algorithm) -> Self;

    /// Takes the next octets.
    fn update(&mut self, octets: &[u8]);

    /// Returns the digest of all octets taken; more may follow.
    fn sum(&self) -> Sum;
}

/// SHA-256 through the `sha2` crate.
#[cfg(feature = "sha2")]
#[derive(Clone, Debug)]
pub struct Sha256(sha2::Sha256);

#[cfg(feature = "sha2")]
impl Digest for Sha256 {
    const ALGORITHMS: Algorithms = Algorithms::SHA256;

    fn begin(algorithm: Algorithm) -> Self {
        debug_assert_eq!(algorithm, Algorithm::Sha256, "it offers nothing else");
        Self(<sha2::Sha256 as sha2::Digest>::new())
    }

    fn update(&mut self, octets: &[u8]) {
        sha2::Digest::update(&mut self.0, octets);
    }

    fn sum(&self) -> Sum {
        Sum(sha2::Digest::finalize(self.0.clone()).into())
    }
}

/// BLAKE3 through the `blake3` crate.
#[cfg(feature = "blake3")]
#[derive(Clone, Debug)]
pub struct Blake3(blake3::Hasher);

#[cfg(feature = "blake3")]
impl Digest for Blake3 {
    const ALGORITHMS: Algorithms = Algorithms(2);

    fn begin(algorithm: Algorithm) -> Self {
        debug_assert_eq!(algorithm, Algorithm::Blake3, "it offers nothing else");
        Self(blake3::Hasher::new())
    }

    fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    fn sum(&self) -> Sum {
        Sum(self.0.finalize().into())
    }
}

/// Whichever of the two is wanted.
#[cfg(all(feature = "sha2", feature = "blake3"))]
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "without an allocator the larger one has no other place")]
pub enum Either {
    /// SHA-256.
    Sha256(Sha256),
    /// BLAKE3.
    Blake3(Blake3),
}

#[cfg(all(feature = "sha2", feature = "blake3"))]
impl Digest for Either {
    const ALGORITHMS: Algorithms = Algorithms::ALL;

    fn begin(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::begin(algorithm)),
            Algorithm::Blake3 => Self::Blake3(Blake3::begin(algorithm)),
        }
    }

    fn update(&mut self, octets: &[u8]) {
        match self {
            Self::Sha256(digest) => digest.update(octets),
            Self::Blake3(digest) => digest.update(octets),
        }
    }

    fn sum(&self) -> Sum {
        match self {
            Self::Sha256(digest) => digest.sum(),
            Self::Blake3(digest) => digest.sum(),
        }
    }
}

#[cfg(all(test, feature = "sha2", feature = "blake3"))]
mod tests {
    use super::*;
    use core::fmt::Write;

    fn sum_of(algorithm: Algorithm, octets: &[u8]) -> heapless::String<64> {
        let mut digest = Either::begin(algorithm);
        octets.iter().for_each(|octet| digest.update(&[*octet]));
        let mut text = heapless::String::new();
        write!(text, "{}", digest.sum()).expect("64 digits");
        text
    }

    #[test]
    fn the_digests_are_those_that_others_compute() {
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sum_of(Algorithm::Sha256, b"abc"), sha);
        let blake = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
        assert_eq!(sum_of(Algorithm::Blake3, b"abc"), blake);
    }

    #[test]
    fn the_faster_common_algorithm_is_taken() {
        assert_eq!(Algorithms::ALL.common(Algorithms(0xff)), Some(Algorithm::Blake3));
        assert_eq!(Algorithms::ALL.common(Algorithms::SHA256), Some(Algorithm::Sha256));
        assert_eq!(Algorithms::ALL.common(Algorithms(0xfc)), None);
    }
}
