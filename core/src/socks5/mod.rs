//! SOCKS5 (RFC 1928) with user name and password (RFC 1929).
mod refusal;

pub use refusal::Refusal;
