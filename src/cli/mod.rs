//! The commands, one file each: parse, ask a stage, print.
