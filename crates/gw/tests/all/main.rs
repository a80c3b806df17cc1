//! The binary as its users meet it.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod page;
#[cfg(test)]
mod quickstart;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod terminal;
