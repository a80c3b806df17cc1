//! What only tests need: real servers started and stopped, clocks, attacks.
