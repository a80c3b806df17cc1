//! What must change? Compares, explains, and never changes anything.
