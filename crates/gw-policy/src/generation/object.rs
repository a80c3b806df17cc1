//! One thing on a target. Its body stays the JSON text that was written until somebody reads it: of
//! ten thousand objects a plan opens the few that differ.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

/// One thing on a target, by kind and name. What `body` means is between the driver that lowers it
/// and the gateway that serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Object {
    pub kind: String,
    pub name: String,
    pub body: Body,
}

/// Which object: kind and name. Orders as targets list them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectKey {
    pub kind: String,
    pub name: String,
}

/// JSON as it was written. Equal texts are equal bodies, a copy shares the text.
#[derive(Clone)]
pub struct Body(Arc<RawValue>);

impl Object {
    pub fn key(&self) -> ObjectKey {
        ObjectKey { kind: self.kind.clone(), name: self.name.clone() }
    }
}

impl Body {
    pub fn write(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        to_raw_value(value).map(|text| Self(text.into()))
    }

    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The value, for comparing. A text that no reader takes (it is nested too deep) is equal to
    /// itself alone.
    pub fn value(&self) -> Value {
        self.read().unwrap_or_else(|_| Value::String(self.as_str().to_owned()))
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for Body {}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}
