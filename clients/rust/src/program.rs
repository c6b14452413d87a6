//! The program's parts.

pub(crate) mod governor;
pub(crate) mod meter;
pub(crate) mod options;
pub(crate) mod run;
