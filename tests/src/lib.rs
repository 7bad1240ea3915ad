//! Properties of sockhop's machines, shared by stable tests and fuzz targets.

pub mod files;
pub mod folder;
pub mod netns;
pub mod oracle;
pub mod properties;
pub mod script;
pub mod shelf;
pub mod stack;
