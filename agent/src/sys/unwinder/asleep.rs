//! The stack of a thread that sleeps in the kernel, walked without waking it: from the program counter and the stack
//! pointer that the kernel tells, over a copy of the stack's memory.
//!
//! The kernel tells no frame pointer. Most functions of an optimized build need none, and the first that saved it gives
//! it back. For one that needs it before, as std's do, the way it begins says where it is; where that cannot be read, the
//! stack is searched for what a frame pointer points at, and only a guess that leads on to where threads begin is taken.

use super::call::Call;
use super::copy;
use super::here::here;
use super::modules::Code;
use super::prologue::Functions;
use super::stack::PAGE;
use super::{End, First, Pool, Registers, User, Walker};

/// How much of a stack is copied at once; what lies beyond is read word by word.
const COPIED_PAGES: usize = 4;
const COPIED_WORDS: usize = COPIED_PAGES * PAGE / WORD;
const WORD: usize = size_of::<usize>();

/// How far above the stack pointer a lost frame pointer is looked for, in words: 32 KiB, the largest buffers aside.
const SEARCHED_WORDS: usize = 4096;

/// Guesses that look right at first sight are followed to the end; more than so many are not.
const MAX_GUESSES: usize = 64;

/// No frame pointer: a word that cannot be read as one, and is not the 0 that ends a chain.
const UNKNOWN: usize = 1;

/// Walks sleeping threads, one after the other.
#[derive(Debug)]
pub(crate) struct Sleepers {
    stack: Box<[usize; COPIED_WORDS]>,
    /// Where threads begin: the outermost return address of one of ours, the same for all that libc started.
    root: Option<usize>,
    code: Code,
    functions: Functions,
    _user: User,
}

/// A copy of the lower end of a stack.
struct Copy<'words> {
    start: usize,
    words: &'words [usize],
}

impl Sleepers {
    /// Ready to walk. Finds out where threads begin.
    pub(crate) fn new() -> Self {
        let user = Pool::global().used();
        let root = std::thread::Builder::new().name("flamewatch-root".to_owned()).spawn(outermost);
        let root = root.ok().and_then(|thread| thread.join().ok()).flatten();
        Self {
            stack: Box::new([0; COPIED_WORDS]),
            root,
            code: Code::of_process(),
            functions: Functions::loaded(),
            _user: user,
        }
    }

    /// The addresses of the thread that sleeps at `pc` with its stack pointer at `sp`, innermost first, at most `most`.
    pub(crate) fn walk(&mut self, pc: usize, sp: usize, most: usize) -> (Vec<u64>, End) {
        let Some(mut walker) = Pool::global().take() else { return (Vec::new(), End::Busy) };
        let copied = copy::words(sp, &mut self.stack[..]);
        let copy = Copy { start: sp, words: self.stack.get(..copied).unwrap_or(&[]) };
        let start = Registers { pc, sp, fp: UNKNOWN, lr: 0 };
        let (mut frames, end, reached) = follow(&mut walker, First::Interrupted, start, &copy, most);
        if end == End::Full || self.is_root(end, &frames) {
            return (frames, end);
        }
        let first = if frames.len() <= 1 { First::Interrupted } else { First::Return };
        let kept = frames.len().saturating_sub(1);
        for guess in self.guesses(&copy, reached) {
            let from = Registers { fp: guess, ..reached };
            let (rest, end, _) = follow(&mut walker, first, from, &copy, most.saturating_sub(kept));
            if rest.len() > 1 && self.is_root(end, &rest) {
                frames.truncate(kept);
                frames.extend(rest);
                return (frames, End::Root);
            }
        }
        (frames, End::Lost)
    }

    /// Where the frame pointer of the last frame that was reached may be. By the way its function begins; else places
    /// above the stack pointer with the address behind a call above them, first those whose call names this function:
    /// what an earlier call left behind on the stack names another.
    fn guesses(&self, copy: &Copy<'_>, reached: Registers) -> Vec<usize> {
        if let Some(known) = self.functions.frame_pointer(reached.pc, reached.sp) {
            return vec![known];
        }
        let start = self.functions.start(reached.pc);
        let places = (0..SEARCHED_WORDS).map(|index| reached.sp.wrapping_add(index * WORD));
        let (mut sure, mut possible) = (Vec::new(), Vec::new());
        for place in places {
            let Some(address) = copy.word(place.wrapping_add(WORD)) else { break };
            if !self.code.contains(address as u64) {
                continue;
            }
            match Call::before(address) {
                Some(Call::To(target)) if Some(target) == start => sure.push(place),
                Some(Call::Anywhere) => possible.push(place),
                _ => {}
            }
        }
        sure.extend(possible);
        sure.truncate(MAX_GUESSES);
        sure
    }

    /// Whether a walk ended where threads begin, or where the program's first does: that has an end of its own.
    fn is_root(&self, end: End, frames: &[u64]) -> bool {
        let Some(last) = frames.last().and_then(|last| usize::try_from(*last).ok()) else { return false };
        end == End::Root
            && (self.root.is_none_or(|root| root == last) || self.code.is_of_program(last as u64))
    }
}

fn follow(
    walker: &mut Walker<'_>,
    first: First,
    from: Registers,
    copy: &Copy<'_>,
    most: usize,
) -> (Vec<u64>, End, Registers) {
    let mut frames = Vec::with_capacity(32);
    let (end, reached) = walker.walk(
        first,
        from,
        |address| copy.word(address),
        |address| {
            frames.push(address as u64);
            frames.len() < most
        },
    );
    (frames, end, reached)
}

impl Copy<'_> {
    fn word(&self, address: usize) -> Option<usize> {
        if !address.is_multiple_of(WORD) || address < self.start {
            return None;
        }
        let index = (address - self.start) / WORD;
        self.words.get(index).copied().or_else(|| copy::word(address))
    }
}

/// The outermost return address of a thread that libc started.
fn outermost() -> Option<usize> {
    crate::sys::thread::withdraw();
    let mut walker = Pool::global().take()?;
    let mut last = None;
    let mut stack = super::stack::Reader::above(here().sp);
    let (end, _) = walker.walk(
        First::Interrupted,
        here(),
        |address| stack.word(address),
        |address| {
            last = Some(address);
            true
        },
    );
    last.filter(|_| end == End::Root)
}
