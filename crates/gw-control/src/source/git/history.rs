//! What came before what.

use std::collections::{HashMap, HashSet};

use super::{
    caps::Caps,
    failure::{Excess, GitError},
    id::ObjectId,
    objects::Objects,
};

/// Walks from commits to their parents, each once.
struct Walk<'a> {
    objects: &'a Objects,
    seen: HashSet<ObjectId>,
    next: Vec<ObjectId>,
    limit: usize,
}

impl<'a> Walk<'a> {
    fn new(objects: &'a Objects, caps: &Caps) -> Self {
        Self { objects, seen: HashSet::new(), next: vec![], limit: caps.commits }
    }

    fn go_to(&mut self, id: ObjectId) -> Result<(), GitError> {
        if self.seen.insert(id) {
            self.next.push(id);
        }
        if self.seen.len() > self.limit {
            return Err(Excess::Commits { limit: self.limit }.into());
        }
        Ok(())
    }

    /// Goes one step on: the commit that was reached and whether it is there.
    fn step(&mut self) -> Result<Option<(ObjectId, bool)>, GitError> {
        let Some(id) = self.next.pop() else { return Ok(None) };
        let Some(parents) = self.objects.parents(&id)? else { return Ok(Some((id, false))) };
        for parent in parents {
            self.go_to(parent)?;
        }
        Ok(Some((id, true)))
    }
}

/// Whether one is the other or comes before it.
pub(super) fn is_ancestor(
    objects: &Objects,
    older: &ObjectId,
    newer: &ObjectId,
    caps: &Caps,
) -> Result<bool, GitError> {
    let mut walk = Walk::new(objects, caps);
    walk.go_to(*newer)?;
    while let Some((id, _)) = walk.step()? {
        if id == *older {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Which of these are a commit or come after it. Each commit is read once, however many they are.
pub(super) fn holding(
    objects: &Objects,
    commit: &ObjectId,
    heads: HashSet<ObjectId>,
    caps: &Caps,
) -> Result<HashSet<ObjectId>, GitError> {
    let mut holds = HashMap::from([(*commit, true)]);
    for head in &heads {
        // A commit is judged once all of its parents are.
        let mut stack = vec![(*head, None::<Vec<ObjectId>>)];
        while let Some((id, parents)) = stack.pop() {
            if let Some(parents) = parents {
                holds.insert(id, parents.iter().any(|parent| holds.get(parent) == Some(&true)));
            } else if !holds.contains_key(&id) {
                let parents = objects.parents(&id)?.unwrap_or_default();
                stack.push((id, Some(parents.clone())));
                stack.extend(parents.into_iter().map(|parent| (parent, None)));
            }
            if holds.len() > caps.commits {
                return Err(Excess::Commits { limit: caps.commits }.into());
            }
        }
    }
    Ok(heads.into_iter().filter(|head| holds.get(head) == Some(&true)).collect())
}

/// A commit that comes before both, as near to them as the walk finds one. None: they share nothing.
pub(super) fn common(
    objects: &Objects,
    one: &ObjectId,
    other: &ObjectId,
    caps: &Caps,
) -> Result<Option<ObjectId>, GitError> {
    let mut walk = Walk::new(objects, caps);
    walk.go_to(*one)?;
    while walk.step()?.is_some() {}
    let before = walk.seen;
    // Breadth first: of what both have, the nearest comes first.
    let (mut seen, mut level) = (HashSet::from([*other]), vec![*other]);
    while !level.is_empty() {
        if let Some(found) = level.iter().find(|id| before.contains(*id)) {
            return Ok(Some(*found));
        }
        let mut next = vec![];
        for id in level {
            let parents = objects.parents(&id)?.unwrap_or_default();
            next.extend(parents.into_iter().filter(|parent| seen.insert(*parent)));
        }
        if seen.len() > caps.commits {
            return Err(Excess::Commits { limit: caps.commits }.into());
        }
        level = next;
    }
    Ok(None)
}

/// The commits that came with one and not with another before it, the oldest first. What a merge
/// brought comes before the merge.
pub(super) fn between(
    objects: &Objects,
    older: Option<&ObjectId>,
    newer: &ObjectId,
    caps: &Caps,
) -> Result<Vec<ObjectId>, GitError> {
    let mut walk = Walk::new(objects, caps);
    if let Some(older) = older {
        walk.go_to(*older)?;
        while walk.step()?.is_some() {}
    }
    let mut done = walk.seen;
    let mut order = vec![];
    // A commit is put down once everything before it is.
    let mut stack = vec![(*newer, false)];
    while let Some((id, parents_are_down)) = stack.pop() {
        if parents_are_down {
            order.push(id);
        } else if done.insert(id) {
            stack.push((id, true));
            let parents = objects.parents(&id)?.unwrap_or_default();
            stack.extend(parents.into_iter().rev().map(|parent| (parent, false)));
        }
        if done.len() > caps.commits {
            return Err(Excess::Commits { limit: caps.commits }.into());
        }
    }
    Ok(order)
}

/// Whether every commit before these is there. What was whole before is not looked at again.
pub(super) fn check_whole(
    objects: &Objects,
    tips: impl IntoIterator<Item = ObjectId>,
    whole: &HashSet<ObjectId>,
    caps: &Caps,
    is_stopped: &dyn Fn() -> bool,
) -> Result<(), GitError> {
    let mut walk = Walk::new(objects, caps);
    walk.seen.clone_from(whole);
    for tip in tips {
        walk.go_to(tip)?;
    }
    while let Some((_, is_there)) = walk.step()? {
        if !is_there {
            // A host that keeps it back says so, or does not.
            return Err(GitError::Shallow);
        }
        if is_stopped() {
            return Err(GitError::TooSlow { limit: caps.time });
        }
    }
    Ok(())
}
