//! One folder per gateway that is managed.
