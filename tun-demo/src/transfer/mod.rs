//! `tun-demo send` and `tun-demo receive`.

pub(crate) mod flags;
mod meter;
pub(crate) mod receive;
pub(crate) mod send;
mod shown;
mod stack;
