//! Properties of sockhop's machines, shared by stable tests and fuzz targets.

pub mod golden;
pub mod netns;
pub mod oracle;
pub mod pages;
pub mod properties;
pub mod script;
pub mod stack;
pub mod traces;
