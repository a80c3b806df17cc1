//! Reports about a commit, and their annotations.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{render::stamp, state::Uuid};

/// A report holds no more.
pub(super) const MOST_ANNOTATIONS: usize = 1000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) uuid: Uuid,
    pub(super) commit: String,
    pub(super) external_id: String,
    /// What was sent, checked.
    pub(super) body: Map<String, Value>,
    pub(super) annotations: Vec<Annotation>,
    pub(super) created: OffsetDateTime,
    pub(super) updated: OffsetDateTime,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Annotation {
    pub(super) uuid: Uuid,
    pub(super) external_id: String,
    pub(super) body: Map<String, Value>,
    pub(super) created: OffsetDateTime,
    pub(super) updated: OffsetDateTime,
}

impl Report {
    /// By UUID, or by the name that its sender gave it.
    pub(super) fn is(&self, commit: &str, name: &str) -> bool {
        self.commit == commit && (self.external_id == name || self.uuid.as_str() == name)
    }

    pub(super) fn shown(&self) -> Value {
        let Self { uuid, external_id, body, created, updated, .. } = self;
        shown("report", uuid, external_id, body, (*created, *updated))
    }
}

impl Annotation {
    pub(super) fn shown(&self) -> Value {
        let Self { uuid, external_id, body, created, updated } = self;
        shown("report_annotation", uuid, external_id, body, (*created, *updated))
    }
}

fn shown(
    kind: &str,
    uuid: &Uuid,
    external_id: &str,
    body: &Map<String, Value>,
    (created, updated): (OffsetDateTime, OffsetDateTime),
) -> Value {
    let mut shown: Map<String, Value> =
        body.iter().filter(|(_, value)| !value.is_null()).map(own).collect();
    let known = [
        ("type", json!(kind)),
        ("uuid", json!(uuid.as_str())),
        ("external_id", json!(external_id)),
        ("created_on", json!(stamp(created))),
        ("updated_on", json!(stamp(updated))),
    ];
    shown.extend(known.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(shown)
}

fn own((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}
