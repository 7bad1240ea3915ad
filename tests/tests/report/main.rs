//! The page of a connection: what is in it, and what a browser makes of it.

mod browser;
mod structure;
