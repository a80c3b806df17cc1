//! A node against its shape: everything that is wrong with it, in the reader's words.

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    document::{Entry, Node, Value},
    header, leak, placeholder,
    shape::{Field, Kind, Map, Reserved, Role, Shape, Text},
    source::Span,
};

/// Tells everything that is wrong with a node. `name` is what the reader calls it.
pub fn check(node: &Node, shape: &Shape, name: &str, diagnostics: &mut Vec<Diagnostic>) {
    Check { diagnostics }.node(node, shape, Place { name, item: false, head: head_of(node) });
}

/// What is being looked at, as a reader would call it.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: &'a str,
    /// Whether it is an item of a list of that name.
    item: bool,
    /// Where the reader looks for it: the key, or the first words of an item.
    head: Span,
}

impl Place<'_> {
    fn told(&self) -> String {
        if self.item { format!("an item of `{}`", self.name) } else { format!("`{}`", self.name) }
    }
}

struct Check<'a> {
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    fn tell(&mut self, code: Code, message: String, at: Span, label: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(code, message).at(at, label));
    }

    fn node(&mut self, node: &Node, shape: &Shape, place: Place<'_>) {
        match (&shape.kind, &node.value) {
            (Kind::Text(text), Value::Text(written)) => self.text(written, text, node.span, place),
            (Kind::Fixed(fixed), Value::Text(written)) if written == fixed => {}
            (Kind::Word(words), Value::Text(written)) => {
                self.word(written, words, node.span, place);
            }
            (Kind::Whole { least, most }, Value::Number(written)) => {
                self.whole(written, (*least, *most), node.span, place);
            }
            (Kind::Flag { only_true: true }, Value::Bool(false)) => {
                let message = format!("{} can only be true", place.told());
                self.tell(Code::WrongValue, message, node.span, "leave it away instead");
            }
            (Kind::Flag { .. }, Value::Bool(_)) | (Kind::Foreign, Value::Map(_)) => {}
            (Kind::List { item, least, most, unique }, Value::List(items)) => {
                self.count(items.len(), (*least, *most), "items", place);
                for node in items {
                    self.node(node, item, Place { item: true, head: head_of(node), ..place });
                }
                if *unique {
                    self.unique(items, place);
                }
            }
            (Kind::Table { keys, value, least, most }, Value::Map(entries)) => {
                self.count(entries.len(), (*least, *most), "entries", place);
                for entry in entries {
                    let key = Place { name: place.name, item: false, head: entry.key_span };
                    self.text(&entry.key, keys, entry.key_span, key);
                    self.node(&entry.node, value, of_entry(entry));
                }
            }
            (Kind::Map(map), Value::Map(entries)) => self.map(entries, map, place),
            (Kind::Choice(fields), Value::Map(entries)) => self.choice(entries, fields, place),
            (kind, value) => self.wrong_type(kind, value, node.span, place),
        }
    }

    fn wrong_type(&mut self, kind: &Kind, value: &Value, span: Span, place: Place<'_>) {
        let unfit = match (kind, value) {
            (Kind::Text(text), Value::Number(written)) => expected(written, text),
            _ => None,
        };
        let wanted = unfit.map_or_else(|| wanted(kind), str::to_owned);
        let message = format!("{} must be {wanted}", place.told());
        let told = Diagnostic::new(Code::WrongType, message)
            .at(if matches!(value, Value::Null) { place.head } else { span }, called(value));
        let quotable = matches!(value, Value::Number(_) | Value::Bool(_) | Value::Null);
        self.diagnostics.push(match kind {
            Kind::Text(_) | Kind::Word(_) if quotable && unfit.is_none() => {
                told.help("put it in quotes: then it is a text")
            }
            Kind::List { .. } => told.help("a list is written `[one, two]`"),
            _ => told,
        });
    }

    fn text(&mut self, written: &str, text: &Text, span: Span, place: Place<'_>) {
        if text.role == Role::SecretName && leak::is_no_name(written) {
            self.diagnostics.push(secret_for_name(span, place.name));
        } else if placeholder::is_in(written) {
            self.placeholder(written, text, span, place);
        } else if matches!(text.reserved, Reserved::Names(names) if names.contains(&written)) {
            let message = format!("`{written}` cannot stand in `{}`", place.name);
            let label = "this name is reserved and means something else";
            self.tell(Code::ReservedName, message, span, label);
        } else if let Some(expected) = expected(written, text) {
            self.unfit(written, expected, text, span, place);
        } else if matches!(text.reserved, Reserved::Headers(is_reserved) if is_reserved(written)) {
            self.reserved_header(written, span, place);
        } else {
            self.measure(written, text, span, place);
        }
    }

    fn reserved_header(&mut self, written: &str, span: Span, place: Place<'_>) {
        let why = if header::is_framing(written) {
            "this header says where a message ends or what a connection is for"
        } else {
            "only the gateway itself says this to a backend"
        };
        let message = format!("header `{written}` cannot stand in `{}`", place.name);
        self.diagnostics.push(
            Diagnostic::new(Code::ReservedHeader, message)
                .at(span, why)
                .help("use another name, or leave it out"),
        );
    }

    fn measure(&mut self, written: &str, text: &Text, span: Span, place: Place<'_>) {
        let length = written.chars().count();
        let bounds = if length > text.most {
            format!("at most {} fit", text.most)
        } else if length < text.least {
            format!("at least {} {} needed", text.least, is_or_are(text.least))
        } else {
            return;
        };
        let characters = if length == 1 { "character" } else { "characters" };
        let message = format!("{} is {length} {characters} long", place.told());
        self.tell(Code::WrongLength, message, span, bounds);
    }

    fn unfit(&mut self, written: &str, expected: &str, text: &Text, span: Span, place: Place<'_>) {
        if text.role == Role::SecretName {
            let message = format!("{} names a secret, and this is no name", place.told());
            let told = Diagnostic::new(Code::Secret, message).at(span, "not shown");
            let told = told.note(format!("expected {expected}"));
            let help = "write the name under which the secret store keeps the value";
            self.diagnostics.push(told.help(help));
            return;
        }
        let message = format!("{} is not {expected}", shown(written));
        let label = format!("the value of {}", place.told());
        self.tell(Code::WrongValue, message, span, label);
    }

    fn placeholder(&mut self, written: &str, text: &Text, span: Span, place: Place<'_>) {
        if text.role != Role::Filled {
            let message = format!("a value of the environment cannot stand in `{}`", place.name);
            let told = Diagnostic::new(Code::MisplacedValue, message)
                .at(span, "this must read the same in every environment")
                .help("names, identities, owners, paths and conditions are never filled in");
            self.diagnostics.push(told);
        } else if let Err(refused) = placeholder::pieces(written) {
            let message = format!("{} is not a value", shown(&refused.text));
            let told = Diagnostic::new(Code::UnknownValue, message).at(span, "begins with `${`");
            self.diagnostics.push(told.help("values are written `${env.NAME}`"));
        }
    }

    fn word(&mut self, written: &str, words: &[&str], span: Span, place: Place<'_>) {
        if words.contains(&written) {
            return;
        }
        let message = format!("{} is not known in `{}`", shown(written), place.name);
        let known = words.join(", ");
        let Some(near) = nearest(written, words.iter().copied()) else {
            return self.tell(Code::WrongValue, message, span, format!("one of {known}"));
        };
        let told = Diagnostic::new(Code::WrongValue, message);
        let told = told.at(span, format!("did you mean `{near}`?"));
        self.diagnostics.push(told.help(format!("known here: {known}")));
    }

    fn whole(
        &mut self,
        written: &str,
        (least, most): (u64, Option<u64>),
        span: Span,
        place: Place<'_>,
    ) {
        let within = |number| number >= least && most.is_none_or(|most| number <= most);
        if written.parse::<u64>().is_ok_and(within) {
            return;
        }
        let message = format!("{} is {}", place.told(), shown(written));
        let bounds = match most {
            Some(most) => format!("a whole number from {least} to {most} is needed"),
            None => format!("a whole number from {least} upwards is needed"),
        };
        self.tell(Code::WrongValue, message, span, bounds);
    }

    fn count(
        &mut self,
        count: usize,
        (least, most): (usize, usize),
        things: &str,
        place: Place<'_>,
    ) {
        if count > most {
            let message = format!("{} has {count} {things}", place.told());
            self.tell(Code::WrongLength, message, place.head, format!("at most {most} fit"));
        } else if count < least {
            let message = format!("{} is empty", place.told());
            let label = format!("at least {least} {} needed", is_or_are(least));
            self.tell(Code::WrongLength, message, place.head, label);
        }
    }

    fn unique(&mut self, items: &[Node], place: Place<'_>) {
        let texts = items.iter().filter_map(|node| Some((node.as_text()?, node.span)));
        let mut texts: Vec<(&str, Span)> = texts.collect();
        texts.sort_unstable();
        for ((one, first), (two, second)) in texts.iter().zip(texts.iter().skip(1)) {
            if one == two {
                let message = format!("{} stands twice in `{}`", shown(two), place.name);
                let told = Diagnostic::new(Code::WrongValue, message).at(*second, "once is enough");
                self.diagnostics.push(told.at(*first, "the first time"));
            }
        }
    }

    fn map(&mut self, entries: &[Entry], map: &Map, place: Place<'_>) {
        let has = |name: &str| entries.iter().any(|entry| entry.key == name);
        // A misspelt field is told once, not a second time as one that is missing.
        let is_known = |name: &str| map.fields.iter().any(|field| field.name == name);
        let meant: Vec<&str> = entries
            .iter()
            .filter(|entry| !is_known(&entry.key))
            .filter_map(|entry| nearest(&entry.key, map.fields.iter().map(|field| field.name)))
            .collect();
        for entry in entries {
            match map.fields.iter().find(|field| field.name == entry.key) {
                Some(field) => self.node(&entry.node, &field.shape, of_entry(entry)),
                None => self.unknown(entry, &map.fields, place),
            }
        }
        let missing = |field: &&Field| field.required && !has(field.name);
        for field in map.fields.iter().filter(missing) {
            if meant.contains(&field.name) {
                continue;
            }
            let message = format!("{} needs `{}`", place.told(), field.name);
            self.tell(Code::MissingField, message, place.head, "it is missing here");
        }
        if map.not_empty && entries.is_empty() {
            let message = format!("{} is empty", place.told());
            let label = format!("it may hold {}", names(&map.fields));
            self.tell(Code::WrongLength, message, place.head, label);
        }
        if !map.any_of.is_empty() && !map.any_of.iter().any(|name| has(name)) {
            let wanted: Vec<String> = map.any_of.iter().map(|name| format!("`{name}`")).collect();
            let message = format!("{} needs {}", place.told(), wanted.join(" or "));
            self.tell(Code::MissingField, message, place.head, "none of them is here");
        }
        if !map.one_of.is_empty() {
            self.one_of(entries, &map.one_of, place);
        }
        for (name, other) in &map.needs {
            if let Some(lonely) = entries.iter().find(|entry| entry.key == *name && !has(other)) {
                let message = format!("`{name}` makes sense only together with `{other}`");
                let label = format!("`{other}` is missing");
                self.tell(Code::WrongChoice, message, lonely.key_span, label);
            }
        }
    }

    fn choice(&mut self, entries: &[Entry], fields: &[Field], place: Place<'_>) {
        for entry in entries {
            match fields.iter().find(|field| field.name == entry.key) {
                Some(field) => self.node(&entry.node, &field.shape, of_entry(entry)),
                None => self.unknown(entry, fields, place),
            }
        }
        let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
        if entries.iter().all(|entry| known.contains(&entry.key.as_str())) {
            self.one_of(entries, &known, place);
        }
    }

    fn one_of(&mut self, entries: &[Entry], names: &[&str], place: Place<'_>) {
        let mut chosen = entries.iter().filter(|entry| names.contains(&entry.key.as_str()));
        match (chosen.next(), chosen.next()) {
            (Some(_), None) => {}
            (None, _) => {
                let message = format!("{} needs exactly one of {}", place.told(), names.join(", "));
                self.tell(Code::WrongChoice, message, place.head, "none of them is here");
            }
            (Some(one), Some(two)) => {
                let (one_name, two_name) = (&one.key, &two.key);
                let message =
                    format!("{} cannot have `{one_name}` and `{two_name}` at once", place.told());
                let told = Diagnostic::new(Code::WrongChoice, message)
                    .at(two.key_span, "only one of them can hold")
                    .at(one.key_span, "this is the other");
                self.diagnostics.push(told);
            }
        }
    }

    fn unknown(&mut self, entry: &Entry, fields: &[Field], place: Place<'_>) {
        let message = format!("unknown field {}", shown(&entry.key));
        let label = match nearest(&entry.key, fields.iter().map(|field| field.name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("{} has no such field", place.told()),
        };
        let told = Diagnostic::new(Code::UnknownField, message).at(entry.key_span, label);
        self.diagnostics.push(if fields.is_empty() {
            told.help("nothing is written inside")
        } else {
            told.help(format!("known here: {}", names(fields)))
        });
    }
}

/// What is told where a secret stands instead of its name. It never repeats what stands there.
fn secret_for_name(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(Code::Secret, format!("a secret stands in `{name}`, where its name belongs"))
        .at(span, "not shown")
        .help(
            "put the value into the secret store, and write the name under which it is kept there",
        )
        .help("whoever could read this file knows the value now: replace it")
}

/// A text as it may be repeated in a message.
pub fn shown(text: &str) -> String {
    if leak::find(text, leak::Look::Everything).is_some() {
        return "a text that looks like a secret".to_owned();
    }
    let mut signs = text.chars();
    let short: String = signs.by_ref().take(80).collect();
    let rest = if signs.next().is_some() { "…" } else { "" };
    format!("`{short}{rest}`")
}

/// The known word that was probably meant.
pub fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let written = plain(written);
    let distances = known.map(|word| (strsim::osa_distance(&written, &plain(word)), word));
    let (distance, word) = distances.min()?;
    let length = written.chars().count().max(word.chars().count());
    ((distance <= 2 && distance * 3 <= length) || distance * 4 <= length).then_some(word)
}

fn of_entry(entry: &Entry) -> Place<'_> {
    Place { name: &entry.key, item: false, head: entry.key_span }
}

/// Where a reader sees a value begin: a map begins with its first key.
fn head_of(node: &Node) -> Span {
    match node.as_map().and_then(|entries| entries.first()) {
        Some(entry) => entry.key_span,
        None => node.span,
    }
}

fn names(fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    names.join(", ")
}

/// What was expected instead of this text, if it does not fit.
fn expected(written: &str, text: &Text) -> Option<&'static str> {
    let by_form = text.form.filter(|form| !form.holds(written)).map(|form| form.expected);
    by_form.or_else(|| text.holds.and_then(|holds| holds(written).err()))
}

fn is_or_are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn wanted(kind: &Kind) -> String {
    match kind {
        Kind::Text(_) => "a text".to_owned(),
        Kind::Whole { .. } => "a whole number".to_owned(),
        Kind::Flag { .. } => "true or false".to_owned(),
        Kind::Word(words) => format!("one of {}", words.join(", ")),
        Kind::List { .. } => "a list".to_owned(),
        Kind::Table { .. } | Kind::Map(_) | Kind::Choice(_) | Kind::Foreign => "a map".to_owned(),
        Kind::Fixed(word) => format!("`{word}`"),
    }
}

fn called(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing stands here",
        Value::Bool(_) => "this is true or false, without quotes",
        Value::Number(_) => "this is a number",
        Value::Text(_) => "this is a text",
        Value::List(_) => "this is a list",
        Value::Map(_) => "this is a map",
    }
}
