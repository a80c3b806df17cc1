//! OpenAPI 3.0 and 3.1, as far as a gateway needs them: which operations exist, under which names,
//! and where they are written.
//!
//! The whole of a document is read and every `$ref` is followed inside the workspace, so nothing is
//! found missing later; parameters, bodies and schemas stay reachable through
//! [`Document::get`]. Requests are not validated here.

pub mod agreement;
pub mod library;
mod operations;
mod reference;
mod references;
pub mod template;
mod version;

use serde::{Deserialize, Serialize};

pub use self::{library::Library, reference::Pointer, template::Template};
use crate::{document::Node, scalar::Method, source::Span};

/// One operation of an API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operation {
    /// `operationId`, or `METHOD path` where the document names none.
    pub id: String,
    pub method: Method,
    /// The path template as callers use it, `/orders/{id}`.
    pub path: String,
}

/// A document that was read, with every file of the workspace that it refers to.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file that a declaration names.
    pub path: String,
    pub version: Version,
    /// Ordered by path, then method.
    pub operations: Vec<Described>,
    /// What `servers` would put in front of every path. Callers of a gateway never see it.
    pub base: Option<Base>,
    trees: references::Trees,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V3_0,
    V3_1,
}

/// An operation and what its document says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub operation: Operation,
    /// The key of the method below the path.
    pub at: Span,
    pub login: Login,
    /// The operation object: its own parameters, body and responses.
    pub place: Pointer,
    /// The path item around it: the parameters that all its operations share.
    pub item: Pointer,
}

/// What `security` says about an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Login {
    /// The document never speaks about security.
    Unsaid,
    Needed,
    NotNeeded,
}

/// The path of the first server, `/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    pub path: String,
    pub at: Span,
}

impl Document {
    /// The node that a pointer means.
    pub fn get(&self, pointer: &Pointer) -> Option<&Node> {
        reference::walk(&self.trees.get(&pointer.file)?.root, &pointer.tokens)
    }

    /// The node behind any chain of `$ref`, with the file it stands in.
    pub fn resolve<'a>(&'a self, file: &'a str, node: &'a Node) -> Option<(&'a str, &'a Node)> {
        let end = references::end(&self.trees, file, node)?;
        Some((end.file, end.node))
    }

    /// Lets go of what stands in the files: of the document only the operations and the base are left.
    pub fn forget_files(&mut self) {
        self.trees.clear();
    }

    /// Every file that belongs to the document, by its path from the root of the workspace.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.trees.iter().map(|(path, tree)| (path.as_str(), &tree.root))
    }
}

#[cfg(test)]
mod tests;
