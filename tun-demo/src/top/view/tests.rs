//! Screens as they are drawn from a fixed snapshot, at three sizes.
