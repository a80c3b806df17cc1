//! One definition of a declaration gives its Rust type, the way it is read, and its [`Shape`].
//!
//! [`declaration!`] makes a struct, [`choice!`] an object with exactly one key, [`words!`] a closed
//! list of words. A field is written
//! `pub field as "written": Type, presence, shape;` where the written name is left away if it is the
//! same word, the shape if that of the type will do, and the presence is one of `required`,
//! `optional` (the type's empty value stands in), `or(value)`, `flat` (its fields stand in the map
//! itself) and `place` (filled with where the map was written).

use std::{collections::BTreeMap, str::FromStr};

use time::Date;

use crate::{
    document::{Node, Value},
    form,
    id::{
        ApiName, EnvironmentName, IdentityName, PersonName, SecretName, TargetName, TeamName,
        WorkspaceName,
    },
    scalar::{ByteSize, Method, Period, Rate},
    shape::{Field, Kind, Role, Shape, form, list, name, table, text, whole},
    source::Sources,
};

/// What can be written in a declaration.
pub trait Declared: Sized {
    fn shape() -> Shape;

    /// Takes the value out of a node that fits [`Declared::shape`]; `None` for any other.
    fn read(node: &Node, sources: &Sources) -> Option<Self>;
}

/// What stands among the fields of the map around it.
pub trait Flat: Sized {
    /// The fields, and the names of which exactly one is written.
    fn fields() -> (Vec<Field>, Vec<&'static str>);

    fn read(map: &Node, sources: &Sources) -> Option<Self>;
}

impl Declared for String {
    fn shape() -> Shape {
        text(256)
    }

    fn read(node: &Node, _: &Sources) -> Option<Self> {
        node.as_text().map(str::to_owned)
    }
}

impl Declared for bool {
    fn shape() -> Shape {
        Shape::of(Kind::Flag { only_true: false })
    }

    fn read(node: &Node, _: &Sources) -> Option<Self> {
        match node.value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }
}

/// Whole numbers.
macro_rules! counts {
    ($($name:ident),+) => {$(
        impl Declared for $name {
            fn shape() -> Shape {
                whole(0, Some($name::MAX.into()))
            }

            fn read(node: &Node, _: &Sources) -> Option<Self> {
                match &node.value {
                    Value::Number(number) => number.parse().ok(),
                    _ => None,
                }
            }
        }
    )+};
}

counts!(u8, u32);

/// Texts that are parsed into a type of their own.
macro_rules! parsed {
    ($($name:ident: $shape:expr;)+) => {$(
        impl Declared for $name {
            fn shape() -> Shape {
                $shape
            }

            fn read(node: &Node, _: &Sources) -> Option<Self> {
                node.as_text()?.parse().ok()
            }
        }
    )+};
}

parsed! {
    WorkspaceName: name();
    EnvironmentName: name();
    ApiName: name();
    TargetName: name();
    IdentityName: name();
    PersonName: name();
    TeamName: name();
    SecretName: name()
        .role(Role::SecretName)
        .about("a name that every environment resolves through spec.secrets");
    Period: form(16, &form::PERIOD).holds(|text| parses::<Period>(text, "so short that it can be counted"));
    Rate: form(32, &form::RATE).holds(|text| parses::<Rate>(text, "a rate that can be counted"));
    ByteSize: form(16, &form::SIZE).holds(|text| parses::<ByteSize>(text, "a size that can be counted"));
    Method: Shape::of(Kind::Word(&Method::WORDS));
}

fn parses<T: FromStr>(text: &str, expected: &'static str) -> Result<(), &'static str> {
    text.parse::<T>().map(|_| ()).map_err(|_| expected)
}

impl Declared for Date {
    fn shape() -> Shape {
        form(10, &form::DATE).holds(|text| match date(text) {
            Some(_) => Ok(()),
            None => Err("a day that the calendar has"),
        })
    }

    fn read(node: &Node, _: &Sources) -> Option<Self> {
        date(node.as_text()?)
    }
}

fn date(text: &str) -> Option<Date> {
    Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).ok()
}

impl<T: Declared> Declared for Option<T> {
    fn shape() -> Shape {
        T::shape()
    }

    fn read(node: &Node, sources: &Sources) -> Option<Self> {
        T::read(node, sources).map(Some)
    }
}

impl<T: Declared> Declared for Vec<T> {
    fn shape() -> Shape {
        list(T::shape())
    }

    fn read(node: &Node, sources: &Sources) -> Option<Self> {
        node.as_list()?.iter().map(|item| T::read(item, sources)).collect()
    }
}

impl<K: Declared + FromStr + Ord, V: Declared> Declared for BTreeMap<K, V> {
    fn shape() -> Shape {
        table(K::shape(), V::shape())
    }

    fn read(node: &Node, sources: &Sources) -> Option<Self> {
        let entry = |entry: &crate::document::Entry| {
            Some((entry.key.parse().ok()?, V::read(&entry.node, sources)?))
        };
        node.as_map()?.iter().map(entry).collect()
    }
}

/// The first of these names that the map holds.
pub fn chosen<'a>(map: &'a Node, names: &[&'static str]) -> Option<(&'static str, &'a Node)> {
    names.iter().find_map(|name| Some((*name, map.get(name)?)))
}

macro_rules! declaration {
    (
        $(#[doc = $about:literal])*
        $(#[derive($($derive:ident),+)])?
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                pub $field:ident $(as $written:literal)?: $type:ty,
                $presence:ident $(($default:expr))? $(, $shape:expr)?;
            )*
        }
        $(rules($rules:expr))?
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize $($(, $derive)+)?)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $doc])*
                $(#[serde(rename = $written)])?
                pub $field: $type,
            )*
        }

        impl $crate::declared::Declared for $name {
            fn shape() -> $crate::shape::Shape {
                let map = $crate::declared::map_of!($(
                    [$($doc)*] $field $(as $written)?: $type, $presence $(($default))? $(, $shape)?;
                )*);
                $(let map = ($rules)(map);)?
                map.about(concat!($($about),*).trim_ascii())
            }

            fn read(node: &$crate::document::Node, sources: &$crate::source::Sources) -> Option<Self> {
                node.as_map()?;
                Some(Self {$(
                    $field: $crate::declared::field_of!(
                        node, sources, $field $(as $written)?: $type, $presence $(($default))?
                    ),
                )*})
            }
        }
    };
}

/// The map shape of a list of fields.
macro_rules! map_of {
    ($(
        [$($doc:literal)*] $field:ident $(as $written:literal)?: $type:ty,
        $presence:ident $(($default:expr))? $(, $shape:expr)?;
    )*) => {{
        let map = $crate::shape::Map::default();
        $(let map = $crate::declared::add_field!(
            map, concat!($($doc),*).trim_ascii(),
            $crate::declared::name_of!($field $(as $written)?), $type,
            $presence $(($default))? $(, $shape)?
        );)*
        $crate::shape::Shape::of($crate::shape::Kind::Map(map))
    }};
}

macro_rules! name_of {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident as $written:literal) => {
        $written
    };
}

macro_rules! shape_of {
    ($type:ty) => {
        <$type as $crate::declared::Declared>::shape()
    };
    ($type:ty, $shape:expr) => {
        $shape
    };
}

macro_rules! add_field {
    ($map:ident, $doc:expr, $name:expr, $type:ty, place) => {
        $map
    };
    ($map:ident, $doc:expr, $name:expr, $type:ty, flat) => {
        $map.flat(<$type as $crate::declared::Flat>::fields())
    };
    ($map:ident, $doc:expr, $name:expr, $type:ty, required $(, $shape:expr)?) => {
        $map.field(
            $crate::shape::Field::new($name, $crate::declared::shape_of!($type $(, $shape)?), $doc)
                .required(),
        )
    };
    ($map:ident, $doc:expr, $name:expr, $type:ty, optional $(, $shape:expr)?) => {
        $map.field($crate::shape::Field::new(
            $name,
            $crate::declared::shape_of!($type $(, $shape)?),
            $doc,
        ))
    };
    ($map:ident, $doc:expr, $name:expr, $type:ty, or($default:expr) $(, $shape:expr)?) => {{
        let default: $type = $default;
        $map.field(
            $crate::shape::Field::new($name, $crate::declared::shape_of!($type $(, $shape)?), $doc)
                .default(serde_json::to_value(default).ok()),
        )
    }};
}

macro_rules! field_of {
    ($node:ident, $sources:ident, $field:ident $(as $written:literal)?: $type:ty, place) => {
        $sources.origin($node.span)
    };
    ($node:ident, $sources:ident, $field:ident $(as $written:literal)?: $type:ty, flat) => {
        <$type as $crate::declared::Flat>::read($node, $sources)?
    };
    ($node:ident, $sources:ident, $field:ident $(as $written:literal)?: $type:ty, required) => {
        <$type as $crate::declared::Declared>::read(
            $node.get($crate::declared::name_of!($field $(as $written)?))?,
            $sources,
        )?
    };
    ($node:ident, $sources:ident, $field:ident $(as $written:literal)?: $type:ty, optional) => {
        match $node.get($crate::declared::name_of!($field $(as $written)?)) {
            Some(node) => <$type as $crate::declared::Declared>::read(node, $sources)?,
            None => <$type>::default(),
        }
    };
    ($node:ident, $sources:ident, $field:ident $(as $written:literal)?: $type:ty, or($default:expr)) => {
        match $node.get($crate::declared::name_of!($field $(as $written)?)) {
            Some(node) => <$type as $crate::declared::Declared>::read(node, $sources)?,
            None => $default,
        }
    };
}

/// An enum whose value is written as a map with exactly one of the keys.
macro_rules! choice {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident {$(
            $(#[doc = $doc:literal])*
            $variant:ident = $key:literal
            $(($type:ty $(, $inner:expr)?))?
            $({$(
                $(#[doc = $field_doc:literal])*
                $field:ident $(as $written:literal)?: $field_type:ty,
                $presence:ident $(($default:expr))? $(, $shape:expr)?;
            )*})?,
        )+}
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub enum $name {$(
            $(#[doc = $doc])*
            #[serde(rename = $key)]
            $variant
            $(($type))?
            $({$(
                $(#[doc = $field_doc])*
                $(#[serde(rename = $written)])?
                $field: $field_type,
            )*})?,
        )+}

        impl $crate::declared::Flat for $name {
            fn fields() -> (Vec<$crate::shape::Field>, Vec<&'static str>) {
                let fields = vec![$({
                    $(let shape = $crate::declared::shape_of!($type $(, $inner)?);)?
                    $(let shape = $crate::declared::map_of!($(
                        [$($field_doc)*] $field $(as $written)?: $field_type,
                        $presence $(($default))? $(, $shape)?;
                    )*);)?
                    $crate::shape::Field::new($key, shape, concat!($($doc),*).trim_ascii())
                }),+];
                (fields, vec![$($key),+])
            }

            fn read(map: &$crate::document::Node, sources: &$crate::source::Sources) -> Option<Self> {
                let (key, node) = $crate::declared::chosen(map, &[$($key),+])?;
                match key {
                    $($key => {
                        $(Some(Self::$variant(<$type as $crate::declared::Declared>::read(node, sources)?)))?
                        $({
                            node.as_map()?;
                            let _ = sources;
                            Some(Self::$variant {$(
                                $field: $crate::declared::field_of!(
                                    node, sources, $field $(as $written)?: $field_type,
                                    $presence $(($default))?
                                ),
                            )*})
                        })?
                    })+
                    _ => None,
                }
            }
        }

        impl $crate::declared::Declared for $name {
            fn shape() -> $crate::shape::Shape {
                let (fields, _) = <Self as $crate::declared::Flat>::fields();
                $crate::shape::Shape::of($crate::shape::Kind::Choice(fields))
                    .about(concat!($($about),*).trim_ascii())
            }

            fn read(node: &$crate::document::Node, sources: &$crate::source::Sources) -> Option<Self> {
                <Self as $crate::declared::Flat>::read(node, sources)
            }
        }
    };
}

/// An enum of words.
macro_rules! words {
    (
        $(#[doc = $about:literal])*
        $(#[derive($derive:ident)])?
        pub enum $name:ident {$(
            $(#[$meta:meta])*
            $variant:ident = $word:literal,
        )+}
    ) => {
        $(#[doc = $about])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize $(, $derive)?
        )]
        pub enum $name {$(
            $(#[$meta])*
            #[serde(rename = $word)]
            $variant,
        )+}

        impl $name {
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl $crate::declared::Declared for $name {
            fn shape() -> $crate::shape::Shape {
                $crate::shape::Shape::of($crate::shape::Kind::Word(&[$($word),+]))
            }

            fn read(node: &$crate::document::Node, _: &$crate::source::Sources) -> Option<Self> {
                let written = node.as_text()?;
                Self::ALL.into_iter().find(|known| known.as_str() == written)
            }
        }
    };
}

pub(crate) use add_field;
pub(crate) use choice;
pub(crate) use declaration;
pub(crate) use field_of;
pub(crate) use map_of;
pub(crate) use name_of;
pub(crate) use shape_of;
pub(crate) use words;
