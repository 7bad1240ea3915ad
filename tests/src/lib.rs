//! Properties of sockhop's machines, shared by stable tests and fuzz targets.

pub mod cases;
pub mod desk;
pub mod documents;
pub mod files;
pub mod folder;
pub mod golden;
pub mod netns;
pub mod oracle;
pub mod pages;
pub mod properties;
pub mod script;
pub mod segments;
pub mod shelf;
pub mod stack;
pub mod traces;
