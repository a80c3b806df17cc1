//! What every driver must do, and what only the builtin one does.

#[cfg(test)]
mod all {
    mod conformance;
    mod examples;
    mod gateway;
    mod shop;
}
