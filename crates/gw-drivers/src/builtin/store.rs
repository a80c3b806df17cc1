//! The folder of a builtin target: signed generations, and the number of the one in force.
//!
//! A file is written beside its place, synchronised and renamed, and then its folder is
//! synchronised: after a power cut there is the old state or the new one. Generations are never
//! edited. Their numbers only grow, so a gateway can refuse whatever is older than it has served.

use std::{
    collections::BTreeSet,
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use gw_plan::driver::{Condition, Object, Stamp, TargetError};
use gw_policy::generation::{Expected, Generation, SigningKey};

use super::Place;

/// So many generations stay beside the one in force.
const KEPT: usize = 10;

const GENERATIONS: &str = "generations";
const CURRENT: &str = "current";

#[derive(Debug)]
pub(super) struct Store {
    place: Arc<Place>,
    key: Arc<SigningKey>,
}

/// A switch that was made, and what it switched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) number: u64,
    before: Option<u64>,
}

impl Store {
    pub(super) fn new(place: Arc<Place>, key: Arc<SigningKey>) -> Self {
        Self { place, key }
    }

    /// The generation in force. What cannot be used is no loss: each apply writes all of it.
    pub(super) fn current(&self) -> Result<Option<Generation>, TargetError> {
        let current = self.number().and_then(|it| it.map(|number| self.read(number)).transpose());
        current.map_err(|error| match error {
            TargetError::Broken { place, because } => {
                let pointer = self.place.folder.join(CURRENT);
                let anew = format!(
                    "{because}; without `{}` the next apply writes what is in force anew",
                    pointer.display()
                );
                TargetError::Broken { place, because: anew }
            }
            error => error,
        })
    }

    /// Writes a generation that nobody serves yet; the one that this change staged before counts.
    pub(super) fn stage(
        &self,
        objects: Vec<Object>,
        stamp: &Stamp,
        condition: &Condition,
    ) -> Result<(), TargetError> {
        let in_force = self.mine()?;
        if self.staged(stamp)?.is_some() {
            return Ok(());
        }
        let found = in_force.map(|generation| generation.number);
        self.hold(condition, found)?;
        let highest = self.numbers()?.last().copied().unwrap_or_default();
        let generation = Generation {
            workspace_id: self.place.workspace_id.clone(),
            environment: self.place.environment.clone(),
            target: self.place.target.clone(),
            number: stamp.change.max(highest + 1),
            change: Some(stamp.change),
            effect: stamp.effect.to_string(),
            made_at: stamp.at,
            objects,
        };
        let file =
            generation.sign(&self.key).map_err(|error| self.place.broken(error.to_string()))?;
        self.keep(&self.path(generation.number), &file)
    }

    /// Puts what this change staged in force.
    pub(super) fn switch(&self, stamp: &Stamp, condition: &Condition) -> Result<Turn, TargetError> {
        let before = self.mine()?.map(|generation| generation.number);
        let Some(number) = self.staged(stamp)? else {
            let because = format!("nothing is staged for change {}", stamp.change);
            return Err(self.place.broken(because));
        };
        if before != Some(number) {
            self.hold(condition, before)?;
            self.point(number)?;
        }
        Ok(Turn { number, before })
    }

    /// Undoes a switch whose generation the gateway did not take.
    pub(super) fn turn_back(&self, turn: &Turn) -> Result<(), TargetError> {
        match turn.before {
            Some(before) if before != turn.number => self.point(before),
            Some(_) => Ok(()),
            None => self.remove(&self.place.folder.join(CURRENT)),
        }
    }

    /// Removes what is older than anybody would go back to.
    pub(super) fn retire(&self) -> Result<(), TargetError> {
        let Some(current) = self.number()? else { return Ok(()) };
        let numbers = self.numbers()?;
        let old: Vec<u64> = numbers.into_iter().filter(|number| *number < current).collect();
        for number in old.iter().rev().skip(KEPT) {
            self.remove(&self.path(*number))?;
        }
        Ok(())
    }

    /// Removes what this change staged, unless it is in force.
    pub(super) fn abandon(&self, stamp: &Stamp) -> Result<(), TargetError> {
        match self.staged(stamp)? {
            Some(number) if self.number()? != Some(number) => self.remove(&self.path(number)),
            Some(_) | None => Ok(()),
        }
    }

    /// The generation in force, if it carries our mark.
    fn mine(&self) -> Result<Option<Generation>, TargetError> {
        let current = self.current()?;
        match current {
            Some(generation) if generation.workspace_id != self.place.workspace_id => {
                Err(TargetError::Foreign {
                    place: self.place.words(),
                    owner: generation.workspace_id.to_string(),
                })
            }
            current => Ok(current),
        }
    }

    fn hold(&self, condition: &Condition, found: Option<u64>) -> Result<(), TargetError> {
        let found = found.map(|number| number.to_string());
        if found == condition.version {
            return Ok(());
        }
        let expected = condition.version.clone();
        Err(TargetError::Moved { place: self.place.words(), expected, found })
    }

    /// The newest generation of this change and effect.
    fn staged(&self, stamp: &Stamp) -> Result<Option<u64>, TargetError> {
        for number in self.numbers()?.into_iter().rev() {
            if number < stamp.change {
                break;
            }
            let Ok(generation) = self.read(number) else { continue };
            if generation.change == Some(stamp.change)
                && generation.effect == stamp.effect.as_str()
                && generation.made_at == stamp.at
            {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    fn read(&self, number: u64) -> Result<Generation, TargetError> {
        let path = self.path(number);
        let file = fs::read(&path).map_err(|error| self.failed("read", &path, &error))?;
        let refused = |because: String| {
            self.place.broken(format!("generation {number} in `{}`: {because}", path.display()))
        };
        let generation = Generation::verify(&file, &self.key.public())
            .map_err(|refusal| refused(refusal.to_string()))?;
        let expected = Expected {
            workspace_id: &generation.workspace_id,
            environment: &self.place.environment,
            target: &self.place.target,
            last_seen: None,
        };
        expected.admit(&generation).map_err(|refusal| refused(refusal.to_string()))?;
        if generation.number != number {
            return Err(refused(format!("it calls itself {}", generation.number)));
        }
        Ok(generation)
    }

    /// The number in force.
    fn number(&self) -> Result<Option<u64>, TargetError> {
        let path = self.place.folder.join(CURRENT);
        match fs::read_to_string(&path) {
            Ok(text) => text
                .trim()
                .parse()
                .map(Some)
                .map_err(|_| self.place.broken(format!("`{}` holds no number", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", &path, &error)),
        }
    }

    /// Every number that has a file.
    fn numbers(&self) -> Result<BTreeSet<u64>, TargetError> {
        let folder = self.place.folder.join(GENERATIONS);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(self.failed("read", &folder, &error)),
        };
        let mut numbers = BTreeSet::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.failed("read", &folder, &error))?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".json"));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        Ok(numbers)
    }

    fn point(&self, number: u64) -> Result<(), TargetError> {
        self.keep(&self.place.folder.join(CURRENT), format!("{number}\n").as_bytes())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.place.folder.join(GENERATIONS).join(format!("{number:012}.json"))
    }

    fn keep(&self, path: &Path, bytes: &[u8]) -> Result<(), TargetError> {
        write_whole(path, bytes).map_err(|error| self.failed("write", path, &error))
    }

    fn remove(&self, path: &Path) -> Result<(), TargetError> {
        match fs::remove_file(path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.failed("remove", path, &error)),
        }
    }

    fn failed(&self, verb: &str, path: &Path, error: &io::Error) -> TargetError {
        self.place.broken(format!("cannot {verb} `{}`: {error}", path.display()))
    }
}

/// All of the bytes or none of them, for the owner only.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let beside = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    fs::File::open(folder)?.sync_all()
}
