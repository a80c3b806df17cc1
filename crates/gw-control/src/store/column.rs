//! What stands in a column, and what it means: numbers, times, names and JSON.

use std::str::FromStr;

use serde::{Serialize, de::DeserializeOwned};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::StoreError;

/// Ties an enum to the text that stands in a column.
macro_rules! column {
    ($($name:ident { $($variant:ident = $text:literal),+ })+) => {$(
        impl $name {
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::store::StoreError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::store::StoreError::Broken { reason: format!("unknown word `{text}`") }),
                }
            }
        }
    )+};
}

pub(super) use column;

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Broken { reason: error.to_string() })
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Broken { reason: error.to_string() })
}

pub(super) fn named<N: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<N, StoreError> {
    text.parse().map_err(|error: N::Err| StoreError::Broken { reason: error.to_string() })
}

pub(super) fn to_column(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|error| StoreError::Broken { reason: error.to_string() })
}

pub(super) fn from_column(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|error| StoreError::Broken { reason: error.to_string() })
}

pub(super) fn written_time(at: OffsetDateTime) -> Result<String, StoreError> {
    at.format(&Rfc3339).map_err(|error| StoreError::Broken { reason: error.to_string() })
}

pub(super) fn read_time(text: &str) -> Result<OffsetDateTime, StoreError> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|error| StoreError::Broken { reason: error.to_string() })
}
