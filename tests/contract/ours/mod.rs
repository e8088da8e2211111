//! What we have promised beyond what readers refuse: so that what they show is right, and says what it is.

mod frames;
mod kinds;
mod mappings;
mod names;
mod remarks;
mod samples;
mod tables;

use crate::case::Rule;

pub(crate) fn rules() -> Vec<Rule> {
    [
        tables::RULES,
        samples::RULES,
        mappings::RULES,
        names::RULES,
        frames::RULES,
        kinds::RULES,
        remarks::RULES,
    ]
    .concat()
}
