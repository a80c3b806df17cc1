//! What Bitbucket answers when it does not do what was asked.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::objects::GitError;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    message: String,
    detail: Option<Box<Value>>,
    fields: Vec<(String, String)>,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), detail: None, fields: Vec::new() }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(404, format!("{what} not found"))
    }

    /// One member of the body is wrong.
    pub(super) fn field(name: &str, wrong: &str) -> Self {
        Self::fields([(name.to_owned(), wrong.to_owned())])
    }

    pub(super) fn fields(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { fields: fields.into_iter().collect(), ..Self::new(400, "Bad request") }
    }

    /// The credential is good and may too little.
    pub(super) fn scopes(required: &[String], granted: &[String]) -> Self {
        let message = "Your credentials lack one or more required privilege scopes.";
        let detail = json!({ "required": required, "granted": granted });
        Self { detail: Some(Box::new(detail)), ..Self::new(403, message) }
    }

    /// Whoever may not read a repository does not learn whether it exists.
    pub(super) fn hidden() -> Self {
        let message = "You may not have access to this repository or it no longer exists in this \
                       workspace. If you think this repository exists and you have access, make \
                       sure you are authenticated.";
        Self::new(404, message)
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    fn body(&self) -> Value {
        let mut error = json!({ "message": self.message });
        if let Some(error) = error.as_object_mut() {
            if !self.fields.is_empty() {
                let fields = self.fields.iter();
                let fields: Map<_, _> =
                    fields.map(|(name, wrong)| (name.clone(), json!([wrong]))).collect();
                error.insert("fields".to_owned(), Value::Object(fields));
            }
            error.extend(self.detail.iter().map(|it| ("detail".to_owned(), (**it).clone())));
        }
        json!({ "type": "error", "error": error })
    }
}

impl From<GitError> for Refusal {
    fn from(error: GitError) -> Self {
        Self::new(500, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, Json(self.body())).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let asked = HeaderValue::from_static("Basic realm=\"Bitbucket.org HTTP\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, asked);
        }
        response
    }
}
