//! Traces: what events say, rings that wrap, files, and views.

mod events;
mod files;
mod laws;
mod rings;
mod views;
