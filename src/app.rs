//! The composition root: supervised loops over the stages' turns, signals, shutdown.
