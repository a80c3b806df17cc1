//! What a declaration may look like, as data. One description checks what was written
//! ([`check`]) and prints the JSON schema for editors ([`crate::schema`]).

use serde_json::Value as Json;

use crate::form::{self, Form};

mod check;

pub use check::{check, nearest, shown};

/// What may stand at a place.
#[derive(Clone, Debug)]
pub struct Shape {
    pub kind: Kind,
    pub about: &'static str,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Text(Text),
    Whole {
        least: u64,
        most: Option<u64>,
    },
    /// `only_true`: the field is left away instead of being written as false.
    Flag {
        only_true: bool,
    },
    Word(&'static [&'static str]),
    List {
        item: Box<Shape>,
        least: usize,
        most: usize,
        unique: bool,
    },
    /// Keys are the reader's own words.
    Table {
        keys: Text,
        value: Box<Shape>,
        least: usize,
        most: usize,
    },
    Map(Map),
    /// Exactly one of these keys.
    Choice(Vec<Field>),
    /// A map that is somebody else's business.
    Foreign,
    Fixed(&'static str),
}

#[derive(Clone, Debug)]
pub struct Text {
    pub form: Option<&'static Form>,
    pub least: usize,
    pub most: usize,
    /// What the form cannot say.
    pub holds: Option<Holds>,
    /// What means something else already.
    pub reserved: Reserved,
    pub role: Role,
}

/// Texts that have the right form and mean something else already.
#[derive(Clone, Copy, Debug)]
pub enum Reserved {
    Nothing,
    Names(&'static [&'static str]),
    /// Names of headers that are not the declaration's to choose.
    Headers(fn(&str) -> bool),
}

/// Whether a text means something; otherwise the words tell what was expected.
pub type Holds = fn(&str) -> Result<(), &'static str>;

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It stands as it is written.
    Plain,
    /// `${env.NAME}` may stand in it.
    Filled,
    /// It names a secret, and must not be one.
    SecretName,
    /// A public key: it looks like a secret and is none.
    PublicKey,
}

#[derive(Clone, Debug, Default)]
pub struct Map {
    pub fields: Vec<Field>,
    /// Exactly one of these stands among the fields.
    pub one_of: Vec<&'static str>,
    /// At least one of these.
    pub any_of: Vec<&'static str>,
    /// The first makes sense only with the second.
    pub needs: Vec<(&'static str, &'static str)>,
    /// Whether an empty map says nothing and is refused.
    pub not_empty: bool,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: &'static str,
    pub shape: Shape,
    pub required: bool,
    pub default: Option<Json>,
    pub about: &'static str,
}

/// A text of at most so many characters.
pub fn text(most: usize) -> Shape {
    Shape::of(Kind::Text(Text {
        form: None,
        least: 0,
        most,
        holds: None,
        reserved: Reserved::Nothing,
        role: Role::Plain,
    }))
}

pub fn form(most: usize, form: &'static Form) -> Shape {
    text(most).text_with(|text| text.form = Some(form))
}

/// The name of something.
pub fn name() -> Shape {
    form(63, &form::NAME)
}

pub fn list(item: Shape) -> Shape {
    Shape::of(Kind::List { item: Box::new(item), least: 0, most: 64, unique: false })
}

/// A map whose keys are texts of this shape.
pub fn table(keys: Shape, value: Shape) -> Shape {
    let keys = match keys.kind {
        Kind::Text(text) => text,
        _ => Text {
            form: None,
            least: 0,
            most: usize::MAX,
            holds: None,
            reserved: Reserved::Nothing,
            role: Role::Plain,
        },
    };
    Shape::of(Kind::Table { keys, value: Box::new(value), least: 0, most: 64 })
}

pub fn whole(least: u64, most: Option<u64>) -> Shape {
    Shape::of(Kind::Whole { least, most })
}

impl Shape {
    pub const fn of(kind: Kind) -> Self {
        Self { kind, about: "" }
    }

    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    fn text_with(mut self, change: impl FnOnce(&mut Text)) -> Self {
        if let Kind::Text(text) = &mut self.kind {
            change(text);
        }
        self
    }

    fn map_with(mut self, change: impl FnOnce(&mut Map)) -> Self {
        if let Kind::Map(map) = &mut self.kind {
            change(map);
        }
        self
    }

    /// At least so many characters, items or keys.
    pub fn at_least(mut self, count: usize) -> Self {
        match &mut self.kind {
            Kind::Text(Text { least, .. })
            | Kind::List { least, .. }
            | Kind::Table { least, .. } => *least = count,
            _ => {}
        }
        self
    }

    /// At most so many items or keys.
    pub fn up_to(mut self, count: usize) -> Self {
        if let Kind::List { most, .. } | Kind::Table { most, .. } = &mut self.kind {
            *most = count;
        }
        self
    }

    pub fn unique(mut self) -> Self {
        if let Kind::List { unique, .. } = &mut self.kind {
            *unique = true;
        }
        self
    }

    pub fn role(self, role: Role) -> Self {
        self.text_with(|text| text.role = role)
    }

    pub fn reserved(self, words: &'static [&'static str]) -> Self {
        self.text_with(|text| text.reserved = Reserved::Names(words))
    }

    pub fn not_header(self, reserved: fn(&str) -> bool) -> Self {
        self.text_with(|text| text.reserved = Reserved::Headers(reserved))
    }

    pub fn holds(self, holds: Holds) -> Self {
        self.text_with(|text| text.holds = Some(holds))
    }

    pub fn one_of(self, names: Vec<&'static str>) -> Self {
        self.map_with(|map| map.one_of = names)
    }

    pub fn any_of(self, names: Vec<&'static str>) -> Self {
        self.map_with(|map| map.any_of = names)
    }

    pub fn needs(self, name: &'static str, other: &'static str) -> Self {
        self.map_with(|map| map.needs.push((name, other)))
    }

    pub fn not_empty(self) -> Self {
        self.map_with(|map| map.not_empty = true)
    }

    pub fn with(mut self, field: Field) -> Self {
        if let Kind::Map(map) = &mut self.kind {
            map.fields.push(field);
        }
        self
    }

    pub fn fields(&self) -> &[Field] {
        match &self.kind {
            Kind::Map(map) => &map.fields,
            Kind::Choice(fields) => fields,
            _ => &[],
        }
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// The same map where nothing has to be written and nothing stands by itself.
    pub fn loose(self) -> Self {
        self.map_with(|map| {
            for field in &mut map.fields {
                field.required = false;
                field.default = None;
            }
        })
    }
}

impl Map {
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Takes in fields of which exactly one of the named ones is written.
    #[must_use]
    pub fn flat(mut self, (fields, one_of): (Vec<Field>, Vec<&'static str>)) -> Self {
        self.fields.extend(fields);
        self.one_of.extend(one_of);
        self
    }
}

impl Field {
    pub const fn new(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, shape, required: false, default: None, about }
    }

    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub fn default(mut self, default: Option<Json>) -> Self {
        self.default = default;
        self
    }
}
