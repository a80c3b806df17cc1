//! From `paths` to operations.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    document::{Entry, Node, Value},
    openapi::{
        Described, Login, Operation, Pointer, Template,
        references::{End, Trees, end, target},
    },
    scalar::Method,
    source::Span,
};

/// The fields of a path item that are no methods.
const ITEM_FIELDS: [&str; 5] = ["$ref", "summary", "description", "servers", "parameters"];

/// Reads the operations of the document whose root is `root`; every file it needs is in `trees`.
pub(super) fn read(trees: &Trees, file: &str, root: &Node) -> (Vec<Described>, Vec<Diagnostic>) {
    let mut reading = Reading {
        trees,
        file,
        security: Security::of(root),
        operations: vec![],
        paths: BTreeMap::new(),
        ids: BTreeMap::new(),
        diagnostics: vec![],
    };
    reading.take_document(root);
    let Reading { mut operations, diagnostics, .. } = reading;
    operations.sort_by(|one, two| {
        let key = |described: &Described| {
            (described.operation.path.clone(), described.operation.method, described.at)
        };
        key(one).cmp(&key(two))
    });
    (operations, diagnostics)
}

struct Reading<'a> {
    trees: &'a Trees,
    file: &'a str,
    security: Security<'a>,
    operations: Vec<Described>,
    /// Shape and method to the path that answers them first.
    paths: BTreeMap<(String, Method), (String, Span)>,
    ids: BTreeMap<String, Span>,
    diagnostics: Vec<Diagnostic>,
}

/// What the document as a whole says about login.
#[derive(Clone, Copy)]
struct Security<'a> {
    default: Option<&'a Node>,
    spoken_of: bool,
}

/// A path as the document lists it.
struct Listed<'a> {
    template: Template,
    /// The path item, and every further one that its `$ref` leads to.
    items: Vec<(Pointer, &'a Node)>,
}

impl<'a> Security<'a> {
    fn of(root: &'a Node) -> Self {
        let schemes =
            root.get("components").and_then(|components| components.get("securitySchemes"));
        let default = root.get("security");
        Self { default, spoken_of: default.is_some() || schemes.is_some() }
    }

    fn login(self, operation: &Node) -> Login {
        let Some(requirements) = operation.get("security").or(self.default).and_then(Node::as_list)
        else {
            return if self.spoken_of { Login::NotNeeded } else { Login::Unsaid };
        };
        let open = |requirement: &Node| requirement.as_map().is_some_and(<[Entry]>::is_empty);
        if requirements.is_empty() || requirements.iter().any(open) {
            Login::NotNeeded
        } else {
            Login::Needed
        }
    }
}

impl<'a> Reading<'a> {
    fn take_document(&mut self, root: &'a Node) {
        let Some(paths) = root.get("paths") else {
            // OpenAPI 3.1 allows a document of webhooks or components alone.
            self.diagnostics.push(no_operations(self.file, root));
            return;
        };
        let Some(entries) = self.map(paths, "paths") else { return };
        for entry in entries.iter().filter(|entry| !entry.key.starts_with("x-")) {
            if let Some(listed) = self.list(entry) {
                self.take_path(&listed);
            }
        }
        if self.operations.is_empty() && self.diagnostics.is_empty() {
            self.diagnostics.push(no_operations(self.file, paths));
        }
    }

    fn list(&mut self, entry: &'a Entry) -> Option<Listed<'a>> {
        let template = match Template::parse(&entry.key) {
            Ok(template) => template,
            Err(flaw) => {
                let message = format!("`{}` is not a path", entry.key);
                let mut diagnostic = Diagnostic::new(Code::InvalidPath, message)
                    .at(entry.key_span, flaw.to_string());
                diagnostic.help.extend(flaw.cure().map(str::to_owned));
                self.diagnostics.push(diagnostic);
                return None;
            }
        };
        self.map(&entry.node, &entry.key)?;
        let tokens = vec!["paths".to_owned(), entry.key.clone()];
        let mut items = vec![(Pointer { file: self.file.to_owned(), tokens }, &entry.node)];
        while let Some((pointer, text)) = items
            .last()
            .and_then(|(pointer, node)| Some((pointer, node.get("$ref").and_then(Node::as_text)?)))
        {
            // A reference that leads nowhere or in a circle is reported with all the others.
            let (next, End { node, .. }) = target(self.trees, &pointer.file, text)?;
            if items.iter().any(|(earlier, _)| *earlier == next) {
                return None;
            }
            self.map(node, &entry.key)?;
            items.push((next, node));
        }
        Some(Listed { template, items })
    }

    fn take_path(&mut self, listed: &Listed<'a>) {
        for (item, node) in &listed.items {
            for entry in node.as_map().unwrap_or_default() {
                let key = entry.key.as_str();
                match method(key) {
                    Some(method) => self.take_operation(listed, item, entry, method),
                    None if ITEM_FIELDS.contains(&key) || key.starts_with("x-") => {}
                    None => self.diagnostics.push(not_a_method(entry)),
                }
            }
        }
    }

    fn take_operation(
        &mut self,
        listed: &Listed<'a>,
        item: &Pointer,
        entry: &'a Entry,
        method: Method,
    ) {
        let path = listed.template.as_str();
        let name = format!("{method} {path}");
        if self.map(&entry.node, &name).is_none() || self.is_taken(listed, entry, method) {
            return;
        }
        let Some((id, id_at)) = self.name(entry, name) else { return };
        if let Some(first) = self.ids.get(&id) {
            self.diagnostics.push(
                Diagnostic::new(
                    Code::DuplicateOperation,
                    format!("two operations are called `{id}`"),
                )
                .at(id_at, "the second one")
                .at(*first, "the first one")
                .help("access rules name operations, so every name may be used once"),
            );
            return;
        }
        self.ids.insert(id.clone(), id_at);
        self.check_parameters(listed, item, entry);
        self.operations.push(Described {
            operation: Operation { id, method, path: path.to_owned() },
            at: entry.key_span,
            login: self.security.login(&entry.node),
            place: item.join(&entry.key),
            item: item.clone(),
        });
    }

    /// Whether another path answers these calls already.
    fn is_taken(&mut self, listed: &Listed<'a>, entry: &Entry, method: Method) -> bool {
        let path = listed.template.as_str().to_owned();
        let key = (listed.template.shape(), method);
        let Some((first, at)) = self.paths.get(&key) else {
            self.paths.insert(key, (path, entry.key_span));
            return false;
        };
        let diagnostic = if *first == path {
            Diagnostic::new(Code::AmbiguousPath, format!("`{method} {path}` is described twice"))
                .at(entry.key_span, "here, and")
                .at(*at, "here")
                .help(
                    "keep one of them: beside a `$ref` a path item may only add what is not there",
                )
        } else {
            Diagnostic::new(
                Code::AmbiguousPath,
                format!("`{path}` and `{first}` answer the same calls of {method}"),
            )
            .at(entry.key_span, format!("{method} of `{path}`"))
            .at(*at, format!("{method} of `{first}`"))
            .note("the name of a parameter does not tell one path from another")
            .help("give one of them another fixed part, or describe both as one operation")
        };
        self.diagnostics.push(diagnostic);
        true
    }

    /// The operation's name and where it is written.
    fn name(&mut self, entry: &Entry, otherwise: String) -> Option<(String, Span)> {
        let Some(id) = entry.node.get("operationId") else {
            return Some((otherwise, entry.key_span));
        };
        match id.as_text() {
            Some(text) if !text.is_empty() => Some((text.to_owned(), id.span)),
            _ => {
                let what = if id.as_text().is_some() { "empty" } else { kind(&id.value) };
                let message = format!("the `operationId` of `{otherwise}` is {what}");
                self.diagnostics.push(
                    Diagnostic::new(Code::MalformedOpenapi, message)
                        .at(id.span, "a text is wanted here"),
                );
                None
            }
        }
    }

    /// Parameters of the path and those of its template must be the same.
    fn check_parameters(&mut self, listed: &Listed<'a>, item: &Pointer, entry: &'a Entry) {
        let mut declared: BTreeMap<&str, Span> = BTreeMap::new();
        let shared = listed.items.iter().map(|(pointer, node)| (pointer.file.as_str(), *node));
        for (file, node) in shared.chain([(item.file.as_str(), &entry.node)]) {
            for parameter in node.get("parameters").and_then(Node::as_list).unwrap_or_default() {
                let Some(found) = end(self.trees, file, parameter) else { continue };
                let text = |key| found.node.get(key).and_then(Node::as_text);
                if let (Some("path"), Some(name)) = (text("in"), text("name")) {
                    declared.insert(name, parameter.span);
                }
            }
        }
        let wanted: BTreeSet<&str> = listed.template.parameters().collect();
        let spare: Vec<_> = declared.iter().filter(|(name, _)| !wanted.contains(*name)).collect();
        let path = listed.template.as_str();
        let method = entry.key.to_uppercase();
        for name in wanted.iter().filter(|name| !declared.contains_key(*name)) {
            let mut diagnostic = Diagnostic::new(
                Code::UndeclaredParameter,
                format!("{method} of `{path}` does not declare the parameter `{name}`"),
            )
            .at(entry.key_span, format!("no parameter `{name}` with `in: path`"));
            for (other, at) in &spare {
                diagnostic = diagnostic.at(**at, format!("`{other}` is not part of the path"));
            }
            self.diagnostics.push(diagnostic.help(format!(
                "declare it: `parameters: [{{ name: {name}, in: path, required: true, schema: {{ type: string }} }}]`"
            )));
        }
        if wanted.iter().all(|name| declared.contains_key(name)) {
            self.diagnostics.extend(spare.iter().map(|(name, at)| {
                Diagnostic::new(
                    Code::UndeclaredParameter,
                    format!("`{path}` has no parameter `{name}`, which {method} declares"),
                )
                .at(**at, "`in: path`, but not part of the path")
                .help(format!("write `{{{name}}}` into the path, or take the parameter away"))
            }));
        }
    }

    fn map(&mut self, node: &'a Node, what: &str) -> Option<&'a [Entry]> {
        let entries = node.as_map();
        if entries.is_none() {
            let message = format!("`{what}` is {}", kind(&node.value));
            self.diagnostics.push(
                Diagnostic::new(Code::MalformedOpenapi, message)
                    .at(node.span, "OpenAPI wants a map here"),
            );
        }
        entries
    }
}

/// The method whose operation stands under this key of a path item.
fn method(key: &str) -> Option<Method> {
    Method::ALL.into_iter().find(|method| {
        method.as_str().len() == key.len()
            && method
                .as_str()
                .bytes()
                .zip(key.bytes())
                .all(|(upper, k)| upper.to_ascii_lowercase() == k)
    })
}

fn not_a_method(entry: &Entry) -> Diagnostic {
    let key = &entry.key;
    let small = Method::ALL.map(|method| method.as_str().to_lowercase());
    let known = small.iter().map(String::as_str).chain(ITEM_FIELDS);
    let near = known
        .map(|word| (strsim::damerau_levenshtein(&key.to_lowercase(), word), word))
        .min()
        .filter(|(distance, _)| *distance <= (key.len() / 4).max(1));
    let label = match near {
        Some((_, word)) => format!("did you mean `{word}`?"),
        None => "neither a method nor a field of a path".to_owned(),
    };
    Diagnostic::new(
        Code::MalformedOpenapi,
        format!("`{key}` means nothing in a path of OpenAPI"),
    )
    .at(entry.key_span, label)
    .help("a path holds `get`, `put`, `post`, `delete`, `options`, `head`, `patch`, `trace`; fields of your own begin with `x-`")
}

fn no_operations(file: &str, node: &Node) -> Diagnostic {
    Diagnostic::new(Code::NoOperations, format!("`{file}` describes no operation"))
        .at(node.span, "nothing can be called")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::Text(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    }
}
