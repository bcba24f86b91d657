//! Pages, to come.
