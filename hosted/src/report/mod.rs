//! What a trace becomes for somebody who reads it.

pub mod html;
