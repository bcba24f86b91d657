//! Pages and hooks: opt-out, digest page, fax callbacks, health and metrics.
