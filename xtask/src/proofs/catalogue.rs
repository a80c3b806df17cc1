//! Every row that there is: the requirements S0 to S4, and the attacks and faults by letter.

use std::fmt;

/// How many rows each part has, in the order of the tables.
const PARTS: &[(Part, u16)] = &[
    (Part::Requirement(0), 28),
    (Part::Requirement(1), 32),
    (Part::Requirement(2), 33),
    (Part::Requirement(3), 27),
    (Part::Requirement(4), 29),
    (Part::Threat('J'), 20),
    (Part::Threat('H'), 18),
    (Part::Threat('W'), 10),
    (Part::Threat('R'), 10),
    (Part::Threat('G'), 10),
    (Part::Threat('K'), 3),
    (Part::Threat('L'), 8),
    (Part::Threat('X'), 3),
    (Part::Threat('F'), 24),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// One pairing of systems.
    Requirement(u8),
    /// One kind of attack or fault.
    Threat(char),
}

/// One row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) part: Part,
    number: u16,
}

impl Id {
    /// The row of that name, if there is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        all().find(|id| id.to_string() == text)
    }

    pub(crate) fn is_threat(self) -> bool {
        matches!(self.part, Part::Threat(_))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::Requirement(pairing) => write!(f, "S{pairing}.{}", self.number),
            Part::Threat(letter) => write!(f, "{letter}{}", self.number),
        }
    }
}

pub(crate) fn all() -> impl Iterator<Item = Id> {
    PARTS.iter().flat_map(|(part, count)| (1..=*count).map(|number| Id { part: *part, number }))
}
