//! What time it is, from whoever composed the program. Tests bring a clock of their own.

use std::fmt::Debug;

use time::OffsetDateTime;

pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> OffsetDateTime;
}
