//! `tun-demo send` and `tun-demo receive`.

pub(crate) mod flags;
pub(crate) mod meter;
pub(crate) mod receive;
pub(crate) mod send;
mod shown;
pub(crate) mod stack;
mod way;
