//! Where secrets are kept: one file per store.
