//! The tags of tokens, and the best sequence of them.

/// Kinds of entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person.
    Person,
    /// A place.
    Location,
    /// A company, an authority, a club.
    Organisation,
}

/// Number of tags: none, and for each kind its first token and those that follow.
pub const TAGS: usize = 7;

/// Scores of the tags of one token.
pub type Scores = [i32; TAGS];

/// No entity.
pub const OUTSIDE: usize = 0;

impl Kind {
    /// The tag of its first token; the next one is that of the tokens that follow.
    #[must_use]
    pub fn first(self) -> usize {
        match self {
            Self::Person => 1,
            Self::Location => 3,
            Self::Organisation => 5,
        }
    }

    /// Of which kind an entity is that begins with this tag.
    #[must_use]
    pub fn begun_by(tag: usize) -> Option<Self> {
        [Self::Person, Self::Location, Self::Organisation].into_iter().find(|kind| kind.first() == tag)
    }
}

/// Whether `next` may follow `last`: an entity goes on only with its own kind.
#[must_use]
pub fn may_follow(last: usize, next: usize) -> bool {
    next == OUTSIDE || next % 2 == 1 || last == next || last + 1 == next
}

/// The sequence with the highest sum of scores and transitions (Viterbi).
#[must_use]
pub fn best(scores: &[Scores], transitions: &[Scores; TAGS]) -> Vec<usize> {
    const NEVER: i32 = i32::MIN / 2;
    let mut totals = [NEVER; TAGS];
    totals[OUTSIDE] = 0;
    let mut origins: Vec<[usize; TAGS]> = Vec::with_capacity(scores.len());
    for scores in scores {
        let mut next = [NEVER; TAGS];
        let mut origin = [OUTSIDE; TAGS];
        for (tag, (next, origin)) in next.iter_mut().zip(&mut origin).enumerate() {
            for last in (0..TAGS).filter(|last| may_follow(*last, tag)) {
                let total = totals[last].saturating_add(transitions[last][tag] + scores[tag]);
                if total > *next {
                    (*next, *origin) = (total, last);
                }
            }
        }
        totals = next;
        origins.push(origin);
    }
    let mut tag = (0..TAGS).max_by_key(|tag| (totals[*tag], TAGS - tag)).unwrap_or(OUTSIDE);
    let mut tags = vec![OUTSIDE; scores.len()];
    for (slot, origin) in tags.iter_mut().zip(&origins).rev() {
        *slot = tag;
        tag = origin[tag];
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_sequence_is_a_lawful_one() {
        let tags = |scores: &[Scores]| best(scores, &[[0; TAGS]; TAGS]);
        assert_eq!(tags(&[[0, 5, 0, 0, 0, 0, 0], [0, 0, 5, 0, 0, 0, 0], [5, 0, 0, 0, 0, 0, 0]]), [1, 2, 0]);
        // A token that goes on with nothing begins something.
        assert_eq!(tags(&[[9, 0, 0, 0, 0, 0, 0], [0, 3, 5, 0, 0, 0, 0]]), [0, 1]);
        assert_eq!(tags(&[]), Vec::<usize>::new());
    }
}
