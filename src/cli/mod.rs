//! The commands, one file each: parse, ask a stage, print.

pub mod mistakes;
