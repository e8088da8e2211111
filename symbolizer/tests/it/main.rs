//! The symbolizer against real files: its own test program, and small C programs built on the spot.

mod batch;
mod c;
mod chain;
mod exact;
mod hostile;
mod index;
mod sys;
