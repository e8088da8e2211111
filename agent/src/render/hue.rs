//! What color a frame has in a drawing: it says whose code the frame is, and a label stands out from functions.

use crate::profile::{Frame, Owner};

/// What is told apart by color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hue {
    User,
    Dependency,
    Runtime,
    Std,
    System,
    Allocator,
    Other,
    Label,
}

impl Hue {
    pub(super) fn of(frame: &Frame) -> Self {
        match (frame, frame.owner()) {
            (Frame::Label { .. }, _) => Self::Label,
            (_, Owner::User) => Self::User,
            (_, Owner::Dependency) => Self::Dependency,
            (_, Owner::Runtime | Owner::Flamewatch) => Self::Runtime,
            (_, Owner::Std) => Self::Std,
            (_, Owner::System) => Self::System,
            (_, Owner::Allocator) => Self::Allocator,
            _ => Self::Other,
        }
    }

    /// Red, green, blue. All of them light enough for black text: contrast at least 7 to 1.
    pub(super) const fn color(self) -> [u8; 3] {
        match self {
            Self::Label => [214, 196, 240],
            Self::User => [255, 158, 84],
            Self::Dependency => [250, 208, 110],
            Self::Runtime => [170, 205, 232],
            Self::Std => [178, 218, 186],
            Self::System => [196, 216, 196],
            Self::Allocator => [226, 176, 196],
            Self::Other => [205, 210, 205],
        }
    }
}
