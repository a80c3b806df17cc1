//! The binary as its users meet it.

#[cfg(test)]
mod commands;
